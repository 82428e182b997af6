"""Export fitted pipelines to files that are safe to load: skops, safetensors and ONNX."""

from skcnn.export.onnx_file import to_onnx
from skcnn.export.skl2onnx_converters import register_skl2onnx
from skcnn.export.trust import trusted_types
from skcnn.export.weights import load_weights, save_weights

__all__ = ["load_weights", "register_skl2onnx", "save_weights", "to_onnx", "trusted_types"]
