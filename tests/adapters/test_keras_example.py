"""examples/keras_tuner runs, and so do the snippets of the page that it belongs to."""

import difflib
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples" / "keras_tuner"
PAGE = (ROOT / "docs" / "keras_tuner.md").read_text(encoding="utf-8")


def test_the_example_runs(run_script, tmp_path):
    pytest.importorskip("keras_tuner")
    options = ["--blocks", "1", "--filters", "2", "--epochs", "1", "--trials", "1"]
    printed = run_script(EXAMPLES / "search.py", *options, "--out", tmp_path)
    assert "architecture: normal: " in printed
    assert "normal/1/operation_1" not in printed
    assert len(list(tmp_path.glob("digits/trial_*/trial.json"))) == 1


@pytest.fixture
def _eager():
    tf = pytest.importorskip("tensorflow")
    tf.config.run_functions_eagerly(True)  # for two batches, a child is not worth being traced
    yield
    tf.config.run_functions_eagerly(False)


@pytest.mark.slow
@pytest.mark.usefixtures("_eager")
def test_a_script_as_one_writes_it_takes_three_other_lines(run_script, tmp_path):
    before, after = ((EXAMPLES / f"{name}.py").read_text() for name in ("before", "after"))
    differing = [line for line in difflib.ndiff(before.splitlines(), after.splitlines())
                 if line[0] in "+-" and line[2:].strip()]  # fmt: skip
    assert len([line for line in differing if line[0] == "+"]) == 3
    (block,) = re.findall(r"```diff\n(.*?)```", PAGE, re.DOTALL)
    assert sorted(block.splitlines()) == sorted(line[0] + line[2:] for line in differing)
    for name, text in (("random", before), ("auto", after)):
        small = text.replace("TRIALS, EPOCHS = 20, 10", "TRIALS, EPOCHS = 1, 1")
        small = small.replace("digits.images[", "digits.images[:40")
        small = small.replace("digits.images[:40...", "digits.images[:40, ...")
        small = small.replace("digits.target", "digits.target[:40]")
        assert small.count("[:40") == 2
        (tmp_path / f"{name}.py").write_text(small)
        printed = run_script(tmp_path / f"{name}.py")
        assert ("architecture: normal: " in printed) == (name == "auto")
        assert (tmp_path / "best.keras").exists()
        (tmp_path / "best.keras").unlink()
        assert len(list(tmp_path.glob(f"{name}/*/trial_*/trial.json"))) == 1


@pytest.mark.slow
def test_what_replaces_keras_tuners_own_tuners_runs(tmp_path):
    """Every snippet of the section, on networks that are scored without being trained."""
    keras_tuner = pytest.importorskip("keras_tuner")
    architecture = pytest.importorskip("cellwright.adapters.keras_oracle").architecture
    scored = []

    class Untrained(keras_tuner.Tuner):
        def run_trial(self, trial, *args, **kwargs):
            architecture(trial.hyperparameters, self.oracle.space)
            scored.append(trial.hyperparameters.values.get("tuner/epochs"))
            return {"val_accuracy": 1 / len(scored)}

    section = PAGE.split("\n## Instead of ")[1].split("\n## ")[0]
    snippets = re.findall(r"```python\n(.*?)```", section, re.DOTALL)
    assert len(snippets) == 4
    setting = {"x": None, "y": None, "held_out": None, "build_network": lambda hp: None}
    for snippet in snippets:
        small = re.sub(r"max_trials=(\d+)", "max_trials=2", snippet)
        small = re.sub(r"max_trials=schedule.trials", "max_trials=3", small)
        small = small.replace("keras_tuner.Tuner(", "Untrained(")
        exec(compile(small, "keras_tuner.md", "exec"), {**setting, "Untrained": Untrained})
