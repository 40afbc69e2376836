"""Scores of one mask: Ramanujan gap, its mean over left-regular subgraphs, NaRC, weighted gaps, the full spectrum.

Δr, Δr_imdb and NaRC: Hoang et al., ICLR 2023; λ, λ_imsg and the full spectrum: Hoang et al., NeurIPS 2023. The two
released programs differ in details, which `convention` chooses between.
"""

import math
from collections.abc import Iterator
from typing import Any, Literal

from sparsebounds.nets.topology.bipartite_graph import Bipartite, bipartite

Convention = Literal["iclr", "neurips"]
_SHARED = {"iclr": 3, "neurips": 2}  # left nodes that must share a degree to form a subgraph


class Score(float):
    """A float that says, where it is NaN, why it is not defined.

    Args:
        value: the number.
        reason: why there is none; empty where there is.

    Example:
        >>> score = Score(float("nan"), "no edges")
        >>> math.isnan(score), score.reason
        (True, 'no edges')
    """

    reason: str

    def __new__(cls, value: float, reason: str = "") -> "Score":
        score = super().__new__(cls, value)
        score.reason = reason
        return score


def ramanujan_bound(d_left: float, d_right: float) -> float:
    """√(d_L − 1) + √(d_R − 1): what the second singular value of a good expander stays below.

    Example:
        >>> ramanujan_bound(5, 5)
        4.0
    """
    return math.sqrt(d_left - 1) + math.sqrt(d_right - 1)


def ramanujan_gap(mask: Any, *, normalised: bool = False, convention: Convention = "iclr") -> Score:
    """Δr = √(d_L − 1) + √(d_R − 1) − s_2: positive where the mask is a Ramanujan graph.

    d_L = E/|L| and d_R = E/|R| are mean degrees over the nodes that have an edge, s_2 is the second singular value of
    the mask as a 0-1 matrix. Of a disconnected graph every component counts: s_2 = s_1 if
    two are alike.

    Args:
        mask: booleans (in, out) or (window…, in, out), or a `Bipartite`.
        normalised: Δr divided by the bound.
        convention: "iclr" defines it where d_L ≥ 3 and d_R ≥ 3. "neurips" where d_R ≥ 3 and d_L > 1: that program
            asks for d_L ≥ 3 and d_R > 1 but hands the whole graph over transposed.

    Returns:
        The gap; NaN with its `reason` where it is not defined.

    Raises:
        ValueError: a mask that `bipartite` refuses, or an unknown convention.

    Example:
        >>> import numpy as np
        >>> ramanujan_gap(np.ones((5, 5), bool)), ramanujan_gap(np.eye(5, dtype=bool)).reason  # doctest: +ELLIPSIS
        (4.0, 'mean degrees are 1 (left) and 1 (right); ...')

    Source: Hoang et al., ICLR 2023, as in the authors' released code.
    """
    graph, convention = _connections(mask), _checked(convention)
    if reason := _undefined(graph, convention, whole=True):
        return Score(math.nan, reason)
    return Score(_gap(graph, normalised))


def imdb(mask: Any, *, normalised: bool = False, convention: Convention = "iclr") -> Score:
    """Δr_imdb, the iterative mean difference of bound: the mean of Δr over the left-regular subgraphs.

    For every degree that enough left nodes have: these nodes, and all right nodes that they reach.

    Args:
        mask: booleans (in, out) or (window…, in, out), or a `Bipartite`.
        normalised: every gap divided by its own bound before the mean.
        convention: "iclr": degrees of at least 3 nodes, Δr where d_L ≥ 3 and d_R ≥ 3. "neurips": of at least 2 nodes,
            where d_L ≥ 3 and d_R > 1, each gap times max(|L|, |R|)/(|L| + |R| − 1).

    Returns:
        The mean; NaN with its `reason` where no subgraph has a gap.

    Example:
        >>> import numpy as np
        >>> mask = np.ones((6, 5), bool)
        >>> mask[:3, 4] = False                                # three nodes of degree 4, three of degree 5
        >>> imdb(mask) == ((2**0.5 + 3**0.5) + (2**0.5 + 4**0.5)) / 2
        True

    Source: Hoang et al., ICLR 2023 and NeurIPS 2023, as in the authors' released codes.
    """
    graph, convention = _connections(mask), _checked(convention)
    return _mean([_factor(part, convention) * _gap(part, normalised) for part in _regular_parts(graph, convention)])


def narc(mask: Any) -> Score:
    """NaRC: [(s_2²/4 + 1)·√(|L||R|) − |e − (d_L/n_R)·|L||R||] / (n_L n_R), e = 2E.

    |L|, |R| count the nodes that have an edge, n_L, n_R all of them. The formula is that of the program, e counting
    every edge in both directions; with e = E the second term would vanish for a mask without isolated nodes.

    Args:
        mask: booleans (in, out) or (window…, in, out), or a `Bipartite`.

    Returns:
        The number, at most 0 for what the paper calls random; NaN with its `reason` where Δr is not defined.

    Example:
        >>> import numpy as np
        >>> round(narc(np.ones((4, 5), bool)), 4)              # (√20 − 20)/20
        -0.7764

    Source: Hoang et al., ICLR 2023, as in the authors' released code.
    """
    graph = _connections(mask)
    if reason := _undefined(graph, "iclr", whole=True):
        return Score(math.nan, reason)
    second = graph.singular_values[1]
    return Score(_narc(second, graph.edges, graph.left, graph.right, graph.n_left, graph.n_right))


