"""ONNX, through Keras's own exporter and tf2onnx; checked with ONNX Runtime."""

from __future__ import annotations

import tempfile
import warnings
from pathlib import Path

import keras

from cellwright.search_spaces.arguments import check_path
from cellwright.search_spaces.backend import backend, check_backend
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
from cellwright.search_spaces.export.inference import inference_model, with_constant_pixels
from cellwright.search_spaces.keras_settings import as_shipped


@as_shipped()
def export_onnx(model: keras.Model, path: str | Path, *, images: Given | None = None) -> Exported:
    """Write an ``.onnx`` file of any batch size; images keep their channels last.

    Args:
        model: See `inference_model`, which is what is written.
        path: Ends in ``.onnx``.
        images: For the check; random ones if None.

    Raises:
        ExportFailed: If the network cannot be written, the file gives other outputs, or Keras
            runs on another backend than TensorFlow or PyTorch.
        ModuleNotFoundError: Without the extra ``export``.
    """
    check_backend("ONNX")
    import onnxruntime

    check_path("path", path)
    path, plain = Path(path), inference_model(model)
    content = convert_to_onnx(plain)
    with in_one_step(path) as (beside,):
        beside.write_bytes(content)

    def run(images: Images) -> Outputs:
        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        outputs: Outputs = session.run(None, {session.get_inputs()[0].name: images})[0]
        return outputs

    return check((path,), plain, run, images)


@as_shipped()
def convert_to_onnx(model: keras.Model) -> bytes:
    """The content of an ``.onnx`` file.

    Args:
        model: See `inference_model`, which is what is converted.

    Raises:
        ExportFailed: If the network cannot be made into ONNX, or Keras runs on another backend
            than TensorFlow or PyTorch.
        ModuleNotFoundError: Without the extra ``export``.
    """
    check_backend("ONNX")
    if backend() == "tensorflow":
        import tf2onnx  # noqa: F401  # Keras imports it too late for a clear message

    plain = with_constant_pixels(inference_model(model))
    image = keras.InputSpec(shape=(None, *image_shape(plain)), dtype="float32", name="image")
    with warnings.catch_warnings(), tempfile.TemporaryDirectory() as folder:
        warnings.simplefilter("ignore", FutureWarning)  # Keras asks NumPy for np.object
        file = Path(folder, "network.onnx")
        try:
            plain.export(str(file), format="onnx", verbose=False, input_signature=[image])
        except Exception as error:
            raise ExportFailed(
                f"{plain.name} cannot be made into ONNX: {first_line(error)}. Choose another format"
            ) from error
        return file.read_bytes()
