"""The same seed gives the same proposals on every kind of processor.

Libraries of linear algebra choose their kernels by the processor, and these round differently. The
variables set here make them choose the kernels of others, in a process of their own.
"""

import json
import os
import subprocess
import sys
from functools import cache

import pytest

PROPOSE = """
import json
import cellwright
from cellwright.plugins import make_strategy

found = {}
guided = ("auto", "pareto-predictor")
for name in (*guided, "reinforce", "ppo", "evolution", "local"):
    space = cellwright.NASNetSpace() if name in guided else cellwright.MnasNetSpace()
    strategy = make_strategy(name, space, seed=7)
    found[name] = []
    for number in range(30):
        params = strategy.ask(number)
        indices = space.encode(params)
        sums = [sum(i * ((n + k) % 5 - 2) for n, i in enumerate(indices)) / 50 for k in range(2)]
        strategy.tell(number, params, sums[0] if strategy.objectives == 1 else sums)
        found[name].append(indices)
print(json.dumps(found))
"""
KINDS = {
    "Haswell": {"OPENBLAS_CORETYPE": "Haswell"},
    "Nehalem": {"OPENBLAS_CORETYPE": "Nehalem"},
    "no AVX2": {"NPY_DISABLE_CPU_FEATURES": "X86_V3 X86_V4"},
    "two threads": {"OPENBLAS_NUM_THREADS": "2"},
}


@cache
def proposals(kind: str | None = None) -> dict[str, list[list[int]]]:
    variables = {} if kind is None else KINDS[kind]
    ran = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", PROPOSE],
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, ran.stderr
    found: dict[str, list[list[int]]] = json.loads(ran.stdout)
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_the_proposals_are_the_same(kind):
    usual, other = proposals(), proposals(kind)
    for name, expected in usual.items():
        pairs = zip(other[name], expected, strict=True)
        apart = [number for number, (one, two) in enumerate(pairs) if one != two]
        assert not apart, f"{name} proposes otherwise from trial {apart[0]} on"
