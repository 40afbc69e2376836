"""What a parameter is where only names and shapes are known: Linen's trees, with and without scans."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn
from flax import nnx

from sparsebounds import nets
from sparsebounds.nets import masks, prune
from sparsebounds.nets.masks.names import by_name


class Cell(nn.Module):
    """Norm, attention and two convolutions or dense layers, with or without biases."""

    use_bias: bool = True

    @nn.compact
    def __call__(self, x: jax.Array, _: None = None) -> tuple[jax.Array, None]:
        y = nn.LayerNorm()(x)
        y = nn.MultiHeadDotProductAttention(num_heads=2, use_bias=self.use_bias)(y, y)
        y = nn.Conv(8, (3,), use_bias=self.use_bias)(y)
        return x + nn.Dense(8, use_bias=self.use_bias)(y), None


class Scanned(nn.Module):
    """An embedding, three cells in a scan and a head."""

    use_bias: bool = True

    @nn.compact
    def __call__(self, tokens: jax.Array) -> jax.Array:
        x = nn.Embed(11, 8)(tokens)
        x = x + self.param("pos_embedding", nn.initializers.normal(), (1, 5, 8))
        scan = nn.scan(Cell, variable_axes={"params": 0}, split_rngs={"params": True}, length=3)
        x, _ = scan(self.use_bias, name="cells")(x, None)
        return nn.Dense(4)(nn.LayerNorm()(x))


def roles(params: object) -> dict[str, str]:
    return {path: " ".join(own.axes) or own.kind for path, own in masks.layouts(params).items()}


@pytest.mark.parametrize("use_bias", [True, False])
def test_a_scanned_linen_model(use_bias: bool) -> None:
    """With biases they tell; without, the scanned norms show the stack and Linen's own names the rest."""
    params = Scanned(use_bias).init(jax.random.key(0), jnp.zeros((2, 5), jnp.int32))["params"]
    attention = "cells.MultiHeadDotProductAttention_0"
    wanted = {
        "Embed_0.embedding": "in out",
        "pos_embedding": "gain",
        "cells.LayerNorm_0.scale": "gain",
        "cells.LayerNorm_0.bias": "bias",
        "cells.Conv_0.kernel": "stack window in out",
        "cells.Dense_0.kernel": "stack in out",
        **{f"{attention}.{name}.kernel": "stack in out out" for name in ("query", "key", "value")},
        f"{attention}.out.kernel": "stack in in out",
        "Dense_0.kernel": "in out",
        "LayerNorm_0.scale": "gain",
    }
    found = roles(params)
    assert {path: found[path] for path in wanted} == wanted
    assert all(said == "bias" for path, said in found.items() if path.endswith("bias"))
    mask = prune.erk(params, 0.3)
    assert mask["pos_embedding"].all() and mask["cells"]["LayerNorm_0"]["scale"].all()
    assert masks.density(mask) == pytest.approx(0.3, abs=1e-3)


class Small(nn.Module):
    """A stack of convolutions with batch norm, as in image networks of Linen."""

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        x = nn.Conv(6, (3, 3), use_bias=False)(x)
        x = nn.relu(nn.BatchNorm(use_running_average=True)(x))
        x = nn.ConvTranspose(5, (2, 2), transpose_kernel=True)(x)
        x = nn.DenseGeneral((2, 3))(x)
        return nn.DenseGeneral(4, axis=(-2, -1))(x)


def test_a_linen_model_without_stacks() -> None:
    params = Small().init(jax.random.key(0), jnp.zeros((1, 4, 4, 3)))["params"]
    found = roles(params)
    assert {path: said for path, said in found.items() if path.endswith("kernel")} == {
        "Conv_0.kernel": "window window in out",
        "ConvTranspose_0.kernel": "window window out in",
        "DenseGeneral_0.kernel": "in out out",
        "DenseGeneral_1.kernel": "in in out",
    }
    assert found["BatchNorm_0.scale"] == "gain"


