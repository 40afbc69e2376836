"""The networks of tests/data/onnx once more, by hand in JAX: channels last, with the weights of the .npz files."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

FOLDER = Path(__file__).parents[1] / "data" / "onnx"
SHAPES = {"lenet": (28, 28, 1), "resnet": (12, 12, 3), "mobilenet": (12, 12, 3), "gelu_mlp": (20,), "vit": (12, 12, 3)}
"""Of one input, channels last."""
CLASSES = {"lenet": 10, "resnet": 4, "mobilenet": 4, "gelu_mlp": 4, "vit": 4}
Weights = dict[str, Any]


def twin(name: str, *, folded: bool = False) -> Callable[[Any], Any]:
    """The network of this name as a function of channels-last inputs.

    Args:
        name: see `NETWORKS`.
        folded: with batch norm folded into the convolutions before it.
    """
    with np.load(FOLDER / f"{name}.npz") as archive:
        weights = {key: archive[key] for key in archive.files if "num_batches" not in key}
    weights = without_batch_norm(weights) if folded else weights
    return lambda x: NETWORKS[name](weights, x)


def without_batch_norm(weights: Weights) -> Weights:
    """Its scale and shift as kernel and bias of the convolution that it follows."""
    left = dict(weights)
    for norm in [key.removesuffix(".running_mean") for key in weights if key.endswith(".running_mean")]:
        front, _, last = norm.rpartition(".")
        conv = f"{front}.{int(last) - 1}" if last.isdigit() else norm.replace("bn", "conv")
        scale, bias, mean, variance = (
            left.pop(f"{norm}.{part}") for part in ("weight", "bias", "running_mean", "running_var")
        )
        factor = scale / np.sqrt(variance + np.float32(1e-5))
        left[f"{conv}.weight"] = left[f"{conv}.weight"] * factor[:, None, None, None]
        left[f"{conv}.bias"] = bias - mean * factor
    return left


def conv(w: Weights, name: str, x: Any, stride: int = 1, padding: int = 0, groups: int = 1) -> Any:
    out = jax.lax.conv_general_dilated(
        x, w[f"{name}.weight"].transpose(2, 3, 1, 0), (stride, stride), [(padding, padding)] * 2,
        dimension_numbers=("NHWC", "HWIO", "NHWC"), feature_group_count=groups,
    )  # fmt: skip
    return out + w[f"{name}.bias"] if f"{name}.bias" in w else out


def dense(w: Weights, name: str, x: Any) -> Any:
    return x @ w[f"{name}.weight"].T + w[f"{name}.bias"]


def batch_norm(w: Weights, name: str, x: Any) -> Any:
    if f"{name}.weight" not in w:  # folded
        return x
    factor = jax.lax.rsqrt(w[f"{name}.running_var"] + np.float32(1e-5)) * w[f"{name}.weight"]
    return (x - w[f"{name}.running_mean"]) * factor + w[f"{name}.bias"]


def layer_norm(w: Weights, name: str, x: Any) -> Any:
    away = x - x.mean(-1, keepdims=True)
    spread = jax.lax.rsqrt(jnp.square(away).mean(-1, keepdims=True) + np.float32(1e-5))
    return away * spread * w[f"{name}.weight"] + w[f"{name}.bias"]


def max_pool(x: Any) -> Any:
    return jax.lax.reduce_window(x, np.float32(-np.inf), jax.lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")


def lenet(w: Weights, x: Any) -> Any:
    x = max_pool(jax.nn.relu(conv(w, "conv1", x)))
    x = max_pool(jax.nn.relu(conv(w, "conv2", x)))
    x = x.transpose(0, 3, 1, 2).reshape(len(x), -1)  # PyTorch flattens channels first
    return dense(w, "fc2", jax.nn.relu(dense(w, "fc1", x)))


def resnet(w: Weights, x: Any) -> Any:
    x = jax.nn.relu(batch_norm(w, "bn", conv(w, "conv", x, padding=1)))
    for block, stride in (("block1", 1), ("block2", 2)):
        y = jax.nn.relu(batch_norm(w, f"{block}.bn1", conv(w, f"{block}.conv1", x, stride, 1)))
        y = batch_norm(w, f"{block}.bn2", conv(w, f"{block}.conv2", y, 1, 1))
        skip = x if stride == 1 else batch_norm(w, f"{block}.skip.1", conv(w, f"{block}.skip.0", x, stride))
        x = jax.nn.relu(y + skip)
    return dense(w, "fc", x.mean((1, 2)))


def mobilenet(w: Weights, x: Any) -> Any:
    x = jax.nn.relu6(batch_norm(w, "stem.1", conv(w, "stem.0", x, 2, 1)))
    for block, stride in (("block1", 1), ("block2", 2)):
        layers, wide = f"{block}.layers", 2 * x.shape[-1]
        y = jax.nn.relu6(batch_norm(w, f"{layers}.1", conv(w, f"{layers}.0", x)))
        y = jax.nn.relu6(batch_norm(w, f"{layers}.4", conv(w, f"{layers}.3", y, stride, 1, groups=wide)))
        y = batch_norm(w, f"{layers}.7", conv(w, f"{layers}.6", y))
        x = x + y if stride == 1 else y
    return dense(w, "fc", x.mean((1, 2)))


def gelu_mlp(w: Weights, x: Any) -> Any:
    for layer in ("layers.0", "layers.3"):
        x = jax.nn.gelu(dense(w, layer, x), approximate=False)
    return dense(w, "layers.5", x)


def vit(w: Weights, x: Any) -> Any:
    x = conv(w, "patches", x, 4).reshape(len(x), 9, 8)
    x = jnp.concatenate([jnp.broadcast_to(w["token"], (len(x), 1, 8)), x], 1) + w["positions"]
    for i in range(2):
        layer = f"encoders.{i}"
        qkv = dense(w, f"{layer}.qkv", layer_norm(w, f"{layer}.norm1", x)).reshape(len(x), 10, 3, 2, 4)
        q, k, v = qkv.transpose(2, 0, 3, 1, 4)
        a = jax.nn.softmax(q @ k.swapaxes(-1, -2) * np.float32(0.5), axis=-1) @ v
        x = x + dense(w, f"{layer}.out", a.swapaxes(1, 2).reshape(len(x), 10, 8))
        y = jax.nn.gelu(dense(w, f"{layer}.fc1", layer_norm(w, f"{layer}.norm2", x)), approximate=False)
        x = x + dense(w, f"{layer}.fc2", y)
    return dense(w, "head", layer_norm(w, "norm", x)[:, 0])


NETWORKS: dict[str, Callable[[Weights, Any], Any]] = {
    "lenet": lenet, "resnet": resnet, "mobilenet": mobilenet, "gelu_mlp": gelu_mlp, "vit": vit,
}  # fmt: skip
"""Name → f(weights, x)."""
