"""`cellwright search --confirm`: the best children trained again, which decides what wins.

The children are networks of a table, and train in a second.
"""

import json
import os

import numpy as np
import pytest

from cellwright.plugins.metrics import CONFIRMED
from cellwright.searches import confirmation
from cellwright.searches.confirmation import AGAIN, FILE, read_trainings, read_trials
from cellwright.searches.folder import read_settings
from cellwright.searches.trial import best_trial

keras = pytest.importorskip("keras")
pytest.importorskip("optuna")

OPTIONS = ("--space", "mlp", "--data", "wine", "--epochs", "2", "--seed", "4", "--trials", "4")


@pytest.fixture(scope="module")
def confirmed(tmp_path_factory, run):
    """A search whose two best children were confirmed later, and what that printed."""
    place = tmp_path_factory.mktemp("confirm")
    run(place, "search", *OPTIONS, "--out", "found")
    printed = run(place, "search", *OPTIONS, "--out", "found", "--confirm", "2")
    return place / "found", printed


def test_both_numbers_are_shown_and_decide(confirmed, run):
    folder, printed = confirmed
    trials = read_trials(folder, read_settings(folder))
    best = best_trial(trials)
    means = {t.number: t.metrics[CONFIRMED] for t in trials if CONFIRMED in t.metrics}
    assert len(means) == 2
    assert means[best.number] == max(means.values())
    assert printed.count("with another seed: reward") == 2 * AGAIN
    for told in (
        printed,
        run(folder.parent, "show", "found"),
        run(folder.parent, "best", "found"),
        run(folder.parent, "report", "found"),
    ):
        assert f"trial {best.number}" in told
        assert f"mean of {1 + AGAIN} trainings {best.metrics[CONFIRMED]:.4f} (spread" in told
    found = json.loads(run(folder.parent, "best", "found", "--json"))
    assert found["trial"] == best.number
    assert found["metrics"][CONFIRMED] == best.metrics[CONFIRMED]
    assert found["metrics"]["reward"] == best.reward


def test_other_seeds_train_other_networks(confirmed):
    folder, _ = confirmed
    trials = {trial.number: trial for trial in read_trials(folder, read_settings(folder))}
    rewards = {(training.trial, training.reward) for training in read_trainings(folder)} | {
        (n, trials[n].reward) for n in {t.trial for t in read_trainings(folder)}
    }
    assert len(rewards) > 2, "a child scored the same with every seed: the seeds change nothing"


def test_nothing_is_trained_twice_and_the_option_stays(confirmed, run):
    folder, _ = confirmed
    before = (folder / FILE).read_bytes(), (folder / "best.keras").stat().st_mtime_ns
    again = run(folder.parent, "search", *OPTIONS, "--out", "found")
    assert "with another seed" not in again
    assert f"mean of {1 + AGAIN} trainings" in again
    assert before == ((folder / FILE).read_bytes(), (folder / "best.keras").stat().st_mtime_ns)


def test_a_confirmation_that_was_stopped_goes_on(confirmed, run, tmp_path_factory):
    import shutil

    place = tmp_path_factory.mktemp("stopped")
    shutil.copytree(confirmed[0], place / "found")
    whole = json.loads((place / "found" / FILE).read_text())
    (place / "found" / FILE).write_text(json.dumps({"trainings": whole["trainings"][:1]}))
    highest = json.loads(run(place, "best", "found", "--json"))
    trials = read_trials(place / "found", read_settings(place / "found"))
    assert highest["metrics"]["reward"] == max(trial.reward for trial in trials)
    printed = run(place, "search", *OPTIONS, "--out", "found")
    assert printed.count("with another seed: reward") == 2 * AGAIN - 1
    assert json.loads((place / "found" / FILE).read_text()) == whole


def test_the_confirmed_child_is_the_one_that_every_command_takes(confirmed, run):
    """The file is written so that a child that was not the best of the search wins."""
    folder, _ = confirmed
    settings = read_settings(folder)
    first, second = confirmation.best_of(read_trials(folder, settings), 2)
    whole = json.loads((folder / FILE).read_text())
    for training in whole["trainings"]:
        training["reward"] = -9.0 if training["trial"] == first.number else first.reward
    (folder / FILE).write_text(json.dumps(whole))
    printed = run(folder.parent, "search", *OPTIONS, "--out", "found")
    assert f"best: trial {second.number}" in printed
    kept = json.loads((folder / "best.json").read_text())
    assert kept["params"] == second.params
    assert kept["metrics"]["reward"] == pytest.approx(second.reward, abs=1e-6)
    genotype = json.loads((folder / "genotype.json").read_text())
    assert genotype == json.loads(json.dumps(settings.make_space().describe(second.params)))
    network = keras.models.load_model(folder / "best.keras")
    built = settings.make_evaluation(measure=False).build(second.params)
    assert network.count_params() == built.count_params()
    run(folder.parent, "train", "found", "--epochs", "1", "--out", "model")
    made = json.loads((folder.parent / "model" / "model.json").read_text())["made"]
    assert made["params"] == second.params
    x = np.zeros((1, *network.input_shape[1:]), "float32")
    assert network(x).shape[-1] == 3
    run(folder.parent, "export", "found", "--to", "python", "--out", "exported")
    assert any("exported" in name for name in os.listdir(folder.parent))


@pytest.mark.slow  # a search in each of the other hosts, which take a minute to start
@pytest.mark.parametrize("host", ["keras-tuner", "ray", "nni"])
def test_every_host_confirms(host, run, tmp_path):
    pytest.importorskip({"keras-tuner": "keras_tuner"}.get(host, host))
    printed = run(tmp_path, "search", *OPTIONS, "--host", host, "--out", "found", "--confirm", "1")
    assert printed.count("with another seed: reward") == AGAIN
    assert f"mean of {1 + AGAIN} trainings" in run(tmp_path, "best", "found")
