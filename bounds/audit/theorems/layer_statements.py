"""Norms of layers beyond ReLU chains: maxima, skips, biases, activations that are not 0 at 0 (`layer_forms`)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np

from sparsebounds.bounds.audit.search.families import ROWS_L1
from sparsebounds.bounds.audit.theorems import cases
from sparsebounds.bounds.audit.theorems.statement import Factor, Statement, Twin, value_of
from sparsebounds.bounds.graph.graph import Graph
from sparsebounds.bounds.graph.layers import Activation, MaxPool
from sparsebounds.bounds.margin.classes import ClassSize
from sparsebounds.bounds.theorems.rademacher.layer_forms import exponential_form, first_moment_form, frobenius_forms
from sparsebounds.bounds.theorems.rademacher.path_norm import layered_complexity

Form = Callable[[Graph, np.ndarray, int], ClassSize]


def _in_squares(graph: Graph, energies: np.ndarray, m: int) -> ClassSize:
    return frobenius_forms(graph, energies, m)[0]


def _windows(graph: Graph, energies: np.ndarray, m: int) -> float:
    """K of a network with one max pool."""
    return float(max(layer.window for layer in graph.layers if isinstance(layer, MaxPool)))


def _at_zero(form: Form) -> Factor:
    """The claim against that of activations which are 0 at 0."""

    def factor(graph: Graph, energies: np.ndarray, m: int) -> float:
        layers = tuple(
            replace(layer, function=replace(layer.function, at_zero=0.0)) if isinstance(layer, Activation) else layer
            for layer in graph.layers
        )
        return form(graph, energies, m).value / form(replace(graph, layers=layers), energies, m).value

    return factor


_WINDOW = (Twin("a max pool without its K", _windows),)
_ROWS, _COLUMNS = (partial(cases.maxout_cases, order=order) for order in (2, 1))
_EVERYTHING, _NODES = (partial(cases.dag_cases, max_pool=gains) for gains in ("layers", "nodes"))
MAXIMA, GRAPH, HALVES = "a maximum of linear maps", "skips, biases and max pools", "sigmoid"

LAYER_STATEMENTS: tuple[Statement, ...] = (
    Statement("neyshabur_frobenius", MAXIMA, "path", ROWS_L1, value_of(_in_squares), _ROWS, _WINDOW),
    Statement("neyshabur_l1", MAXIMA, "path", ROWS_L1, value_of(first_moment_form), _COLUMNS, _WINDOW),
    Statement("golowich_l1", MAXIMA, "path", ROWS_L1, value_of(exponential_form), _COLUMNS, _WINDOW),
    Statement("path_norm_layered", MAXIMA, "path", ROWS_L1, value_of(layered_complexity), _COLUMNS, _WINDOW),
    Statement("neyshabur_frobenius", GRAPH, "path", ROWS_L1, value_of(_in_squares), _NODES),
    Statement("neyshabur_l1", GRAPH, "path", ROWS_L1, value_of(first_moment_form), _EVERYTHING),
    Statement("golowich_l1", GRAPH, "path", ROWS_L1, value_of(exponential_form), _EVERYTHING),
    Statement("neyshabur_l1", HALVES, "l1", ROWS_L1, value_of(first_moment_form), cases.sigmoid_cases,
              (Twin("without σ(0)", _at_zero(first_moment_form)),)),
    Statement("golowich_l1", HALVES, "l1", ROWS_L1, value_of(exponential_form), cases.sigmoid_cases,
              (Twin("without σ(0)", _at_zero(exponential_form)),)),
)  # fmt: skip
