"""The zoo: one small network per way of writing one, with its literal description where a chain describes it.

Images are 6×6 with 2 channels, so that every path can be walked. `NETWORKS` maps a name to a builder;
`network(name)` builds it once. Weights come from one seed, so that the five forms are the same network.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import reference as ref
from flax import linen as nn
from flax import nnx
from jax import lax

from sparsebounds import bounds

SIZE, CHANNELS, WIDTH, CLASSES = (6, 6), 2, 3, 4


@dataclass(frozen=True)
class Network:
    """`reference`: f, literally. `chain`: no skips and no max pooling, as the sparse bounds need."""

    name: str
    f: Callable
    x: np.ndarray
    reference: ref.Net | None = None
    chain: bool = True


NETWORKS: dict[str, Callable[[], dict[str, Any]]] = {}


def _zoo(build: Callable[[], dict[str, Any]]) -> Callable[[], dict[str, Any]]:
    NETWORKS[build.__name__] = build
    return build


@cache
def network(name: str) -> Network:
    parts = NETWORKS[name]()
    return Network(name, **({"x": images()} | parts))


def images(count: int = 5, seed: int = 0, size=SIZE, channels=CHANNELS) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(count, *size, channels)).astype(np.float32)


def draw(seed: int, *shape: int, scale: float = 1.0) -> np.ndarray:
    fan_in = np.prod(shape[:-1]) if len(shape) > 1 else 4.0
    return (scale * np.random.default_rng(seed).normal(size=shape) / np.sqrt(fan_in)).astype(np.float32)


def conv(x, kernel, *, stride=(1, 1), padding="VALID", dilation=(1, 1), groups=1):
    return lax.conv_general_dilated(
        x, kernel, stride, padding, rhs_dilation=dilation, feature_group_count=groups,
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
    )  # fmt: skip


def flat(x):
    return x.reshape(x.shape[0], -1)


# ---- one network in five forms -------------------------------------------------------------------


@dataclass(frozen=True)
class TwoConvolutions:
    """Two 2×2 convolutions and a dense layer, the subject of the five forms; biases may be absent."""

    k1: np.ndarray
    k2: np.ndarray
    w: np.ndarray
    b1: np.ndarray | None = None
    b2: np.ndarray | None = None
    b3: np.ndarray | None = None

    def reference(self) -> ref.Net:
        first, middle = ref.convolution(self.k1, SIZE)
        second, last = ref.convolution(self.k2, middle)
        tile = lambda b, size: None if b is None else np.tile(b, size[0] * size[1])  # noqa: E731
        return ref.Net(
            SIZE[0] * SIZE[1],
            self.k1.shape[2],
            (
                ref.layer(first, tile(self.b1, middle), middle[0] * middle[1]),
                ref.layer(second, tile(self.b2, last), last[0] * last[1]),
                ref.layer(self.w.T, self.b3),
            ),
        )


@cache
def two_convolutions(biased: bool = False, seed: int = 1) -> TwoConvolutions:
    kernels = (
        draw(seed, 2, 2, CHANNELS, WIDTH),
        draw(seed + 1, 2, 2, WIDTH, WIDTH),
        draw(seed + 2, 48, CLASSES),
    )
    offsets = (draw(seed + 3, WIDTH), draw(seed + 4, WIDTH), draw(seed + 5, CLASSES)) if biased else (None,) * 3
    return TwoConvolutions(*kernels, *offsets)


def _plus(x, b):
    return x if b is None else x + b


def _stack(net: TwoConvolutions, convolve: Callable) -> Callable:
    def f(x):
        x = jax.nn.relu(_plus(convolve(x, net.k1), net.b1))
        x = jax.nn.relu(_plus(convolve(x, net.k2), net.b2))
        return _plus(flat(x) @ net.w, net.b3)

    return f


def _shifts(x, kernel):
    rows, columns = x.shape[1] - kernel.shape[0] + 1, x.shape[2] - kernel.shape[1] + 1
    for a in range(kernel.shape[0]):
        for b in range(kernel.shape[1]):
            yield (a, b), x[:, a : a + rows, b : b + columns]


def patches_conv(x, kernel):
    patches = jnp.concatenate([part for _, part in _shifts(x, kernel)], axis=-1)
    return patches @ kernel.reshape(-1, kernel.shape[-1])


def patches_flat_batch_conv(x, kernel):
    patches = jnp.concatenate([part for _, part in _shifts(x, kernel)], axis=-1)
    out = patches.reshape(-1, patches.shape[-1]) @ kernel.reshape(-1, kernel.shape[-1])
    return out.reshape(*patches.shape[:-1], kernel.shape[-1])


def shifted_matmul_conv(x, kernel):
    return sum(part @ kernel[a, b] for (a, b), part in _shifts(x, kernel))


def masked_dense_conv(x, kernel):
    matrix, size = ref.convolution(kernel, x.shape[1:3])
    mask = matrix != 0
    weights = np.where(mask, matrix, 7.0).astype(np.float32)  # what the mask hides must not be seen
    return (flat(x) @ jnp.where(mask, weights, 0.0).T).reshape(-1, *size, kernel.shape[-1])


def predecessor_conv(x, kernel):
    """x (B, positions, channels): explicit lists of predecessors, one block of weights per edge."""
    side = int(np.sqrt(x.shape[1]))
    k, out = kernel.shape[0], side - kernel.shape[0] + 1
    lists = np.array(
        [[(y + a) * side + z + b for a in range(k) for b in range(k)] for y in range(out) for z in range(out)]
    )
    weights = np.broadcast_to(kernel.reshape(1, k * k, *kernel.shape[2:]), (out * out, k * k, *kernel.shape[2:]))
    return jnp.einsum("bjdi,jdio->bjo", x[:, lists], weights)


def forms(net: TwoConvolutions) -> dict[str, Callable]:
    """The same function written in five ways."""
    by_lists = _stack(net, predecessor_conv)
    return {
        "native": _stack(net, conv),
        "patches": _stack(net, patches_conv),
        "shifted_matmuls": _stack(net, shifted_matmul_conv),
        "masked_dense": _stack(net, masked_dense_conv),
        "predecessors": lambda x: by_lists(x.reshape(x.shape[0], -1, x.shape[-1])),
    }


def _form(name: str, biased: bool) -> dict[str, Any]:
    net = two_convolutions(biased)
    return {"f": forms(net)[name], "reference": net.reference()}


for _name in ("native", "patches", "shifted_matmuls", "masked_dense", "predecessors"):
    NETWORKS[_name] = partial(_form, _name, False)
    NETWORKS[f"{_name}_biased"] = partial(_form, _name, True)


@_zoo
def patches_flat_batch():
    net = two_convolutions()
    return {"f": _stack(net, patches_flat_batch_conv), "reference": net.reference()}


# ---- Flax ----------------------------------------------------------------------------------------


class NnxConv(nnx.Module):
    def __init__(self, net: TwoConvolutions):
        rngs = nnx.Rngs(0)
        self.first = nnx.Conv(CHANNELS, WIDTH, (2, 2), padding="VALID", rngs=rngs)
        self.second = nnx.Conv(WIDTH, WIDTH, (2, 2), padding="VALID", rngs=rngs)
        self.head = nnx.Linear(48, CLASSES, rngs=rngs)
        self.dropout = nnx.Dropout(0.5, rngs=rngs)
        for part, kernel, bias in ((self.first, net.k1, net.b1), (self.second, net.k2, net.b2)):
            part.kernel[...], part.bias[...] = jnp.asarray(kernel), jnp.asarray(bias)
        self.head.kernel[...], self.head.bias[...] = jnp.asarray(net.w), jnp.asarray(net.b3)

    def __call__(self, x):
        x = nnx.relu(self.second(nnx.relu(self.first(x))))
        return self.head(self.dropout(flat(x)))


@_zoo
def nnx_conv():
    model = NnxConv(two_convolutions(biased=True))
    model.eval()
    return {"f": model, "reference": two_convolutions(biased=True).reference()}


class LinenConv(nn.Module):
    @nn.compact
    def __call__(self, x):
        x = nn.relu(nn.Conv(WIDTH, (3, 3), padding="SAME", name="first")(x))
        x = nn.relu(nn.Conv(WIDTH, (2, 2), strides=2, padding="VALID", name="second")(x))
        return nn.Dense(CLASSES, name="head")(flat(x))


@_zoo
def linen_conv():
    k1, k2, w = draw(11, 3, 3, CHANNELS, WIDTH), draw(12, 2, 2, WIDTH, WIDTH), draw(13, 27, CLASSES)
    b1, b2, b3 = draw(14, WIDTH), draw(15, WIDTH), draw(16, CLASSES)
    parts = {"first": (k1, b1), "second": (k2, b2), "head": (w, b3)}
    held = {"params": {k: {"kernel": jnp.asarray(v[0]), "bias": jnp.asarray(v[1])} for k, v in parts.items()}}
    first, _ = ref.convolution(k1, SIZE, padding=((1, 1), (1, 1)))
    second, _ = ref.convolution(k2, SIZE, stride=(2, 2))
    layers = ref.layer(first, np.tile(b1, 36), 36), ref.layer(second, np.tile(b2, 9), 9), ref.layer(w.T, b3)
    return {"f": lambda x: LinenConv().apply(held, x), "reference": ref.Net(36, CHANNELS, layers)}


class NnxBatchNorm(nnx.Module):
    def __init__(self):
        rngs = nnx.Rngs(1)
        self.conv = nnx.Conv(CHANNELS, WIDTH, (2, 2), padding="VALID", use_bias=False, rngs=rngs)
        self.norm = nnx.BatchNorm(WIDTH, rngs=rngs)
        self.head = nnx.Linear(75, CLASSES, use_bias=False, rngs=rngs)
        self.conv.kernel[...], self.head.kernel[...] = (
            jnp.asarray(draw(21, 2, 2, 2, 3)),
            jnp.asarray(draw(22, 75, 4)),
        )
        self.norm.scale[...], self.norm.bias[...] = (
            jnp.asarray(1 + draw(23, WIDTH)),
            jnp.asarray(draw(24, WIDTH)),
        )
        self.norm.mean[...], self.norm.var[...] = (
            jnp.asarray(draw(25, WIDTH)),
            jnp.asarray(0.5 + draw(26, WIDTH) ** 2),
        )

    def __call__(self, x):
        return self.head(flat(nnx.relu(self.norm(self.conv(x)))))


@_zoo
def nnx_batch_norm():
    model = NnxBatchNorm()
    model.eval()
    scale = np.asarray(model.norm.scale, np.float64) / np.sqrt(np.asarray(model.norm.var, np.float64) + 1e-5)
    shift = np.asarray(model.norm.bias, np.float64) - scale * np.asarray(model.norm.mean, np.float64)
    matrix, _ = ref.convolution(draw(21, 2, 2, 2, 3) * scale, SIZE)
    layers = ref.layer(matrix, np.tile(shift, 25), 25), ref.layer(draw(22, 75, 4).T)
    return {"f": model, "reference": ref.Net(36, CHANNELS, layers)}


class LinenNormAfterRelu(nn.Module):
    """Batch norm after the ReLU and before a zero-padded convolution: its shift is not seen at the border."""

    @nn.compact
    def __call__(self, x):
        x = nn.relu(nn.Conv(WIDTH, (2, 2), padding="VALID", use_bias=False, name="first")(x))
        x = nn.BatchNorm(use_running_average=True, name="norm")(x)
        x = nn.relu(nn.Conv(WIDTH, (3, 3), padding="SAME", use_bias=False, name="second")(x))
        return nn.Dense(CLASSES, use_bias=False, name="head")(flat(x))


@_zoo
def linen_batch_norm_before_padding():
    k1, k2, w = draw(31, 2, 2, CHANNELS, WIDTH), draw(32, 3, 3, WIDTH, WIDTH), draw(33, 75, CLASSES)
    scale, shift = 1 + draw(34, WIDTH), draw(35, WIDTH)
    mean, var = draw(36, WIDTH), 0.5 + draw(37, WIDTH) ** 2
    held = {
        "params": {
            "first": {"kernel": k1}, "second": {"kernel": k2}, "head": {"kernel": w},
            "norm": {"scale": scale, "bias": shift},
        },
        "batch_stats": {"norm": {"mean": mean, "var": var}},
    }  # fmt: skip
    factor = scale.astype(np.float64) / np.sqrt(var.astype(np.float64) + 1e-5)
    offset = shift - factor * mean
    first, _ = ref.convolution(k1, SIZE)
    second, _ = ref.convolution(k2, (5, 5), padding=((1, 1), (1, 1)))
    folded = second * np.tile(factor, 25)[None, :]
    layers = (
        ref.layer(first, positions=25),
        ref.layer(folded, second @ np.tile(offset, 25), 25),
        ref.layer(w.T),
    )
    return {"f": lambda x: LinenNormAfterRelu().apply(held, x), "reference": ref.Net(36, CHANNELS, layers)}


@_zoo
def linen_conv_local():
    kernel, w = draw(41, 5, 5, 4 * CHANNELS, WIDTH, scale=5.0), draw(42, 75, CLASSES)
    local = nn.ConvLocal(WIDTH, (2, 2), padding="VALID", use_bias=False)

    def f(x):
        return flat(jax.nn.relu(local.apply({"params": {"kernel": kernel}}, x))) @ w

    # Flax flattens a patch with its channels slowest: (in, kh, kw).
    unshared = kernel.reshape(5, 5, CHANNELS, 2, 2, WIDTH).transpose(0, 1, 3, 4, 2, 5)
    layers = ref.layer(ref.locally_connected(unshared, SIZE), positions=25), ref.layer(w.T)
    return {"f": f, "reference": ref.Net(36, CHANNELS, layers)}


class LinenWeightNorm(nn.Module):
    @nn.compact
    def __call__(self, x):
        x = nn.relu(nn.WeightNorm(nn.Conv(WIDTH, (2, 2), padding="VALID", use_bias=False))(x))
        return nn.WeightNorm(nn.Dense(CLASSES, use_bias=False))(flat(x))


@_zoo
def linen_weight_norm():
    model = LinenWeightNorm()
    held = model.init(jax.random.key(3), jnp.zeros((1, *SIZE, CHANNELS)))
    return {"f": lambda x: model.apply(held, x)}


# ---- convolutions of all kinds -------------------------------------------------------------------


def _one_convolution(kernel, out_positions, *, activation=jax.nn.relu, slope=0.0, literal=None, seed=50, **options):
    """relu(conv(x)) and a dense layer; `literal` are the same options as the reference takes them."""
    w = draw(seed, out_positions * kernel.shape[-1], CLASSES)
    matrix, _ = ref.convolution(kernel, SIZE, **(literal or {}))
    layers = ref.layer(matrix, positions=out_positions, slope=slope), ref.layer(w.T)
    return {
        "f": lambda x: flat(activation(conv(x, kernel, **options))) @ w,
        "reference": ref.Net(36, kernel.shape[2] * options.get("groups", 1), layers),
    }


@_zoo
def strided_same():
    pads = tuple(ref.same_padding(6, 3, 2) for _ in range(2))
    literal = {"stride": (2, 2), "padding": pads}
    return _one_convolution(draw(51, 3, 3, CHANNELS, WIDTH), 9, literal=literal, stride=(2, 2), padding="SAME")


@_zoo
def uneven_padding():
    pads = ((2, 0), (0, 1))
    return _one_convolution(draw(52, 3, 2, CHANNELS, WIDTH), 36, literal={"padding": pads}, padding=pads)


@_zoo
def dilated():
    return _one_convolution(draw(53, 2, 2, CHANNELS, WIDTH), 16, literal={"dilation": (2, 2)}, dilation=(2, 2))


@_zoo
def depthwise():
    return _one_convolution(draw(54, 2, 2, 1, 2 * CHANNELS), 25, literal={"groups": 2}, groups=2)


@_zoo
def grouped():
    k1, k2, w = draw(55, 2, 2, CHANNELS, 4), draw(56, 2, 2, 2, 4), draw(57, 64, CLASSES)
    first, _ = ref.convolution(k1, SIZE)
    second, _ = ref.convolution(k2, (5, 5), groups=2)
    layers = ref.layer(first, positions=25), ref.layer(second, positions=16), ref.layer(w.T)

    def f(x):
        x = jax.nn.relu(conv(x, k1))
        return flat(jax.nn.relu(conv(x, k2, groups=2))) @ w

    return {"f": f, "reference": ref.Net(36, CHANNELS, layers)}


@_zoo
def leaky_relu():
    kernel, activation = draw(58, 2, 2, CHANNELS, WIDTH), partial(jax.nn.leaky_relu, negative_slope=0.25)
    return _one_convolution(kernel, 25, activation=activation, slope=0.25)


@_zoo
def maximum_relu():
    return _one_convolution(draw(59, 2, 2, CHANNELS, WIDTH), 25, activation=lambda t: jnp.maximum(t, 0.0))


@_zoo
def where_relu():
    return _one_convolution(draw(60, 2, 2, CHANNELS, WIDTH), 25, activation=lambda t: jnp.where(t > 0, t, 0.0))


@_zoo
def masked_convolution():
    mask = np.random.default_rng(61).random((2, 2, CHANNELS, WIDTH)) < 0.4
    mask[0, 1] = False
    kernel = draw(62, 2, 2, CHANNELS, WIDTH)
    parts = _one_convolution(np.where(mask, kernel, 0.0).astype(np.float32), 25)
    w = draw(50, 75, CLASSES)
    return parts | {"f": lambda x: flat(jax.nn.relu(conv(x, jnp.where(mask, kernel, 0.0)))) @ w}


@_zoo
def weight_norm():
    v, g, w = draw(63, 2, 2, CHANNELS, WIDTH), np.float32(1.7), draw(50, 75, CLASSES)
    exact = 1.7 * v.astype(np.float64) / np.linalg.norm(v.astype(np.float64).ravel())
    parts = _one_convolution(exact.astype(np.float32), 25)
    return parts | {"f": lambda x: flat(jax.nn.relu(conv(x, g * v / jnp.sqrt(jnp.sum(v**2))))) @ w}


@_zoo
def channels_first():
    kernel, w = draw(64, WIDTH, CHANNELS, 2, 2), draw(50, 75, CLASSES)
    matrix, _ = ref.convolution(kernel.transpose(2, 3, 1, 0), SIZE)
    layers = ref.layer(matrix, positions=25), ref.layer(w.T)

    def f(x):
        x = lax.conv_general_dilated(x.transpose(0, 3, 1, 2), kernel, (1, 1), "VALID")
        return flat(jax.nn.relu(x).transpose(0, 2, 3, 1)) @ w

    return {"f": f, "reference": ref.Net(36, CHANNELS, layers)}


@_zoo
def explicit_pad():
    kernel, w = draw(65, 3, 3, CHANNELS, WIDTH), draw(50, 108, CLASSES)
    matrix, _ = ref.convolution(kernel, SIZE, padding=((1, 1), (1, 1)))
    layers = ref.layer(matrix, positions=36), ref.layer(w.T)

    def f(x):
        return flat(jax.nn.relu(conv(jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0))), kernel))) @ w

    return {"f": f, "reference": ref.Net(36, CHANNELS, layers)}


@_zoo
def local_einsum():
    kernels, w = draw(66, 5, 5, 2, 2, CHANNELS, WIDTH, scale=5.0), draw(50, 75, CLASSES)
    layers = ref.layer(ref.locally_connected(kernels, SIZE), positions=25), ref.layer(w.T)

    def f(x):
        patches = jnp.stack([part for _, part in _shifts(x, kernels[0, 0])], axis=3)
        return flat(jax.nn.relu(jnp.einsum("bhwki,hwkio->bhwo", patches, kernels.reshape(5, 5, 4, 2, 3)))) @ w

    return {"f": f, "reference": ref.Net(36, CHANNELS, layers)}


@_zoo
def random_predecessors():
    """Unshared blocks, irregular degrees: some edges' weights are all zero."""
    rng = np.random.default_rng(67)
    first = np.stack([rng.choice(36, 3, replace=False) for _ in range(12)])
    second = np.stack([rng.choice(12, 4, replace=False) for _ in range(6)])
    w1, w2, w = draw(68, 12, 3, CHANNELS, WIDTH), draw(69, 6, 4, WIDTH, WIDTH), draw(50, 18, CLASSES)
    w1[::3, 1] = 0.0
    layers = (
        ref.layer(ref.predecessors(first, w1, 36), positions=12),
        ref.layer(ref.predecessors(second, w2, 12), positions=6),
        ref.layer(w.T),
    )

    def f(x):
        z = jax.nn.relu(jnp.einsum("bjdi,jdio->bjo", x.reshape(x.shape[0], 36, CHANNELS)[:, first], w1))
        return flat(jax.nn.relu(jnp.einsum("bjdi,jdio->bjo", z[:, second], w2))) @ w

    return {"f": f, "reference": ref.Net(36, CHANNELS, layers)}


