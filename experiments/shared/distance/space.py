"""What of a distance certificate may have been chosen after a look at the certified samples, and its price.

The list is short, and the usual configuration has half of the weight. Whatever shapes the posterior alone is free:
step size, epochs, objective, learning rate. Free as well is what was settled on the samples left out: the reference,
its training, the scales and their factor.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from sparsebounds.bounds.margin.codes import Listed, WholeNumbers
from sparsebounds.bounds.margin.space import Configuration, ConfigurationSpace, Field
from sparsebounds.experiments.shared.distance.lists import LEFT_OUT, RANKS

VERSION = 1
USUAL = {"form": "distance", "left_out": 0.5, "layers": "all"}
"""Half of the samples left out, all weights move."""


@cache
def space_of(subject: str) -> ConfigurationSpace:
    """The space of all distance certificates of one subject.

    Args:
        subject: a data set, or "a network of your own".

    Example:
        >>> round(space_of("a network of your own").configuration({"usual": True, "network": 0}).nats, 2)
        1.39
    """
    layers = Field("layers", Listed(("all", "last", "lora")), {"lora": (Field("rank", Listed(RANKS)),)})
    near = (Field("left_out", Listed(LEFT_OUT)), layers)
    unusual = Field("form", Listed(("distance", "data-free")), {"distance": near})
    return ConfigurationSpace(
        f"certify by distance: {subject}",
        VERSION,
        (
            Field("network", WholeNumbers()),  # which of the architectures of a list, the first is cheap
            Field("usual", Listed((True, False)), {False: (unusual,)}),
        ),
    )


def configuration(subject: str, *, network: int, form: str, left_out: float, layers: str) -> Configuration:
    """A point of the space, priced.

    Args:
        subject: as for `space_of`.
        network: its place in the list of architectures that were tried, 0 for the first or only one.
        form: "distance" or "data-free".
        left_out: share of the samples, or their number.
        layers: "all", "last" or "lora:RANK".

    Example:
        >>> round(configuration("MNIST", network=0, form="distance", left_out=0.2, layers="all").nats, 2)
        5.95
    """
    given: dict[str, Any] = {"network": network}
    if {"form": form, "left_out": left_out, "layers": layers} == USUAL:
        return space_of(subject).configuration({**given, "usual": True})
    given |= {"usual": False, "form": form}
    if form == "distance":
        kind, _, rank = layers.partition(":")
        given |= {"left_out": left_out, "layers": kind} | ({"rank": int(rank)} if rank else {})
    return space_of(subject).configuration(given)
