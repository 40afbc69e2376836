"""The packages of the extra `[onnx]`, and PyTorch: imported when they are first needed."""

from __future__ import annotations

from typing import Any

from sparsebounds.nets.onnx.errors import OnnxError


def onnx_package() -> Any:
    """The `onnx` package.

    Raises:
        OnnxError: it is not installed.
    """
    try:
        import onnx
        import onnx.inliner
    except ImportError as error:
        raise missing("onnx", "reads the file") from error
    return onnx


def reference_package() -> Any:
    """`onnx.reference`: operators on NumPy arrays, for what is constant."""
    onnx_package()
    import onnx.reference

    return onnx.reference


def runtime_package() -> Any:
    """The `onnxruntime` package.

    Raises:
        OnnxError: it is not installed.
    """
    try:
        import onnxruntime
    except ImportError as error:
        raise missing("onnxruntime", "the scores are compared with") from error
    return onnxruntime


def torch_package() -> Any:
    """PyTorch.

    Raises:
        OnnxError: it is not installed.
    """
    try:
        import torch
    except ImportError as error:
        raise OnnxError("PyTorch is not installed: pip install torch, or load a file that was exported") from error
    return torch


def missing(package: str, what: str) -> OnnxError:
    """What is said where a package of the extra is missing."""
    return OnnxError(f"the package {package}, which {what}, is not installed: pip install 'sparsebounds[onnx]'")