# ---- calls, loops, layouts -----------------------------------------------------------------------


@jax.custom_vjp
def _plain_relu(x):
    return jnp.maximum(x, 0.0)


_plain_relu.defvjp(lambda x: (_plain_relu(x), x), lambda x, g: (jnp.where(x > 0, g, 0.0),))


@jax.custom_jvp
def _own_relu(x):
    return jnp.where(x >= 0, x, 0.0)


_own_relu.defjvp(lambda primals, tangents: (_own_relu(*primals), jnp.where(primals[0] > 0, tangents[0], 0.0)))


@_zoo
def nested_calls():
    net = two_convolutions(biased=True)

    @jax.jit
    def first(x):
        return _own_relu(conv(x, net.k1) + net.b1)

    @jax.checkpoint
    def second(x):
        return _plain_relu(jax.jit(lambda z: conv(first(z), net.k2) + net.b2)(x))

    return {"f": lambda x: flat(second(x)) @ net.w + net.b3, "reference": net.reference()}


@_zoo
def vmapped():
    net = two_convolutions(biased=True)

    def one(x):
        x = jax.nn.relu(conv(x[None], net.k1)[0] + net.b1)
        x = jax.nn.relu(conv(x[None], net.k2)[0] + net.b2)
        return net.w.T @ x.reshape(-1) + net.b3

    return {"f": jax.vmap(one), "reference": net.reference()}


