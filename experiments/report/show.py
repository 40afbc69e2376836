"""The report for people."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from sparsebounds.bounds.picked import subject
from sparsebounds.bounds.printed import sure
from sparsebounds.bounds.verdicts import verdict_of
from sparsebounds.experiments.report.certified import BOUND
from sparsebounds.experiments.report.follow import Followed
from sparsebounds.experiments.report.report import Report
from sparsebounds.experiments.report.sparsity import sparsity
from sparsebounds.experiments.shared.screen import Grid, Words
from sparsebounds.experiments.shared.snapshot import FORMS, Form
from sparsebounds.experiments.shared.tables import grid, number, show_errors, show_notes, show_tables
from sparsebounds.experiments.shared.verdict import norms, up

SOUND = Form("galanti", "position")
SPOKEN = (BOUND, "held_out")
"""Rows whose notes are always printed."""
FORMULAS = (
    "value = margin + complexity + confidence; margin: margin error (published) or mean ramp (sound) at γ",
    "published: complexity = 2√2 (ρ+1)/(γ m) · Λ, Λ = (1 + √(2·logs)) · √paths",
    "           paths = max path prod |pred| * energy, confidence = 3 √(log(2(ρ+2)²/δ) / 2m)",
    "sound:     complexity = factor/m · c_j · (1 + √(2·logs)) · √(largest energy read, or paths)",
    "           confidence = 2 √((log(1/δ_j) + nats) / 2m)",
)


def show_report(
    console: Console, report: Report, folder: Path, written: Sequence[Path] = (), *, everything: bool = False
) -> None:
    """The report: a table for each network, and in the end the verdict.

    Args:
        console: where to.
        report: a finished one.
        folder: where it was written.
        written: further files.
        everything: also every factor, what sparsity does, and the notes of all rows.
    """
    rows = report.last_rows()
    show_tables(console, rows, report_title(report.config), first=BOUND)
    spoken = rows if everything else rows[rows["bound"].isin(SPOKEN)]
    show_notes(console, spoken.sort_values("bound", kind="stable", key=lambda bound: bound != BOUND))
    if everything:
        show_factors(console, report)
    show_errors(console, rows)
    also = "".join(f", {path}" for path in written)
    more = "" if everything else "; --factors prints every factor and every note"
    console.print(f"written to {folder}: config.json, rows.csv, terms.json, figure.png{also}{more}")
    for line in verdicts(report):
        console.print(line)


def show_factors(console: Console, report: Report) -> None:
    """Every factor of the forms that were followed, their formulas, and what sparsity does."""
    for followed in report.networks:
        console.print(factors(followed))
    for formula in FORMULAS:
        console.print(Words(formula, 1), style="dim")
    console.print()
    console.print(sparsity_table(report.networks))


def verdicts(report: Report) -> list[str]:
    """For every network what is guaranteed, and what norms alone say: one sentence each."""
    rows, lines = report.last_rows(), []
    for name, found in rows.groupby("network", sort=False):
        certified = found[(found["bound"] == BOUND) & found["value"].notna()]
        said = "no certificate"
        for row in certified.itertuples():
            worth = verdict_of(row.value, row.guarantee)
            said = (
                f"with probability {sure(report.config['options']['delta'])} {subject(BOUND)} errs on at most "
                f"{up(row.value)} of new images: {worth}"
            )
        lines.append(f"{name}: {said}{norms(found)}.")
    return lines


def report_title(config: Mapping[str, Any]) -> str:
    """What the table is about, from config.json."""
    data, delta = config["data"], config["options"]["delta"]
    return f"{data['name']}: {data['train']} training and {data['test']} test images, δ = {delta:g}"


def factors(followed: Followed) -> Grid:
    """Every factor of the forms followed through training, side by side; those of all bounds are in terms.json."""
    forms = list(FORMS)
    names = dict.fromkeys(name for form in forms for name in followed.final.found[form].terms if name != "nodes")
    cells = [[name] + [number(followed.final.found[form].terms.get(name, "")) for form in forms] for name in names]
    heads = [f"{form.bound}\n{followed.final.found[form].terms.get('nodes', form.nodes)}" for form in forms]
    return grid(f"Factors, {followed.network.name}", ["factor", *heads], cells, gap=2)


def sparsity_table(networks: Sequence[Followed]) -> Grid:
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
