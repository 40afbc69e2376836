"""What a table of bounds says, in one sentence."""

import math
from collections.abc import Collection

import pandas as pd

from sparsebounds import bounds
from sparsebounds.bounds.verdicts import verdict_of
from sparsebounds.experiments.shared.tables import number_up

NO_NORMS = ("distance", "held_out", "occam", "occam_quantised", "parameter_count")
"""Bounds that do not speak of norms of the layers."""


def sentence(frame: pd.DataFrame, delta: float, *, together: bool = False) -> str:
    """The smallest certificate, and the smallest that norms of the layers give.

    The smallest of N certificates is looked for after the fact: it holds with probability 1 − N δ.

    Args:
        frame: rows of `bounds.table`, of one network.
        delta: of every row.
        together: all rows hold together with probability 1 − δ.

    Example:
        >>> row = {"bound": "held_out", "value": 0.05, "guarantee": "certificate"}
        >>> sentence(pd.DataFrame([row]), 0.01)
        'With probability 99 % the network errs on at most 5.00 % of new inputs (held_out): informative.'
    """
    found = frame[(frame["guarantee"] == "certificate") & frame["value"].notna()]
    if found.empty:
        return "No certificate covers this network; the notes say why."
    best = found.loc[found["value"].idxmin()]
    if verdict_of(best["value"], "certificate") == "vacuous":
        smallest = f"the smallest of {len(found)} is {number_up(best['value'])} ({best['bound']})"
        return f"No certificate says anything of this network: {smallest}, and no error is above 1."
    count = 1 if together else sum(_declared(name) for name in frame["bound"])
    of = f", the smallest of {count} asked for" if count > 1 else ""
    held = sure(min(count * delta, 1.0))
    return (
        f"With probability {held} the network errs on at most {up(best['value'])} of new inputs "
        f"({best['bound']}{of}): informative{norms(frame)}."
    )


def norms(frame: pd.DataFrame, but: Collection[str] = NO_NORMS) -> str:
    """What norms of the layers say, as the end of a sentence; empty where there is none that covers the network."""
    found = frame[(frame["guarantee"] == "certificate") & frame["value"].notna() & ~frame["bound"].isin(but)]
    if found.empty:
        return ""
    least = found.loc[found["value"].idxmin()]
    vacuous = verdict_of(least["value"], "certificate") == "vacuous"
    says = "say nothing" if vacuous else "say something"
    return f"; norms of the layers alone {says}: smallest {number_up(least['value'])} ({least['bound']})"


def sure(delta: float) -> str:
    """1 − δ in per cent.

    Example:
        >>> sure(0.001), sure(1e-9)
        ('99.9 %', '99.9999999 %')
    """
    return f"{100 * (1 - delta):.12g} %"


def up(share: float) -> str:
    """Per cent with two digits, rounded up.

    Example:
        >>> up(0.02301)
        '2.31 %'
    """
    return f"{math.ceil(share * 1e4 - 1e-9) / 100:.2f} %"


def _declared(name: str) -> bool:
    return name in bounds.BOUNDS and bounds.BOUNDS[name].declaration.guarantee == "certificate"
