"""OpenVINO's own format, through Keras's exporter; checked with OpenVINO on the CPU."""

from __future__ import annotations

import contextlib
import io
import logging
from collections.abc import Iterator
from pathlib import Path

import keras

from cellwright.search_spaces.arguments import check_path
from cellwright.search_spaces.backend import check_backend
from cellwright.search_spaces.errors import ExportFailed
from cellwright.search_spaces.export.check import (
    Exported,
    Given,
    Images,
    Outputs,
    check,
    first_line,
    image_shape,
)
from cellwright.search_spaces.export.in_one_step import in_one_step
from cellwright.search_spaces.export.inference import inference_model
from cellwright.search_spaces.keras_settings import as_shipped


@as_shipped()
def export_openvino(
    model: keras.Model, path: str | Path, *, images: Given | None = None
) -> Exported:
    """Write an ``.xml`` file of any batch size, and a ``.bin`` file of weights beside it.

    Images keep their channels last.

    Args:
        model: See `inference_model`, which is what is written.
        path: Ends in ``.xml``.
        images: For the check; random ones if None.

    Raises:
        ExportFailed: If the network cannot be written, the files give other outputs, or Keras
            runs on another backend than TensorFlow or PyTorch.
        ModuleNotFoundError: Without the extra ``openvino``.
    """
    check_backend("OpenVINO")
    import openvino

    check_path("path", path)
    path, plain = Path(path), inference_model(model)
    files = (path, path.with_suffix(".bin"))
    image = keras.InputSpec(shape=(None, *image_shape(plain)), dtype="float32", name="image")
    try:
        # OpenVINO tells of its updates where the command line prints.
        quietly = contextlib.redirect_stdout(io.StringIO())
        with in_one_step(*files) as (beside, _), quietly, _root_logger_kept():
            plain.export(str(beside), format="openvino", verbose=False, input_signature=[image])
    except OSError:
        raise
    except Exception as error:
        raise ExportFailed(
            f"{plain.name} cannot be made into OpenVINO: {first_line(error)}. Choose another format"
        ) from error

    def run(images: Images) -> Outputs:
        # float32 in every operation: on some processors the default is bfloat16.
        exact = {"INFERENCE_PRECISION_HINT": "f32"}
        compiled = openvino.Core().compile_model(path, "CPU", exact)
        outputs: Outputs = compiled(images)[0]
        return outputs

    return check(files, plain, run, images)


@contextlib.contextmanager
def _root_logger_kept() -> Iterator[None]:
    """Leave the root logger as it was: after a failure OpenVINO's converter leaves it deaf to
    warnings, everybody's."""
    root = logging.getLogger()
    level, handlers, filters = root.level, root.handlers[:], root.filters[:]
    try:
        yield
    finally:
        root.setLevel(level)
        root.handlers[:], root.filters[:] = handlers, filters
