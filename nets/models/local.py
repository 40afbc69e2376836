"""Networks on explicit predecessor lists: a block of weights per edge, nothing shared, all O(edges)."""

import math
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt
from flax import nnx

from sparsebounds.nets.checks import check_sizes
from sparsebounds.nets.connectivity.edges import Connectivity, Edges
from sparsebounds.nets.models.conv import product_of_norms
from sparsebounds.nets.models.init import dense, starting_weights


class Buckets:
    """The nodes of one layer sorted by degree, so that nodes of equal degree are one array operation.

    Args:
        edges: the predecessors.

    Attributes:
        degrees: the degrees that occur, rising.
        sources: per degree, int32 (nodes of that degree, degree): what they read.
        place: int32 (nodes,): where in the concatenated buckets node j stands; None with a single bucket.
    """

    def __init__(self, edges: Edges) -> None:
        self.nodes = edges.nodes
        self.degrees = tuple(int(degree) for degree in np.unique(edges.degrees))
        members = [np.flatnonzero(edges.degrees == degree) for degree in self.degrees]
        self.sources: tuple[npt.NDArray[np.int32], ...] = tuple(
            edges.sources[edges.offsets[nodes, None] + np.arange(degree)].astype(np.int32)
            for degree, nodes in zip(self.degrees, members, strict=True)
        )
        place = np.argsort(np.concatenate(members), kind="stable").astype(np.int32)
        self.place: npt.NDArray[np.int32] | None = place if len(members) > 1 else None


class LocalLayer(nnx.Module):
    """z_j = Σ_{i ∈ pred(j)} x_i W_{ji} + b_j, with a block W_{ji} of its own for every edge.

    The blocks of the nodes with d predecessors are the parameter `block{d}`, (nodes, d, n_in, n_out).

    Args:
        edges: the predecessors.
        n_in, n_out: channels of a node below and of a node here.
        init, use_bias: as for `LocalNet`.
        rngs: source of keys.
    """

    def __init__(self, edges: Edges, n_in: int, n_out: int, *, init: str, use_bias: bool, rngs: nnx.Rngs) -> None:
        self.buckets = Buckets(edges)
        biases = []
        for degree, sources in zip(self.buckets.degrees, self.buckets.sources, strict=True):
            shape = (len(sources), degree, n_in, n_out)
            block, bias = starting_weights(shape, (len(sources), n_out), degree * n_in, init, rngs)
            setattr(self, f"block{degree}", nnx.Param(block))
            biases.append(bias)
        self.bias = nnx.Param(self._in_place(biases, axis=0)) if use_bias else None

    def layouts(self) -> dict[str, str]:
        """What the axes of its parameters are, for `nets.masks`: a node writes its own channels and reads its own."""
        blocks = dict.fromkeys((f"block{degree}" for degree in self.buckets.degrees), "stack* group window in out")
        return {**blocks, "bias": "bias"}

    def blocks(self) -> list[jax.Array]:
        """The weights, one array per degree."""
        return [getattr(self, f"block{degree}")[...] for degree in self.buckets.degrees]

    def node_norms(self) -> npt.NDArray[np.float64]:
        """‖W_j‖_F of every node, over all its blocks."""
        squares = [np.sum(np.asarray(block, np.float64) ** 2, axis=(1, 2, 3)) for block in self.blocks()]
        joined = np.concatenate(squares)
        return np.sqrt(joined if self.buckets.place is None else joined[self.buckets.place])

    def __call__(self, x: jax.Array) -> jax.Array:
        """(batch, nodes below, n_in) to (batch, nodes, n_out), without activation."""
        parts = [
            jnp.einsum("bndi,ndio->bno", _take(x, sources), block)
            for sources, block in zip(self.buckets.sources, self.blocks(), strict=True)
        ]
        y = self._in_place(parts, axis=1)
        return y if self.bias is None else y + self.bias[...]

    def _in_place(self, parts: list[jax.Array], axis: int) -> jax.Array:
        """Bucketed rows back in the order of the nodes."""
        if self.buckets.place is None:
            return parts[0]
        return _take(jnp.concatenate(parts, axis=axis), self.buckets.place, axis=axis)


