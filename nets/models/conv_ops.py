"""The one place that decides how a convolution is computed: natively, or as patches and one matrix product.

On a CPU XLA's own small convolutions are an order of magnitude slower inside a loop than the same map
written as shifted copies of the input, side by side, times one matrix; on a GPU the native form is right.
"""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax


def conv2d(x: jax.Array, kernel: jax.Array, *, stride: int = 1, padding: int = 0) -> jax.Array:
    """Convolution, in whichever form suits the platform.

    y[n, r, c, o] = Σ_{a, b, i} x[n, s·r+a, s·c+b, i] · kernel[a, b, i, o], x with `padding` zeros on every side

    Args:
        x: (batch, height, width, channels in).
        kernel: (kernel height, kernel width, channels in, channels out).
        stride: s, of rows and columns.
        padding: rows and columns of zeros on every side.

    Returns:
        (batch, (height + 2·padding − kernel height)//s + 1, the same for the width, channels out).

    Example:
        >>> conv2d(jnp.ones((1, 3, 3, 1)), jnp.ones((2, 2, 1, 1))).shape
        (1, 2, 2, 1)
        >>> conv2d(jnp.ones((1, 7, 7, 1)), jnp.ones((3, 3, 1, 4)), stride=2, padding=1).shape
        (1, 4, 4, 4)
    """
    if padding:
        x = jnp.pad(x, ((0, 0), (padding, padding), (padding, padding), (0, 0)))
    form = conv_by_patches if jax.default_backend() == "cpu" else conv_native
    return form(x, kernel, stride)


def conv_native(x: jax.Array, kernel: jax.Array, stride: int = 1) -> jax.Array:
    """`conv2d` without padding as XLA's convolution."""
    strides = (stride, stride)
    return lax.conv_general_dilated(x, kernel, strides, "VALID", dimension_numbers=("NHWC", "HWIO", "NHWC"))


@partial(jax.custom_vjp, nondiff_argnums=(2,))
def conv_by_patches(x: jax.Array, kernel: jax.Array, stride: int = 1) -> jax.Array:
    """`conv2d` without padding as shifted slices, concatenated over channels, and one matrix product.

    It has gradients in reverse mode (`jax.grad`, `jax.jacrev`), and these in either mode (`jax.jvp` of `jax.grad`).
    """
    return _patches(x, kernel.shape, stride) @ _matrix(kernel)


def _patches(x: jax.Array, shape: tuple[int, ...], stride: int) -> jax.Array:
    """What every output position reads, (batch, rows, columns, kernel height · kernel width · channels)."""
    height, width, channels, _ = shape
    rows, columns = (x.shape[1] - height) // stride + 1, (x.shape[2] - width) // stride + 1
    ends = ((rows - 1) * stride + 1, (columns - 1) * stride + 1)
    shifted = [
        lax.slice(x, (0, a, b, 0), (x.shape[0], a + ends[0], b + ends[1], channels), (1, stride, stride, 1))
        for a in range(height)
        for b in range(width)
    ]
    return jnp.concatenate(shifted, axis=-1)


def _matrix(kernel: jax.Array) -> jax.Array:
    return kernel.reshape(-1, kernel.shape[-1])


def _forward(x: jax.Array, kernel: jax.Array, stride: int) -> tuple[jax.Array, Any]:
    patches = _patches(x, kernel.shape, stride)
    return patches @ _matrix(kernel), (patches, kernel, x.shape[1:3])


def _backward(stride: int, kept: Any, gradient: jax.Array) -> tuple[jax.Array, jax.Array]:
    # The gradient that JAX derives is right too, and a fifth slower: it multiplies by the transposed patches,
    # the larger factor, and takes the patches' gradient apart again. Here the smaller factor is transposed,
    # and every tap's share of the input gradient is one product, added where the tap read.
    patches, kernel, size = kept
    height, width, channels, features = kernel.shape
    flat = gradient.reshape(-1, features)
    of_kernel = (flat.T @ patches.reshape(-1, patches.shape[-1])).T.reshape(kernel.shape)
    zero = jnp.zeros((), gradient.dtype)

    def spread(tap: int, axis: int) -> tuple[int, int, int]:
        """Zeros before, after and between the positions that a tap read along an axis."""
        return tap, size[axis] - tap - (gradient.shape[axis + 1] - 1) * stride - 1, stride - 1

    of_x = sum(
        lax.pad(
            (flat @ kernel[a, b].T).reshape(*gradient.shape[:3], channels),
            zero,
            ((0, 0, 0), spread(a, 0), spread(b, 1), (0, 0, 0)),
        )
        for a in range(height)
        for b in range(width)
    )
    return jnp.asarray(of_x), of_kernel


conv_by_patches.defvjp(_forward, _backward)
