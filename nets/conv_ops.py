"""The one place that decides how a convolution is computed: natively, or as patches and one matrix product.

On a CPU XLA's own small convolutions are an order of magnitude slower inside a loop than the same map
written as shifted copies of the input, side by side, times one matrix; on a GPU the native form is right.
"""

import jax
import jax.numpy as jnp
from jax import lax


def conv2d(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """Convolution with stride 1 and no padding, in whichever form suits the platform.

    y[n, r, c, o] = Σ_{a, b, i} x[n, r+a, c+b, i] · kernel[a, b, i, o]

    Args:
        x: (batch, height, width, channels in).
        kernel: (kernel height, kernel width, channels in, channels out).

    Returns:
        (batch, height − kernel height + 1, width − kernel width + 1, channels out).

    Example:
        >>> conv2d(jnp.ones((1, 3, 3, 1)), jnp.ones((2, 2, 1, 1))).shape
        (1, 2, 2, 1)
    """
    return conv_by_patches(x, kernel) if jax.default_backend() == "cpu" else conv_native(x, kernel)


def conv_native(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """`conv2d` as XLA's convolution."""
    return lax.conv_general_dilated(x, kernel, (1, 1), "VALID", dimension_numbers=("NHWC", "HWIO", "NHWC"))


@jax.custom_vjp
def conv_by_patches(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """`conv2d` as shifted slices, concatenated over channels, and one matrix product.

    It has gradients in reverse mode only (`jax.grad`, `jax.jacrev`).
    """
    return _patches(x, kernel.shape) @ _matrix(kernel)


def _patches(x: jax.Array, shape: tuple[int, ...]) -> jax.Array:
    """What every output position reads, (batch, rows, columns, kernel height · kernel width · channels)."""
    height, width, channels, _ = shape
    rows, columns = x.shape[1] - height + 1, x.shape[2] - width + 1
    shifted = [
        lax.slice(x, (0, a, b, 0), (x.shape[0], a + rows, b + columns, channels))
        for a in range(height)
        for b in range(width)
    ]
    return jnp.concatenate(shifted, axis=-1)


def _matrix(kernel: jax.Array) -> jax.Array:
    return kernel.reshape(-1, kernel.shape[-1])


def _forward(x: jax.Array, kernel: jax.Array) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
    patches = _patches(x, kernel.shape)
    return patches @ _matrix(kernel), (patches, kernel)


def _backward(kept: tuple[jax.Array, jax.Array], gradient: jax.Array) -> tuple[jax.Array, jax.Array]:
    # The gradient that JAX derives is right too, and a fifth slower: it multiplies by the transposed patches,
    # the larger factor, and takes the patches' gradient apart again. Here the smaller factor is transposed,
    # and every tap's share of the input gradient is one product, added where the tap read.
    patches, kernel = kept
    height, width, channels, features = kernel.shape
    flat = gradient.reshape(-1, features)
    of_kernel = (flat.T @ patches.reshape(-1, patches.shape[-1])).T.reshape(kernel.shape)
    of_x = sum(
        jnp.pad(
            (flat @ kernel[a, b].T).reshape(*gradient.shape[:3], channels),
            ((0, 0), (a, height - 1 - a), (b, width - 1 - b), (0, 0)),
        )
        for a in range(height)
        for b in range(width)
    )
    return jnp.asarray(of_x), of_kernel


conv_by_patches.defvjp(_forward, _backward)
