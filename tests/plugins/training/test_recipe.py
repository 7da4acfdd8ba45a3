"""What a recipe takes, what it refuses, and what results are kept under."""

import dataclasses
import math

import numpy as np
import pytest

from cellwright.plugins import Evaluation, Recipe, load_dataset
from cellwright.plugins.training.soft_labels import as_shares
from cellwright.search_spaces import Decision, JointSpace, MLPSpace, NASNetSpace


def test_results_that_were_kept_before_are_of_the_same_recipe(tmp_path):
    """Values of the version before a recipe had a precision or a learning rate that changes."""
    data, space = load_dataset("digits"), NASNetSpace()
    old = Recipe(3, 64, 0.002, 5, 0.01, "shift", 2)
    assert Evaluation(space, data, seed=3).fingerprint == "b0ba87c626f41795"
    kept = Evaluation(space, data, recipe=old, checkpoints=tmp_path)
    assert kept.fingerprint == "1dbd4f6fcb1a6ba7"
    assert kept._kept({"a": 1})["checkpoint"].path.name == "ce2cc3cf48a530f730d5219e.npz"


@pytest.mark.parametrize(
    "new",
    [
        {"precision": "mixed_bfloat16"},
        {"precision": "float32"},
        {"learning_rate_schedule": "cosine"},
        {"warmup": 2},
        {"label_smoothing": 0.1},
        {"clip_norm": 1.0},
    ],
)
def test_each_option_makes_other_results(new, tmp_path):
    data, space = load_dataset("digits"), NASNetSpace()
    mine, usual = (
        Evaluation(space, data, recipe=recipe, checkpoints=tmp_path)
        for recipe in (Recipe(**new), Recipe())
    )
    assert mine.fingerprint != usual.fingerprint
    assert mine._kept({})["checkpoint"].path != usual._kept({})["checkpoint"].path


def test_a_recipe_reads_as_it_is_written():
    for recipe in (Recipe(), Recipe(9, warmup=2, clip_norm=1.0, precision="mixed_float16")):
        assert eval(repr(recipe)) == recipe
    assert "warmup" not in repr(Recipe())
    assert set(Recipe().facts) | {"precision"} <= {f.name for f in dataclasses.fields(Recipe)}


def test_the_learning_rate_rises_and_falls():
    recipe = Recipe(10, learning_rate=0.1, learning_rate_schedule="cosine", warmup=4)
    rates = [recipe.rate(epoch) for epoch in range(10)]
    np.testing.assert_allclose(rates[:5], [0.02, 0.04, 0.06, 0.08, 0.1])
    by_hand = [0.05 * (1 + math.cos(math.pi * k / 6)) for k in range(6)]
    np.testing.assert_allclose(rates[4:], by_hand)
    assert 0 < rates[-1] < 0.01
    constant = Recipe(10, learning_rate=0.1, warmup=1)
    np.testing.assert_allclose([constant.rate(e) for e in (0, 1, 9)], [0.05, 0.1, 0.1])


def test_a_part_of_a_training_has_the_rates_of_the_whole():
    whole = Recipe(9, learning_rate_schedule="cosine", warmup=1)
    part = whole.until(3)
    assert (part.epochs, part.whole_epochs) == (3, 9)
    assert [part.rate(e) for e in range(3)] == [whole.rate(e) for e in range(3)]
    assert Recipe(9).until(3) == Recipe(3)
    assert Recipe(9).until(30) == Recipe(30), "a rate that stays has no end"
    with pytest.raises(ValueError, match="decay_epochs, the most epochs that a child gets"):
        whole.until(10)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"precision": "float16"}, "precision must be one of"),
        ({"precision": 16}, "precision must be one of"),
        ({"learning_rate_schedule": "linear"}, "learning_rate_schedule must be one of"),
        ({"warmup": 6}, "warmup must be at least 0 and fewer epochs than the training has, 6"),
        ({"warmup": -1}, "warmup must be at least 0"),
        ({"warmup": 1.5}, "warmup must be a whole number"),
        ({"decay_epochs": 5}, "decay_epochs must be at least the number of epochs, 6"),
        ({"label_smoothing": 1}, "label_smoothing must be at least 0 and below 1"),
        ({"label_smoothing": -0.1}, "label_smoothing must be at least 0 and below 1"),
        ({"label_smoothing": math.nan}, "label_smoothing must be at least 0"),
        ({"label_smoothing": None}, "label_smoothing must be a number"),
        ({"batch_size": None}, "batch_size must be a whole number, got None"),
        ({"epochs": None}, "epochs must be a whole number, got None"),
        ({"warmup": None}, "warmup must be a whole number, got None"),
        ({"label_smoothing": "0.1"}, "label_smoothing must be a number"),
        ({"clip_norm": 0}, "clip_norm must be above 0"),
        ({"clip_norm": True}, "clip_norm must be a number"),
        ({"clip_norm": math.inf}, "clip_norm must be above 0 and finite"),
        ({"learning_rate": None}, "learning_rate must be a number"),
    ],
)
def test_what_is_out_of_range_is_refused(wrong, message):
    with pytest.raises(ValueError, match=message):
        Recipe(**wrong)


def test_choices_that_do_not_go_together_are_refused_before_a_child():
    space = JointSpace(MLPSpace(), Decision("epochs", (2, 9)), Decision("warmup", (0, 3)))
    with pytest.raises(ValueError, match="fewer epochs than the training has, 2, got 3"):
        Evaluation(space, load_dataset("wine"))


def test_numbers_are_not_smoothed():
    with pytest.raises(ValueError, match=r"label_smoothing 0\.1 is for classes"):
        Evaluation(MLPSpace(), load_dataset("diabetes"), recipe=Recipe(label_smoothing=0.1))
    searched = JointSpace(MLPSpace(), Decision("label_smoothing", (0.0, 0.1)))
    with pytest.raises(ValueError, match=r"label_smoothing 0\.1 is for classes"):
        Evaluation(searched, load_dataset("diabetes"))


def test_shares_of_labels():
    np.testing.assert_array_equal(as_shares([1, 0], 2), [[0, 1], [1, 0]])
    found = as_shares(np.array([[2]]), 4, 0.2)
    np.testing.assert_allclose(found, [[0.05, 0.05, 0.85, 0.05]])
    np.testing.assert_allclose(as_shares(np.array([[0, 0, 1, 0]]), 4, 0.2), found)
