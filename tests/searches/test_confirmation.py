"""Which trials are trained again, and how what this gives ranks them; no network is needed."""

import json

import pytest

from cellwright.plugins.metrics import CONFIRMED, SPREAD, TRAININGS
from cellwright.search_spaces import CorruptedState
from cellwright.searches.confirmation import (
    FILE,
    Training,
    best_of,
    read_trainings,
    with_confirmed,
)
from cellwright.searches.trial import Trial, best_trial, ranked

REWARDS = {0: 0.80, 1: 0.95, 2: 0.90, 3: 0.91, 4: 0.70}
TRIALS = [
    Trial(number, {"units": number}, "complete", {"reward": reward})
    for number, reward in REWARDS.items()
]


def again(number, *rewards, params=None):
    params = {"units": number} if params is None else params
    return [
        Training(number, params, turn, reward, "" if reward is not None else "diverged")
        for turn, reward in enumerate(rewards, start=1)
    ]


def numbers(trials):
    return [trial.number for trial in trials]


def test_the_best_are_those_of_the_highest_rewards_and_each_child_once():
    twice = Trial(5, {"units": 1}, "complete", {"reward": 0.94})
    failed = Trial(6, {"units": 6}, "failed")
    assert numbers(best_of([*TRIALS, twice, failed], 3)) == [1, 3, 2]
    assert numbers(best_of(TRIALS[:1], 3)) == [0]


def test_the_mean_of_all_trainings_ranks_and_the_first_score_stays():
    trainings = [*again(1, 0.85, 0.84), *again(2, 0.92, 0.94), *again(3, 0.89, 0.90)]
    found = with_confirmed(TRIALS, trainings, 3)
    best = best_trial(found)
    assert best.number == 2
    assert best.metrics["reward"] == 0.90
    assert best.metrics[CONFIRMED] == pytest.approx(0.92)
    assert best.metrics[SPREAD] == pytest.approx(0.02)
    assert best.metrics[TRAININGS] == 3
    assert numbers(ranked(found)) == [2, 3, 1, 0, 4]
    assert numbers(best_of(found, 3)) == [1, 3, 2], "the best of the search stay those"


def test_a_confirmed_child_stays_before_higher_rewards_that_were_not_confirmed():
    trainings = [*again(1, 0.5, 0.5)]
    assert best_trial(with_confirmed(TRIALS, trainings, 1)).number == 1


def test_until_all_are_trained_again_the_highest_reward_decides():
    trainings = [*again(1, 0.85, 0.84), *again(2, 0.92, 0.94), *again(3, 0.89)]
    found = with_confirmed(TRIALS, trainings, 3)
    assert best_trial(found).number == 1
    assert all(CONFIRMED not in trial.metrics for trial in found)


def test_a_child_that_diverges_with_another_seed_is_not_handed_over():
    trainings = [*again(1, 0.96, None), *again(2, 0.92, 0.94), *again(3, 0.89, 0.90)]
    assert best_trial(with_confirmed(TRIALS, trainings, 3)).number == 2
    nothing = [*again(1, None, None), *again(2, None, 0.94), *again(3, 0.89, None)]
    assert best_trial(with_confirmed(TRIALS, nothing, 3)).number == 1


def test_trainings_of_another_record_do_not_count():
    trainings = [*again(1, 0.1, 0.1, params={"units": 9})]
    assert best_trial(with_confirmed(TRIALS, trainings, 1)).number == 1
    assert all(CONFIRMED not in t.metrics for t in with_confirmed(TRIALS, trainings, 1))


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        json.dumps({"trainings": [{"trial": 1}]}),
        json.dumps({"trainings": [{"trial": 1, "params": {}, "turn": 1, "reward": "0.9"}]}),
        '{"trainings": [{"trial": 1, "params": {}, "turn": 1, "reward": NaN}]}',
    ],
)
def test_a_damaged_file_is_refused_with_what_to_do(tmp_path, text):
    (tmp_path / FILE).write_text(text)
    with pytest.raises(CorruptedState, match=r"confirmed\.json.* Delete it"):
        read_trainings(tmp_path)
    (tmp_path / FILE).unlink()
    assert read_trainings(tmp_path) == []
