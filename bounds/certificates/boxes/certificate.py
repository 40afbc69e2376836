"""The certificate of a linear network in a class of boxes."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from sparsebounds.bounds.bound import Bound
from sparsebounds.bounds.certificates.boxes.family import Boxes, box_radii, box_reach, box_weights, pairs
from sparsebounds.bounds.certificates.energies import (
    Energies,
    bernstein_limits,
    check_inputs,
    concluded,
    measure_energies,
)
from sparsebounds.bounds.graph.graph import Graph
from sparsebounds.bounds.margin.classes import choice_prices
from sparsebounds.bounds.margin.space import Configuration
from sparsebounds.bounds.sample.sample import Sample


def measure_boxes(boxes: Boxes, values: np.ndarray, labels: np.ndarray, limits: np.ndarray) -> Energies:
    """Pass over what the network receives: `measure_energies`, and no input beyond B.

    Raises:
        ValueError: a sample with a larger coordinate or weighted energy than was stated.
    """
    flat = np.asarray(values).reshape(len(values), -1)
    boxes.check_range(np.maximum(flat.max(axis=0), -flat.min(axis=0)))
    return measure_energies(box_weights(boxes), boxes.form, values, labels, limits)


def box_certificate(
    graph: Graph,
    sample: Sample,
    boxes: Boxes,
    energies: Energies,
    *,
    delta: float,
    gamma: float | str = "best",
    choices: Mapping[str, int] | Configuration | None = None,
    left_out: np.ndarray | None = None,
) -> Bound:
    """The certificate of a linear network in a class of boxes; the rows share one radius.

    Args:
        graph, sample, delta, gamma, choices, left_out: as for `ellipsoid_certificate`.
        boxes: the class, fixed without looking at the sample.
        energies: of the same sample, from `measure_boxes`.

    Returns:
        A certificate, all prices in `terms`.

    Raises:
        NotCovered: a network with hidden layers.
        ValueError: as for `ellipsoid_certificate`; an input of the sample beyond B.

    Source: theorem 3 of docs/theory.md, "Boxes".
    """
    check_inputs(
        graph, sample, energies, box_weights(boxes), delta=delta, gamma=gamma, left_out=(left_out, boxes.shaped_by)
    )
    # The weights do not know B: energies of a class with another B, or from `measure_energies`, would pass.
    if sample.largest is None:
        raise ValueError("the sample has no largest values to compare with those of the class; use Sample.measure")
    boxes.check_range(sample.largest)
    own = box_radii(graph, boxes)
    paid = choice_prices(choices)
    chosen = pairs(boxes.form)
    log_inverse = math.log(len(chosen) * 2.0 / delta) + paid.nats
    upper, ratios = bernstein_limits(boxes.form, energies, log_inverse)
    diagonal = (np.arange(len(chosen)), np.array([k for _, k in chosen]))
    reach = box_reach(boxes, upper[diagonal], sample.m)
    inflation = float(ratios[diagonal].max(initial=1.0))
    return concluded(
        sample, own, reach, paid.prices, (inflation, log_inverse),
        terms=paid.terms, name=boxes.name, tied_only=True, delta=delta, gamma=gamma,
    )  # fmt: skip
