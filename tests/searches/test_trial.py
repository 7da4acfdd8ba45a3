"""Trials read back: which of them the best child on disk is of."""

import pytest

from cellwright.search_spaces import Decision, Float, JointSpace, SearchSpace
from cellwright.searches.trial import Trial, about_validation, is_child_of, ranked

SPACE = JointSpace(SearchSpace([Decision("width", (8, 16))]), Float("learning_rate", 1e-4, 1e-2))
KEPT = {"params": {"width": 8, "learning_rate": 0.0023}, "metrics": {"reward": 0.75}}


@pytest.mark.parametrize(
    ("params", "reward", "wanted"),
    [
        ({"width": 8, "learning_rate": 0.0023}, 0.75, True),
        ({"width": 16, "learning_rate": 0.0023}, 0.75, False),
        # The same network, trained for more epochs or with a number of the same level.
        ({"width": 8, "learning_rate": 0.0023}, 0.8, False),
        ({"width": 8, "learning_rate": 0.0024}, 0.5, False),
    ],
)
def test_the_child_that_is_kept_is_of_the_trial_with_its_network_and_its_reward(
    params, reward, wanted
):
    trial = Trial(0, params, "complete", {"reward": reward})
    assert is_child_of(KEPT, trial, SPACE) is wanted
    assert not is_child_of(None, trial, SPACE)


def test_a_trial_whose_metric_is_nan_ranks_nowhere():
    trials = [
        Trial(number, {}, "complete", {"reward": reward})
        for number, reward in enumerate([0.5, float("nan"), 0.75, float("inf")])
    ]
    assert [trial.number for trial in ranked([*trials, Trial(4, {}, "complete")])] == [3, 2, 0]


def test_children_that_predict_far_worse_than_they_were_trained_are_said():
    def trial(number, own, trained, state="complete"):
        return Trial(number, {}, state, {"val_accuracy": own, "accuracy": trained})

    said = about_validation(
        [trial(0, 0.1, 0.63), trial(1, 0.09, 0.2), trial(2, 0.8, 0.9, "failed")]
    )
    assert said is not None
    assert "validation part is 0.10, with 0.63 in training" in said
    assert "more --epochs" in said
    assert about_validation([trial(0, 0.1, 0.63), trial(1, 0.5, 0.6)]) is None
    assert about_validation([Trial(0, {}, "complete", {"val_loss": 0.1})]) is None
