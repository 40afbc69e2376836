"""Training for the tightest certificate: ramp loss plus complexity."""

from .chain import Chain, chain_complexity, tap_moments, train_chain, train_chain_ellipsoids
from .head import train_boxes, train_ellipsoids, train_taps
from .loop import CertifyConfig, minimise
from .objective import annealed, margins

__all__ = [
    "CertifyConfig",
    "Chain",
    "annealed",
    "chain_complexity",
    "margins",
    "minimise",
    "tap_moments",
    "train_boxes",
    "train_chain",
    "train_chain_ellipsoids",
    "train_ellipsoids",
    "train_taps",
]
