"""A graph prepared for the pass: for every layer its learned blocks, its fixed maps and its windows, node by node."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from sparsebounds.bounds.bound import PIECEWISE_LINEAR, NotCovered
from sparsebounds.bounds.graph.blocks import Blocks
from sparsebounds.bounds.graph.graph import Graph
from sparsebounds.bounds.graph.layers import Activation, Linear, MaxPool, label
from sparsebounds.bounds.moments.activations import ActivationStep, activation_step, largest_rows, needs_rows
from sparsebounds.bounds.moments.fixed_maps import FixedMap, fixed_map
from sparsebounds.bounds.moments.windows import Window, read_window


@dataclass(frozen=True)
class Learned:
    """A learned linear map, block by block."""

    blocks: Blocks
    present: Float64[np.ndarray, "B T N"]
    """1 where the class lets a block differ from zero; N is M, or 1 where all may."""
    rows: Float64[np.ndarray, " nodes"] | None = None
    """√c_j · max over the c_j rows of node j of ‖w_r‖, where the class fixes that in place of ‖W_j‖_F."""

    @property
    def norms(self) -> Float64[np.ndarray, "B T M"]:
        """‖W_ji‖_F, (B, T, M)."""
        return np.sqrt(self.blocks.norms2)

    @property
    def node_norms(self) -> Float64[np.ndarray, " nodes"]:
        """‖W_j‖_F for every node, or `rows`."""
        return self.rows if self.rows is not None else np.sqrt(self.blocks.square_norms())


@dataclass(frozen=True)
class LinearStep:
    """A layer that adds up linear maps, with bias and activation."""

    index: int
    learned: tuple[Learned, ...]
    fixed: tuple[FixedMap, ...]
    bias: Float64[np.ndarray, " nodes"] | None
    """‖b_j‖ per node, or √c_j max_r |b_r|; None where the layer has none."""
    slope: float


@dataclass(frozen=True)
class WindowStep:
    """A max pool."""

    index: int
    window: Window


Step = LinearStep | WindowStep | ActivationStep


@dataclass(frozen=True)
class Plan:
    """The layers between the input and the scores."""

    graph: Graph
    steps: tuple[Step, ...]

    @property
    def nodes(self) -> int:
        """Nodes below the scores."""
        return int(self.graph.node_offsets[-2])

    @property
    def linear_steps(self) -> dict[int, LinearStep]:
        """The layers that add up linear maps, by index."""
        return {step.index: step for step in self.steps if isinstance(step, LinearStep)}


def read_plan(graph: Graph, mask_fixed: bool = False, covers: Collection[str] = PIECEWISE_LINEAR) -> Plan:
    """Prepare the pass.

    Args:
        graph: any network; its partition says what the nodes are.
        mask_fixed: True if the positions of zero weights were fixed before seeing the sample: zero blocks are then no
            predecessors. Otherwise every block that the architecture allows is one.
        covers: roles of the layers that the theorem knows; certificates from signs and boxes know no activations that
            are layers of their own.

    Returns:
        The steps of all layers between the input and the scores.

    Raises:
        NotCovered: a layer of another role, a last layer that is not linear, or nodes whose blocks cannot be told apart
            in this partition.
    """
    outside = graph.outside(covers)
    if outside:
        raise NotCovered(outside)
    last = graph.layers[-1]
    if not last.affine:
        raise NotCovered(f"the last layer, {label(last)}, is not linear")
    try:
        steps = tuple(_STEPS[type(layer)](graph, i, mask_fixed) for i, layer in enumerate(graph.layers[:-1]) if i)
    except ValueError as error:  # blocks that this partition cannot tell apart
        raise NotCovered(str(error)) from error
    return Plan(graph, steps)


def _linear_step(graph: Graph, index: int, mask_fixed: bool) -> LinearStep:
    layer = graph.linear(index)
    if not 0.0 <= layer.slope <= 1.0:
        raise NotCovered(f"{label(layer)} has slope {layer.slope}; a slope between 0 and 1 is needed")
    rows = needs_rows(graph, index)
    bias = None if layer.bias is None else np.sqrt(graph.node_sums(index, np.square(layer.bias)))
    if bias is not None and layer.bias is not None and rows:
        bias = largest_rows(graph, index, np.square(layer.bias))
    return LinearStep(
        index=index,
        learned=tuple(_learned(graph, index, k, mask_fixed, rows) for k, t in enumerate(layer.terms) if t.learned),
        fixed=tuple(fixed_map(graph, index, term) for term in layer.fixed_terms),
        bias=bias,
        slope=layer.slope,
    )


def _learned(graph: Graph, index: int, number: int, mask_fixed: bool, rows: bool) -> Learned:
    blocks = graph.blocks(index, number)
    present = blocks.present if mask_fixed else np.ones((*blocks.table.shape[:2], 1))
    if not rows:
        return Learned(blocks, present.astype(np.float64))
    element = np.arange(graph.layers[index].size, dtype=np.int32)
    squares = graph.term_blocks(index, graph.linear(index).terms[number], element).square_norms()
    return Learned(blocks, present.astype(np.float64), largest_rows(graph, index, squares))


def _window_step(graph: Graph, index: int, mask_fixed: bool) -> WindowStep:
    return WindowStep(index, read_window(graph, index))


def _activation_step(graph: Graph, index: int, mask_fixed: bool) -> ActivationStep:
    return activation_step(graph, index)


_STEPS: dict[type, Callable[[Graph, int, bool], Step]] = {
    Linear: _linear_step,
    MaxPool: _window_step,
    Activation: _activation_step,
}
"""One reading per kind of layer; the rules that go with them are `RULES` of `forward_pass`."""
