"""Training for the tightest certificate: ramp loss plus complexity."""

from sparsebounds.nets.certify.chain import Chain, chain_complexity, tap_moments, train_chain, train_chain_ellipsoids
from sparsebounds.nets.certify.chain_boxes import train_chain_boxes, train_chain_centred
from sparsebounds.nets.certify.head import train_boxes, train_centred, train_ellipsoids, train_taps
from sparsebounds.nets.certify.loop import CertifyConfig, minimise
from sparsebounds.nets.losses import annealed, margins

__all__ = [
    "CertifyConfig",
    "Chain",
    "annealed",
    "chain_complexity",
    "margins",
    "minimise",
    "tap_moments",
    "train_boxes",
    "train_centred",
    "train_chain",
    "train_chain_boxes",
    "train_chain_centred",
    "train_chain_ellipsoids",
    "train_ellipsoids",
    "train_taps",
]
