"""What of a distance certificate may have been chosen after a look at the certified samples, and its price.

The list is short, and the usual configuration has half of the weight. Whatever shapes the posterior alone is free:
step size, epochs, objective, learning rate. Free as well is what was settled on the samples left out: the reference,
its training, the scales and their factor. Seed and preset are not: they make other references, and the best of them
would have been chosen by its certificate.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from sparsebounds.bounds.margin.codes import Listed, Seeds, WholeNumbers
from sparsebounds.bounds.margin.space import Configuration, ConfigurationSpace, Field
from sparsebounds.experiments.shared.distance.lists import LEFT_OUT, RANKS

VERSION = 2
USUAL = {"form": "distance", "left_out": 0.5, "layers": "all", "training": 0}
"""Half of the samples left out, all weights move, the first seed of the first preset."""
PRESETS = ("cpu", "quick")
"""By which a reference is trained; a program with one of its own, as the report, has a subject of its own."""


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
    near = (Field("left_out", Listed(LEFT_OUT)), layers, Field("training", Seeds()))
    unusual = Field("form", Listed(("distance", "data-free")), {"distance": near})
    return ConfigurationSpace(
        f"certify by distance: {subject}",
        VERSION,
        (
            Field("network", WholeNumbers()),  # which of the networks and draws on these samples, the first is cheap
            Field("usual", Listed((True, False)), {False: (unusual,)}),
        ),
    )


def configuration(
    subject: str, *, network: int, form: str, left_out: float, layers: str, seed: int = 0, preset: str = PRESETS[0]
) -> Configuration:
    """A point of the space, priced.

    Args:
        subject: as for `space_of`.
        network: its place among all that was drawn and certified on these samples, 0 for the first or only one.
        form: "distance" or "data-free".
        left_out: share of the samples, or their number.
        layers: "all", "last" or "lora:RANK".
        seed, preset: of the training of the reference; with nothing left out they are free.

    Example:
        >>> round(configuration("MNIST", network=0, form="distance", left_out=0.2, layers="all").nats, 2)
        6.64
        >>> round(configuration("MNIST", network=0, form="distance", left_out=0.5, layers="all", seed=7).nats, 2)
        11.43
    """
    given: dict[str, Any] = {"network": network}
    training = len(PRESETS) * seed + PRESETS.index(preset)
    if {"form": form, "left_out": left_out, "layers": layers, "training": training} == USUAL:
        return space_of(subject).configuration({**given, "usual": True})
    given |= {"usual": False, "form": form}
    if form == "distance":
        kind, _, rank = layers.partition(":")
        given |= {"left_out": left_out, "layers": kind, "training": training} | ({"rank": int(rank)} if rank else {})
    return space_of(subject).configuration(given)
