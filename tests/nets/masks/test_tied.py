"""Parameters of several layers, and layers beside those that are cut."""

import jax
import jax.numpy as jnp
import pytest
from flax import nnx

from sparsebounds.nets import masks, prune
from sparsebounds.nets.masks.removal import remove
from sparsebounds.nets.models.channels import Channels


class Autoencoder(nnx.Module):
    """The decoder is the encoder read backwards."""

    def __init__(self, said: dict[str, str] | None = None) -> None:
        self.dec = nnx.ConvTranspose(6, 2, (3, 3), transpose_kernel=True, rngs=nnx.Rngs(0))
        self.enc = nnx.Conv(2, 6, (3, 3), rngs=nnx.Rngs(0))
        self.dec.kernel = self.enc.kernel
        self.said = said or {}

    def layouts(self) -> dict[str, str]:
        return self.said


def test_two_readings_of_one_array_are_refused() -> None:
    with pytest.raises(ValueError, match=r"read it differently: dec\.kernel as 'window window out in', enc"):
        prune.n_of_m(Autoencoder(), 1, 2)
    for place in ("dec.kernel", "enc.kernel"):  # NNX has it at dec.kernel; either name will do
        model = Autoencoder({place: "window window in out"})
        mask = masks.leaves(prune.n_of_m(model, 1, 2))["dec.kernel"]
        assert (mask.reshape(18, 6).sum(axis=0) == 9).all()
        assert masks.kernels(model)["dec.kernel"].axes == ("window", "window", "in", "out")


class Tied(nnx.Module):
    """An embedding whose array is at two other places of a module that says nothing of them."""

    def __init__(self) -> None:
        self.embed = nnx.Embed(12, 4, rngs=nnx.Rngs(0))
        self.a_head = self.z_head = self.embed.embedding
        self.linear = nnx.Linear(4, 4, rngs=nnx.Rngs(1))
        self.a_shift = self.z_shift = self.linear.bias


def test_a_module_that_says_nothing_leaves_it_to_the_layer() -> None:
    found = masks.layouts(Tied())
    assert {path: own.axes or own.kind for path, own in found.items()} == {
        "a_head": ("in", "out"), "a_shift": "bias", "linear.kernel": ("in", "out"),
    }  # fmt: skip


def test_a_layer_used_twice_is_one() -> None:
    one = nnx.Linear(4, 4, rngs=nnx.Rngs(0))
    assert list(masks.kernels(nnx.Sequential(one, one))) == ["layers.0.kernel"]


class Beside(nnx.Module):
    """Channels that can go, and a stack of attentions that is not concerned."""

    in_shape = (5, 4)

    def __init__(self) -> None:
        self.a, self.b = nnx.Linear(4, 10, rngs=nnx.Rngs(0)), nnx.Linear(10, 8, rngs=nnx.Rngs(1))
        self.blocks = nnx.split_rngs(splits=3)(nnx.vmap(attention))(nnx.Rngs(2))

    def channels(self) -> tuple[Channels, ...]:
        return (Channels("a", 10, ("a.kernel", "a.bias"), "b.kernel"),)

    def __call__(self, x: jax.Array) -> jax.Array:
        return applied(self.blocks, self.b(nnx.relu(self.a(x))))


def attention(rngs: nnx.Rngs) -> nnx.MultiHeadAttention:
    return nnx.MultiHeadAttention(2, 8, decode=False, rngs=rngs)


@nnx.scan(in_axes=(0, nnx.Carry), out_axes=nnx.Carry)
def applied(block: nnx.MultiHeadAttention, x: jax.Array) -> jax.Array:
    return x + block(x)


def test_a_removal_leaves_the_sizes_of_other_layers_alone() -> None:
    model = Beside()
    model.a.kernel[...] = model.a.kernel[...].at[:, 3].set(0.0)
    model.a.bias[...] = model.a.bias[...].at[3].set(0.0)
    small, _ = remove(model)
    assert small.a.kernel.shape == (4, 9) and small.a.out_features == small.b.in_features == 9
    assert masks.kernels(small) == masks.kernels(model)
    x = jax.random.normal(jax.random.key(0), (2, 5, 4))
    assert jnp.allclose(small(x), model(x), rtol=1e-5, atol=1e-5)
