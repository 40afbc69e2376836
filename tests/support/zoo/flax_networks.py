"""Networks of Flax: NNX and Linen, batch normalisation, weights of their own, weight normalisation."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import reference as ref
from flax import linen as nn
from flax import nnx

from zoo.five_forms import TwoConvolutions, two_convolutions
from zoo.parts import CHANNELS, CLASSES, SIZE, WIDTH, draw, flat, listed


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


@listed
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


@listed
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


@listed
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


@listed
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


@listed
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


@listed
def linen_weight_norm():
    model = LinenWeightNorm()
    held = model.init(jax.random.key(3), jnp.zeros((1, *SIZE, CHANNELS)))
    return {"f": lambda x: model.apply(held, x)}
