"""``cellwright search --one-shot``: shared weights in every host, and what is said about them."""

import csv
import json
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest

from cellwright.command_line.options import settings_of
from cellwright.plugins import WeightBank, make_strategy
from cellwright.search_spaces import CellwrightError
from cellwright.searches.folder import continue_or_start, read_settings

keras = pytest.importorskip("keras")
pytest.importorskip("optuna")

SERIES = {
    "strategy": "hybrid", "space": "one_shot_space:SPACE", "data": "wine", "epochs": 2,
    "learning_rate": 0.01, "reward": "weighted-accuracy", "one_shot": True,
}  # fmt: skip
OPTIONS = [
    "--one-shot",
    *(
        part
        for name, value in SERIES.items()
        if name != "one_shot"
        for part in (f"--{name.replace('_', '-')}", value)
    ),
]
TRIALS = 6
# Few widths, so that layers meet again soon.
SPACE = """
from cellwright.search_spaces import MLPSpace

SPACE = MLPSpace(nodes=(4, 8, 16), activations=("relu",), length=3)
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    home = tmp_path_factory.mktemp("one-shot")
    (home / "one_shot_space.py").write_text(SPACE)
    return home


@pytest.fixture
def space(home, importable):
    importable(home)


def table(folder):
    with (folder / "trials.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def one_after_the_other(folder):
    """What the trials of a search score, by the bare loop."""
    settings = settings_of(**SERIES)
    evaluation = settings.make_evaluation(weights=folder)
    strategy = make_strategy("hybrid", evaluation.space, seed=0)
    for number in range(TRIALS):
        params = strategy.ask(number)
        metrics, _ = evaluation.run(params)
        yield metrics
        strategy.tell(number, params, metrics["reward"])


@pytest.fixture(scope="module")
def finished(home, cellwright):
    """A search of three trials that goes on to six."""
    for trials in (3, TRIALS):
        printed, code = cellwright(home, "search", *OPTIONS, "--trials", trials, "--out", "done")
        assert code == 0, printed
    assert "continuing after 3 trials" in printed
    return home / "done", printed


@pytest.mark.parametrize("host", ["keras-tuner", pytest.param("nni", marks=pytest.mark.slow)])
def test_other_hosts_share_weights_as_optuna_does(host, cellwright, home, finished, space):
    pytest.importorskip(host.replace("-", "_"))
    options = ("search", *OPTIONS, "--host", host, "--out", host)
    for trials in (3, TRIALS):
        printed, code = cellwright(home, *options, "--trials", trials)
        assert code == 0, printed
    assert "one-shot: 4 of 6 children began with weights that others had trained" in printed
    assert f"the best 5 of 6 trials in {host}" in printed
    found = json.loads(cellwright(home, "best", host, "--top", 5, "--json")[0])
    rewards = sorted((float(row["reward"]) for row in table(home / host)), reverse=True)
    assert [trial["metrics"]["reward"] for trial in found] == pytest.approx(rewards[:5])
    for mine, theirs in zip(table(home / host), table(finished[0]), strict=True):
        for name in ("reward", "val_loss", "shared_layers"):
            assert float(mine[name]) == pytest.approx(float(theirs[name])), name
    assert (home / host / "pictures" / "distribution.png").exists()


def test_the_bank_is_in_the_folder_and_survives_a_stop(finished, space, tmp_path):
    folder, _ = finished
    rows = table(folder)
    for row, expected in zip(rows, one_after_the_other(tmp_path / "bank"), strict=True):
        for name in ("reward", "weighted_val_accuracy", "val_loss", "shared_layers"):
            assert float(row[name]) == pytest.approx(expected[name]), name
    names = {path.name for path in (folder / "weights").iterdir()}
    assert names == {path.name for path in (tmp_path / "bank").iterdir()}
    assert all(row["reward"] == row["weighted_val_accuracy"] for row in rows)


def test_scores_with_shared_weights_are_marked_where_they_are_shown(cellwright, home, finished):
    folder, printed = finished
    layers = [int(float(row["shared_layers"])) for row in table(folder)]
    assert layers == [0, 0, 1, 2, 2, 2]
    said = "one-shot: 4 of 6 children began with weights that others had trained"
    for number in (3, 4, 5):  # of the second command
        line = printed.partition(f"trial {number} ")[2].partition("trial ")[0]
        assert "2 layers with shared weights" in line
    assert "6 trials in done" in printed  # the table of the best five follows
    assert f"{said}, so that their rewards are not those of a training of their own" in printed
    assert "`cellwright export done --trial N` trains one from fresh weights" in printed
    for command in (("show", "done"), ("report", "done")):
        printed, code = cellwright(home, *command)
        assert code == 0, printed
        assert said in printed
        assert "with shared weights" in printed
    best = max(table(folder), key=lambda row: float(row["reward"]))
    count = int(float(best["shared_layers"]))
    printed, _ = cellwright(home, "best", "done")
    assert (
        f"best: trial {best['trial']}, reward {float(best['reward']):.4f}, {count} layer" in printed
    )
    assert "it began with weights that earlier children had trained" in printed
    shown, _ = cellwright(home, "show", "done", "--trial", best["trial"], "--json")
    assert json.loads(shown)["shared_layers"] == count
    pictures = {path.name for path in (folder / "pictures").iterdir()}
    assert {"distribution.png", "distribution.svg", "search.png"} <= pictures


def test_the_best_five_are_told(cellwright, home, finished):
    rows = sorted(table(finished[0]), key=lambda row: (-float(row["reward"]), int(row["trial"])))
    printed, code = cellwright(home, "best", "done", "--top", 5)
    assert code == 0
    for place, row in enumerate(rows[:5], start=1):
        assert f"{place}. trial {row['trial']}, reward {float(row['reward']):.4f}" in printed
    assert "6. trial" not in printed
    found = json.loads(cellwright(home, "best", "done", "--top", 5, "--json")[0])
    assert [str(trial["trial"]) for trial in found] == [row["trial"] for row in rows[:5]]
    assert found[0] == json.loads(cellwright(home, "best", "done", "--json")[0])
    assert found[0]["metrics"]["shared_layers"] == float(rows[0]["shared_layers"])
    searched, _ = cellwright(home, "search", *OPTIONS, "--trials", TRIALS, "--out", "done")
    assert "the best 5 of 6 trials in done" in searched


def test_an_exported_trial_is_trained_from_fresh_weights(cellwright, home, finished, space):
    folder, _ = finished
    rows = table(folder)
    best = max(range(TRIALS), key=lambda number: float(rows[number]["reward"]))
    before = {path: path.read_bytes() for path in (folder / "weights").iterdir()}
    printed, code = cellwright(home, "export", "done", "--to", "keras", "--trial", best)
    assert code == 0, printed
    assert f"a one-shot search: trial {best} is trained again, from fresh weights" in printed
    assert f"in the search it was {float(rows[best]['val_accuracy']):.4f}, with shared" in printed
    assert before == {path: path.read_bytes() for path in (folder / "weights").iterdir()}
    evaluation = settings_of(**SERIES).make_evaluation()
    params = {name: rows[best][name] for name in evaluation.space.names}
    _, expected = evaluation.run(params)
    x = evaluation.data.x_val
    made = keras.models.load_model(folder / "children" / f"trial_{best}.keras")
    kept = keras.models.load_model(folder / "best.keras")
    np.testing.assert_allclose(
        made.predict(x, verbose=0), expected.predict(x, verbose=0), atol=1e-5
    )
    assert not np.allclose(kept.predict(x, verbose=0), expected.predict(x, verbose=0), atol=1e-3)


def test_a_lost_best_child_is_trained_from_fresh_weights_once_and_says_so(
    cellwright, home, finished
):
    options = ("search", *OPTIONS, "--out", "lost", "--trials", 3)
    assert cellwright(home, *options)[1] == 0
    folder = home / "lost"
    (folder / "best.keras").unlink()
    assert cellwright(home, *options)[1] == 0
    kept = json.loads((folder / "best.json").read_text())
    assert "shared_layers" not in kept["metrics"]
    printed, _ = cellwright(home, "best", "lost")
    told = f"trained again from fresh weights: reward {kept['metrics']['reward']:.4f}"
    assert told in printed
    written = (folder / "best.keras").stat().st_mtime_ns
    assert cellwright(home, *options)[1] == 0
    assert (folder / "best.keras").stat().st_mtime_ns == written


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--space", "convnet"), "--one-shot needs a space that says which layers share weights"),
        (("--space", "mnasnet"), "mnasnet does not. Leave it out, or give such a --space"),
        (("--space", "convnet", "--tune", "batch_size=16,32"), "convnet does not"),
        (("--schedule", "hyperband"), "--one-shot and --schedule do not go together"),
    ],
)
def test_what_makes_no_sense_is_refused_before_a_child_is_trained(
    cellwright, tmp_path, options, message
):
    for command in (("search", "--out", "wrong"), ("nni-init", "wrong")):
        printed, code = cellwright(tmp_path, *command, "--one-shot", *options)
        assert code == 1
        assert message in printed
        assert not (tmp_path / "wrong").exists()


def test_the_setting_is_kept_and_files_from_before_lack_it():
    settings = settings_of(space="mlp", one_shot=True)
    plain = replace(settings, one_shot=False)
    settings.save(Path("."))
    assert read_settings(Path(".")) == settings
    with pytest.raises(CellwrightError, match="--one-shot was True and is now False"):
        continue_or_start(Path("."), plain)
    before = {name: value for name, value in asdict(plain).items() if name != "one_shot"}
    Path("settings.json").write_text(json.dumps(before))
    assert read_settings(Path(".")) == plain


def test_nni_init_writes_a_script_with_the_bank(cellwright, home, space):
    pytest.importorskip("nni")
    printed, code = cellwright(home, "nni-init", "experiment", *OPTIONS)
    assert code == 0, printed
    text = (home / "experiment" / "trial.py").read_text()
    names = {"__name__": "read"}
    exec(text.replace("__main__", "read").replace("    run(", "    (lambda *a, **b: 0)("), names)
    evaluation = names["evaluation"]
    assert isinstance(evaluation.weights, WeightBank)
    assert evaluation.weights.folder == Path("weights")
    assert evaluation.reward.metric == "weighted_val_accuracy"
    assert not (home / "experiment" / "weights").exists()
