"""examples/keras_tuner runs."""

import os
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parents[2] / "examples" / "keras_tuner" / "search.py"


def test_the_example_runs(tmp_path):
    options = ["--blocks", "1", "--filters", "2", "--epochs", "1", "--trials", "1"]
    done = subprocess.run(
        [sys.executable, str(SCRIPT), *options, "--out", str(tmp_path)],
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert "normal/1/operation_1" in done.stdout
    assert len(list(tmp_path.glob("digits/trial_*/trial.json"))) == 1
