"""The same kinds of networks from ONNX files of PyTorch: those of the tests, where a checkout is at hand."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

from sparsebounds.experiments.reproduce.architectures.matrix import ONNX
from sparsebounds.nets import onnx

FOLDER = Path(__file__).resolve().parents[3] / "tests" / "data" / "onnx"
FILES: Mapping[str, str] = {
    "LeNet, max pooling, biases": "lenet-dynamo-20.onnx",
    "ResNet, batch norm": "resnet-dynamo-20.onnx",
    "MobileNet block, ReLU6": "mobilenet-dynamo-20.onnx",
    "vision transformer": "vit-dynamo-20.onnx",
}
"""Network → a file of a network of this kind, with trained weights and sizes of its own."""


def there(networks: tuple[str, ...]) -> tuple[str, ...]:
    """Names for rows, such as "ONNX: vision transformer", of networks with a file; none without the extra [onnx]."""
    if find_spec("onnx") is None:
        return ()
    return tuple(ONNX + name for name in networks if name in FILES and (FOLDER / FILES[name]).is_file())


def from_file(name: str) -> onnx.OnnxNetwork:
    """The network of such a name, images with their channels last like those of the others."""
    return onnx.load(FOLDER / FILES[name.removeprefix(ONNX)]).channels_last()
