"""``cellwright search --supernet``: shared weights choose the first children, in every host."""

from __future__ import annotations

import csv
import json
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cellwright.command_line.options import settings_of
from cellwright.plugins.supernet import SharedScore, SharedScores, best_shared
from cellwright.search_spaces import CellwrightError, CorruptedState, NASNetSpace
from cellwright.searches.checks import check_settings
from cellwright.searches.folder import read_settings
from cellwright.searches.settings import KeptScore
from cellwright.searches.shared import about_strategy, judge_of
from cellwright.searches.trial import Trial, about_supernet

pytest.importorskip("keras")
pytest.importorskip("optuna")

# A small one, so that its training takes a minute.
SPACE = """
from cellwright.search_spaces import NASNetSpace
from cellwright.search_spaces.nasnet.skeleton import Skeleton

SPACE = NASNetSpace(
    blocks=1,
    operations=("sep_3x3", "max_3x3", "identity"),
    skeleton=Skeleton.book(filters=8, reductions=1),
)
"""
EPOCHS, SCORED, BEST, TRIALS = 12, 40, 2, 4
SEARCH = [
    "search", "--space", "shared_space:SPACE", "--data", "digits", "--epochs", "1",
    "--batch-size", "64", "--learning-rate", "0.003", "--supernet", EPOCHS,
    "--shared-trials", SCORED, "--shared-best", BEST, "--trials", TRIALS,
]  # fmt: skip


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("supernet")
    (home / "shared_space.py").write_text(SPACE)
    return home


@pytest.fixture
def space(home, importable):
    importable(home)


def table(folder: Path) -> list[dict[str, str]]:
    with (folder / "trials.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    return sorted(rows, key=lambda row: int(row["trial"]))


@pytest.fixture(scope="module")
def finished(home, cellwright):
    """A search of three trials that goes on to four."""
    for trials in (3, TRIALS):
        printed, code = cellwright(home, *SEARCH, "--trials", trials, "--out", "done")
        assert code == 0, printed
        (home / f"printed-{trials}").write_text(printed)
    return home / "done"


@pytest.mark.slow
def test_the_first_trials_train_the_best_by_shared_weights(finished, home, space):
    settings = read_settings(finished)
    rewards = [one.reward for one in settings.shared]
    assert rewards[0] == max(rewards)
    assert rewards[:BEST] == sorted(rewards, reverse=True)[:BEST]
    made = settings.make_space()
    for row, one in zip(table(finished), settings.shared[:BEST], strict=False):
        wanted = made.decode(one.choices)
        assert {name: row[name] for name in wanted} == {n: str(v) for n, v in wanted.items()}
        assert float(row["shared_accuracy"]) == pytest.approx(one.score)
        assert row["reward"] == row["val_accuracy"] != row["shared_accuracy"]
    strategy = settings.make_strategy()
    assert len(strategy.start) == BEST
    assert len(strategy.prior) == 1  # auto learns from the others
    assert len(strategy.prior[0]) == len(settings.shared) <= SCORED
    first, second = ((home / f"printed-{n}").read_text() for n in (3, TRIALS))
    assert "which no child has had in a training of its own" in first
    assert f"training for {EPOCHS} epochs" in first
    assert "continuing after 3 trials" in second
    assert "training for" not in second  # its scores are kept


@pytest.mark.slow
@pytest.mark.parametrize("host", ["keras-tuner", "ray", "nni"])
def test_other_hosts_train_the_same_children(host, cellwright, home, finished, space):
    pytest.importorskip(host.replace("-", "_"))
    kept = home / "done" / "supernet"
    printed, code = cellwright(
        home, *SEARCH, "--host", host, "--supernet-folder", kept, "--out", host
    )
    assert code == 0, printed
    assert f"it has had {EPOCHS} of them" in printed
    assert read_settings(home / host).shared == read_settings(finished).shared
    for mine, theirs in zip(table(home / host), table(finished), strict=True):
        names = [name for name in theirs if "/" in name]
        assert {name: mine[name] for name in names} == {name: theirs[name] for name in names}
        if theirs["shared_accuracy"]:
            shared = float(theirs["shared_accuracy"])
            assert float(mine["shared_accuracy"]) == pytest.approx(shared)


@pytest.mark.slow
def test_a_search_that_is_killed_while_the_supernet_trains_goes_on(home, space):
    def words(out: str) -> list[str]:
        options = ["--shared-best", "1", "--trials", "1", "--out", out]
        program = "from cellwright.command_line.app import main; main()"
        return [sys.executable, "-c", program, *map(str, SEARCH), *options]

    process = subprocess.Popen(words("killed"), cwd=home)
    kept = home / "killed" / "supernet" / "supernet.npz"
    deadline = time.monotonic() + 300
    while not kept.exists():
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.1)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (home / "killed" / "settings.json").exists()
    printed = {}
    for out in ("killed", "whole"):
        done = subprocess.run(words(out), cwd=home, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        printed[out] = done.stdout
    assert f"epoch 1 of {EPOCHS}" in printed["whole"]
    assert f"epoch 1 of {EPOCHS}" not in printed["killed"]
    assert read_settings(home / "killed").shared == read_settings(home / "whole").shared
    assert table(home / "killed")[0]["reward"] == table(home / "whole")[0]["reward"]


def test_scores_are_looked_up_and_the_best_come_first():
    space = NASNetSpace(blocks=1)
    children = [space.sample(np.random.default_rng(seed)) for seed in range(4)]
    found = [
        SharedScore(child, score, reward)
        for child, score, reward in zip(
            children, (0.1, 0.4, 0.3, 0.9), (0.1, 0.4, 0.3, None), strict=True
        )
    ]
    assert [one.score for one in best_shared(found, 2)] == [0.4, 0.3]
    scores = SharedScores(space, [(space.encode(one.params), one.score) for one in found[:2]])
    assert [scores(child) for child in children] == [0.1, 0.4, None, None]


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"supernet": None}, "--shared-best 3 is for a search with --supernet"),
        ({"shared_best": 21}, "--shared-best 21 is more than --trials 20"),
        ({"tune": ("batch_size=8,16",)}, "--supernet 5 and --tune: its weights are trained by one"),
        ({"one_shot": True}, "--supernet 5 and --one-shot: both share weights"),
        ({"after": ("runs/a",)}, "--supernet 5 and --after"),
        ({"patience": 2}, "--supernet 5 and --patience"),
        ({"precision": "mixed_bfloat16"}, "--supernet 5 and --precision"),
        ({"devices": 1}, "--supernet 5 and --devices"),
        ({"objectives": ("val_accuracy:max", "parameters:min")}, "--supernet 5 and --objectives"),
    ],
)
def test_what_does_not_go_with_a_supernet_is_refused(changes, told):
    settings = replace(settings_of(supernet=5, shared_best=3), **changes)
    with pytest.raises(CellwrightError, match=told):
        check_settings(settings)