@_zoo
def scanned():
    kernels, w = draw(71, 3, 3, 3, CHANNELS, CHANNELS, scale=2.0), draw(72, 72, CLASSES)
    kernels = kernels.reshape(3, 3, 3, CHANNELS, CHANNELS)
    matrices = [ref.convolution(k, SIZE, padding=((1, 1), (1, 1)))[0] for k in kernels]
    layers = *(ref.layer(matrix, positions=36) for matrix in matrices), ref.layer(w.T)

    def f(x):
        x, _ = lax.scan(lambda z, k: (jax.nn.relu(conv(z, k, padding="SAME")), None), x, jnp.asarray(kernels))
        return flat(x) @ w

    return {"f": f, "reference": ref.Net(36, CHANNELS, layers)}


@_zoo
def transposed_weights():
    w1, w2 = draw(73, 72, 10), draw(74, 10, CLASSES)

    def f(x):
        return (w2.T @ jax.nn.relu(w1.T @ flat(x).T)).T

    return {"f": f}


@_zoo
def mlp_flat():
    w1, w2, w3 = draw(75, 12, 8), draw(76, 8, 7), draw(77, 7, CLASSES)
    b1, b2, b3 = draw(78, 8), draw(79, 7), draw(80, CLASSES)
    layers = ref.layer(w1.T, b1), ref.layer(w2.T, b2), ref.layer(w3.T, b3)

    def f(x):
        return jax.nn.relu(jax.nn.relu(x @ w1 + b1) @ w2 + b2) @ w3 + b3

    x = np.random.default_rng(81).normal(size=(5, 12)).astype(np.float32)
    return {"f": f, "x": x, "reference": ref.Net(12, 1, layers)}


