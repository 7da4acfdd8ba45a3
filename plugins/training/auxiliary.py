"""Training a network that has a second classifier half-way, which only helps."""

from __future__ import annotations

from typing import Any

import keras

WEIGHT = 0.4  # of its loss, as in the authors' code (research/slim/nets/nasnet)
MAIN, SECOND = "classes", "auxiliary"


class WithAuxiliary(keras.Model):  # type: ignore[misc]
    """A network of two outputs, ``"classes"`` and ``"auxiliary"``, to be trained as one of one.

    The loss in training is that of the first output and 0.4 of the second's (Zoph et al. 2018);
    validation and metrics know the first alone.

    Args:
        network: Shares its weights with this model.
        weight: Of the second output's loss, at least 0.
    """

    def __init__(self, network: keras.Model, weight: float = WEIGHT) -> None:
        super().__init__(name=network.name)
        self.network, self.weight = network, weight
        self.built = True

    @property
    def output_shape(self) -> tuple[int | None, ...]:
        """That of the first output, (None, classes)."""
        shape: tuple[int | None, ...] = self.network.output[MAIN].shape
        return shape

    def call(self, inputs: Any, training: bool = False) -> Any:
        return self.network(inputs, training=training)

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> Any:
        loss = super().compute_loss(x, y, y_pred[MAIN], sample_weight, training)
        if not training:
            return loss
        second = super().compute_loss(x, y, y_pred[SECOND], sample_weight, training)
        return loss + self.weight * second

    def compute_metrics(self, x: Any, y: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        main = y_pred[MAIN] if isinstance(y_pred, dict) else y_pred
        return super().compute_metrics(x, y, main, sample_weight)


def as_trained(network: keras.Model) -> keras.Model:
    """What to train of a network: itself, or `WithAuxiliary` where it has the second output."""
    outputs = network.output
    if isinstance(outputs, dict) and set(outputs) == {MAIN, SECOND}:
        return WithAuxiliary(network)
    return network
