"""What a parameter is comes from the NNX layer that owns it; what nobody says is refused by its path."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from sparsebounds import nets
from sparsebounds.nets import masks, prune
from sparsebounds.nets.masks.flax_layers import einsum_roles


class Block(nnx.Module):
    """x + W norm(x), with a scale for every unit."""

    def __init__(self, rngs: nnx.Rngs, units: int = 6) -> None:
        self.norm = nnx.LayerNorm(units, rngs=rngs)
        self.dense = nnx.Linear(units, units, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        return x + self.dense(self.norm(x))


def stacked(make: object, count: int = 3, axis: int = 0) -> nnx.Module:
    """As many modules in one, by `nnx.vmap`."""
    build = nnx.vmap(lambda rngs: make(rngs), in_axes=0, out_axes=axis)  # type: ignore[operator]
    return nnx.split_rngs(splits=count)(build)(nnx.Rngs(0))  # type: ignore[no-any-return]


class Net(nnx.Module):
    """Three stacked blocks, one after the other."""

    def __init__(self) -> None:
        self.blocks = stacked(Block)

    def __call__(self, x: jax.Array) -> jax.Array:
        return nnx.scan(lambda x, block: block(x), in_axes=(nnx.Carry, 0), out_axes=nnx.Carry)(x, self.blocks)


def roles(model: nnx.Module) -> dict[str, str]:
    return {path: " ".join(own.axes) or own.kind for path, own in masks.layouts(model).items()}


R = nnx.Rngs(0)
CASES = [
    (nnx.Linear(3, 2, rngs=R), {"kernel": "in out", "bias": "bias"}),
    (nnx.LinearGeneral(8, (2, 4), rngs=R), {"kernel": "in out out", "bias": "bias"}),
    (nnx.LinearGeneral((2, 4), 3, axis=(-2, -1), use_bias=False, rngs=R), {"kernel": "in in out"}),
    (
        nnx.LinearGeneral(4, (2, 3), batch_axis={0: 5}, rngs=R),
        {"kernel": "group in out out", "bias": "bias"},
    ),
    (nnx.Einsum("nta,hab->nthb", (8, 2, 4), (8, 4), rngs=R), {"kernel": "out in out", "bias": "bias"}),
    (nnx.Einsum("xyzq,wq->xyzw", (7, 3), rngs=R), {"kernel": "out in"}),
    (nnx.Einsum("nhta,hab->nhtb", (8, 2, 4), rngs=R), {"kernel": "group in out"}),
    (nnx.Conv(3, 4, (5,), rngs=R), {"kernel": "window in out", "bias": "bias"}),
    (nnx.Conv(4, 8, (3, 3), feature_group_count=4, use_bias=False, rngs=R), {"kernel": "window window in out"}),
    (nnx.ConvTranspose(3, 4, (2, 2), use_bias=False, rngs=R), {"kernel": "window window in out"}),
    (
        nnx.ConvTranspose(3, 3, (2, 2), transpose_kernel=True, use_bias=False, rngs=R),
        {"kernel": "window window out in"},
    ),
    (nnx.Embed(7, 3, rngs=R), {"embedding": "in out"}),
    (nnx.LoRA(5, 2, 3, rngs=R), {"lora_a": "in out", "lora_b": "in out"}),
    (nnx.BatchNorm(3, rngs=R), {"scale": "gain", "bias": "bias"}),
    (nnx.GroupNorm(4, num_groups=2, rngs=R), {"scale": "gain", "bias": "bias"}),
    (nnx.RMSNorm(3, rngs=R), {"scale": "gain"}),
    (nnx.PReLU(), {"negative_slope": "gain"}),
    (nnx.GRUCell(2, 3, rngs=R), {"dense_h.kernel": "in out", "dense_i.kernel": "in out", "dense_i.bias": "bias"}),
    (
        nnx.MultiHeadAttention(2, 8, normalize_qk=True, use_bias=False, rngs=R),
        {
            "query.kernel": "in out out",
            "key.kernel": "in out out",
            "value.kernel": "in out out",
            "out.kernel": "in in out",
            "query_ln.scale": "gain",
            "key_ln.scale": "gain",
        },
    ),
    (nets.ConvNet(1, 2, in_shape=(3, 3, 1), rngs=R).conv1, {"v": "window window in out", "g": "gain", "bias": "bias"}),
    (
        nets.LocalNet(nets.banded(4, 1, 1), 2, rngs=R).local1,
        {"block2": "group window in out", "block3": "group window in out", "bias": "bias"},
    ),
]


@pytest.mark.parametrize(("layer", "wanted"), CASES, ids=lambda case: type(case).__name__)
def test_every_layer_says_what_it_owns(layer: nnx.Module, wanted: dict[str, str]) -> None:
    """By itself, in a sequence, and eleven of it stacked, where every kernel has one axis more."""
    assert roles(layer) == wanted
    assert roles(nnx.Sequential(layer)) == {f"layers.0.{path}": said for path, said in wanted.items()}
    graph, state = nnx.split(layer)
    eleven = nnx.merge(graph, jax.tree.map(lambda leaf: jnp.stack([leaf] * 11), state))
    more = {path: said if said in ("gain", "bias") else f"stack {said}" for path, said in wanted.items()}
    assert roles(eleven) == more


def test_a_stack_may_lie_on_another_axis() -> None:
    """`nnx.vmap(out_axes=1)`: what is left without it is what the layer made; sizes that fit nowhere are refused."""
    assert roles(stacked(Block, 3, axis=1)) == {
        "dense.kernel": "in stack out", "dense.bias": "bias", "norm.scale": "gain", "norm.bias": "bias"
    }  # fmt: skip
    odd = nnx.Linear(4, 5, rngs=nnx.Rngs(0))
    odd.kernel = nnx.Param(jnp.ones((2, 7, 9)))
    with pytest.raises(ValueError, match=r"kernel has shape \(2, 7, 9\).*Linear makes kernels of 4 × 5.*layout="):
        prune.magnitude(odd, 0.5)


def test_stacked_gains_are_never_pruned() -> None:
    """Three Linear(6, 6) with LayerNorms: 18 gains; of 6 inputs 1:4 keeps one of four and one of the two that are left,
    2 · 6 outputs · 3 layers = 36 of 108 weights."""
    net = Net()
    x, y = np.random.RandomState(0).randn(5, 6).astype(np.float32), np.arange(5) % 6
    found = {name: method(net, 0.25, batch=(x, y), in_shape=(6,), floor=1) for name, method in prune.METHODS.items()}
    for name, mask in found.items():
        gains = mask["blocks"]["norm"]
        assert gains["scale"].shape == (3, 6) and gains["scale"].all() and gains["bias"].all(), name
        assert mask["blocks"]["dense"]["bias"].all()
        kept = int(mask["blocks"]["dense"]["kernel"].sum())
        assert kept == (36 if name == "n_of_m" else 27), name
    groups = np.asarray(found["n_of_m"]["blocks"]["dense"]["kernel"])
    assert (groups[:, :4].sum(axis=1) == 1).all() and (groups[:, 4:].sum(axis=1) == 1).all()
    assert masks.density(found["n_of_m"], layout=net) == masks.density(found["n_of_m"]) == 1 / 3


class Own(nnx.Module):
    """Parameters of its own, with a name for each."""

    def __init__(self, **arrays: tuple[int, ...]) -> None:
        for name, shape in arrays.items():
            setattr(self, name, nnx.Param(jnp.ones(shape)))


class Declared(Own):
    """An own layer that says what it has."""

    def layouts(self) -> dict[str, str]:
        return {"w": "out in", "table": "gain", "bias": "bias"}


def test_parameters_of_a_module_of_ones_own() -> None:
    named = Own(pos_embedding=(1, 4, 8), cls_token=(1, 1, 8), layer_scale=(3, 8), b=(5,))
    assert set(roles(named).values()) == {"gain"}
    assert roles(Declared(w=(4, 3), table=(2, 2), bias=(4,))) == {"w": "out in", "table": "gain", "bias": "bias"}
    nested = nnx.Sequential(nnx.Linear(3, 3, rngs=nnx.Rngs(0)), Own(table=(3, 3)))
    for name, method in prune.METHODS.items():
        with pytest.raises(
            ValueError, match=r"layers\.1\.table has shape \(3, 3\) and nothing says what its axes are .*layouts"
        ):
            method(nested, 0.5, batch=(np.ones((2, 3), np.float32), np.array([0, 1])), floor=1)
        assert name
    kept = prune.random(nested, 0.5, layout={"layers.1.table": "gain"})
    assert kept["layers"][1]["table"].all() and not kept["layers"][0]["kernel"].all()
    thinned = prune.erk(nested, 0.5, layout={"layers.1.table": "out in"})
    assert int(thinned["layers"][1]["table"].sum()) + int(thinned["layers"][0]["kernel"].sum()) == 9
    drawn = masks.random_mask(nested, 0.5, select=lambda path, _: path.endswith("table"))
    assert int(drawn["layers"][1]["table"].sum()) == 4 and drawn["layers"][0]["kernel"].all()


def test_layouts_that_do_not_fit_are_refused() -> None:
    net = nnx.Linear(3, 2, rngs=nnx.Rngs(0))
    for layout, said in (
        ({"kernel": "in out out"}, "layout of kernel names 3 axes, its shape is"),
        ({"kernal": "in out"}, "layout names kernal, which is no parameter; those are bias, kernel"),
        ({"kernel": "in rows"}, "'rows' in the layout 'in rows' is no role"),
        ({"kernel": "window out"}, "lacks an axis that is read or written"),
    ):
        with pytest.raises(ValueError, match=said):
            prune.magnitude(net, 0.5, layout=layout)


@pytest.mark.parametrize("equation", ["ab,bcc->ac", "ab,bcd->ac", "...a,...ab->...b", "ab,cd->abcd", "ab,a->ab"])
def test_equations_without_inputs_and_outputs_are_not_guessed(equation: str) -> None:
    assert einsum_roles(equation) is None
    layer = nnx.Einsum(equation, (3, 2), rngs=nnx.Rngs(0))
    with pytest.raises(ValueError, match=r"kernel has shape \(3, 2\).*names no inputs and outputs"):
        masks.kernels(layer)