def _narc(second: float, edges: float, left: int, right: int, n_left: int, n_right: int) -> float:
    excess = abs(2 * edges - edges / left / n_right * left * right)
    return ((second**2 / 4 + 1) * math.sqrt(left * right) - excess) / (n_left * n_right)


def spectral_gap(mask: Any, weights: Any = None, *, convention: Convention = "iclr") -> Score:
    """λ = s_1(|W∘M|) − s_2(|W∘M|), the weighted spectral gap.

    Args:
        mask: booleans (in, out) or (window…, in, out), or a `Bipartite` made with weights.
        weights: of the mask's shape; None: every kept weight counts 1, or what the `Bipartite` says.
        convention: defined where `ramanujan_gap` of this convention is.

    Returns:
        The gap, ≥ 0; NaN with its `reason`.

    Raises:
        ValueError: weights of another shape.

    Example:
        >>> import numpy as np
        >>> round(spectral_gap(np.ones((3, 12), bool), np.full((3, 12), -0.5)), 6)
        3.0

    Source: Hoang et al., NeurIPS 2023, as in the authors' released code.
    """
    graph, convention = _graph(mask, weights), _checked(convention)
    if reason := _undefined(graph, convention, whole=True):
        return Score(math.nan, reason)
    first, second = graph.singular_values
    return Score(first - second)


def imsg(mask: Any, weights: Any = None, *, convention: Convention = "iclr") -> Score:
    """λ_imsg, the iterative mean spectral gap: the mean of λ over the subgraphs of `imdb`.

    Args:
        mask, weights, convention: as for `spectral_gap`; which subgraphs count, and their factor, as for `imdb`.

    Returns:
        The mean; NaN with its `reason` where no subgraph counts.

    Example:
        >>> import numpy as np
        >>> round(imsg(np.ones((3, 12), bool)), 6)
        6.0

    Source: Hoang et al., NeurIPS 2023, as in the authors' released code.
    """
    graph, convention = _graph(mask, weights), _checked(convention)
    parts = list(_regular_parts(graph, convention))
    return _mean([_factor(p, convention) * (p.singular_values[0] - p.singular_values[1]) for p in parts])


def full_spectrum(mask: Any, weights: Any, *, convention: Convention = "iclr") -> float:
    """The full-spectrum score of a layer: ‖(Δr, Δr_imdb, λ, λ_imsg)‖₂, what is not defined counted as 0.

    Args:
        mask, weights, convention: as for `spectral_gap`.

    Returns:
        The norm, ≥ 0; 0 where nothing is defined.

    Example:
        >>> import numpy as np
        >>> round(full_spectrum(np.ones((5, 5), bool), np.ones((5, 5))), 3)      # (4, 4, 5, 5)
        9.055

    Source: Hoang et al., NeurIPS 2023, as in the authors' released code.
    """
    scores = (
        ramanujan_gap(mask, convention=convention),
        imdb(mask, convention=convention),
        spectral_gap(mask, weights, convention=convention),
        imsg(mask, weights, convention=convention),
    )
    return length(scores)


def length(scores: tuple[Score, ...]) -> float:
    """‖scores‖₂, NaN counted as 0."""
    return math.sqrt(sum(score**2 for score in scores if not math.isnan(score)))


def _connections(mask: Any) -> Bipartite:
    """The graph without its weights, if it has any."""
    return _graph(mask).unweighted()


def _graph(mask: Any, weights: Any = None) -> Bipartite:
    if not isinstance(mask, Bipartite):
        return bipartite(mask, weights)
    if weights is not None:
        raise ValueError("a Bipartite came with weights beside it; give the weights to bipartite()")
    return mask


def _checked(convention: str) -> Convention:
    if convention not in _SHARED:
        raise ValueError(f'convention is {convention!r}; choose "iclr" or "neurips"')
    return convention  # type: ignore[return-value]


def _undefined(graph: Bipartite, convention: str, *, whole: bool) -> str:
    """Why a graph has no gap, or nothing."""
    if not graph.edges:
        return "the mask keeps nothing"
    left, right = graph.d_left, graph.d_right
    if convention == "iclr":
        fine, need = left >= 3 and right >= 3, "both at least 3"
    elif whole:
        fine, need = right >= 3 and left > 1, "right at least 3 and left above 1"
    else:
        fine, need = left >= 3 and right > 1, "left at least 3 and right above 1"
    return "" if fine else f"mean degrees are {left:.4g} (left) and {right:.4g} (right); the score needs {need}"


def _regular_parts(graph: Bipartite, convention: str) -> Iterator[Bipartite]:
    parts = (part for part in graph.left_regular if part.left >= _SHARED[convention])
    return (part for part in parts if not _undefined(part, convention, whole=False))


def _gap(graph: Bipartite, normalised: bool) -> float:
    bound = ramanujan_bound(graph.d_left, graph.d_right)
    gap = bound - graph.singular_values[1]
    return gap / bound if normalised else gap


def _factor(graph: Bipartite, convention: str) -> float:
    return max(graph.left, graph.right) / (graph.left + graph.right - 1) if convention == "neurips" else 1.0


def _mean(values: list[float]) -> Score:
    if not values:
        return Score(math.nan, "no degree is shared by enough left nodes of large enough degrees")
    return Score(sum(values) / len(values))