@_zoo
def linear_only():
    w = draw(82, 72, CLASSES)
    return {"f": lambda x: flat(x) @ w, "reference": ref.Net(36, CHANNELS, (ref.layer(w.T),))}


@_zoo
def input_scaled():
    """A normalisation of the input inside the network, before zero padding."""
    k, w = draw(83, 3, 3, CHANNELS, WIDTH), draw(50, 108, CLASSES)
    return {"f": lambda x: flat(jax.nn.relu(conv((x - 0.5) / 0.5, k, padding="SAME"))) @ w}


# ---- outside the chains --------------------------------------------------------------------------


@_zoo
def average_pooled():
    k, w = draw(84, 3, 3, CHANNELS, WIDTH), draw(85, 27, CLASSES)

    def f(x):
        x = jax.nn.relu(conv(x, k, padding="SAME"))
        return flat(lax.reduce_window(x, 0.0, lax.add, (1, 2, 2, 1), (1, 2, 2, 1), "VALID") / 4.0) @ w

    return {"f": f}


@_zoo
def global_average():
    k, w = draw(86, 2, 2, CHANNELS, WIDTH), draw(87, WIDTH, CLASSES)
    return {"f": lambda x: jnp.mean(jax.nn.relu(conv(x, k)), axis=(1, 2)) @ w}


