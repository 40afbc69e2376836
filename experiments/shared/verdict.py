"""What a table of bounds says, in one sentence."""

import math
from collections.abc import Collection

import pandas as pd

from sparsebounds.bounds.picked import Picked, subject
from sparsebounds.bounds.printed import sure
from sparsebounds.bounds.verdicts import verdict_of
from sparsebounds.experiments.shared.tables import number_up

NO_NORMS = ("distance", "held_out", "occam", "occam_quantised", "parameter_count")
"""Bounds that do not speak of norms of the layers."""


def sentence(frame: pd.DataFrame, delta: float, *, together: bool = False) -> str:
    """The smallest certificate, and the smallest that norms of the layers give.

    The smallest of several was picked after looking: `Picked` says what that costs, here and on a page.

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
    picked = Picked.among((row["bound"], row["guarantee"], delta) for row in frame.to_dict(orient="records"))
    if picked.nothing_left and not together:
        return (
            f"Nothing is guaranteed: the smallest certificate was picked, and the δ of {picked.count} add up to "
            f"{number_up(picked.spent)}; take a smaller --delta, fewer bounds, or --simultaneous."
        )
    held = sure(delta if together else picked.spent)
    of = f", {picked.among_words}" if picked.among_words else ""
    return (
        f"With probability {held} {subject(best['bound'])} errs on at most {up(best['value'])} of new inputs "
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


def up(share: float) -> str:
    """Per cent with two digits, rounded up.

    Example:
        >>> up(0.02301)
        '2.31 %'
    """
    return f"{math.ceil(share * 1e4 - 1e-9) / 100:.2f} %"
