"""Scheduled drop-path (Zoph et al. 2018, section 4.1), as two small Keras layers."""

from __future__ import annotations

from typing import Any

import keras

Tensor = Any


@keras.saving.register_keras_serializable(package="cellwright")
class Progress(keras.layers.Layer):  # type: ignore[misc]
    """How much of the schedule is over, 0 to 1; any input, a scalar out.

    One such layer in each network counts the training steps for all `DropPath` layers. Its weight
    is saved with the model, so that training which continues finds the schedule where it was.

    Args:
        steps: Training steps of the whole schedule, at least 1.
    """

    def __init__(self, steps: int, **options: Any) -> None:
        super().__init__(**options)
        if steps < 1:
            raise ValueError(f"steps must be at least 1, got {steps}")
        self.steps = steps

    def build(self, input_shape: Any) -> None:
        self.step = self.add_weight(
            shape=(), initializer="zeros", dtype="float32", trainable=False, name="step"
        )

    def call(self, inputs: Tensor, training: bool = False) -> Tensor:
        progress = keras.ops.minimum(self.step / self.steps, 1.0)
        if training:
            self.step.assign_add(1.0)
        return progress

    def compute_output_spec(self, inputs: Tensor, training: bool = False) -> keras.KerasTensor:
        return keras.KerasTensor((), dtype="float32")

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "steps": self.steps}


@keras.saving.register_keras_serializable(package="cellwright")
class DropPath(keras.layers.Layer):  # type: ignore[misc]
    """Drops the whole feature map of some images in training; takes [feature map, progress], or
    the feature map alone, where the schedule is over from the start.

    With the probability 1 - k an image's map becomes 0, and what is kept is divided by k. Here
    k = 1 - progress x (1 - ``keep``).

    Args:
        keep: Probability of keeping at the end of the schedule, above 0 up to 1; see `cell_keep`.
        seed: Seed of the draws.
    """

    def __init__(self, keep: float, seed: int | None = None, **options: Any) -> None:
        super().__init__(**options)
        if not 0 < keep <= 1:
            raise ValueError(f"keep must be above 0 and at most 1, got {keep}")
        self.keep, self.seed = keep, seed
        self.draws = keras.random.SeedGenerator(seed)

    def call(self, inputs: Tensor | tuple[Tensor, Tensor], training: bool = False) -> Tensor:
        # (batch, height, width, filters), ()
        x, progress = inputs if isinstance(inputs, list | tuple) else (inputs, 1.0)
        if not training:
            return x
        keep = 1.0 - keras.ops.cast(progress, "float32") * (1.0 - self.keep)
        shape = (keras.ops.shape(x)[0], 1, 1, 1)
        kept = keras.random.uniform(shape, dtype="float32", seed=self.draws) < keep
        return x * keras.ops.cast(keras.ops.cast(kept, "float32") / keep, x.dtype)

    def compute_output_spec(
        self, inputs: Tensor | tuple[Tensor, Tensor], training: bool = False
    ) -> keras.KerasTensor:
        x = inputs[0] if isinstance(inputs, list | tuple) else inputs
        return keras.KerasTensor(x.shape, dtype=self.compute_dtype)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "keep": self.keep, "seed": self.seed}


def cell_keep(keep: float, cell: int, cells: int) -> float:
    """Probability with which ``cell`` (from 0) of ``cells`` keeps an operation at the end.

    The last cell has ``keep`` itself, earlier ones drop proportionally less.
    """
    return 1 - (cell + 1) / cells * (1 - keep)
