"""Starting weights: PyTorch's default, which the papers' experiments start from, or Flax's."""

import math
from typing import Literal

import jax
import jax.numpy as jnp
from flax import nnx

Init = Literal["torch", "flax"]


def starting_weights(
    shape: tuple[int, ...], bias_shape: tuple[int, ...], fan_in: int, init: str, rngs: nnx.Rngs
) -> tuple[jax.Array, jax.Array]:
    """Kernel and bias at the start of training.

    "torch": both uniform on ±1/√fan_in (variance 1/(3·fan_in)); "flax": kernel truncated normal of variance
    1/fan_in, bias zero.

    Args:
        shape, bias_shape: of kernel and bias.
        fan_in: number of inputs one output reads.
        init: "torch" or "flax".
        rngs: source of keys; the stream `params` is used.

    Raises:
        ValueError: another `init`.
    """
    if init == "torch":
        limit = 1 / math.sqrt(fan_in)
        kernel = jax.random.uniform(rngs.params(), shape, jnp.float32, -limit, limit)
        return kernel, jax.random.uniform(rngs.params(), bias_shape, jnp.float32, -limit, limit)
    if init == "flax":
        # Flax's lecun_normal: a normal cut at two deviations, widened to keep its variance.
        spread = 1 / math.sqrt(fan_in) / 0.87962566103423978
        kernel = spread * jax.random.truncated_normal(rngs.params(), -2, 2, shape, jnp.float32)
        return kernel, jnp.zeros(bias_shape, jnp.float32)
    raise ValueError(f'init is {init!r}; choose "torch" or "flax"')


def dense(n_in: int, n_out: int, init: str, use_bias: bool, rngs: nnx.Rngs) -> nnx.Linear:
    """An `nnx.Linear` that starts as `starting_weights` says."""
    kernel, bias = starting_weights((n_in, n_out), (n_out,), n_in, init, rngs)
    return nnx.Linear(
        n_in,
        n_out,
        use_bias=use_bias,
        kernel_init=lambda *_: kernel,
        bias_init=lambda *_: bias,
        rngs=rngs,
    )
