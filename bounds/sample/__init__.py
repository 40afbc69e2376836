"""What the data say about a network, measured once."""

from sparsebounds.bounds.sample.fingerprinting import fingerprints
from sparsebounds.bounds.sample.front_end import FrontEnd, Received
from sparsebounds.bounds.sample.margins import Margins
from sparsebounds.bounds.sample.sample import Sample
from sparsebounds.bounds.sample.scaling import scaled

__all__ = [
    "FrontEnd",
    "Margins",
    "Received",
    "Sample",
    "fingerprints",
    "scaled",
]
