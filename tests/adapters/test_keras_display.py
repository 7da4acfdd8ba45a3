"""Architectures in Keras Tuner's own pages: summaries, tables, files and pictures of trials."""

import json

import keras_tuner as kt
import pytest

from cellwright.adapters import keras_display
from cellwright.adapters.keras_oracle import NASNetEvolutionOracle, StrategyOracle, architecture
from cellwright.search_spaces import Decision, Float, JointSpace, NASNetSpace, SearchSpace

CELLS = NASNetSpace(blocks=2)


class Counting(kt.engine.base_tuner.BaseTuner):
    def run_trial(self, trial, *args, **kwargs):
        params = architecture(trial.hyperparameters, self.oracle.space)
        trial.hyperparameters.Float("momentum", 0.0, 1.0)
        if trial.trial_id == "1":
            raise RuntimeError("bad luck")
        return float(params["normal/1/operation_1"] == "sep_3x3") + int(trial.trial_id) / 100


def search(path, space=CELLS, trials=3, verbose=0, **kwargs):
    mine = StrategyOracle(
        kt.Objective("score", "max"), trials, strategy="random", space=space, seed=0, **kwargs
    )
    tuner = Counting(mine, directory=str(path), project_name="p")
    tuner.search(verbose=verbose)
    return tuner


def test_summaries_show_an_architecture_in_a_few_lines(tmp_path, capsys):
    space = JointSpace(CELLS, Float("learning_rate", 1e-4, 1e-2))
    tuner = search(tmp_path, space, verbose=1)
    searching = capsys.readouterr().out
    tuner.results_summary()
    lines = capsys.readouterr().out.splitlines()
    again = search(tmp_path, space)  # reloaded, with nothing left to do
    capsys.readouterr()
    again.results_summary()
    assert capsys.readouterr().out.splitlines() == lines
    params = tuner.oracle.record()[0].params
    for text in ("architecture: " + space.in_short(params)[:60], "learning_rate", "momentum"):
        assert text in searching
        assert any(text in line for line in lines)
    assert "normal/1/operation_1" not in searching + "".join(lines)
    assert len([line for line in lines if line.startswith("Trial ")]) == 3
    assert len([line for line in lines if "Traceback" not in line]) < 45


def test_each_trial_keeps_its_architecture(tmp_path):
    tuner = search(tmp_path)
    for told in tuner.oracle.record():
        file = tmp_path / f"p/trial_{told.number}/trial.json"
        assert json.loads(file.read_text())["architecture"] == CELLS.in_short(told.params)
        kt.engine.trial.Trial.load(str(file))  # Keras Tuner reads it as ever
    again = search(tmp_path)
    assert {t.architecture for t in again.oracle.trials.values()} == {
        CELLS.in_short(told.params) for told in tuner.oracle.record()
    }


def test_a_project_of_before_gets_them_when_it_is_taken_up(tmp_path):
    text = search(tmp_path).oracle.trials["0"].architecture
    file = tmp_path / "p/trial_0/trial.json"
    state = json.loads(file.read_text())
    assert state.pop("architecture") == text
    file.write_text(json.dumps(state))
    assert search(tmp_path).oracle.trials["0"].architecture == text


def test_the_picture_of_the_best_lies_in_its_folder(tmp_path):
    best = search(tmp_path).oracle.get_best_trials()[0].trial_id
    pictures = sorted(tmp_path.glob("p/trial_*/*.png"))
    assert {file.parent.name for file in pictures} == {f"trial_{best}"}
    assert [file.name for file in pictures] == [
        f"architecture_{name}_cell.png" for name in ("normal", "reduction")
    ]
    assert all(file.read_bytes().startswith(b"\x89PNG") for file in pictures)


def test_a_search_that_is_stopped_has_a_picture_too(tmp_path, monkeypatch):
    monkeypatch.setattr(keras_display, "_PAUSE", -1.0)  # seconds

    class Stopped(Counting):
        def run_trial(self, trial, *args, **kwargs):
            if trial.trial_id == "2":
                raise KeyboardInterrupt
            return super().run_trial(trial)

    mine = StrategyOracle(kt.Objective("score", "max"), 3, strategy="random", space=CELLS, seed=0)
    with pytest.raises(KeyboardInterrupt):
        Stopped(mine, directory=str(tmp_path), project_name="p").search(verbose=0)
    assert {file.parent.name for file in tmp_path.glob("p/*/*.png")} == {"trial_0"}


def test_a_picture_that_cannot_be_drawn_ends_no_search(tmp_path, caplog):
    class Undrawn(SearchSpace):
        def figures(self, params, model=None):
            raise ZeroDivisionError("no paper")

    space = Undrawn([Decision("normal/1/operation_1", ("sep_3x3", "identity"))])
    assert len(search(tmp_path, space).oracle.record()) == 3
    (said,) = caplog.messages
    assert "no picture of the architecture in" in said


@pytest.mark.parametrize("seed", [0, 7])
def test_an_oracle_says_what_it_is(seed):
    mine = NASNetEvolutionOracle("val_loss", 20, space=CELLS, seed=seed)
    assert repr(mine) == (
        "NASNetEvolutionOracle(val_loss (min); max_trials=20, strategy=RegularizedEvolution, "
        f"space={CELLS!r}, seed={seed})"
    )
