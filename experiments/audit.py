"""Try to break every bound by search on small networks.

    sparsebounds audit                                    quick, all bounds
    sparsebounds audit --preset full --out results/audit  the committed table
    sparsebounds audit --bound golowich --json

Needs no data and no GPU. A ratio is what was attained over what the bound says: above 1 the bound is none, and the
command fails. 1/ratio is the slack: a mistake that is smaller than it passes unseen here, and a test with numbers
worked out independently has to see it. What to expect stands in results/audit.
"""

import io
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from rich.console import Console
from rich.text import Text

from sparsebounds import bounds
from sparsebounds.bounds.audit import Row
from sparsebounds.bounds.audit.overall import Closest, audit, closest
from sparsebounds.experiments.shared.files import prepare_folder, to_json, write_files
from sparsebounds.experiments.shared.problems import Problem, unknown
from sparsebounds.experiments.shared.screen import Words
from sparsebounds.experiments.shared.tables import grid, number

PRESETS = ("quick", "full")
DROP = ("slack", "closest case")
"""Columns that go where the screen is narrow, in this order."""


@dataclass(frozen=True)
class AuditConfig:
    """What is audited; everything drawn has a fixed seed."""

    preset: str = "quick"
    names: tuple[str, ...] = ()
    """Of bounds; none: all of them."""


@dataclass(frozen=True)
class Audit:
    """The rows of all searches, and the closest of each statement."""

    config: AuditConfig
    rows: list[Row]
    closest: list[Closest]

    @property
    def failed(self) -> list[Closest]:
        """Statements that were contradicted and should not have been."""
        return [found for found in self.closest if found.failed]


def run(config: AuditConfig, folder: Path | None = None, *, tell: Callable[[str], None] = lambda name: None) -> Audit:
    """Audit the bounds.

    Args:
        config: which, and how long.
        folder: where config.json, rows.csv and table.txt go; None: nowhere.
        tell: is called with every bound's name before it is audited.

    Raises:
        Problem: an unknown bound or preset, a folder that cannot be written.
    """
    if config.preset not in PRESETS:
        raise unknown("preset", config.preset, PRESETS)
    for name in config.names:
        if name not in bounds.BOUNDS:
            raise unknown("bound", name, bounds.BOUNDS)
    if folder is not None:
        prepare_folder(folder)
    rows: list[Row] = []
    for name in config.names or bounds.BOUNDS:
        tell(name)
        rows += audit(name, preset="full" if config.preset == "full" else "quick")
    if not rows:
        raise Problem(f"nothing to audit in {', '.join(config.names)}: it guarantees nothing")
    result = Audit(config, rows, closest(rows))
    if folder is not None:
        _write(result, folder)
    return result


def _write(result: Audit, folder: Path) -> None:
    console = Console(record=True, file=io.StringIO(), width=140)
    show(console, result)
    table = "\n".join(line.rstrip() for line in console.export_text().splitlines()) + "\n"
    files = {"config.json": to_json(asdict(result.config)), "rows.csv": frame(result.rows).to_csv(index=False)}
    write_files(folder, {**files, "table.txt": table})


def frame(rows: Iterable[Row]) -> pd.DataFrame:
    """All cases of all statements, one line each."""
    return pd.DataFrame(
        [
            {
                "bound": row.bound,
                "statement": row.statement,
                "case": row.case,
                "ratio": row.ratio,
                "standard_error": row.error / row.claim if row.claim > 0 else float("nan"),
                "lower_estimate": row.lower,
                "claim": row.claim,
                "violated": row.violated,
                "violation_expected": row.refuted,
            }
            for row in rows
        ]
    )


def document(result: Audit) -> dict[str, Any]:
    """The audit as JSON."""
    found = [
        {
            "bound": c.bound,
            "statement": c.statement,
            "ratio": c.row.ratio,
            "slack": _slack(c.row),
            "case": c.row.case,
            "violated": c.violated,
            "violation_expected": c.refuted,
            "twins_caught": c.caught,
            "twins_inside_the_slack": [{"twin": name, "slack": slack} for name, slack in c.inside],
        }
        for c in result.closest
    ]
    return {"config": asdict(result.config), "failed": len(result.failed), "statements": found}


def show(console: Console, result: Audit) -> None:
    """The closest ratio of every statement; then the twins; then the verdict."""
    heads = ("bound", "statement", "closest case", "ratio", "slack", "verdict")
    rows = [
        (c.bound, c.statement, c.row.case, number(c.row.ratio), number(_slack(c.row)), _verdict(c))
        for c in result.closest
    ]
    console.print(grid(f"Closest ratios found, {result.config.preset} search", heads, rows, left=3, gap=2, drop=DROP))
    _show_twins(console, result.closest)
    _show_violations(console, result.rows)
    text = "A bound is violated." if result.failed else "No bound that should hold is violated."
    console.print(text, highlight=False)


def _slack(row: Row) -> float:
    return 1 / row.ratio if row.ratio > 0 else float("inf")


def _verdict(found: Closest) -> str:
    if found.violated:
        return "violated, as expected" if found.refuted else "VIOLATED"
    return "not violated, though refuted elsewhere" if found.refuted else "holds"


def _show_twins(console: Console, found: Sequence[Closest]) -> None:
    heads = ("bound", "statement", "twin")
    caught = [(c.bound, c.statement, ", ".join(c.caught)) for c in found if c.caught]
    inside = [(c.bound, f"{c.statement}: {name}", number(slack)) for c in found for name, slack in c.inside]
    console.print(grid("Broken twins that this audit catches", heads, caught, left=3, gap=2))
    console.print(
        grid("Twins inside the slack, which this audit does not see", ("bound", "twin", "slack"), inside, left=2, gap=2)
    )
    console.print(" half of it: a factor 2 missing, or m doubled", style="dim", highlight=False)


def _show_violations(console: Console, rows: Iterable[Row]) -> None:
    broken = [row for row in rows if row.violated]
    if not broken:
        return
    console.print(Words(Text("Where a statement is violated", style="bold"), 1))
    for row in broken:
        text = f"{row.bound} ({row.statement}): {row.case}, {row.ratio:.3g} times too small"
        console.print(Words(text, 1))
