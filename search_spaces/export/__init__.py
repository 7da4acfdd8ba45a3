"""A child network in formats that others read: ``.keras``, LiteRT, ONNX, OpenVINO, a Python file.

Each function writes one file and runs it: the outputs must be those of the network.
"""

from cellwright.search_spaces.export.check import Exported
from cellwright.search_spaces.export.inference import inference_model
from cellwright.search_spaces.export.to_keras import export_keras
from cellwright.search_spaces.export.to_litert import convert_to_litert, export_litert, run_litert
from cellwright.search_spaces.export.to_onnx import convert_to_onnx, export_onnx
from cellwright.search_spaces.export.to_openvino import export_openvino
from cellwright.search_spaces.export.to_python import export_python

__all__ = [
    "Exported",
    "convert_to_litert",
    "convert_to_onnx",
    "export_keras",
    "export_litert",
    "export_onnx",
    "export_openvino",
    "export_python",
    "inference_model",
    "run_litert",
]
