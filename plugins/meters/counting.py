"""Meters that count, and run nothing."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

from cellwright.plugins.meters.litert_latency import litert_content
from cellwright.plugins.meters.measurement import Measurement
from cellwright.plugins.meters.timing import random_image
from cellwright.plugins.metrics import Direction
from cellwright.search_spaces import multiply_adds
from cellwright.search_spaces.costs import tensors_of


@dataclass(frozen=True)
class MultiplyAdds:
    """Multiplications of convolutions and dense layers for one image; see `multiply_adds`."""

    metric: str = "multiply_adds"
    unit: ClassVar[str] = "multiply-adds"
    direction: ClassVar[Direction] = "minimize"

    def __call__(self, model: Any) -> Measurement:
        """Raises ValueError if the model's input has no fixed size."""
        return _counted(multiply_adds(model), self.unit, "of convolutions and dense layers")


@dataclass(frozen=True)
class Parameters:
    """The number of all weights, with the moving statistics of batch normalisation."""

    metric: str = "parameters"
    unit: ClassVar[str] = "parameters"
    direction: ClassVar[Direction] = "minimize"

    def __call__(self, model: Any) -> Measurement:
        """Count them."""
        return _counted(model.count_params(), self.unit, "all weights")


@dataclass(frozen=True)
class ModelSize:
    """Bytes of the weights, without a file around them: parameters times the bytes of one weight.

    Args:
        bits: Size of one weight: 32 (float32), 16 or 8 (int8).
        metric: Name of what is measured.

    Raises:
        ValueError: On other ``bits``.
    """

    bits: int = 32
    metric: str = "size_bytes"
    unit: ClassVar[str] = "bytes"
    direction: ClassVar[Direction] = "minimize"

    def __post_init__(self) -> None:
        if self.bits not in (8, 16, 32):
            raise ValueError(f"bits must be 8, 16 or 32, got {self.bits}")

    def __call__(self, model: Any) -> Measurement:
        """Count them."""
        size = model.count_params() * self.bits // 8
        return _counted(size, self.unit, f"all weights at {self.bits} bits each")


@dataclass(frozen=True)
class LiteRTSize:
    """Bytes of the network's ``.tflite`` file, batch normalisations folded into convolutions.

    Args:
        int8: Whether to measure the int8 file, not the float32 one.
        metric: Name of what is measured.
    """

    int8: bool = False
    metric: str = "size_bytes"
    unit: ClassVar[str] = "bytes"
    direction: ClassVar[Direction] = "minimize"
    needs: ClassVar[tuple[str, ...]] = ("ai_edge_litert",)
    file: ClassVar[str] = "LiteRT"

    @classmethod
    def quantised(cls, **arguments: Any) -> LiteRTSize:
        """The same in int8."""
        return cls(int8=True, **arguments)

    def __call__(self, model: Any) -> Measurement:
        """Raises ChildFailed if the network cannot be made into LiteRT."""
        size = len(litert_content(model, self.int8))
        return _counted(size, self.unit, f"LiteRT file, {'int8' if self.int8 else 'float32'}")


@dataclass(frozen=True)
class PeakMemory:
    """An estimate of the most bytes that activations take at one time, for one float32 image.

    The layers are run in Keras's topological order. A layer's output is held from when it is
    computed to when the last layer that reads it is done; while a layer runs, its inputs and its
    output are held. Weights, the working memory of an operation and gaps between buffers are not
    counted, so that a runtime may take more. It takes less if it fuses normalisations and
    activations into convolutions, writes them in place, or orders branches better.
    """

    metric: str = "peak_memory_bytes"
    unit: ClassVar[str] = "bytes"
    direction: ClassVar[Direction] = "minimize"

    def __call__(self, model: Any) -> Measurement:
        """Raises ValueError if the model's input has no fixed size."""
        random_image(model)
        how = "activations held at once, batch of one, float32, in topological order"
        return _counted(4 * _most_held(model), self.unit, how)


def _most_held(model: Any) -> int:
    """Numbers, not bytes."""
    from cellwright.search_spaces.export import inference_model

    plain = inference_model(model)
    steps = [
        (tensors_of(layer, "input"), tensors_of(layer, "output"))
        for layer in plain.operations
        if tensors_of(layer, "output")[0] is not plain.inputs[0]
    ]
    last = {id(tensor): step for step, (read, _) in enumerate(steps) for tensor in read}
    last |= {id(tensor): len(steps) for tensor in plain.outputs}
    held = peak = _numbers(plain.inputs)
    for step, (read, given) in enumerate(steps):
        held += _numbers(given)
        peak = max(peak, held)
        over = {id(tensor): tensor for tensor in (*read, *given) if last.get(id(tensor), 0) <= step}
        held -= _numbers(over.values())
    return peak


def _numbers(tensors: Any) -> int:
    return sum(math.prod(tensor.shape[1:]) for tensor in tensors)


def _counted(value: float, unit: str, how: str) -> Measurement:
    return Measurement(float(value), 0.0, 1, unit, how)
