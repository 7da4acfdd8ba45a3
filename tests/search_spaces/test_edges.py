"""Graph features of cells whose decisions are operations on edges."""

import itertools

import numpy as np
import pytest

from cellwright.search_spaces import Decision, JointSpace, SearchSpace
from cellwright.search_spaces.narrowed import narrowed

OPERATIONS = ("conv", "none", "pool")
EDGES = ((0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3))
SPACE = SearchSpace(Decision(f"op_{i}{j}", OPERATIONS) for i, j in EDGES)


def by_paths(choices):
    """The same by every way through the nodes between the first and the last."""
    operations = dict(zip(EDGES, choices, strict=True))
    ways = [(0, *middle, 3) for size in range(3) for middle in itertools.combinations((1, 2), size)]
    paths = [list(itertools.pairwise(way)) for way in ways]
    paths = [path for path in paths if all(operations[edge] != "none" for edge in path)]
    live = set(itertools.chain(*paths))
    kinds = ("conv", "pool")
    uses = [[sum(operations[edge] == kind for edge in path) for path in paths] for kind in kinds]
    return [
        *(sum(operations[edge] == kind for edge in live) for kind in kinds),
        *(sum(use > 0 for use in row) for row in uses),
        *(max(row, default=0) for row in uses),
        len(paths),
        max(map(len, paths), default=0),
    ]


def test_features_are_those_of_the_live_paths():
    rows = np.array(list(itertools.product(range(3), repeat=6)))
    wanted = [by_paths([OPERATIONS[place] for place in row]) for row in rows]
    assert (SPACE.graph_features(rows) == wanted).all()


def test_a_joint_and_a_narrowed_space_have_those_of_the_architecture():
    rows = np.random.default_rng(0).integers(3, size=(50, 6))
    joint = JointSpace(SPACE, Decision("batch_size", (8, 16)))
    wanted = SPACE.graph_features(rows)
    assert (joint.graph_features(np.concatenate([rows, rows[:, :1] % 2], axis=1)) == wanted).all()
    part = narrowed(SPACE, [Decision("op_01", ("none", "pool"))])
    inside = rows[rows[:, 0] > 0]
    found = part.graph_features(inside - np.array([1, 0, 0, 0, 0, 0]))
    assert (found == SPACE.graph_features(inside)).all()


@pytest.mark.parametrize(
    "decisions",
    [
        [Decision("op_01", ("a", "b"))],  # nothing leaves an edge out
        [Decision("op_10", ("a", "none"))],
        [Decision("first", ("a", "none"))],
        [Decision("op_01", ("a", "none")), Decision("op_12", ("b", "none"))],
        [Decision("op_01", ("a", "none")), Decision("op_0_1", ("a", "none"))],
        [Decision(f"e_{i}_{j}", ("a", "none")) for j in range(12) for i in range(j)],
    ],
)
def test_other_decisions_are_no_graph(decisions):
    assert SearchSpace(decisions).graph_features(np.zeros((3, len(decisions)), int)).shape == (3, 0)
