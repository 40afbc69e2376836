"""Topology of masks: the bipartite graph of a layer, its spectrum, and the scores made of it."""

from .bipartite import Bipartite, bipartite
from .network import LayerTopology, defined_share, network_score, network_topology
from .pags import PagsResult, pags
from .scores import (
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
from .spectrum import two_largest_singular_values

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
