"""Hidden states, of which a choice that is an input reads one."""

from __future__ import annotations

from functools import partial
from typing import Any

import keras

from cellwright.search_spaces.context import Tensor


class States:
    """Tensors of one shape, (batch, height, width, channels), in the order in which they are made.

    Args:
        room: How many there will be at most.
    """

    def __init__(self, room: int) -> None:
        self._room = room
        self._made: list[Tensor] = []
        self._array: Any = None  # TensorFlow's own list of them

    def __len__(self) -> int:
        return len(self._made)

    def add(self, state: Tensor) -> None:
        """One more."""
        self._made.append(state)
        if isinstance(state, keras.KerasTensor) or keras.backend.backend() != "tensorflow":
            return
        import tensorflow as tf

        if self._array is None:
            self._array = tf.TensorArray(
                state.dtype, self._room, clear_after_read=False, element_shape=state.shape
            )
        self._array = self._array.write(len(self._made) - 1, state)

    def read(self, number: Tensor) -> Tensor:
        """The one of that number, from 0; of another number, any of them.

        TensorFlow reads it from a list. Its switch of six states gives six gradients, all but one
        of them zeros, which are made and added up: that takes longer than the operation that reads.
        """
        if len(self._made) == 1:
            return self._made[0]
        if self._array is not None:
            last = len(self._made) - 1
            return self._array.read(keras.ops.minimum(keras.ops.maximum(number, 0), last))
        if len(self._made) == 2:
            return keras.ops.where(keras.ops.equal(number, 0), *self._made)
        branches = [partial(_nth, place) for place in range(len(self._made))]
        return keras.ops.switch(number, branches, *self._made)


def _nth(place: int, *states: Any) -> Any:
    return states[place]
