"""What theory guarantees about a trained network: read it, measure the sample, compute bounds."""

from sparsebounds.bounds.bound import Bound, Declaration, Theorem, declare
from sparsebounds.bounds.certificates.certificate import certificate, certified
from sparsebounds.bounds.graph.evaluation import activations, evaluate
from sparsebounds.bounds.graph.graph import Graph
from sparsebounds.bounds.graph.pruning import pruned
from sparsebounds.bounds.graph.quantisation import quantise
from sparsebounds.bounds.moments.peeling import peeling
from sparsebounds.bounds.reader import ReadError, read_graph
from sparsebounds.bounds.registry import BOUNDS, add_installed
from sparsebounds.bounds.sample.sample import Sample
from sparsebounds.bounds.tables import table
from sparsebounds.bounds.theorems.covering.bartlett import bartlett, bartlett_dudley
from sparsebounds.bounds.theorems.covering.graf import graf_dudley, graf_norms, graf_params
from sparsebounds.bounds.theorems.covering.ledent import ledent
from sparsebounds.bounds.theorems.covering.long_sedghi import long_sedghi
from sparsebounds.bounds.theorems.description.occam import occam
from sparsebounds.bounds.theorems.description.parameter_count import parameter_count
from sparsebounds.bounds.theorems.held_out import held_out
from sparsebounds.bounds.theorems.pac_bayes import pac_bayes
from sparsebounds.bounds.theorems.rademacher.galanti import galanti, galanti_best, galanti_published
from sparsebounds.bounds.theorems.rademacher.golowich import golowich, golowich_l1, golowich_sharp
from sparsebounds.bounds.theorems.rademacher.gonon import gonon
from sparsebounds.bounds.theorems.rademacher.neyshabur import neyshabur_frobenius, neyshabur_l1
from sparsebounds.bounds.theorems.rademacher.neyshabur_two_layer import neyshabur_two_layer
from sparsebounds.bounds.theorems.rademacher.path_norm import path_norm, path_norm_layered
from sparsebounds.bounds.what_if import samples_needed, what_if_pruned, what_if_samples

__all__ = [
    "BOUNDS",
    "Bound",
    "Declaration",
    "Graph",
    "ReadError",
    "Sample",
    "Theorem",
    "activations",
    "bartlett",
    "bartlett_dudley",
    "certificate",
    "certified",
    "declare",
    "evaluate",
    "galanti",
    "galanti_best",
    "galanti_published",
    "golowich",
    "golowich_l1",
    "golowich_sharp",
    "gonon",
    "graf_dudley",
    "graf_norms",
    "graf_params",
    "held_out",
    "ledent",
    "long_sedghi",
    "neyshabur_frobenius",
    "neyshabur_l1",
    "neyshabur_two_layer",
    "occam",
    "pac_bayes",
    "parameter_count",
    "path_norm",
    "path_norm_layered",
    "peeling",
    "pruned",
    "quantise",
    "read_graph",
    "samples_needed",
    "table",
    "what_if_pruned",
    "what_if_samples",
]

add_installed()

if __name__ == "bounds":  # in a checkout `import bounds` gives these names, but no second copy of what is below
    __path__ = []
