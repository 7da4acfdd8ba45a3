"""A meter: how many layers of a network have weights."""

from typing import Any

from cellwright.plugins import Measurement


class LayerCount:
    """Counts them; each is at least one kernel to launch on a GPU."""

    metric, unit, direction = "layers", "layers", "minimize"

    def __call__(self, model: Any) -> Measurement:
        count = sum(bool(layer.weights) for layer in model.layers)
        return Measurement(count, 0.0, 1, self.unit, "layers with weights, counted")