@_zoo
def max_pooled():
    k, w = draw(88, 3, 3, CHANNELS, WIDTH), draw(85, 27, CLASSES)

    def f(x):
        x = jax.nn.relu(conv(x, k, padding="SAME"))
        return flat(nn.max_pool(x, (2, 2), strides=(2, 2))) @ w

    return {"f": f, "chain": False}


@_zoo
def residual_post_activation():
    k1, k2, k3 = draw(89, 1, 1, CHANNELS, WIDTH), draw(90, 3, 3, WIDTH, WIDTH), draw(91, 3, 3, WIDTH, WIDTH)
    w = draw(50, 108, CLASSES)

    def f(x):
        x = jax.nn.relu(conv(x, k1))
        y = conv(jax.nn.relu(conv(x, k2, padding="SAME")), k3, padding="SAME")
        return flat(jax.nn.relu(x + y)) @ w

    return {"f": f, "chain": False}


@_zoo
def residual_pre_activation():
    k1, k2, w = draw(92, 1, 1, CHANNELS, WIDTH), draw(93, 3, 3, WIDTH, WIDTH), draw(50, 108, CLASSES)

    def f(x):
        x = conv(x, k1)
        return flat(jax.nn.relu(x + conv(jax.nn.relu(x), k2, padding="SAME"))) @ w

    return {"f": f, "chain": False}


