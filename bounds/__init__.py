"""What theory guarantees about a trained network: read it, measure the sample, compute bounds."""

from collections.abc import Callable
from importlib.metadata import entry_points

from bounds.bartlett import bartlett, bartlett_dudley
from bounds.bound import Bound, Declaration, declare
from bounds.certificate import certificate, certified
from bounds.evaluate import activations, evaluate
from bounds.galanti import galanti, galanti_best, galanti_published
from bounds.golowich import golowich, golowich_l1, golowich_sharp
from bounds.gonon import gonon
from bounds.graf import graf_dudley, graf_norms, graf_params
from bounds.graph import Graph
from bounds.held_out import held_out
from bounds.ledent import ledent
from bounds.long_sedghi import long_sedghi
from bounds.neyshabur import neyshabur_frobenius, neyshabur_l1
from bounds.neyshabur_two_layer import neyshabur_two_layer
from bounds.occam import occam
from bounds.pac_bayes import pac_bayes
from bounds.parameter_count import parameter_count
from bounds.path_norm import path_norm, path_norm_layered
from bounds.peeling import peeling
from bounds.pruned import pruned
from bounds.quantise import quantise
from bounds.reader import ReadError, read_graph
from bounds.sample import Sample
from bounds.table import table
from bounds.what_if import samples_needed, what_if_pruned, what_if_samples

BOUNDS: dict[str, Callable[..., Bound]] = {
    "peeling": peeling,
    "galanti_published": galanti_published,
    "galanti": galanti,
    "galanti_best": galanti_best,
    "neyshabur_frobenius": neyshabur_frobenius,
    "neyshabur_l1": neyshabur_l1,
    "neyshabur_two_layer": neyshabur_two_layer,
    "golowich": golowich,
    "golowich_sharp": golowich_sharp,
    "golowich_l1": golowich_l1,
    "path_norm_layered": path_norm_layered,
    "path_norm": path_norm,
    "gonon": gonon,
    "bartlett": bartlett,
    "bartlett_dudley": bartlett_dudley,
    "graf_norms": graf_norms,
    "graf_params": graf_params,
    "graf_dudley": graf_dudley,
    "ledent": ledent,
    "long_sedghi": long_sedghi,
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
