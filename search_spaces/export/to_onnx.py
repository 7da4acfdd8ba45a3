"""ONNX, through Keras's own exporter and tf2onnx; checked with ONNX Runtime."""

from __future__ import annotations

import warnings
from pathlib import Path

import keras

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
from cellwright.search_spaces.export.inference import inference_model
from cellwright.search_spaces.keras_settings import as_shipped


@as_shipped()
def export_onnx(model: keras.Model, path: str | Path, *, images: Given | None = None) -> Exported:
    """Write an ``.onnx`` file of any batch size; images keep their channels last.

    Args:
        model: See `inference_model`, which is what is written.
        path: Ends in ``.onnx``.
        images: For the check; random ones if None.

    Raises:
        ExportFailed: If the network cannot be written, or the file gives other outputs.
        ModuleNotFoundError: Without the extra ``export``.
    """
    import onnxruntime
    import tf2onnx  # noqa: F401  # Keras imports it too late for a clear message

    path, plain = Path(path), inference_model(model)
    image = keras.InputSpec(shape=(None, *image_shape(plain)), dtype="float32", name="image")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # Keras asks NumPy for np.object
        try:
            plain.export(str(path), format="onnx", verbose=False, input_signature=[image])
        except Exception as error:
            raise ExportFailed(
                f"{plain.name} cannot be made into ONNX: {first_line(error)}. Choose another format"
            ) from error

    def run(images: Images) -> Outputs:
        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        outputs: Outputs = session.run(None, {session.get_inputs()[0].name: images})[0]
        return outputs

    return check((path,), plain, run, images)
