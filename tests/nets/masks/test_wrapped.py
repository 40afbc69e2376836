"""Kernels that a module around their layer normalises: refused wherever sizes count, however they are handed over."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax
import pytest
from flax import linen as nn
from flax import nnx

from sparsebounds.nets import grow, masks, prune, topology

R = nnx.Rngs(0)


class Linen(nn.Module):
    """One of two layers under Linen's WeightNorm."""

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        return nn.Dense(3)(nn.WeightNorm(nn.Dense(8))(x))


def linen() -> Any:
    with jax.numpy_dtype_promotion("standard"):
        return Linen().init(jax.random.key(0), jnp.ones((1, 4)))["params"]


USES: list[Callable[..., object]] = [
    lambda tree, **said: prune.magnitude(tree, 0.5, **said),
    lambda tree, **said: prune.n_of_m(tree, 1, 2, **said),
    lambda tree, **said: grow.RigL().around(optax.sgd(0.1), prune.random(tree, 0.5, **said), **said),
    lambda tree, **said: topology.network_topology(prune.random(tree, 0.5, **said), tree, **said),
]


@pytest.mark.parametrize("use", USES)
def test_a_tree_of_linen_says_so_by_a_name(use: Callable[..., object]) -> None:
    with pytest.raises(ValueError, match="Dense_1/kernel is normalised by a WeightNorm of Linen around its layer"):
        use(linen())


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize(
    ("model", "path"),
    [
        (nnx.Sequential(nnx.WeightNorm(nnx.Linear(4, 6, rngs=R), rngs=R), nnx.Linear(6, 2, rngs=R)), "kernel"),
        (nnx.Sequential(nnx.SpectralNorm(nnx.Embed(10, 4, rngs=R), rngs=R), nnx.Linear(4, 2, rngs=R)), "embedding"),
        (
            nnx.WeightNorm(nnx.Embed(10, 4, rngs=R), variable_filter=nnx.PathContains("embedding"), rngs=R),
            "embedding",
        ),
    ],
)
def test_a_module_says_so_beside_its_parameters_too(use: Callable[..., object], model: nnx.Module, path: str) -> None:
    with pytest.raises(ValueError, match=rf"layer_instance\.{path} is normalised by the nnx\."):
        use(masks.parameters(model), layout=model)


def test_what_the_filter_leaves_out_compares() -> None:
    model = nnx.WeightNorm(nnx.Embed(10, 4, rngs=R), rngs=R)
    assert masks.density(prune.magnitude(model, 0.5), layout=model) == 0.5
