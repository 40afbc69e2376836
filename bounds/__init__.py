"""What theory guarantees about a trained network: read it, measure the sample, compute bounds."""

from collections.abc import Callable
from importlib.metadata import entry_points

from bounds.bound import Bound, Declaration, declare
from bounds.evaluate import activations, evaluate
from bounds.galanti import galanti, galanti_best, galanti_published
from bounds.graph import Graph
from bounds.held_out import held_out
from bounds.occam import occam
from bounds.pac_bayes import pac_bayes
from bounds.parameter_count import parameter_count
from bounds.quantise import quantise
from bounds.reader import ReadError, read_graph
from bounds.sample import Sample
from bounds.table import table

BOUNDS: dict[str, Callable[..., Bound]] = {
    "galanti_published": galanti_published,
    "galanti": galanti,
    "galanti_best": galanti_best,
    "occam": occam,
    "pac_bayes": pac_bayes,
    "parameter_count": parameter_count,
    "held_out": held_out,
}
"""Name in the table → bound. Every bound is called as (graph, sample, *, delta, …) and carries a `declaration`."""

BOUNDS |= {e.name: e.load() for e in entry_points(group="sparsebounds.bounds")}

__all__ = [
    "BOUNDS",
    "Bound",
    "Declaration",
    "Graph",
    "ReadError",
    "Sample",
    "activations",
    "declare",
    "evaluate",
    "galanti",
    "galanti_best",
    "galanti_published",
    "held_out",
    "occam",
    "pac_bayes",
    "parameter_count",
    "quantise",
    "read_graph",
    "table",
]
