"""Checks of the arguments that all bounds share, each refusal in one sentence."""

from __future__ import annotations

import math
from typing import Any

import numpy as np


def check_delta(delta: object) -> None:
    """Raise ValueError unless 0 < δ < 1."""
    if not isinstance(delta, int | float | np.number) or not 0.0 < delta < 1.0:
        raise ValueError(f"delta={delta!r}; needed a probability strictly between 0 and 1, such as 0.001")


def check_flag(name: str, value: object) -> None:
    """Raise ValueError unless it is True or False: "no" would count as True."""
    if not isinstance(value, bool | np.bool_):
        raise ValueError(f"{name} is {value!r}; needed True or False")


def check_gamma(gamma: float | str) -> None:
    """Raise ValueError unless γ is a positive finite number or "best"."""
    if gamma == "best":
        return
    if isinstance(gamma, str) or not 0.0 < gamma < math.inf:
        raise ValueError(f"gamma={gamma!r}; needed a positive margin, or 'best'")


def check_match(graph: Any, sample: Any) -> None:
    """Raise ValueError unless the sample was measured on inputs and classes of the graph, and of this network."""
    if not (hasattr(graph, "input") and hasattr(sample, "energies")):
        raise ValueError(
            f"came a {type(graph).__name__} and a {type(sample).__name__}; a bound takes a graph and a sample, in this "
            "order: bounds.read_graph(f, x[:2]) and bounds.Sample.measure(f, x, y)"
        )
    if sample.energies.shape != graph.input.coordinates:
        remedy = "measure the sample on the tensors that the network receives"
        if graph.input.vocabulary is not None:
            remedy = (
                "tokens count as vectors of ones and zeros: measure the sample as "
                f"Sample.measure(f, x, y, vocabulary={graph.input.vocabulary})"
            )
        came, needed = sample.energies.shape, graph.input.coordinates
        raise ValueError(f"the sample has inputs of shape {came}, the graph reads {needed}; {remedy}")
    if sample.classes != graph.classes:
        raise ValueError(f"the sample has {sample.classes} classes, the graph {graph.classes} scores")
    sample.check_network(graph)