def test_vmapped_linen_layers() -> None:
    stack = nn.vmap(nn.Dense, variable_axes={"params": 0}, split_rngs={"params": True}, in_axes=None, axis_size=3)
    params = stack(6).init(jax.random.key(0), jnp.zeros((2, 6)))["params"]
    assert roles(params) == {"kernel": "stack in out", "bias": "bias"}  # (3, 6, 6) and (3, 6)
    with pytest.raises(ValueError, match=r"kernel has shape \(3, 6, 6\).*it may be .*stack in out"):
        prune.n_of_m({"kernel": params["kernel"]}, 1, 4)
    found = prune.n_of_m({"kernel": params["kernel"]}, 1, 4, layout={"kernel": "stack in out"})
    assert int(found["kernel"].sum()) == 36


@pytest.mark.parametrize(
    ("shapes", "said"),
    [
        ({"d.kernel": (6, 6, 6), "d.bias": (6, 6)}, "it may be 'in out out', 'in stack out', 'stack in out'"),
        ({"ConvTranspose_0.kernel": (2, 2, 4, 4), "ConvTranspose_0.bias": (4,)}, "window out in"),
        ({"e.kernel": (8, 2, 4), "e.bias": (3, 4)}, "no layer of Flax makes it beside a bias of (3, 4)"),
        ({"c.kernel": (3, 3, 2, 4), "head.kernel": (9, 4)}, "in in in out"),  # convolutions, or dense
        ({"conv.kernel": (3, 3, 2, 4)}, "stack window in out"),
        ({"Einsum_0.kernel": (8, 2, 4), "Einsum_0.bias": (8, 4)}, "equation is not among"),
        ({"Einsum_0.kernel": (5, 8)}, "equation is not among"),
        ({"w": (3, 4)}, "none of Flax's"),
        ({"q.v": (3, 4)}, "none of Flax's"),  # v is weight-normalised beside a g
    ],
)
def test_shapes_that_leave_a_choice_are_refused_by_path(shapes: dict[str, tuple[int, ...]], said: str) -> None:
    path = next(iter(shapes))
    assert by_name(shapes)[path].kind == "unknown" and said in by_name(shapes)[path].reason
    tree = masks.with_leaves(dict.fromkeys(shapes, 0), {path: np.ones(shape) for path, shape in shapes.items()})
    with pytest.raises(ValueError, match=path.replace(".", r"\.") + " has shape"):
        masks.kernels(tree)


def test_neighbours_settle_what_names_leave_open() -> None:
    """(6, 6, 6) beside an unstacked norm is one layer of many heads; beside a stacked one six dense layers, but which
    axis runs over them nothing says unless the norm has other sizes."""
    heads = {"b.d.kernel": (6, 6, 6), "b.d.bias": (6, 6)}
    assert by_name({**heads, "b.n.scale": (6,)})["b.d.kernel"].axes == ("in", "out", "out")
    assert by_name({**heads, "b.n.scale": (6, 6)})["b.d.kernel"].kind == "unknown"
    assert by_name({**heads, "b.n.scale": (6, 5)})["b.d.kernel"].axes == ("stack", "in", "out")
    assert by_name({"conv.kernel": (3, 3, 2, 4), "n.scale": (4,)})["conv.kernel"].axes[-2:] == ("in", "out")
    shapes = {"ConvLocal_0.kernel": (4, 4, 18, 8), "ConvLocal_0.bias": (4, 4, 8)}
    assert "stack group in out" in by_name(shapes)["ConvLocal_0.kernel"].reason
    local = by_name({**shapes, "LayerNorm_0.scale": (8,)})
    assert local["ConvLocal_0.kernel"].axes == ("group", "group", "in", "out")


@pytest.mark.parametrize(
    "model",
    [
        nets.ConvNet(2, 3, in_shape=(5, 5, 1), use_bias=False, rngs=nnx.Rngs(0)),
        nets.ResNet(2, in_shape=(6, 6, 1), rngs=nnx.Rngs(0)),
        nets.LocalNet(nets.banded(4, 1, 1), 2, rngs=nnx.Rngs(0)),
        nets.MLP((3, 2, 2), use_bias=False, rngs=nnx.Rngs(0)),
    ],
    ids=lambda model: type(model).__name__,
)
def test_a_tree_of_this_packages_networks_says_the_same_as_the_network(model: nnx.Module) -> None:
    wanted = {path: own.axes for path, own in masks.kernels(model).items()}
    for tree in (masks.parameters(model), nnx.state(model, nnx.Param)):
        assert {path: own.axes for path, own in masks.kernels(tree).items()} == wanted
