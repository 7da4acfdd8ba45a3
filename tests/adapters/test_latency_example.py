"""The example of a latency target, as a user runs it."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parents[2] / "examples" / "latency" / "search.py"


@pytest.mark.slow
def test_example_halves_what_a_child_costs():
    """Multiply-adds, which do not depend on what else the machine does."""
    pytest.importorskip("tensorflow")
    small = {"--children": 3, "--epochs": 1, "--filters": 4, "--blocks": 1}
    options = [str(word) for pair in small.items() for word in pair]
    done = subprocess.run(
        [sys.executable, str(EXAMPLE), "--meter", "multiply-adds", *options],
        capture_output=True, text=True, check=False, timeout=580,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    accurate, within = (
        [float(x) for x in found]
        for found in re.findall(r"trial \d+: ([\d.]+) at ([\d.e+]+)", done.stdout)
    )
    limit = float(re.search(r"at most ([\d.e+]+)", done.stdout).group(1))
    cost = float(re.search(r"cost (-?[\d.]+) of", done.stdout).group(1))
    assert limit == pytest.approx(accurate[1] / 2, rel=1e-4)
    assert within[1] <= limit * (1 + 1e-5)  # both are printed with six digits
    assert cost == pytest.approx(accurate[0] - within[0], abs=2e-4)
