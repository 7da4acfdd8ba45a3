"""examples/keras_tuner runs."""

from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "examples" / "keras_tuner" / "search.py"


def test_the_example_runs(run_script, tmp_path):
    pytest.importorskip("keras_tuner")
    options = ["--blocks", "1", "--filters", "2", "--epochs", "1", "--trials", "1"]
    printed = run_script(SCRIPT, *options, "--out", tmp_path)
    assert "architecture: normal: " in printed
    assert "normal/1/operation_1" not in printed
    assert len(list(tmp_path.glob("digits/trial_*/trial.json"))) == 1
