"""What every bound asks of its arguments: δ, γ, a sample of the graph's inputs and classes, honest preprocessing."""

from __future__ import annotations

from typing import Any

from sparsebounds.bounds.sample.sample import Sample


def check_match(graph: Any, sample: Any) -> None:
    """Raise ValueError unless the sample was measured on inputs and classes of the graph."""
    if sample.energies.shape != graph.input.shape:
        raise ValueError(
            f"the sample has inputs of shape {sample.energies.shape}, the graph reads {graph.input.shape}; "
            "measure the sample on the tensors that the network receives"
        )
    if sample.classes != graph.classes:
        raise ValueError(f"the sample has {sample.classes} classes, the graph {graph.classes} scores")


def check_delta(delta: float) -> None:
    """Raise ValueError unless 0 < δ < 1."""
    if not 0.0 < delta < 1.0:
        raise ValueError(f"delta={delta}; needed a probability strictly between 0 and 1, such as 0.001")


def check_gamma(gamma: float | str) -> None:
    """Raise ValueError unless γ is a positive finite number or "best"."""
    if gamma == "best":
        return
    if isinstance(gamma, str) or not 0.0 < gamma < float("inf"):
        raise ValueError(f"gamma={gamma!r}; needed a positive margin, or 'best'")


def preprocessing_note(sample: Sample) -> str:
    """Why a row is no certificate: inputs normalised by statistics of the sample itself, or a sample never drawn."""
    if sample.preprocessing == "fixed":
        return ""
    if sample.preprocessing == "scaled":
        return "no certificate: the sample was scaled to another m, and never drawn"
    return "no certificate: the inputs were normalised by statistics of the sample itself"
