"""Path norms by one pass: every parameter, biases too, to the power p, ones as the input, outputs summed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from sparsebounds.bounds.graph.evaluation import evaluate
from sparsebounds.bounds.graph.graph import Graph
from sparsebounds.bounds.graph.layers import Layer, Linear
from sparsebounds.bounds.measures.measure import Measure, declare_measure, defined
from sparsebounds.bounds.measures.norms_and_margins import JIANG, NITARSHAN
from sparsebounds.bounds.measures.subject import Subject, Undefined

NEYSHABUR = "bneyshabur/generalization-bounds db8e3e7, measures.py"
TOO_LARGE = "the products of weights along paths overflow float64"


def path_sum(graph: Graph, p: float) -> float:
    """Σ outputs of the network with |parameter|^p in place of every parameter, on an input of ones.

    Fixed maps stay as they are: an average pool averages, a skip adds, a max pool takes the largest.

    Raises:
        Undefined: the input is tokens, of which there is no input of ones.
    """
    if graph.input.vocabulary is not None:
        raise Undefined("the input is tokens: there is no input of ones")

    def powered(layer: Layer) -> Layer:
        return layer.with_parameters(lambda w: np.abs(w) ** p) if isinstance(layer, Linear) else layer

    changed = replace(graph, layers=tuple(powered(layer) for layer in graph.layers))
    with np.errstate(over="ignore", invalid="ignore"):
        return float(evaluate(changed, np.ones((1, *graph.input.coordinates))).sum())


@declare_measure(formula="Σ outputs of the network with all parameters squared, on ones", rescale="root",
                 source=f"{JIANG}, eq. 44; {NITARSHAN}", needs="weights")  # fmt: skip
def path_norm(subject: Subject) -> float:
    """The squared ℓ2 path norm, biases among the parameters."""
    return defined(path_sum(subject.graph, 2), TOO_LARGE)


@declare_measure(formula="Σ outputs of the network with all parameters squared, on ones, /γ²", rescale="root",
                 source=f"{JIANG}, eq. 43; {NITARSHAN}", needs="outputs")  # fmt: skip
def path_norm_over_margin(subject: Subject) -> float:
    """The squared ℓ2 path norm over γ²."""
    return defined(path_sum(subject.graph, 2) / subject.gamma**2, TOO_LARGE)


def _lp(p: float, name: str) -> Measure:
    def measure(subject: Subject) -> float:
        return defined(path_sum(subject.graph, p) ** (1 / p) / subject.gamma, TOO_LARGE)

    formula = f"(Σ outputs with |parameter|^{p:g}, on ones)^(1/{p:g})/γ"
    return declare_measure(formula=formula, source=NEYSHABUR, needs="outputs", name=name)(measure)


MEASURES = (path_norm, path_norm_over_margin, _lp(1, "path_norm_l1"), _lp(1.5, "path_norm_l1.5"),
            _lp(2, "path_norm_l2"))  # fmt: skip
