"""A plain child that is given the supernet's weights computes what the supernet does."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import keras
import pytest

from cellwright.search_spaces import NASNetSpace, register_operation
from cellwright.search_spaces.errors import UnbuildableChild

SCRIPT = Path(__file__).with_name("shared_outputs.py")
# XLA compiles every shape that it meets; what it makes is run a few times here.
JAX = {"JAX_PLATFORMS": "cpu", "XLA_FLAGS": "--xla_backend_optimization_level=0"}


def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location(SCRIPT.stem, SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    "name",
    [
        "small",
        "sequences",
        *(
            pytest.param(name, marks=pytest.mark.slow)
            for name in (
                "blocks",
                "book",
                "darts",
                "wide",
                "published",
                "narrow stem",
                "amoebanet",
                "repaired",
                "imagenet",
                "pnasnet",
                "published operations",
                "blocks that read blocks",
            )
        ),
    ],
)
def test_a_child_with_the_shared_weights_computes_the_same(name: str) -> None:
    module = script()
    found = module.differences(module.SPACES[name], 10)
    assert len(found) == 10
    assert max(found) < 1e-5, found


@pytest.mark.slow
@pytest.mark.parametrize("name", ["small", "wide"])
@pytest.mark.parametrize("backend", ["torch", "jax"])
def test_it_does_so_on_other_backends(backend: str, name: str) -> None:
    if importlib.util.find_spec(backend) is None or backend == keras.backend.backend():
        pytest.skip(f"{backend} is not installed, or is this process's")
    done = subprocess.run(
        [sys.executable, str(SCRIPT), name, "10"],
        env={**os.environ, "KERAS_BACKEND": backend, **(JAX if backend == "jax" else {})},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert len(found) == 10
    assert max(found) < 1e-5, found


def test_operations_of_ones_own_are_refused() -> None:
    register_operation("mine", lambda x, filters, stride, at: x)
    space = NASNetSpace(operations=("sep_3x3", "mine"))
    with pytest.raises(UnbuildableChild, match=r"set book alone, and \['mine'\] are your own"):
        space.shared_network((8, 8, 1), 10)
