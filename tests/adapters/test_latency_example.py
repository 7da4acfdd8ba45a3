"""The example of a latency target, as a user runs it."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parents[2] / "examples" / "latency" / "search.py"


@pytest.mark.slow
@pytest.mark.parametrize("meter", ["litert", "multiply-adds"])
def test_example_halves_the_latency(meter, tmp_path):
    pytest.importorskip("ai_edge_litert")
    options = [
        "--meter",
        meter,
        "--children",
        "3",
        "--epochs",
        "2",
        "--filters",
        "4",
        "--blocks",
        "2",
    ]
    done = subprocess.run(
        [sys.executable, str(EXAMPLE), *options],
        capture_output=True, text=True, check=False, timeout=580,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    accurate, within = (
        [float(x) for x in found]
        for found in re.findall(r"trial \d+: ([\d.]+) at ([\d.]+)", done.stdout)
    )
    limit = float(re.search(r"at most ([\d.]+)", done.stdout).group(1))
    cost = float(re.search(r"cost (-?[\d.]+) of", done.stdout).group(1))
    assert limit == pytest.approx(accurate[1] / 2, rel=1e-4)
    assert within[1] <= limit
    assert cost == pytest.approx(accurate[0] - within[0], abs=2e-4)
