"""A network from an ONNX file: a function of JAX, its weights, and a comparison with onnxruntime."""

from sparsebounds.nets.onnx.comparison import Comparison, compare
from sparsebounds.nets.onnx.errors import OnnxError
from sparsebounds.nets.onnx.exporting import from_torch
from sparsebounds.nets.onnx.file import files_of
from sparsebounds.nets.onnx.fresh import drawn_anew
from sparsebounds.nets.onnx.loading import load, named_weights
from sparsebounds.nets.onnx.network import OnnxNetwork

__all__ = [
    "load",
    "from_torch",
    "compare",
    "drawn_anew",
    "named_weights",
    "files_of",
    "OnnxNetwork",
    "Comparison",
    "OnnxError",
]
