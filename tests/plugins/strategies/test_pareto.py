"""Fronts, ranks, crowding and hypervolume against their definitions."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cellwright.plugins.strategies.pareto import (
    best_first,
    crowding_distance,
    first,
    gains,
    hypervolume,
    non_dominated,
    ranks,
)

# Few different numbers, so that points are often equal in some objectives or in all.
small = st.integers(-3, 3).map(float)
tables = st.integers(1, 3).flatmap(lambda m: st.lists(st.tuples(*[small] * m), max_size=14))


def dominates(one, other):
    return all(a >= b for a, b in zip(one, other, strict=True)) and one != other


def front_of(points):
    return [i for i, p in enumerate(points) if not any(dominates(other, p) for other in points)]


@given(tables)
def test_the_front_is_what_nothing_dominates(points):
    assert non_dominated(points).tolist() == front_of(points)


@given(tables)
def test_ranks_peel_one_front_after_the_other(points):
    found = ranks(points)
    left = dict(enumerate(points))
    for rank in range(max(found, default=-1) + 1):
        front = [list(left)[place] for place in front_of(list(left.values()))]
        assert front == np.flatnonzero(found == rank).tolist()
        left = {i: point for i, point in left.items() if i not in front}
    assert not left


@given(st.lists(st.tuples(small, small), max_size=12), st.tuples(small, small))
def test_hypervolume_counts_the_unit_squares_below_the_points(points, reference):
    squares = {
        (x, y)
        for a, b in points
        for x in range(int(reference[0]), int(a))
        for y in range(int(reference[1]), int(b))
    }
    assert hypervolume(points, reference) == len(squares)


@given(st.lists(st.tuples(small, small, small), max_size=10), st.tuples(small, small, small))
def test_hypervolume_counts_the_unit_cubes_below_the_points(points, reference):
    cubes = {
        (x, y, z)
        for a, b, c in points
        for x in range(int(reference[0]), int(a))
        for y in range(int(reference[1]), int(b))
        for z in range(int(reference[2]), int(c))
    }
    assert hypervolume(points, reference) == len(cubes)


def test_hypervolume_of_four_objectives_by_inclusion_and_exclusion():
    points = np.random.default_rng(0).random((7, 4))
    expected = sum(
        (-1) ** (len(chosen) + 1) * points[list(chosen)].min(axis=0).prod()
        for size in range(1, 8)
        for chosen in itertools.combinations(range(7), size)
    )
    assert hypervolume(points, (0.0,) * 4) == pytest.approx(expected)


@given(st.lists(st.tuples(small, small), min_size=1, max_size=8), st.lists(st.tuples(small, small)))
def test_what_a_point_gains_is_the_hypervolume_with_it_less_that_without(points, candidates):
    above = np.array(points) + 4.0
    front = above[non_dominated(above)]
    values = np.array([(0.0, 0.0), *candidates]) + 4.0
    found = gains(values, front, np.random.default_rng(0))
    without = hypervolume(front, (0.0, 0.0))
    added = [hypervolume([*front, point], (0.0, 0.0)) - without for point in values]
    assert np.maximum(found, 0).tolist() == pytest.approx(added)
    # A point that adds nothing adds something once it is further up than it is behind.
    for point, gain in zip(values, found, strict=True):
        if gain <= 0:
            moved = gains(point[np.newaxis] - gain + 1e-6, front, np.random.default_rng(0))
            assert moved[0] > 0


def test_gains_of_three_objectives_are_right_but_for_chance():
    rng = np.random.default_rng(1)
    points = rng.random((30, 3))
    front = points[non_dominated(points)]
    values = 0.5 + 0.6 * rng.random((8, 3))
    found = np.mean([gains(values, front, rng) for _ in range(200)], axis=0)
    without = hypervolume(front, (0.0,) * 3)
    added = [hypervolume([*front, point], (0.0,) * 3) - without for point in values]
    assert np.maximum(found, 0).tolist() == pytest.approx(added, abs=0.006)
    assert max(added) > 0.1


@given(tables, st.integers(0, 15))
def test_the_first_points_are_the_first_of_the_order(points, count):
    assert {*first(points, count).tolist()} == {*best_first(points)[:count].tolist()}


def test_hypervolume_of_fractions():
    assert hypervolume([(0.5, 1.0), (1.0, 0.25), (0.1, 0.1)], (0.0, 0.0)) == 0.5 + 0.5 * 0.25


@given(st.lists(st.tuples(small, small), min_size=1, max_size=12))
def test_crowding_is_the_gap_between_the_neighbours(points):
    expected = [0.0] * len(points)
    for column in zip(*points, strict=True):
        order = sorted(range(len(points)), key=column.__getitem__)
        spread = column[order[-1]] - column[order[0]]
        expected[order[0]] = expected[order[-1]] = math.inf
        for before, here, after in zip(order, order[1:], order[2:], strict=False):
            expected[here] += (column[after] - column[before]) / spread if spread else 0.0
    assert crowding_distance(points).tolist() == pytest.approx(expected)


def test_no_points():
    assert non_dominated([]).tolist() == []
    assert ranks([]).tolist() == []
    assert crowding_distance([]).tolist() == []
    assert hypervolume([], (0.0, 0.0)) == 0.0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: non_dominated([1.0, 2.0]), "shape"),
        (lambda: non_dominated([(1.0, math.nan)]), "NaN"),
        (lambda: hypervolume([(1.0,)], (0,)), "two objectives"),
        (lambda: hypervolume([(1.0, 2.0, 3.0)], (0, 0)), "as many numbers"),
        (lambda: hypervolume([(1.0, 2.0)], (0,)), "two objectives"),
    ],
)
def test_what_is_no_table_of_numbers_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
