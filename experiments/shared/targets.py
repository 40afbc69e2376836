"""What the command line takes as a network: `module.py:name`, or an ONNX file. Without any import, for options."""

from pathlib import Path


def is_onnx(target: str | None) -> bool:
    """Whether a target is the path of an ONNX file.

    Example:
        >>> is_onnx("lenet.onnx"), is_onnx("model.py:build"), is_onnx(None)
        (True, False, False)
    """
    return target is not None and target.endswith(".onnx")


def file_of(target: str) -> Path:
    """The file of a target.

    Example:
        >>> str(file_of("nets/model.py:build")), str(file_of("lenet.onnx"))
        ('nets/model.py', 'lenet.onnx')
    """
    return Path(target if is_onnx(target) else target.rpartition(":")[0] or target)
