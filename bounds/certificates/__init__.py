"""Certificates of classes fixed in advance: what shapes a class is left out, what is chosen after looking is paid."""

from sparsebounds.bounds.certificates.boxes.centred import Centred
from sparsebounds.bounds.certificates.boxes.centred_network import CentredNetwork
from sparsebounds.bounds.certificates.boxes.family import Boxes
from sparsebounds.bounds.certificates.boxes.hidden import HiddenBoxes
from sparsebounds.bounds.certificates.boxes.rehearsal import (
    box_around_rehearsal,
    box_of_rehearsal,
    boxes_around_network,
    hidden_boxes_of_rehearsal,
)
from sparsebounds.bounds.certificates.ellipsoids.family import Ellipsoids
from sparsebounds.bounds.certificates.ellipsoids.rehearsal import rehearsal_ellipsoids
from sparsebounds.bounds.certificates.energies import Energies, EnergyWeights, measure_energies
from sparsebounds.bounds.certificates.family import Family, certify_family
from sparsebounds.bounds.certificates.signs import Orthants
from sparsebounds.bounds.moments.head_axes import UNIFORM, HeadAxes
from sparsebounds.bounds.moments.margin_forms import MarginForm, tree_form
from sparsebounds.bounds.moments.tree import Tree

__all__ = [
    "UNIFORM",
    "Boxes",
    "Centred",
    "CentredNetwork",
    "Ellipsoids",
    "Energies",
    "EnergyWeights",
    "Family",
    "HeadAxes",
    "HiddenBoxes",
    "MarginForm",
    "Orthants",
    "Tree",
    "box_around_rehearsal",
    "box_of_rehearsal",
    "boxes_around_network",
    "certify_family",
    "hidden_boxes_of_rehearsal",
    "measure_energies",
    "rehearsal_ellipsoids",
    "tree_form",
]
