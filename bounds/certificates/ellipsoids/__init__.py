"""Classes whose rows lie in ellipsoids."""

from sparsebounds.bounds.certificates.ellipsoids.family import Ellipsoids
from sparsebounds.bounds.certificates.ellipsoids.rehearsal import rehearsal_ellipsoids
from sparsebounds.bounds.certificates.signs import Orthants

__all__ = ["Ellipsoids", "Orthants", "rehearsal_ellipsoids"]
