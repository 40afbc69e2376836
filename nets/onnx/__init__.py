"""A network from an ONNX file: a function of JAX, its weights, and a comparison with onnxruntime."""

from sparsebounds.nets.onnx.errors import OnnxError
from sparsebounds.nets.onnx.loading import load
from sparsebounds.nets.onnx.network import OnnxNetwork

__all__ = ["load", "OnnxNetwork", "OnnxError"]
