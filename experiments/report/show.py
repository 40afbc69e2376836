"""The report for people."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from sparsebounds.experiments.report.certified import BOUND
from sparsebounds.experiments.report.follow import Followed
from sparsebounds.experiments.report.report import Report
from sparsebounds.experiments.report.sparsity import sparsity
from sparsebounds.experiments.shared.snapshot import FORMS, Form
from sparsebounds.experiments.shared.tables import grid, number, show_table

SOUND = Form("galanti", "position")
NO_NORMS = ("held_out", "occam", "occam_quantised", "parameter_count")
FORMULAS = (
    "value = margin + complexity + confidence; margin: margin error (published) or mean ramp (sound) at γ",
    "published: complexity = 2√2 (ρ+1)/(γ m) · Λ, Λ = (1 + √(2·logs)) · √paths",
    "           paths = max path prod |pred| * energy, confidence = 3 √(log(2(ρ+2)²/δ) / 2m)",
    "sound:     complexity = factor/m · c_j · (1 + √(2·logs)) · √(largest energy read, or paths)",
    "           confidence = 2 √((log(1/δ_j) + nats) / 2m)",
)


def show_report(console: Console, report: Report, folder: Path) -> None:
    """The whole report: the table, every factor of every bound, what sparsity does, and where it was written."""
    show_table(console, report.last_rows(), report_title(report.config), first=BOUND)
    for followed in report.networks:
        console.print()
        console.print(factors(followed))
    for formula in FORMULAS:
        console.print(Padding(Text(formula), (0, 0, 0, 1)), style="dim")
    console.print()
    console.print(sparsity_table(report.networks))
    for line in verdicts(report):
        console.print(line, highlight=False)
    console.print(f"written to {folder}: config.json, rows.csv, terms.json, figure.png", highlight=False)


def verdicts(report: Report) -> list[str]:
    """For every network what is guaranteed, and what norms alone say.

    Args:
        report: with or without certificates by distance.

    Returns:
        A sentence or two for each.
    """
    rows, lines = report.last_rows(), []
    delta = report.config["options"]["delta"]
    for name, found in rows[rows["value"].notna() & (rows["guarantee"] == "certificate")].groupby(
        "network", sort=False
    ):
        norms = found[~found["bound"].isin([BOUND, *NO_NORMS])]
        line = f"{name}: "
        for row in found[found["bound"] == BOUND].itertuples():
            terms = report.certified[str(name)].terms
            line += (
                f"with probability {1 - delta:g} a network of this kind, drawn near a reference, errs on at most "
                f"{up(row.value)} of new images (certified on {terms['m']} images; held-out bound of the frozen "
                f"reference {up(terms['held-out bound of the reference'])}). "
            )
        if len(norms):
            least = norms.loc[norms["value"].idxmin()]
            says = "say nothing" if least["value"] >= 1 else "say something"
            line += f"Norms of the trained network alone {says}: smallest {least['bound']}, {number(least['value'])}."
        lines.append(line)
    return lines


def up(share: float) -> str:
    """Per cent with two digits, rounded up.

    Example:
        >>> up(0.02301)
        '2.31 %'
    """
    return f"{math.ceil(share * 1e4 - 1e-9) / 100:.2f} %"


def report_title(config: Mapping[str, Any]) -> str:
    """What the table is about, from config.json."""
    data, delta = config["data"], config["options"]["delta"]
    return f"{data['name']}: {data['train']} training and {data['test']} test images, δ = {delta:g}"


def factors(followed: Followed) -> Table:
    """Every factor of the forms followed through training, side by side; those of all bounds are in terms.json."""
    forms = list(FORMS)
    names = dict.fromkeys(name for form in forms for name in followed.final.found[form].terms if name != "nodes")
    cells = [[name] + [number(followed.final.found[form].terms.get(name, "")) for form in forms] for name in names]
    heads = [f"{form.bound}\n{followed.final.found[form].terms.get('nodes', form.nodes)}" for form in forms]
    return grid(f"Factors, {followed.network.name}", ["factor", *heads], cells, gap=2)


def sparsity_table(networks: Sequence[Followed]) -> Table:
    """The sound form with the network's own predecessors, and as if every node read the whole layer below."""
    rows = []
    for followed in networks:
        final = followed.final
        found = sparsity(final.graph.partition("position"), final.found[SOUND])
        if found is None:
            continue
        for how, logs, value in (
            ("as connected", found.logs, found.complexity),
            ("fully connected", found.dense_logs, found.dense_complexity),
        ):
            shown = (found.c_j, 1 + math.sqrt(2 * logs), math.sqrt(found.energy), value)
            rows.append([followed.network.name, how, *map(number, shown)])
    heads = ("network", "counted", "c_j", "1 + √(2·logs)", "√energy", "complexity")
    return grid("What sparsity does (sound form, nodes = positions, same weights)", heads, rows, left=2, gap=2)
