"""A PyTorch module, through an ONNX file in a folder that is deleted again."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from sparsebounds.nets.onnx.comparison import compare
from sparsebounds.nets.onnx.errors import OnnxError
from sparsebounds.nets.onnx.loading import load
from sparsebounds.nets.onnx.network import OnnxNetwork
from sparsebounds.nets.onnx.packages import torch_package

OPSET = 20


def from_torch(module: Any, example: Any) -> OnnxNetwork:
    """A PyTorch module as a function of JAX: exported with torch.onnx.export, read and compared with onnxruntime.

    Args:
        module: in evaluation mode.
        example: a tensor of inputs (B, …), on which the two are compared.

    Returns:
        As `load`; images with their channels first, `channels_last()` for the others.

    Raises:
        OnnxError: PyTorch is missing, the module is in training mode, cannot be exported, or what was exported cannot
            be read.

    Example:
        >>> from sparsebounds import nets
        >>> nets.onnx.from_torch(module, example)  # doctest: +SKIP
    """
    torch = torch_package()
    if getattr(module, "training", False):
        raise OnnxError("the module is in training mode: call module.eval() first")
    example = torch.as_tensor(example)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "module.onnx"
        axes = {"x": {0: "batch"}, "scores": {0: "batch"}}
        try:
            torch.onnx.export(
                module, (example,), path, dynamo=False, input_names=["x"], output_names=["scores"], dynamic_axes=axes,
                opset_version=OPSET, training=torch.onnx.TrainingMode.PRESERVE, do_constant_folding=False,
            )  # fmt: skip
        except Exception as error:
            raise OnnxError(f"torch.onnx.export fails: {' '.join(str(error).split())[:300]}") from error
        f = load(path)
        compare(f, path, example.detach().cpu().numpy())
    return f