class LocalNet(nnx.Module):
    """A network on a `Connectivity`: local layers with ReLU, then one dense layer from the last nodes.

    Memory and time are proportional to the number of edges, whatever the degrees.

    Args:
        graph: predecessor lists of the local layers.
        channels: of every node of every local layer, or one number per layer.
        in_channels: of an input node.
        classes: number C of scores.
        init: "torch" or "flax"; the fan-in of a node is its number of predecessors times their channels.
        use_bias: whether every node has a bias, and the dense layer.
        rngs: source of keys.

    Raises:
        ValueError: a size below 1, or as many channels as the graph has no layers.

    Example:
        >>> from sparsebounds.nets.connectivity.graphs import tree
        >>> net = LocalNet(tree((8, 8), 4), channels=4, rngs=nnx.Rngs(0))
        >>> net(jnp.zeros((2, 8, 8, 1))).shape
        (2, 10)
    """

    def __init__(
        self,
        graph: Connectivity,
        channels: int | Sequence[int],
        *,
        in_channels: int = 1,
        classes: int = 10,
        init: str = "torch",
        use_bias: bool = True,
        rngs: nnx.Rngs,
    ) -> None:
        per_layer = [channels] * len(graph.pred) if isinstance(channels, int) else list(channels)
        if len(per_layer) != len(graph.pred):
            raise ValueError(f"channels has {len(per_layer)} numbers for {len(graph.pred)} layers; need one per layer")
        check_sizes(in_channels=in_channels, classes=classes, **{f"channels[{i}]": n for i, n in enumerate(per_layer)})
        self.depth = len(per_layer)
        self.inputs = (graph.inputs, in_channels)
        below = in_channels
        for layer, (edges, here) in enumerate(zip(graph.pred, per_layer, strict=True), start=1):
            setattr(self, f"local{layer}", LocalLayer(edges, below, here, init=init, use_bias=use_bias, rngs=rngs))
            below = here
        self.dense = dense(graph.sizes[-1] * below, classes, init, use_bias, rngs)

    def layers(self) -> list[LocalLayer]:
        """The local layers, first to last."""
        return [getattr(self, f"local{layer}") for layer in range(1, self.depth + 1)]

    def __call__(self, x: jax.Array) -> jax.Array:
        """Scores (batch, classes); a sample has any shape that holds nodes · channels numbers, nodes first."""
        if math.prod(x.shape[1:]) != math.prod(self.inputs):
            raise ValueError(
                f"a sample has shape {x.shape[1:]}; need {self.inputs[0]} nodes of {self.inputs[1]} channels"
            )
        x = x.reshape(x.shape[0], *self.inputs)
        for layer in self.layers():
            x = nnx.relu(layer(x))
        return self.dense(x.reshape(x.shape[0], -1))

    def positions(self) -> dict[str, int]:
        """How many times one sample uses each weight, by path: once."""
        blocks = [
            f"local{index}.block{degree}"
            for index, layer in enumerate(self.layers(), start=1)
            for degree in layer.buckets.degrees
        ]
        return dict.fromkeys([*blocks, "dense.kernel"], 1)

    def rho(self) -> float:
        """ρ = ‖W^L‖_F · Π over local layers of max_j ‖W_j‖_F, biases not counted; in float64."""
        largest = [layer.node_norms().max() for layer in self.layers()]
        return product_of_norms([*largest, self.dense.kernel[...]])


def _take(x: jax.Array, indices: npt.NDArray[np.int32], axis: int = 1) -> jax.Array:
    """x at constant, valid indices along one axis, as one gather."""
    return jnp.take(x, jnp.asarray(indices), axis=axis, mode="clip")
