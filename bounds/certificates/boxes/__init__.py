"""Classes whose weights lie in boxes: with signs from zero on, or around a rehearsal."""

from sparsebounds.bounds.certificates.boxes.centred import Centred
from sparsebounds.bounds.certificates.boxes.centred_network import CentredNetwork
from sparsebounds.bounds.certificates.boxes.common_scale import common_scales
from sparsebounds.bounds.certificates.boxes.family import Boxes
from sparsebounds.bounds.certificates.boxes.hidden import HiddenBoxes
from sparsebounds.bounds.certificates.boxes.moments import pairs
from sparsebounds.bounds.certificates.boxes.rehearsal import (
    box_around_rehearsal,
    box_of_rehearsal,
    boxes_around_network,
    hidden_boxes_of_rehearsal,
)

__all__ = [
    "Boxes",
    "Centred",
    "CentredNetwork",
    "HiddenBoxes",
    "box_around_rehearsal",
    "box_of_rehearsal",
    "boxes_around_network",
    "common_scales",
    "hidden_boxes_of_rehearsal",
    "pairs",
]
