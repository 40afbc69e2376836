"""Bounds and measures during training, in the user's own loop, within a share of its time."""

from sparsebounds.bounds.show.monitoring.watching import Monitor, monitor

__all__ = ["Monitor", "monitor"]
