"""One network, two convolutions and a dense layer, written in five ways and more."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial

import jax
import jax.numpy as jnp
import numpy as np
import reference as ref

from zoo.parts import CHANNELS, CLASSES, NETWORKS, SIZE, WIDTH, Parts, conv, draw, flat, listed, shifts


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


def stack(net: TwoConvolutions, convolve: Callable) -> Callable:
    def f(x):
        x = jax.nn.relu(_plus(convolve(x, net.k1), net.b1))
        x = jax.nn.relu(_plus(convolve(x, net.k2), net.b2))
        return _plus(flat(x) @ net.w, net.b3)

    return f


def patches_conv(x, kernel):
    patches = jnp.concatenate([part for _, part in shifts(x, kernel)], axis=-1)
    return patches @ kernel.reshape(-1, kernel.shape[-1])


def patches_flat_batch_conv(x, kernel):
    patches = jnp.concatenate([part for _, part in shifts(x, kernel)], axis=-1)
    out = patches.reshape(-1, patches.shape[-1]) @ kernel.reshape(-1, kernel.shape[-1])
    return out.reshape(*patches.shape[:-1], kernel.shape[-1])


def shifted_matmul_conv(x, kernel):
    return sum(part @ kernel[a, b] for (a, b), part in shifts(x, kernel))


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
    by_lists = stack(net, predecessor_conv)
    return {
        "native": stack(net, conv),
        "patches": stack(net, patches_conv),
        "shifted_matmuls": stack(net, shifted_matmul_conv),
        "masked_dense": stack(net, masked_dense_conv),
        "predecessors": lambda x: by_lists(x.reshape(x.shape[0], -1, x.shape[-1])),
    }


def _form(name: str, biased: bool) -> Parts:
    net = two_convolutions(biased)
    return {"f": forms(net)[name], "reference": net.reference()}


for _name in ("native", "patches", "shifted_matmuls", "masked_dense", "predecessors"):
    NETWORKS[_name] = partial(_form, _name, False)
    NETWORKS[f"{_name}_biased"] = partial(_form, _name, True)


@listed
def patches_flat_batch():
    net = two_convolutions()
    return {"f": stack(net, patches_flat_batch_conv), "reference": net.reference()}
