"""An architecture in a line or two."""

from __future__ import annotations

import numpy as np
import pytest

from cellwright.search_spaces import (
    AroundSpace,
    ConvNetSpace,
    Decision,
    EdgeCellSpace,
    Float,
    JointSpace,
    MLPSpace,
    MnasNetSpace,
    NASNetSpace,
    SearchSpace,
)


def test_a_line_for_each_cell() -> None:
    space = NASNetSpace(blocks=2)
    text = space.in_short(space.sample(np.random.default_rng(0)))
    normal, reduction = text.splitlines()
    assert normal == ("normal: sep_3x3(1) concat sep_3x3(0); max_3x3(1) concat avg_3x3(1)")
    assert reduction.startswith("reduction: ")
    assert reduction.count("; ") == 1


def test_hyperparameters_are_left_out() -> None:
    network = MLPSpace()
    space = JointSpace(network, Float("learning_rate", 1e-4, 1e-1, log=True))
    params = space.sample(np.random.default_rng(0))
    assert space.in_short(params) == network.in_short(space.split(params)[0])
    assert "learning_rate" not in space.in_short(params)


@pytest.mark.parametrize(
    "space",
    [
        SearchSpace([Decision("width", (8, 16)), Decision("skip", (True, False))]),
        MLPSpace(),
        ConvNetSpace(),
        EdgeCellSpace(),
        MnasNetSpace(),
        AroundSpace("efficientnet-b0"),
        NASNetSpace.published(),
        NASNetSpace.amoebanet(),
    ],
)
def test_every_space_has_a_text_that_tells_networks_apart(space: SearchSpace) -> None:
    rng = np.random.default_rng(1)
    texts: dict[str, tuple[int, ...]] = {}
    for _ in range(20):
        params = space.canonical(space.sample(rng))
        key = space.key(params)
        assert texts.setdefault(space.in_short(params), key) == key
        assert len(space.in_short(params).splitlines()) <= 2
