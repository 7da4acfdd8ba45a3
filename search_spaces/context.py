"""Where a layer is made: what every child builder hands on to the parts of a network."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import Any

import keras

Tensor = Any  # a keras.KerasTensor, for which Keras ships no usable type


@dataclass(frozen=True)
class Context:
    """Where a layer is made: its name's prefix, its seed, its normalisation and pool padding.

    Keras draws initial weights from a global state unless every initializer is seeded, so each
    layer derives its own seed from ``seed`` and its name.
    """

    prefix: str
    seed: int | None
    momentum: float = 0.9
    epsilon: float = 1e-3
    pool_padding: str = "same"

    def inside(self, part: str) -> Context:
        """The same context, one level deeper."""
        prefix = f"{self.prefix}_{part}" if self.prefix else part
        return Context(prefix, self.seed, self.momentum, self.epsilon, self.pool_padding)

    def initializer(self, part: str) -> keras.initializers.Initializer:
        """Glorot uniform, the Keras default, seeded by this layer's own name."""
        return keras.initializers.GlorotUniform(seed=self._number(part))

    def seed_of(self, part: str) -> int | None:
        """A seed for the draws of this layer alone, as in dropout; None where none was given."""
        number = self._number(part)
        # On torch Keras keeps the state of draws in 32 bits, one of which is the sign.
        return None if number is None else number % 2**31

    def _number(self, part: str) -> int | None:
        if self.seed is None:
            return None
        return zlib.crc32(f"{self.seed}/{self.prefix}/{part}".encode())

    def normalise(self, x: Tensor, part: str = "normalisation") -> Tensor:
        return keras.layers.BatchNormalization(
            momentum=self.momentum, epsilon=self.epsilon, name=f"{self.prefix}_{part}"
        )(x)
