"""Classes of linear heads whose weights lie between 0 and a number times a side with a sign, all fixed in advance.

Row S of the margin form is D_S = D' + D'' with 0 ≤ σ_{S,i} D'_i ≤ a_S β_{S,i}, and |D''_i| ≤ SLACK·a_S β_{S,i} for
rounding. The supremum goes coordinate by coordinate, so that first moments count: with |x_ni| ≤ B_i, λ_n ≤ λ and
X_i = Σ_n ξ_n λ_n x_ni

    E sup Σ_n ξ_n λ_n D_S·x_n ≤ (½ + SLACK) a_S Σ_i β_{S,i} E|X_i|
    E|X_i| ≤ √(2/π) √(Σ_n λ_n² x_ni² + H λ²B_i²) + REST λ B_i

Σ_i β_i √(…)_i ≤ √(Σ_i β_i κ_i) √(Σ_i (β_i/κ_i) (…)_i) for any κ > 0 fixed without looking at the sample, about √E x_i²:
the data are seen through one weighted energy per row and sub-sample, as for ellipsoids. Proof: docs/theory.md, "Boxes".
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from bounds.bound import Bound, NotCovered
from bounds.ellipsoid_certificate import Energies, bernstein_limits, check_inputs, concluded, measure_energies
from bounds.ellipsoids import EnergyWeights, hidden_layers, over_axes
from bounds.fingerprints import as_fingerprints
from bounds.graph import Graph
from bounds.head import read_head
from bounds.orthants import HALF, SLACK
from bounds.sample import Sample
from bounds.theorem3 import choice_prices
from bounds.tree_margin import MarginForm

H, REST = 4.43, 0.0024
"""E|Σ ξ_n a_n| ≤ √(2/π) √(Σ a_n² + H max a_n²) + REST max |a_n|."""
FIRST = math.sqrt(2.0 / math.pi)


@dataclass(frozen=True, eq=False)
class Boxes:
    """A class of linear heads on fixed inputs, fixed without looking at the sample; K inputs and the constant 1."""

    form: MarginForm
    sides: np.ndarray
    """float64 (R, K + 1): β ≥ 0."""
    signs: np.ndarray
    """(R, K + 1): 1 or −1."""
    sizes: np.ndarray
    """float64 (pairs, K + 1): κ > 0, for every row and sub-sample that counts, in the order of `pairs`."""
    largest: np.ndarray
    """float64 (K + 1,): B, what no |x_i| exceeds; 1 for the constant."""
    name: str = "boxes"
    shaped_by: np.ndarray | None = None
    """Fingerprints of the samples that the class comes from, none of which may be certified; None without any."""

    def __post_init__(self) -> None:
        if self.shaped_by is not None:
            object.__setattr__(self, "shaped_by", as_fingerprints(self.shaped_by))
        shape, count = self.sides.shape, len(pairs(self.form))
        if shape[0] != len(self.form.rows) or self.signs.shape != shape or self.sizes.shape != (count, shape[1]):
            raise ValueError(f"sides {shape}, signs {self.signs.shape} and sizes {self.sizes.shape} do not match")
        if not (np.isin(self.signs, (-1.0, 1.0)).all() and (self.sides >= 0).all() and (self.sizes > 0).all()):
            raise ValueError("signs must be 1 or -1, sides not negative, sizes positive")
        if self.largest.shape != shape[1:] or not (self.largest >= 0).all() or self.largest[-1] < 1:
            raise ValueError(f"largest of shape {self.largest.shape}; needed {shape[1:]}, not negative, the last 1")

    def check_range(self, seen: np.ndarray) -> None:
        """Raise ValueError if an input whose largest |x_i| are given, (K,), is beyond B."""
        if (np.ravel(seen) > self.largest[:-1]).any():
            raise ValueError("an input of the sample is larger than the class states; clip the inputs in a front end")


def pairs(form: MarginForm) -> list[tuple[int, int]]:
    """(row, sub-sample) with a multiplier that is not 0."""
    return [(int(r), int(k)) for r, k in zip(*np.nonzero(form.multipliers), strict=True)]


def box_weights(boxes: Boxes) -> EnergyWeights:
    """Z of every pair: Σ_i (β_i/κ_i) x_i², the constant among the i."""
    rows = boxes.sides[[r for r, _ in pairs(boxes.form)]] / boxes.sizes
    return EnergyWeights(rows[:, :-1], rows[:, -1], p=1.0)


def measure_boxes(boxes: Boxes, values: np.ndarray, labels: np.ndarray, limits: np.ndarray) -> Energies:
    """Pass over what the network receives: `measure_energies`, and no input beyond B.

    Raises:
        ValueError: a sample with a larger coordinate or weighted energy than was stated.
    """
    flat = np.asarray(values).reshape(len(values), -1)
    boxes.check_range(np.maximum(flat.max(axis=0), -flat.min(axis=0)))
    return measure_energies(box_weights(boxes), boxes.form, values, labels, limits)


def box_radii(graph: Graph, boxes: Boxes) -> np.ndarray:
    """a_S of a network: float64 (R,).

    Raises:
        NotCovered: a network with hidden layers.
        ValueError: a weight that is not 0 where its side is.

    Example:
        >>> from bounds import read_graph
        >>> from bounds.tree import Tree
        >>> from bounds.tree_margin import tree_form
        >>> form = tree_form(Tree.balanced(2), 2)
        >>> ones = np.ones((1, 3))
        >>> boxes = Boxes(form, np.array([[1.0, 2.0, 1.0]]), np.array([[1.0, -1.0, 1.0]]), ones, ones[0])
        >>> f = lambda x: x @ np.array([[1.0, -1.0], [-1.0, 1.0]], np.float32)  # D = (1, −1)
        >>> box_radii(read_graph(f, np.ones((1, 2), np.float32)), boxes).tolist()
        [1.0]
    """
    if hidden_layers(graph):
        raise NotCovered("boxes are for linear heads on fixed inputs; this network has hidden layers")
    head = read_head(graph)
    bias = np.zeros(graph.classes) if head.bias is None else head.bias
    rows = boxes.form.rows @ np.concatenate([head.weights, bias[:, None]], axis=1)
    if rows.shape != boxes.sides.shape:
        raise ValueError(f"rows of shape {rows.shape}, sides {boxes.sides.shape}; the class is of another network")
    over = over_axes(rows, boxes.sides) * boxes.signs
    return np.asarray(np.maximum(over, -over / SLACK).max(axis=1))


def box_reach(boxes: Boxes, energies: np.ndarray, m: int) -> np.ndarray:
    """What a radius of 1 adds to T, (R,), from the energies of every pair, (pairs,), divided by m."""
    reach = np.zeros(len(boxes.sides))
    for (row, k), kappa, energy in zip(pairs(boxes.form), boxes.sizes, energies, strict=True):
        beta, top = boxes.sides[row], float(boxes.form.weights[k].max())  # top: λ²
        more = H * top * float(np.sum(beta / kappa * np.square(boxes.largest)))
        first = FIRST * math.sqrt(float(beta @ kappa) * (m * float(energy) + more))
        rest = REST * math.sqrt(top) * float(beta @ boxes.largest)
        reach[row] += (HALF + SLACK) * boxes.form.multipliers[row, k] * (first + rest)
    return reach


def box_certificate(
    graph: Graph,
    sample: Sample,
    boxes: Boxes,
    energies: Energies,
    *,
    delta: float,
    gamma: float | str = "best",
    choices: Mapping[str, int] | None = None,
    left_out: np.ndarray | None = None,
) -> Bound:
    """The certificate of a linear network in a class of boxes; the rows share one radius.

    Args:
        graph, sample, delta, gamma, choices, left_out: as for `ellipsoid_certificate`.
        boxes: the class, fixed without looking at the sample.
        energies: of the same sample, from `measure_boxes`.

    Returns:
        A certificate, all prices in `terms`.

    Raises:
        NotCovered: a network with hidden layers.
        ValueError: as for `ellipsoid_certificate`; an input of the sample beyond B.

    Source: theorem 3 of docs/theory.md, "Boxes".
    """
    check_inputs(
        graph, sample, energies, box_weights(boxes), delta=delta, gamma=gamma, left_out=(left_out, boxes.shaped_by)
    )
    # The weights do not know B: energies of a class with another B, or from `measure_energies`, would pass.
    if sample.largest is None:
        raise ValueError("the sample has no largest values to compare with those of the class; use Sample.measure")
    boxes.check_range(sample.largest)
    own = box_radii(graph, boxes)
    paid, options = choice_prices(choices)
    chosen = pairs(boxes.form)
    log_inverse = math.log(len(chosen) * options * 2.0 / delta)
    upper, ratios = bernstein_limits(boxes.form, energies, log_inverse)
    diagonal = (np.arange(len(chosen)), np.array([k for _, k in chosen]))
    reach = box_reach(boxes, upper[diagonal], sample.m)
    inflation = float(ratios[diagonal].max(initial=1.0))
    return concluded(
        sample, own, reach, paid, (inflation, log_inverse), name=boxes.name, tied_only=True, delta=delta, gamma=gamma
    )


def box_of_rehearsal(
    form: MarginForm,
    rows: np.ndarray,
    means: np.ndarray,
    largest: np.ndarray,
    *,
    shaped_by: np.ndarray | None,
    side_floor: float,
    size_floor: float,
) -> Boxes:
    """The class that a rehearsal suggests: β = |D| + floor · mean, its signs, κ² = its energies with a floor.

    Args:
        form: of the margin step, along a tree fixed without the certified samples.
        rows: (R, K + 1) the rehearsal's rows, the bias last.
        means: (C, K + 1): Σ over the left-out samples of a class of x_j² and of 1, over their number.
        largest: (K,): B of the inputs.
        shaped_by: fingerprints of the left-out samples, as they were before any front end; None says that whatever
            they passed through refuses them already.
        side_floor, size_floor: shares of a row's mean weight, and of its mean size, that every input gets.

    Returns:
        Boxes; the rehearsal has a_S = 1 in it.
    """
    size = np.abs(rows)
    sides = size + side_floor * size.mean(axis=1, keepdims=True)
    sides *= np.divide(size, sides, out=np.zeros_like(size), where=sides > 0).max(axis=1, keepdims=True)
    roots = np.sqrt(form.weights @ means)[[k for _, k in pairs(form)]]
    sizes = np.maximum(roots, size_floor * roots.mean(axis=1, keepdims=True))
    signs = np.where(rows < 0, -1.0, 1.0)
    return Boxes(
        form,
        sides,
        signs,
        sizes,
        np.append(largest, 1.0),
        name="boxes of a rehearsal, with its signs",
        shaped_by=shaped_by,
    )
