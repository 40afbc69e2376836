"""Which of several ways to write a class is used, where each is paid for as one of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from sparsebounds.bounds.margin.classes import ClassSize
from sparsebounds.bounds.margin.payment import Payment
from sparsebounds.bounds.margin.step import smallest
from sparsebounds.bounds.sample.sample import Sample

QUANTILES = (0.1, 0.5, 0.9, 1.0)
"""Of the positive margins, for a first look where γ is free."""


def preferred(forms: Iterable[ClassSize], sample: Sample, payment: Payment) -> ClassSize:
    """The form with the smallest bound; the first, with numbers closest to the network's own, where none is below 1.

    Args:
        forms: classes that contain the network, each with the whole price of the choice.
        sample: m and the margins.
        payment: as for the bound itself; a free γ is replaced by some of the margins.
    """
    found = list(forms)
    if len(found) == 1:
        return found[0]
    positive = sample.margins[sample.margins > 0]
    gammas = np.quantile(positive, QUANTILES).tolist() if positive.size else [1.0]
    payments = [replace(payment, gamma=gamma) for gamma in ([payment.gamma] if payment.fixed_gamma else gammas)]
    values = [min(smallest([size], sample, paid).value for paid in payments) for size in found]
    return found[int(np.argmin(values))] if min(values) < 1 else found[0]
