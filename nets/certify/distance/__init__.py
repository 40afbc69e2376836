"""Training for a certificate from the distance to a reference: the reference, its scales, a step, or from nothing."""

from sparsebounds.nets.certify.distance.adapters import low_rank
from sparsebounds.nets.certify.distance.basis import Basis, eigenbasis
from sparsebounds.nets.certify.distance.free import train_free
from sparsebounds.nets.certify.distance.layers import moving
from sparsebounds.nets.certify.distance.modules import split_module
from sparsebounds.nets.certify.distance.near import train_near
from sparsebounds.nets.certify.distance.reference import train_module, train_reference
from sparsebounds.nets.certify.distance.scales import FACTORS, choose_factor, train_scales
from sparsebounds.nets.certify.distance.shifts import random_shifts

__all__ = [
    "Basis",
    "FACTORS",
    "choose_factor",
    "eigenbasis",
    "low_rank",
    "moving",
    "random_shifts",
    "split_module",
    "train_free",
    "train_module",
    "train_near",
    "train_reference",
    "train_scales",
]
