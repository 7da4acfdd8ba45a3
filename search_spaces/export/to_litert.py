"""LiteRT (once TensorFlow Lite), in float32 or int8; checked with its interpreter and XNNPACK."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np

from cellwright.search_spaces.arguments import check_path
from cellwright.search_spaces.backend import check_backend
from cellwright.search_spaces.errors import ExportFailed
from cellwright.search_spaces.export.check import (
    TOLERANCE,
    Exported,
    Given,
    Images,
    Outputs,
    check,
    first_line,
    image_shape,
    images_of,
)
from cellwright.search_spaces.export.in_one_step import in_one_step
from cellwright.search_spaces.export.inference import inference_model
from cellwright.search_spaces.keras_settings import as_shipped

CALIBRATION = 100  # images that an int8 network's ranges are taken from
_BATCH = 16  # images that are run at a time, where the network can be resized to that


@as_shipped()
def export_litert(
    model: keras.Model, path: str | Path, *, int8: bool = False, images: Given | None = None
) -> Exported:
    """Write a ``.tflite`` file that takes one image at a time.

    Args:
        model: See `inference_model`, which is what is written.
        path: Ends in ``.tflite``.
        int8: Whole numbers of 8 bits in and out and in every operation, in place of float32.
        images: Like those that the network will see, a few of each class. They are for the check;
            with ``int8``, up to `CALIBRATION` of them also set the range of values of each
            operation. Random ones if None, which is enough to time a network, not to use it.

    Returns:
        The file. An int8 one is compared after its outputs are brought back to float32, and no
        difference is refused.

    Raises:
        ExportFailed: If the network cannot be written, a float32 file gives other outputs, or
            Keras runs on another backend than TensorFlow.
        ModuleNotFoundError: Without the extra ``export``.
    """
    check_backend("LiteRT")
    import ai_edge_litert.interpreter  # noqa: F401  # before the work, not after it

    check_path("path", path)
    path, plain = Path(path), inference_model(model)
    content = convert_to_litert(plain, int8=int8, images=images)
    with in_one_step(path) as (beside,):
        beside.write_bytes(content)
    tolerance = math.inf if int8 else TOLERANCE
    return check((path,), plain, lambda images: run_litert(content, images), images, tolerance)


@as_shipped()
def convert_to_litert(
    model: keras.Model, *, int8: bool = False, images: Given | None = None
) -> bytes:
    """The content of a ``.tflite`` file, batch 1, with LiteRT's built-in operations alone.

    The weights are put into the graph as constants. The other ways, which keep variables, take
    several times as long or cannot be calibrated (see docs/export.md).

    Args:
        model: See `inference_model`, which is what is converted.
        int8: Whether to quantise, as in `export_litert`.
        images: What the ranges of values are measured on for ``int8``, as in `export_litert`.

    Raises:
        ExportFailed: If the network has an operation that LiteRT does not, or Keras runs on another
            backend than TensorFlow.
    """
    check_backend("LiteRT")
    import tensorflow as tf

    model = inference_model(model)
    ranges = images_of(model, images) if int8 else None
    trainable, others = (
        [tf.constant(variable.numpy()) for variable in variables]
        for variables in (model.trainable_variables, model.non_trainable_variables)
    )
    one = tf.TensorSpec((1, *image_shape(model)), tf.float32, name="image")

    def classify(image: Any) -> Any:
        return model.stateless_call(trainable, others, image, training=False)[0]

    traced = tf.function(classify, input_signature=[one]).get_concrete_function()
    try:
        try:
            return _converted(traced, ranges)
        except RuntimeError:
            if ranges is None:
                raise
            # Of some cells with pools TensorFlow's newer quantiser, which is its default, makes a
            # graph that it then refuses itself: "quantization parameters violate the same scale
            # constraint" (tensorflow#46754 and #52517, TensorFlow 2.21). The older one can do them.
            return _converted(traced, ranges, newer=False)
    except Exception as error:
        raise ExportFailed(
            f"{model.name} cannot be made into LiteRT: {first_line(error)}. Choose another format"
        ) from error


def _converted(traced: Any, ranges: Images | None, *, newer: bool = True) -> bytes:
    """The file's content; in int8 if there are images that ranges come from."""
    import tensorflow as tf

    converter = tf.lite.TFLiteConverter.from_concrete_functions([traced], tf.Module())
    if ranges is not None:
        _quantise(converter, ranges)
        converter.experimental_new_quantizer = newer
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # that ranges come from images
        content: bytes = converter.convert()
    return content


def run_litert(content: bytes, images: Given, *, threads: int = 1) -> Outputs:
    """Outputs of a ``.tflite`` file's content, through XNNPACK where it can.

    Images are run several at a time, or one by one where the file holds an operation that cannot
    be resized. Either way gives the same outputs.

    Args:
        content: Content of the file, float32 or int8.
        images: (number, height, width, channels), or a list of images; at least one.
        threads: Of the CPU, at least 1.

    Raises:
        RuntimeError, ValueError: If LiteRT cannot run the file.
    """
    given = np.asarray(images, np.float32)
    whole = len(given) - len(given) % _BATCH
    outputs = []
    if whole:
        try:
            outputs.append(_run(content, given[:whole], _BATCH, threads))
        except (RuntimeError, ValueError):
            whole = 0
    if whole < len(given):
        outputs.append(_run(content, given[whole:], 1, threads))
    return np.concatenate(outputs)


def _run(content: bytes, images: Images, batch: int, threads: int) -> Outputs:
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_content=content, num_threads=threads)
    if batch > 1:
        index = interpreter.get_input_details()[0]["index"]
        interpreter.resize_tensor_input(index, (batch, *images.shape[1:]))
    interpreter.allocate_tensors()
    taken, given = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    outputs = []
    for start in range(0, len(images), batch):
        interpreter.set_tensor(taken["index"], _as_whole(images[start : start + batch], taken))
        interpreter.invoke()
        outputs.append(_as_float(interpreter.get_tensor(given["index"]), given))
    return np.concatenate(outputs)


def _quantise(converter: Any, images: Images) -> None:
    import tensorflow as tf

    def representative() -> Iterator[list[Images]]:
        for image in images[:: -(-len(images) // CALIBRATION)]:  # evenly, were they sorted by class
            yield [image[None]]

    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = representative
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tf.int8


def _as_whole(values: Any, tensor: dict[str, Any]) -> Any:
    """Values as ``tensor`` takes them; a whole number n stands for (n - zero point) x scale."""
    scale, zero = tensor["quantization"]
    if not scale:
        return values
    limits = np.iinfo(tensor["dtype"])
    return np.clip(np.round(values / scale) + zero, limits.min, limits.max).astype(tensor["dtype"])


def _as_float(values: Any, tensor: dict[str, Any]) -> Any:
    scale, zero = tensor["quantization"]
    return (values.astype(np.float32) - zero) * np.float32(scale) if scale else values
