"""What theory guarantees about a trained network: read it, measure the sample, compute bounds.

Every bound in `BOUNDS` is also a name here: `bounds.galanti`, `bounds.peeling`, …
"""

from sparsebounds.bounds.bound import Bound, Declaration, Theorem, declare
from sparsebounds.bounds.certificates.certificate import certificate, certified
from sparsebounds.bounds.certificates.distance import Draw, Prior, distance_certificate, draw
from sparsebounds.bounds.comparing import compare
from sparsebounds.bounds.graph.evaluation import activations, evaluate
from sparsebounds.bounds.graph.graph import Graph
from sparsebounds.bounds.graph.program import Program
from sparsebounds.bounds.graph.pruning import pruned
from sparsebounds.bounds.graph.quantisation import quantise
from sparsebounds.bounds.graph.reference import Reference
from sparsebounds.bounds.linear_maps import SpectralNorm, spectral_norm
from sparsebounds.bounds.margin.codes import Listed, Seeds, Trees, WholeNumbers
from sparsebounds.bounds.margin.space import Configuration, ConfigurationSpace, Field
from sparsebounds.bounds.measures import MEASURES, Measure, Subject, Undefined, declare_measure
from sparsebounds.bounds.measuring import measures
from sparsebounds.bounds.quantising import quantised
from sparsebounds.bounds.reader import ReadError, read_graph, read_program
from sparsebounds.bounds.registry import BOUNDS, add_installed
from sparsebounds.bounds.sample.sample import Sample
from sparsebounds.bounds.show import Explanation, Monitor, explain, monitor, page, plot, to_csv, to_latex
from sparsebounds.bounds.tables import table
from sparsebounds.bounds.theorems.description.quantised import Quantised
from sparsebounds.bounds.what_if import samples_needed, what_if_dense, what_if_pruned, what_if_samples

__all__ = [
    "BOUNDS",
    "Bound",
    "Configuration",
    "ConfigurationSpace",
    "Declaration",
    "Draw",
    "Explanation",
    "Field",
    "Graph",
    "Listed",
    "MEASURES",
    "Measure",
    "Monitor",
    "Prior",
    "Program",
    "Quantised",
    "ReadError",
    "Reference",
    "Sample",
    "Seeds",
    "SpectralNorm",
    "Subject",
    "Theorem",
    "Trees",
    "Undefined",
    "WholeNumbers",
    "activations",
    "certificate",
    "certified",
    "compare",
    "declare",
    "declare_measure",
    "distance_certificate",
    "draw",
    "evaluate",
    "explain",
    "measures",
    "monitor",
    "page",
    "plot",
    "pruned",
    "quantise",
    "quantised",
    "read_graph",
    "read_program",
    "samples_needed",
    "spectral_norm",
    "table",
    "to_csv",
    "to_latex",
    "what_if_dense",
    "what_if_pruned",
    "what_if_samples",
]

add_installed(__all__)


def __getattr__(name: str) -> Theorem[...]:
    """Every bound of the registry is a name of this package, those of other packages among them."""
    if name in BOUNDS:
        return BOUNDS[name]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*__all__, *BOUNDS]


if __name__ == "bounds":  # in a checkout `import bounds` gives these names, but no second copy of what is below
    __path__ = []
