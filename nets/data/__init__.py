"""Data sets: read, checked, normalised."""

from sparsebounds.nets.data.datasets import NAMES, Dataset, fingerprint, load, normalise
from sparsebounds.nets.data.filters import EdgeFilters
from sparsebounds.nets.data.formats import DataError

__all__ = [
    "DataError",
    "Dataset",
    "EdgeFilters",
    "NAMES",
    "fingerprint",
    "load",
    "normalise",
]
