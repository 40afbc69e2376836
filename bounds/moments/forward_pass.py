"""The pass of Theorem 1: from the energies of the inputs to a bound on the p-th moment of every node.

    q_j ≥ (E sup ‖Σ_i ξ_i z_j(x_i)‖ᵖ)^{1/p}        (letters: docs/theory.md, "Setting" and "Theorem 1")

One rule per kind of layer, in one table. All rules are monotone and, in the energies' square roots, norms: the pass
over expected energies bounds the expected pass.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float64, Int
from scipy import sparse

from sparsebounds.bounds.graph.blocks import Blocks
from sparsebounds.bounds.graph.elements import CHUNK
from sparsebounds.bounds.moments.activations import ActivationStep, contraction_of
from sparsebounds.bounds.moments.columns import Columns
from sparsebounds.bounds.moments.constants import contraction, window
from sparsebounds.bounds.moments.numbers import Numbers, StepNumbers
from sparsebounds.bounds.moments.plan import Learned, LinearStep, Plan, WindowStep


@dataclass(frozen=True)
class Pass:
    """A pass under way: q of the nodes done so far, a zero row at the end for what is absent."""

    plan: Plan
    numbers: Numbers
    columns: Columns
    q: Float64[np.ndarray, "padded K"]
    squares: Float64[np.ndarray, "padded K"]
    """q², which several layers may read."""

    def put(self, first: int, values: Float64[np.ndarray, "nodes K"]) -> None:
        """q of nodes that are done."""
        self.q[first : first + len(values)] = values
        np.square(values, out=self.squares[first : first + len(values)])


def forward(plan: Plan, numbers: Numbers, columns: Columns) -> Float64[np.ndarray, "padded K"]:
    """q of every node below the scores.

    Args:
        plan: the network's structure.
        numbers: what the class fixes; any numbers not below those of the networks it is to contain.
        columns: the sub-samples and their moments.

    Returns:
        float64 (nodes + 1, K): never below (E sup ‖Σ_i λ_i ξ_i z_j(x_i)‖ᵖ)^{1/p}, the supremum over the class, with
        the layers rescaled as `numbers` says; the last row is 0, for ABSENT.

    Source: theorem 1 of docs/theory.md.
    """
    shape = (plan.nodes + 1, len(columns.p))
    state = Pass(plan, numbers, columns, np.zeros(shape), np.zeros(shape))
    state.put(0, columns.inputs)
    for step in plan.steps:
        state.put(int(plan.graph.node_offsets[step.index]), RULES[type(step)](step, state))
    return state.q


def _linear(step: LinearStep, state: Pass) -> Float64[np.ndarray, "nodes K"]:
    """s (Σ_i α_i q_i + ‖b‖ B √m); without an activation s = 1 and fixed maps count with their spectral norms."""
    own = state.numbers.steps[step.index]
    total = np.zeros((state.plan.graph.node_counts[step.index], state.q.shape[1]))
    for learned, number in zip(step.learned, own.learned, strict=True):
        total += _reach(learned, number, state)
    for fixed, scale in zip(step.fixed, own.scales, strict=True):
        reach = fixed.reach(state.q)
        total += reach if scale is None else scale * reach
    total += _bias(own, state)
    total *= contraction(state.columns.p, step.slope)
    return total


def _bias(own: StepNumbers, state: Pass) -> Float64[np.ndarray, " K"]:
    return (own.bias or 0.0) * state.columns.constant


def _reach(learned: Learned, number: Float64[np.ndarray, " ..."], state: Pass) -> Float64[np.ndarray, "nodes K"]:
    """Σ_i α_i q_i (tap form), or A √(Σ_i q_i²)."""
    if number.ndim:
        return _gathered(learned.blocks, number, state.q)
    return float(number) * _balls(learned, state)


def _balls(learned: Learned, state: Pass) -> Float64[np.ndarray, "nodes K"]:
    """√(Σ_i q_i²) over what each node reads."""
    return np.sqrt(_gathered(learned.blocks, learned.present, state.squares))


def _gathered(
    blocks: Blocks, table: Float64[np.ndarray, "B T N"], q: Float64[np.ndarray, "padded K"]
) -> Float64[np.ndarray, "nodes K"]:
    """Σ_t table[b, t, m] · q[taps[b, f, t]] for every node of the layer: (nodes, K); one column may do for all m."""
    out = np.zeros((blocks.size, q.shape[1]))
    one = table.shape[2] == 1
    for b, rows in _pieces(blocks, 1 if one else q.shape[1]):
        taps = blocks.taps[b, rows]
        sums = _one_sum(taps, table[b, :, 0], q) if one else _sums(taps, table[b], q)
        out[blocks.out[b, rows]] = sums
    return out


def _one_sum(
    taps: Int[np.ndarray, "B F T"], weights: Float64[np.ndarray, "B T"], q: Float64[np.ndarray, "padded K"]
) -> Float64[np.ndarray, "B F 1 K"]:
    """One sparse product: nothing is gathered, which takes longer than adding it up."""
    b_count, f_count, t = taps.shape
    seen = np.where(taps < 0, len(q) - 1, taps).ravel()
    data = np.repeat(weights[:, None], f_count, axis=1).ravel()
    matrix = sparse.csr_array((data, seen, np.arange(b_count * f_count + 1) * t), (b_count * f_count, len(q)))
    return np.asarray(matrix @ q).reshape(b_count, f_count, 1, -1)


def _sums(
    taps: Int[np.ndarray, "B F T"], weights: Float64[np.ndarray, "B T M"], q: Float64[np.ndarray, "padded K"]
) -> Float64[np.ndarray, "B F M K"]:
    """What M nodes read is gathered once for all of them."""
    return np.matmul(weights.transpose(0, 2, 1)[:, None], q[taps])


def _pieces(blocks: Blocks, k: int) -> list[tuple[slice, slice]]:
    """Slices over weight sets and rows whose gathered values stay near CHUNK numbers."""
    b_count, f_count, t = blocks.taps.shape
    cost = max(1, (t + blocks.out.shape[2]) * k)
    f_step = max(1, CHUNK // cost)
    b_step = max(1, CHUNK // (cost * min(f_step, f_count)))
    return [
        (slice(b, b + b_step), slice(f, f + f_step))
        for b in range(0, b_count, b_step)
        for f in range(0, f_count, f_step)
    ]


def _maximum(step: WindowStep, state: Pass) -> Float64[np.ndarray, "nodes K"]:
    """The smaller of two bounds: peeled together with the linear map below, or as √c identity rows."""
    source = step.window.source
    if source is None:
        return _maximum_apart(step, state)
    shared = _maximum_shared(step, state)
    per_tap = any(number.ndim for number in state.numbers.steps[source].learned)
    # With one number per map the shared form is never the larger one: c_{D+1} ≤ s c_D.
    return np.minimum(shared, _maximum_apart(step, state)) if per_tap else shared


def _maximum_apart(step: WindowStep, state: Pass) -> Float64[np.ndarray, "nodes K"]:
    """Row by row: √(Σ_rows (c_D Σ_t q_t)²)."""
    graph, windows = state.plan.graph, step.window
    local = graph.local_nodes(step.index)
    out = np.zeros((graph.node_counts[step.index], state.q.shape[1]))
    width = max(1, CHUNK // max(1, windows.elements.shape[1] * state.q.shape[1]))
    for start in range(0, len(windows.elements), width):
        rows = slice(start, start + width)
        seen = state.q[np.where(windows.elements[rows] >= 0, graph.node_of[windows.elements[rows]], -1)].sum(axis=1)
        np.add.at(out, local[rows], np.square(window(state.columns.p, windows.sizes[rows][:, None]) * seen))
    return np.sqrt(out)


def _maximum_shared(step: WindowStep, state: Pass) -> Float64[np.ndarray, "nodes K"]:
    """c (√(Σ_t α_t²/τ_t²) Σ_w √(Σ_t τ_t² q_{t,w}²) + ‖b‖ B √m), any τ; with one number A: A Σ_w √(Σ_t q_{t,w}²)."""
    windows = step.window
    assert windows.source is not None
    below = state.plan.linear_steps[windows.source]
    own = state.numbers.steps[below.index]
    (learned,), (number,) = below.learned, own.learned
    slope = None if below.slope == 1.0 else below.slope
    c = window(state.columns.p, windows.node_sizes[:, None], slope)
    if number.ndim:
        reach = _window_taps(learned, number[0], windows.nodes, state.q)
    else:
        reach = float(number) * _padded(_balls(learned, state))[windows.nodes].sum(axis=1)
    return c * (reach + _bias(own, state))


def _padded(values: Float64[np.ndarray, "nodes K"]) -> Float64[np.ndarray, "padded K"]:
    return np.concatenate([values, np.zeros((1, values.shape[1]))])


def _window_taps(
    learned: Learned,
    alpha: Float64[np.ndarray, "taps M"],
    nodes: Int[np.ndarray, "nodes T"],
    q: Float64[np.ndarray, "padded K"],
) -> Float64[np.ndarray, "nodes K"]:
    """Tap form; α (T, M), every node of the source layer reads `taps` in the order of α."""
    blocks = learned.blocks
    row, column = np.zeros(blocks.size, dtype=np.int64), np.zeros(blocks.size, dtype=np.int64)
    row[blocks.out[0]] = np.arange(blocks.out.shape[1])[:, None]
    column[blocks.out[0]] = np.arange(blocks.out.shape[2])[None]
    out = np.empty((len(nodes), q.shape[1]))
    width = max(1, CHUNK // max(1, nodes.shape[1] * len(alpha) * q.shape[1]))
    for start in range(0, len(nodes), width):
        seen = nodes[start : start + width]
        taps = np.where((seen >= 0)[:, :, None], blocks.taps[0][row[seen]], -1)  # (nodes, window, T)
        weights = alpha[:, column[seen.max(axis=1)]].T  # (nodes, T)
        out[start : start + width] = _common_tau(weights, q[taps])
    return out


def _common_tau(alpha: Float64[np.ndarray, "J T"], q: Float64[np.ndarray, "J W T K"]) -> Float64[np.ndarray, "J K"]:
    """√(Σ α²/τ²) Σ_w √(Σ τ² q²) for α (J, T), q (J, W, T, K): any τ is allowed, τ² = α / Σ_w q is near the best."""
    sums = q.sum(axis=1)  # (J, T, K)
    used = (alpha[:, :, None] > 0) & (sums > 0)
    tau2 = np.where(used, alpha[:, :, None] / np.where(used, sums, 1.0), 0.0)
    ball = np.sqrt(np.where(used, alpha[:, :, None] * sums, 0.0).sum(axis=1))
    return ball * np.sqrt(np.einsum("jtk,jwtk->jwk", tau2, np.square(q))).sum(axis=1)


def _activation(step: ActivationStep, state: Pass) -> Float64[np.ndarray, "nodes K"]:
    """s_σ √(Σ q²) over the rows that a node reads, and |σ(0)| √c B√m of the constant."""
    reach = contraction_of(step.function, state.columns.p) * np.sqrt(step.shares @ state.squares)
    return np.asarray(reach + abs(step.function.at_zero) * np.sqrt(step.sizes)[:, None] * state.columns.constant)


RULES: dict[type, Callable[[Any, Pass], np.ndarray]] = {
    LinearStep: _linear,
    WindowStep: _maximum,
    ActivationStep: _activation,
}
"""Theorem 1, row by row."""