def test_a_limit_and_a_reward_must_be_known_without_a_training():
    measured = settings_of(supernet=5, limit=3.0)  # of what Keras measures
    with pytest.raises(CellwrightError, match="a limit on latency_ms"):
        judge_of(measured, measured.make_evaluation())
    weighed = settings_of(supernet=5, target=3.0)
    with pytest.raises(CellwrightError, match="the reward: metric 'latency_ms' is missing"):
        judge_of(weighed, weighed.make_evaluation())
    counted = settings_of(supernet=5, limit=65e3, meter=["parameters"], filters=8)
    judge = judge_of(counted, counted.make_evaluation())
    space = counted.make_space()
    found = [judge(space.sample(np.random.default_rng(seed)), 0.5) for seed in range(12)]
    assert set(found) == {0.5, None}


def test_how_well_scores_rank_the_children_is_told():
    pairs = [(0.1, 0.5), (0.2, 0.7), (0.3, 0.6), (0.4, 0.8), (0.5, 0.9)]
    trials = [
        Trial(number, {}, "complete", {"shared_accuracy": shared, "val_accuracy": own})
        for number, (shared, own) in enumerate(pairs)
    ]
    told = about_supernet(trials)
    assert told is not None
    assert "of 5 children that were then trained is 0.80 " in told  # 9 pairs agree, 1 does not
    assert about_supernet(trials[:4]) is None
    assert about_supernet([replace(trial, metrics={}) for trial in trials]) is None


def test_a_strategy_that_does_not_learn_from_scores_is_named():
    assert about_strategy(settings_of(supernet=5)) is None
    told = about_strategy(settings_of(supernet=5, strategy="evolution", shared_best=3))
    assert told is not None
    assert told.startswith("the strategy evolution does not learn from what shared weights say")
    assert "the first 3 trials" in told


def test_the_folder_of_settings_keeps_the_scores(tmp_path):
    settings = replace(settings_of(supernet=5), shared=(KeptScore((0,) * 50, 0.5, 0.5),))
    settings.save(tmp_path)
    assert read_settings(tmp_path).shared == settings.shared
    told = json.loads((tmp_path / "settings.json").read_text())
    assert told["supernet"] == 5
    told["shared"][0]["choices"] = "all"
    (tmp_path / "settings.json").write_text(json.dumps(told))
    with pytest.raises(CorruptedState, match="shared"):
        read_settings(tmp_path)
