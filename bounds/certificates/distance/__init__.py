"""One network by its distance from a reference: a prior, one draw, an e-value on the sample."""

from sparsebounds.bounds.certificates.distance.conclusion import certified_draw, distance_certificate
from sparsebounds.bounds.certificates.distance.counting import Counting
from sparsebounds.bounds.certificates.distance.drawing import draw
from sparsebounds.bounds.certificates.distance.drawn import Draw
from sparsebounds.bounds.certificates.distance.half_space import displacement
from sparsebounds.bounds.certificates.distance.prior import Prior
from sparsebounds.bounds.certificates.distance.subspaces import LowRank, Subspace

__all__ = [
    "Counting",
    "Draw",
    "LowRank",
    "Prior",
    "Subspace",
    "certified_draw",
    "displacement",
    "distance_certificate",
    "draw",
]
