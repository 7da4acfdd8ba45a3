"""Meters: what a built child network costs to run, measured or counted.

A meter is called with a ``keras.Model`` and gives a `Measurement` of the metric that it declares;
one of trained children is called with their data too. Keras and LiteRT are imported when a meter
is called.
"""

from cellwright.plugins.meters.command import CommandMeter
from cellwright.plugins.meters.counting import (
    LiteRTSize,
    ModelSize,
    MultiplyAdds,
    Parameters,
    PeakMemory,
)
from cellwright.plugins.meters.int8_score import Int8Accuracy, Int8Error
from cellwright.plugins.meters.keras_latency import KerasLatency
from cellwright.plugins.meters.latency_predictor import LatencyPredictor
from cellwright.plugins.meters.litert_latency import LiteRTLatency
from cellwright.plugins.meters.measurement import (
    AnyMeter,
    Measurement,
    Meter,
    TrainedMeter,
    as_meters,
    measure,
    metric_of,
)
from cellwright.plugins.meters.onnx_latency import ONNXLatency
from cellwright.plugins.meters.timing import Timing

__all__ = [
    "AnyMeter",
    "CommandMeter",
    "Int8Accuracy",
    "Int8Error",
    "KerasLatency",
    "LatencyPredictor",
    "LiteRTLatency",
    "LiteRTSize",
    "Measurement",
    "Meter",
    "ModelSize",
    "MultiplyAdds",
    "ONNXLatency",
    "Parameters",
    "PeakMemory",
    "Timing",
    "TrainedMeter",
    "as_meters",
    "measure",
    "metric_of",
]
