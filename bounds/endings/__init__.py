"""Monotone ends of networks, softmax, log-softmax and sigmoid: known by what they compute, and taken off."""

from sparsebounds.bounds.endings.known import KNOWN
from sparsebounds.bounds.endings.strip import stripped

__all__ = ["KNOWN", "stripped"]
