"""Classes of linear heads whose weights lie in boxes with signs."""

from sparsebounds.bounds.certificates.boxes.family import Boxes, pairs
from sparsebounds.bounds.certificates.boxes.rehearsal import box_of_rehearsal

__all__ = ["Boxes", "box_of_rehearsal", "pairs"]
