"""In which steps a controller takes the decisions of an architecture."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Indices = NDArray[np.intp]


class Step(NamedTuple):
    """A recurrent step and the decisions that it takes, from ``first`` to before ``stop``; at an
    anchor point any number of them, else one."""

    first: int
    stop: int
    anchor: bool = False

    @property
    def decisions(self) -> list[int]:
        return list(range(self.first, self.stop))


class Steps:
    """The steps of decisions of these sizes, with anchor points as `SearchSpace.anchors` says.

    A step reads the embeddings of the actions of the step before, or that of the start if there
    are none. Row 0 of the embeddings is the start's; the choices of decision t begin at
    ``offsets[t]``.

    Attributes:
        all: In order.
        plain: The decisions that are a step of their own, and ``plain_steps`` those steps.
        connected: The decisions of anchor points, and ``anchor_steps`` those.
        readers: For each embedding that is read, the step that reads it, in order.

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
        """The embedding rows that are read: (batch, decisions) -> (reads, batch)."""
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
