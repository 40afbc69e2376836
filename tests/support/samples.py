"""Samples without images: energies, margins and counts written down."""

import numpy as np

from sparsebounds.bounds.audit.slips.networks import OfAnyNetwork


def energies(shape, seed=0):
    """Energies of inputs of this shape, drawn; none is far below the others."""
    return 40 * np.random.default_rng(seed).uniform(0.1, 1, size=shape)


def sample_of(energies, m=50, classes=4, preprocessing="fixed", margins=None):
    """m samples with these energies, labels as even as can be; margins from −1 to 3 unless given, one or all."""
    counts = np.full(classes, m // classes)
    counts[0] += m - counts.sum()
    parts = np.stack([energies / classes] * classes)
    margins = np.linspace(-1, 3, m) if margins is None else np.broadcast_to(margins, m).copy()
    return OfAnyNetwork(m, classes, energies, parts, margins, counts, preprocessing)


of_any_network = OfAnyNetwork.of
"""For graphs whose weights a test has changed."""
