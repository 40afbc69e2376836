"""Topology of masks: the bipartite graph of a layer, its spectrum, and the scores made of it."""

from sparsebounds.nets.topology.bipartite_graph import Bipartite, bipartite
from sparsebounds.nets.topology.network import LayerTopology, defined_share, network_score, network_topology
from sparsebounds.nets.topology.scores import (
    Convention,
    Score,
    full_spectrum,
    imdb,
    imsg,
    narc,
    ramanujan_bound,
    ramanujan_gap,
    spectral_gap,
)
from sparsebounds.nets.topology.search import PagsResult, pags
from sparsebounds.nets.topology.spectrum import two_largest_singular_values

__all__ = [
    "Bipartite",
    "bipartite",
    "two_largest_singular_values",
    "Convention",
    "Score",
    "ramanujan_bound",
    "ramanujan_gap",
    "imdb",
    "narc",
    "spectral_gap",
    "imsg",
    "full_spectrum",
    "LayerTopology",
    "network_topology",
    "network_score",
    "defined_share",
    "PagsResult",
    "pags",
]
