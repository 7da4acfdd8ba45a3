"""Cells whose decisions are the operations on the edges of a graph, and what the graph is like."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Self

import numpy as np
from numpy.typing import NDArray

from cellwright.search_spaces.decision import Decision

NONE = ("none", "zeroize", "zero")  # what tables call an edge that is left out
_EDGE = re.compile(r"\D*(\d+)_(\d+)|\D*(\d)(\d)")
_MOST_PATHS = 64  # beyond, the features cost more than they tell


class EdgeGraph:
    """The paths of a cell in which each decision is the operation on one edge.

    An edge is live if it lies on a path from the first node to the last on which no edge is left
    out: only these have an effect (Dong and Yang 2020, section 2.1). What the live part is like
    says more of a network than how it is written.

    Args:
        edges: Node before and node after each decision's edge, the first of them the lower.
        operations: The choices of each decision, all the same.
        none: That of them which leaves an edge out; None if none does.

    Raises:
        ValueError: If no path leads from the first node to the last.
    """

    def __init__(
        self, edges: Sequence[tuple[int, int]], operations: Sequence[object], none: object = None
    ) -> None:
        self._none = -1 if none is None else list(operations).index(none)
        self._present = np.eye(len(operations))
        if none is not None:
            self._present = np.delete(self._present, self._none, axis=1)
        paths = _paths(edges)
        if not paths:
            raise ValueError(f"no path leads from the first node to the last by {list(edges)}")
        self._on = np.zeros((len(paths), len(edges)))  # whether a path takes an edge
        for row, path in zip(self._on, paths, strict=True):
            row[list(path)] = 1.0

    @classmethod
    def of(cls, decisions: Sequence[Decision]) -> Self | None:
        """The graph that names such as ``"op_01"`` or ``"edge_0_1"`` describe; None if they do not.

        All decisions must have the same choices, one of them among `NONE`, and lead from a lower
        node to a higher one.
        """
        found = [_EDGE.fullmatch(decision.name) for decision in decisions]
        choices = decisions[0].choices
        none = [choice for choice in choices if choice in NONE]
        if not all(found) or len(none) != 1 or any(one.choices != choices for one in decisions):
            return None
        numbers = [[int(part) for part in match.groups() if part] for match in found if match]
        edges = [(first, second) for first, second in numbers]
        if any(first >= second for first, second in edges) or len(set(edges)) < len(edges):
            return None
        if not 0 < len(_paths(edges)) <= _MOST_PATHS:
            return None
        return cls(edges, choices, none[0])

    def features(self, indices: NDArray[np.intp]) -> NDArray[np.float64]:
        """What the live part of each cell is like, (cells, 3 * operations + 2).

        For each operation: the live edges with it, the live paths with it, and the most of it on
        one live path. Then the number of live paths, and the edges on the longest.

        Args:
            indices: Positions of the chosen operations, (cells, edges).
        """
        live = (self._on @ (indices == self._none).T == 0).T.astype(float)  # (cells, paths)
        on_live_path = (live @ self._on > 0)[..., np.newaxis]
        taken = self._present[indices]  # (cells, edges, operations)
        uses = np.tensordot(taken, self._on, axes=(1, 1)) * live[:, np.newaxis]
        longest = (live * self._on.sum(1)).max(1)  # uses is (cells, operations, paths)
        return np.concatenate(
            [
                (taken * on_live_path).sum(1),
                (uses > 0).sum(2),
                uses.max(2),
                live.sum(1, keepdims=True),
                longest[:, np.newaxis],
            ],
            axis=1,
        )


def _paths(edges: Sequence[tuple[int, int]]) -> list[tuple[int, ...]]:
    """The positions of the edges on each path from the lowest node to the highest."""
    last = max(second for _, second in edges)
    found: list[tuple[int, ...]] = []
    open_paths: list[tuple[tuple[int, ...], int]] = [((), min(first for first, _ in edges))]
    while open_paths:
        path, node = open_paths.pop()
        if node == last:
            found.append(path)
        if len(found) + len(open_paths) > 2 * _MOST_PATHS:
            break
        for position, (first, second) in enumerate(edges):
            if first == node:
                open_paths.append(((*path, position), second))
    return found
