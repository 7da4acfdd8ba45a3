"""Which extra of Cellwright brings a package that is missing."""

from __future__ import annotations

import importlib.util

from cellwright.searches.hosts import HOSTS

# By the name that is imported.
EXTRAS = {
    **{host.package: name for name, host in HOSTS.items()},
    "yaml": "nni",
    "mlflow": "mlflow",
    "tensorboard": "tensorboard",
    "keras": "tensorflow",
    "tensorflow": "tensorflow",
    "sklearn": "tensorflow",
    "PIL": "images",
    "ai_edge_litert": "export",
    "onnx": "export",
    "onnxruntime": "export",
    "tf2onnx": "export",
    "openvino": "openvino",
    "jinja2": "report",
    "vl_convert": "report",
}
_TITLES = {"sklearn": "scikit-learn", "yaml": "PyYAML", "PIL": "Pillow", "openvino": "OpenVINO",
           "jinja2": "Jinja2", "vl_convert": "vl-convert-python"}  # fmt: skip


def advice(module: str | None, what: str = "") -> str | None:
    """What to install where ``module`` is missing; None if no extra brings it.

    Args:
        module: Name of the module that was not found.
        what: What needs it, if that is known.
    """
    package = str(module).split(".")[0]
    if package not in EXTRAS:
        return None
    title, extra = _TITLES.get(package, package), EXTRAS[package]
    told = f"{what} needs {title}, which is" if what else f"{title} is needed but"
    return f"{told} not installed: pip install 'cellwright[{extra}]'"


def require(module: str, what: str) -> None:
    """Check that a module is installed, without importing it.

    Raises:
        ModuleNotFoundError: If it is not, with the `advice` as its message.
    """
    try:
        found = importlib.util.find_spec(module)
    except ModuleNotFoundError:
        found = None
    if found is None:
        raise ModuleNotFoundError(advice(module, what), name=module)


def explained(error: ModuleNotFoundError, what: str) -> ModuleNotFoundError:
    """``error`` with the `advice` as its message, or as it is if no extra brings the module."""
    if "pip install" in str(error):  # explained below already
        return error
    told = advice(error.name, what)
    return error if told is None else ModuleNotFoundError(told, name=error.name)
