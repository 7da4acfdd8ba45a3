"""What a search says of its supernet."""

from __future__ import annotations

import numpy as np

from cellwright import MLPSpace, Recipe, Supernet
from cellwright.plugins.data.dataset import split
from cellwright.searches.shared import about_learning


def supernet(apart: float, epochs: int) -> Supernet:
    rng = np.random.default_rng(0)
    y = np.arange(200) % 2
    x = (rng.normal(size=(200, 4)) + apart * y[:, None]).astype(np.float32)
    data = split(x, y, ("low", "high"))
    made = Supernet(MLPSpace(nodes=(8, 16)), data, Recipe(6, 20, 0.01))
    made.train(epochs)
    return made


def test_a_supernet_that_has_not_learned_is_named() -> None:
    told = about_learning(supernet(0, 1))
    assert told is not None
    assert "has hardly learned after 1 epoch:" in told
    assert "that of one answer for all examples is 0.6931" in told


def test_nothing_is_said_of_one_that_has_learned() -> None:
    assert about_learning(supernet(3, 20)) is None
