"""On which backend Keras runs, and which files can be made there; told without importing Keras."""

from __future__ import annotations

import json
import os
import sys
from importlib.util import find_spec
from pathlib import Path

from cellwright.search_spaces.errors import ExportFailed

_NAMES = {"tensorflow": "TensorFlow", "jax": "JAX", "torch": "PyTorch"}
# By the format of a file, the backends under which one can be made. OpenVINO cannot read what Keras
# gives it under JAX.
WRITERS = {
    "LiteRT": ("tensorflow",),
    "ONNX": ("tensorflow", "torch"),
    "OpenVINO": ("tensorflow", "torch"),
}


def backend() -> str:
    """The name of Keras's backend, such as ``"tensorflow"``, ``"jax"`` or ``"torch"``.

    Keras is not imported for it, since that takes seconds.
    """
    if "keras" in sys.modules:
        import keras

        return str(keras.backend.backend())
    if named := os.environ.get("KERAS_BACKEND"):
        return named
    home = os.environ.get("KERAS_HOME") or Path.home() / ".keras"
    try:
        return str(json.loads(Path(home, "keras.json").read_text("utf-8"))["backend"])
    except (OSError, ValueError, KeyError, TypeError):
        return "tensorflow"  # as Keras has it


def check_backend(format: str) -> None:
    """Check that a file can be made under the backend that Keras runs on.

    Args:
        format: Of the file: a key of `WRITERS`. Any other can be made under every backend. ONNX
            can be made under JAX too, where jax2onnx is installed.

    Raises:
        ExportFailed: If it cannot, naming the backend, those that can, and how to choose one.
    """
    here = backend()
    allowed = WRITERS.get(format, (here,))
    if here in allowed or (format == "ONNX" and here == "jax" and find_spec("jax2onnx")):
        return  # under JAX, Keras writes ONNX through that package, which no extra of ours brings
    raise ExportFailed(
        f"{format} files are made under {' or '.join(_NAMES[name] for name in allowed)}, and "
        f"Keras runs on {_NAMES.get(here, here)} here: set the environment variable "
        f"{' or '.join(f'KERAS_BACKEND={name}' for name in allowed)} and start again"
    )
