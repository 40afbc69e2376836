"""Training for the tightest certificate: ramp loss plus complexity."""

from .head import HeadConfig, train_ellipsoids, train_taps
from .objective import annealed, margins

__all__ = ["HeadConfig", "annealed", "margins", "train_ellipsoids", "train_taps"]
