"""All statistics of all quantities of a sweep: one row per bound and measure."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from sparsebounds.experiments.correlate.draws import Draws, drawn
from sparsebounds.experiments.correlate.granulated import needed, psi, psi_less
from sparsebounds.experiments.correlate.information import Conditions, conditions, information
from sparsebounds.experiments.correlate.networks import Networks
from sparsebounds.experiments.correlate.pairs import Pairs, pairs_of
from sparsebounds.experiments.correlate.rank import Estimate, partial, tau
from sparsebounds.experiments.correlate.sign_error import sign_error, weights

Array = npt.NDArray[np.float64]
Row = dict[str, Any]
STATISTICS = ("tau_gap", "tau_error", "partial_gap", "psi", "cmi", "sign_error", "sign_error_p90")
"""Those with an interval, in columns of the same name with _low and _high."""
NO_PAIRS = "no two networks differ in one hyper-parameter alone: ψ, mutual information and sign error are not defined"


def correlations(
    networks: Networks, tell: Callable[[int, str], None] = lambda done, name: None, against: str | None = None
) -> pd.DataFrame:
    """One row per quantity, those that rank best by Ψ (without pairs by τ) first.

    Args:
        networks: of a sweep.
        tell: called as tell(number, name) before every quantity.
        against: a quantity; psi_less is then how much larger Ψ of each other one is, and networks_needed about how many
            networks would tell that from 0.

    Returns:
        quantity, kind, guarantee, networks (for which it is defined); tau_gap and tau_error, partial_gap, psi and
        psi_HYPERPARAMETER, cmi and cmi_given, sign_error, sign_error_p90, sign_error_worst with worst_environment and
        worst_change, pairs and environments; intervals in columns _low and _high; note.
    """
    factors = networks.factors() if networks.factorial else []
    pairs = pairs_of(networks.levels, factors)
    draws = drawn(pairs, len(networks.levels))
    given = conditions(networks.levels, factors)
    gap, error = (networks.errors[name].to_numpy() for name in ("gap", "test_error_se"))
    sure = weights(gap, error, pairs)
    rows = []
    for number, name in enumerate(networks.values.columns):
        tell(number, str(name))
        values = networks.values[name].to_numpy()
        row: Row = {"quantity": name, **networks.about.loc[name].to_dict(), "networks": int((~np.isnan(values)).sum())}
        row |= _over_all(values, networks, draws)
        row |= _along(values, gap, sure, pairs, draws, given)
        if against is not None:
            other = networks.values[against].to_numpy()
            less = psi_less(values, other, gap, pairs, draws)
            row |= {**_estimate("psi_less", less), "networks_needed": needed(less, row["networks"])}
        rows.append(row | {"note": _note(values, pairs)})
    table = pd.DataFrame(rows)
    by = "psi" if len(pairs.first) else "tau_gap"
    return table.sort_values(by, ascending=False, kind="stable", na_position="last").reset_index(drop=True)


def _over_all(values: Array, networks: Networks, draws: Draws) -> Row:
    """The statistics of all networks at once."""
    gap, error = (networks.errors[name].to_numpy() for name in ("gap", "test_error"))
    return {
        **_estimate("tau_gap", tau(values, gap, draws.networks)),
        **_estimate("tau_error", tau(values, error, draws.networks)),
        **_estimate("partial_gap", partial(values, gap, networks.levels, draws.networks)),
    }


def _along(values: Array, gap: Array, sure: Array, pairs: Pairs, draws: Draws, given: Conditions) -> Row:
    """The statistics of pairs."""
    whole, each = psi(values, gap, pairs, draws)
    shared, condition = information(values, gap, given) if len(pairs.first) else ((np.nan,) * 3, "")
    wrong = sign_error(values, gap, sure, pairs, draws)
    return {
        **_estimate("psi", whole),
        **{f"psi_{name}": value for name, value in each.items()},
        **_estimate("cmi", shared),
        "cmi_given": condition,
        **_estimate("sign_error", wrong.mean),
        **_estimate("sign_error_p90", wrong.high),
        "sign_error_worst": wrong.worst,
        "worst_environment": wrong.environment,
        "worst_change": wrong.change[0],
        "worst_change_error": wrong.change[1],
        "pairs": wrong.pairs,
        "environments": wrong.environments,
    }


def _estimate(name: str, found: Estimate) -> Row:
    return dict(zip((name, f"{name}_low", f"{name}_high"), found, strict=True))


def _note(values: Array, pairs: Pairs) -> str:
    """Why a statistic is not a number, where one is not."""
    known = values[~np.isnan(values)]
    if len(known) < 2:
        return f"defined for {len(known)} of {len(values)} networks: nothing to rank"
    if (known == known[0]).all():
        return "the same for all networks: it ranks nothing"
    if not len(pairs.first):
        return NO_PAIRS
    both = ~np.isnan(values[pairs.first]) & ~np.isnan(values[pairs.second])
    return "" if both.any() else "no pair of networks has it on both sides"
