"""Costs that are added up over pieces, against those of children that are built."""

import numpy as np
import pytest

from cellwright.plugins import make_space
from cellwright.search_spaces import Decision, JointSpace, MLPSpace, costs
from cellwright.search_spaces.piece_costs import PieceCosts


@pytest.mark.parametrize(
    ("name", "shape", "options"),
    [
        ("nasnet", (8, 8, 1), {"filters": 4}),
        ("nasnet-published", (16, 16, 3), {"filters": 4}),
        ("mnasnet", (17, 16, 3), {"width": 0.5}),
        ("around=mobilenet-v3-small", (33, 32, 3), {"width": 0.5}),
        ("around=efficientnet-b0", (33, 32, 3), {"width": 0.25}),
        ("nas-bench-201", (8, 8, 3), {"filters": 4, "repeats": 2}),
    ],
)
def test_are_those_of_the_child_to_the_last_digit(name, shape, options):
    space = make_space(name)
    params = space.sample(np.random.default_rng(1))
    counted = costs(space.build(params, shape, 7, **options))
    for metric in ("parameters", "trainable", "multiply_adds"):
        cost = PieceCosts(space, metric, shape, 7, options)
        assert cost(params) == getattr(counted, metric)


def test_hyperparameters_of_the_builder_count():
    space = JointSpace(
        make_space("nasnet"), Decision("filters", (2, 4)), Decision("batch_size", (8, 16))
    )
    cost = PieceCosts(space, "parameters", (8, 8, 1), 10)
    params = space.sample(np.random.default_rng(0))
    for filters in (4, 2):
        model = space.build(params, (8, 8, 1), 10, filters=filters)
        assert cost({**params, "filters": filters}) == model.count_params()


def test_says_what_it_cannot_count():
    with pytest.raises(ValueError, match="does not say what its networks consist of"):
        PieceCosts(MLPSpace(), "parameters", (12,), 3)
    with pytest.raises(ValueError, match="parameters, trainable, multiply_adds"):
        PieceCosts(make_space("nasnet"), "bytes", (8, 8, 1), 10)
