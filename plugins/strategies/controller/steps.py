"""The steps in which a controller takes the decisions of an architecture."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from cellwright.plugins.strategies.arrays import Indices


class Step(NamedTuple):
    """A recurrent step and the decisions that it takes, from ``first`` up to but not including
    ``stop``: any number at an anchor point, and one elsewhere."""

    first: int
    stop: int
    anchor: bool = False

    @property
    def decisions(self) -> list[int]:
        """Their positions, in order."""
        return list(range(self.first, self.stop))


class Steps:
    """The steps for decisions of these sizes, with anchor points as in `SearchSpace.anchors`.

    A step reads the embeddings of the actions taken in the step before, or the start's embedding
    if there are none. Row 0 of the embeddings is the start's.

    Args:
        sizes: Number of choices of each decision, in order.
        anchors: For each anchor point, the position of its first decision.

    Attributes:
        all: The steps, in order.
        offsets: For each decision, the row of the embeddings at which its choices begin.
        plain: The decisions that have a step of their own.
        plain_steps: Those steps.
        connected: The decisions of the anchor points.
        anchor_steps: The anchor points' steps.
        readers: For each embedding that is read, in order, the step that reads it.

    Raises:
        ValueError: If the anchor points do not fit the decisions.
    """

    def __init__(self, sizes: Sequence[int], anchors: Sequence[int]) -> None:
        self.all = _steps(sizes, anchors)
        self.offsets = 1 + np.concatenate([[0], np.cumsum(sizes[:-1], dtype=np.intp)])
        numbered = list(enumerate(self.all))
        self.plain_steps = _indices(k for k, step in numbered if not step.anchor)
        self.plain = _indices(step.first for step in self.all if not step.anchor)
        self.anchor_steps = _indices(k for k, step in numbered if step.anchor)
        self.connected = _indices(t for step in self.all if step.anchor for t in step.decisions)
        reads = [[-1], *(step.decisions or [-1] for step in self.all[:-1])]  # -1 is the start
        self._read = _indices(t for read in reads for t in read)
        self.readers = _indices(k for k, read in enumerate(reads) for _ in read)

    def rows(self, actions: Indices) -> Indices:
        """The embedding rows that are read, from (batch, decisions) to (reads, batch)."""
        rows = actions.T[self._read] + self.offsets[self._read, None]
        rows[self._read < 0] = 0
        return np.asarray(rows)


def _steps(sizes: Sequence[int], anchors: Sequence[int]) -> list[Step]:
    steps: list[Step] = []
    done = 0
    for number, first in enumerate(anchors):
        stop = first + number
        if first < done or stop > len(sizes) or set(sizes[first:stop]) - {2}:
            raise ValueError(
                f"anchors {tuple(anchors)} do not fit: anchor point {number} takes {number} "
                f"decisions of 2 choices from position {first} of {len(sizes)}, not before {done}"
            )
        steps += [Step(t, t + 1) for t in range(done, first)]
        steps.append(Step(first, stop, anchor=True))
        done = stop
    return steps + [Step(t, t + 1) for t in range(done, len(sizes))]


def _indices(numbers: Iterable[int]) -> Indices:
    return np.fromiter(numbers, np.intp)
