"""A part of a space: fewer choices, fixed decisions, shorter ranges."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from cellwright.plugins import make_strategy
from cellwright.search_spaces import (
    ConvNetSpace,
    Decision,
    EdgeCellSpace,
    Float,
    Int,
    InvalidArchitecture,
    JointSpace,
    MLPSpace,
    NASNetSpace,
    SearchSpace,
)
from cellwright.search_spaces.narrowed import fixed_in, narrowed, part_of

BOOK = NASNetSpace(blocks=2)
JOINT = JointSpace(
    BOOK,
    Float("learning_rate", 1e-4, 1e-2, log=True),
    Decision("clustering", (False, True)),
    Int("clusters", 4, 20, when={"clustering": True}),
)
STRATEGIES = ("random", "evolution", "local", "predictor", "reinforce", "ppo", "auto")


def by_name(space: SearchSpace) -> dict[str, Decision]:
    return {decision.name: decision for decision in space.decisions}


def part(space: SearchSpace, **values: list[Any]) -> SearchSpace:
    decisions = by_name(space)
    return narrowed(space, [part_of(decisions[name], kept) for name, kept in values.items()])


LEFT = {"normal/1/operation_1": ["sep_3x3", "identity"], "reduction/2/combination": ["add"]}


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("whole", [BOOK, JOINT], ids=["cells", "joint"])
def test_no_strategy_proposes_what_was_taken_out(strategy: str, whole: SearchSpace) -> None:
    space = part(whole, **LEFT)
    mine = make_strategy(strategy, space, seed=0)
    keys = set()
    for number in range(30):
        params = mine.ask(number)
        whole.validate(params)
        assert all(params[name] in kept for name, kept in LEFT.items())
        keys.add(space.key(params))
        mine.tell(number, params, float(number % 7))
    assert len(keys) == 30


def test_the_same_network_is_the_same_where_its_form_is_in_the_part() -> None:
    """The halves of an `add` commute."""
    space = part(BOOK, **{"reduction/2/combination": ["add"]})
    params = BOOK.decode([0] * len(BOOK.names))
    swapped = {**params, "normal/1/operation_1": "identity"}
    other = {**params, "normal/1/operation_2": "identity"}
    assert BOOK.key(swapped) == BOOK.key(other)
    assert space.key(swapped) == space.key(other)
    space = part(BOOK, **{"normal/1/operation_1": ["identity"]})
    assert space.decode(space.key(swapped))["normal/1/operation_1"] == "identity"


def test_numbers_count_by_the_levels_of_the_shorter_range() -> None:
    rate = by_name(JOINT)["learning_rate"]
    assert isinstance(rate, Float)
    space = narrowed(JOINT, [rate.between(1e-3, 2e-3)])
    levels = by_name(space)["learning_rate"].choices
    assert len(levels) == 5
    base = JOINT.decode([0] * len(JOINT.names))
    assert len({space.key({**base, "learning_rate": x}) for x in levels}) == 5
    for number in range(20):
        drawn = space.sample(np.random.default_rng(number))
        assert 1e-3 <= drawn["learning_rate"] <= 2e-3


def test_a_condition_that_can_no_longer_hold_fixes_what_depends_on_it() -> None:
    space = part(JOINT, clustering=[False])
    assert by_name(space)["clusters"].choices == (12,)
    assert by_name(part(JOINT, clustering=[True]))["clusters"].when == (("clustering", (True,)),)


def test_a_joint_space_stays_one_and_an_empty_part_is_the_whole() -> None:
    assert narrowed(BOOK, []) is BOOK
    assert isinstance(part(JOINT, **LEFT), JointSpace)
    assert part(JOINT, learning_rate=[1e-3]).size == JOINT.size / 5


@pytest.mark.parametrize(
    "whole",
    [ConvNetSpace(layers=4), EdgeCellSpace(), MLPSpace()],
    ids=["convnet", "edge cell", "mlp"],
)
def test_spaces_with_anchors_and_with_ends(whole: SearchSpace) -> None:
    first = whole.decisions[0]
    space = narrowed(whole, [part_of(first, first.choices[:1])])
    strategy = make_strategy("reinforce", space, seed=0)
    for number in range(12):
        params = strategy.ask(number)
        assert params[first.name] == first.choices[0]
        strategy.tell(number, params, float(number))


def test_what_is_no_part_is_refused() -> None:
    with pytest.raises(
        InvalidArchitecture, match="normal/1/operation_1 = 'sep_9x9' is not allowed"
    ):
        part(BOOK, **{"normal/1/operation_1": ["sep_9x9"]})
    with pytest.raises(ValueError, match=r"has no decisions \['width'\]"):
        narrowed(BOOK, [Decision("width", (1, 2))])
    assert fixed_in(Float("rate", 1e-4, 1e-2, log=True)).choices == (0.001,)
    assert fixed_in(Decision("kind", ("a", "b"))).choices == ("a",)