@_zoo
def concatenated():
    k1, k2, w = draw(94, 1, 1, CHANNELS, WIDTH), draw(95, 3, 3, CHANNELS, WIDTH), draw(96, 216, CLASSES)

    def f(x):
        x = jnp.concatenate([jax.nn.relu(conv(x, k1)), jax.nn.relu(conv(x, k2, padding="SAME"))], axis=-1)
        return flat(x) @ w

    return {"f": f}


# ---- with norms worked by hand -------------------------------------------------------------------


def two_three_by_three(bias=0.0):
    """8×8, two 3×3 convolutions of norms 1.2 and 0.8 (with their bias), 16 positions, ten equal rows, ‖W‖_F = 1.5."""
    parts = [(draw(70, 3, 3, 1, 1), 1.2), (draw(71, 3, 3, 1, 1), 0.8)]
    scaled = [(np.sqrt(n**2 - bias**2) * k / np.linalg.norm(k)).astype(np.float32) for k, n in parts]
    row = draw(72, 16, 1)
    row = row / np.linalg.norm(row) * np.sqrt(1.5**2 / 10 - bias**2)
    w = np.repeat(row, 10, axis=1).astype(np.float32)

    def f(x):
        for k in scaled:
            x = conv(x, k)
            x = jax.nn.relu(x + np.float32(bias) if bias else x)
        scores = flat(x) @ w
        return scores + np.full(10, bias, np.float32) if bias else scores

    return bounds.read_graph(f, np.ones((2, 8, 8, 1), np.float32))
