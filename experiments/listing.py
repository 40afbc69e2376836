"""What there is: bounds, sparsifiers and experiments, as `sparsebounds list` shows them."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.console import Console

from sparsebounds import bounds
from sparsebounds.bounds.plugins import UNAUDITED
from sparsebounds.bounds.registry import PLUGINS
from sparsebounds.experiments.reproduce.registry import Experiment
from sparsebounds.experiments.shared.tables import grid
from sparsebounds.experiments.support import FAMILIES, cell, support
from sparsebounds.nets import grow, prune

Row = Mapping[str, Any]


SEARCHES = (
    {"sparsifier": "nets.prune.lottery_ticket", "when": "over several trainings",
     "summary": "smallest |w| go, the rest goes back to its start, again and again",
     "source": "Frankle, Carbin, ICLR 2019"},
    {"sparsifier": "nets.topology.pags", "when": "before training",
     "summary": "masks of a method drawn again, a layer's kept where its topology scores rise",
     "source": "Hoang et al., NeurIPS 2023"},
)  # fmt: skip
"""What has arguments of its own, such as a training or a method to draw from."""


def _bounds() -> list[Row]:
    return [
        {"bound": name, **vars(bound.declaration), "package": package_of(name)} | _audited(name)
        for name, bound in bounds.BOUNDS.items()
    ]


def package_of(name: str) -> str:
    """Of a bound.

    Example:
        >>> package_of("galanti")
        'sparsebounds'
    """
    return PLUGINS[name].origin.words if name in PLUGINS else "sparsebounds"


def _audited(name: str) -> dict[str, str]:
    """What its rows claim: of another package nothing, until it was checked."""
    return {"guarantee": UNAUDITED} if name in PLUGINS and not PLUGINS[name].audited else {}


def _sparsifiers() -> list[Row]:
    before = [
        {"sparsifier": f"nets.prune.{m.name}", "when": "before or between trainings", "summary": m.summary}
        | {"source": m.source}
        for m in prune.METHODS.values()
    ]
    during = [
        {"sparsifier": f"nets.grow.{m.name}", "when": "during training", "summary": m.summary, "source": m.source}
        for m in grow.METHODS.values()
    ]
    return [*before, *SEARCHES, *during]


def _layers() -> list[Row]:
    return [
        {"layer": words} | {family: cell(known) for family, known in found.items()}
        for words, found in support().items()
    ]


KINDS = {
    "bounds": ("bound", "guarantee", "assumes", "source", "package"),
    "layers": ("layer", *FAMILIES.values()),
    "sparsifiers": ("sparsifier", "when", "summary", "source"),
    "experiments": ("experiment", "presets", "summary"),
}
"""What can be listed → the columns that people are shown."""


def rows_of(kind: str, experiments: Iterable[Experiment]) -> list[Row]:
    """Everything of one of the `KINDS`, a mapping each.

    Args:
        kind: one of them.
        experiments: those there are.

    Example:
        >>> [row["sparsifier"] for row in rows_of("sparsifiers", ())][-1]
        'nets.grow.chase'
    """
    if kind == "experiments":
        return [{"experiment": e.name, "presets": sorted(e.presets), "summary": e.summary} for e in experiments]
    return {"bounds": _bounds, "layers": _layers, "sparsifiers": _sparsifiers}[kind]()


def show(console: Console, kind: str, rows: Sequence[Row]) -> None:
    """One kind as a table for people."""
    columns = tuple(rows[0]) if kind == "layers" else tuple(c for c in KINDS[kind] if c != "package" or PLUGINS)
    joined = {"assumes": "; ", "presets": " "}
    cells = [[joined[c].join(row[c]) if c in joined else row[c] for c in columns] for row in rows]
    console.print(
        grid(kind.capitalize(), columns, cells, left=len(columns), gap=2, drop=("package", "source", "assumes"))
    )
