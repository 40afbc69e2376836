"""`sparsebounds correlate`: statistics of a sweep's folder, a table and two figures beside its cells."""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from sparsebounds.experiments.correlate.correlations import correlations
from sparsebounds.experiments.correlate.figure import draw_scatter, draw_table
from sparsebounds.experiments.correlate.networks import WHOLE, Networks, read_cells, read_networks
from sparsebounds.experiments.correlate.options import CorrelateOptions
from sparsebounds.experiments.correlate.pairs import pairs_of
from sparsebounds.experiments.shared.files import prepare_folder, write_files
from sparsebounds.experiments.shared.problems import unknown
from sparsebounds.experiments.shared.rows import to_csv
from sparsebounds.experiments.shared.tables import grid, number
from sparsebounds.nets.training.progress import Bar

SHOWN = 30
"""Rows of the printed table; correlations.csv has all."""
MEANING = (
    "τ: rank correlation with the gap (test error − training error), and with the test error; Ψ: its mean where one "
    "hyper-parameter alone changes; inform.: what a quantity says of the gap beside the hyper-parameters; sign 90 %: "
    "share of pairs in the wrong order, in one of the worst settings; docs/sweeps.md has the definitions"
)


def run(options: CorrelateOptions, *, progress: bool) -> dict[str, Any]:
    """Rank every bound and measure, and write correlations.csv, correlations.png and scatter.png.

    Returns:
        folder, networks, short, quartiles of the gap in standard errors, environments by hyper-parameter, rows.

    Raises:
        Problem: no sweep in the folder, an unknown quantity or hyper-parameter.
    """
    networks = read_networks(options.folder, options.where)
    out = options.out or options.folder
    prepare_folder(out)
    for quantity in (options.scatter, options.against):
        if quantity is not None and quantity not in networks.values:
            raise unknown("quantity", quantity, map(str, networks.values.columns))
    if options.colour is not None and options.colour not in networks.levels:
        raise unknown("hyper-parameter that varies", options.colour, map(str, networks.levels.columns))
    with Bar(networks.values.shape[1], enabled=progress) as bar:
        table = correlations(networks, tell=bar.update, against=options.against)
    shown = options.scatter or str(table["quantity"].iloc[0])
    colour = options.colour or _most_moving(networks)
    write_files(out, {"correlations.csv": to_csv(table)})
    draw_table(table, out / "correlations.png")
    if colour is not None:
        draw_scatter(networks, shown, colour, out / "scatter.png")
    if options.where is None and out.resolve() != options.folder.resolve():
        _copy(options.folder, out)
    return {
        "folder": str(out),
        "networks": len(networks.levels),
        "short": networks.short,
        **gaps(networks),
        "environments": environments(networks),
        "rows": table.to_dict(orient="records"),
    }


def _copy(folder: Path, out: Path) -> None:
    """The sweep itself beside its correlations: all cells in one file, which `read_cells` reads as well."""
    sink = io.BytesIO()
    read_cells(folder).to_parquet(sink, compression="zstd", index=False)
    config = (folder / "config.json").read_text(encoding="utf-8")
    write_files(out, {WHOLE: sink.getvalue(), "config.json": config})


def gaps(networks: Networks) -> dict[str, Any]:
    """Quartiles of the gap, and how many standard errors of a test error lie between them."""
    low, middle, high = np.quantile(networks.errors["gap"], [0.25, 0.5, 0.75])
    error = float(networks.errors["test_error_se"].median())
    apart = [(middle - low) / error, (high - middle) / error] if error > 0 else [np.nan, np.nan]
    return {
        "gap_quartiles": [float(low), float(middle), float(high)],
        "standard_errors_apart": [float(a) for a in apart],
    }


def environments(networks: Networks) -> dict[str, dict[str, int]]:
    """By hyper-parameter: its environments with a pair, the pairs in them, and environments with one network only."""
    factors = networks.factors() if networks.factorial else []
    pairs = pairs_of(networks.levels, factors)
    of_pairs = pairs.factor[pairs.environment] if len(pairs.first) else pairs.factor
    return {
        name: {
            "environments": int((pairs.factor == place).sum()),
            "pairs": int((of_pairs == place).sum()),
            "lone": int((np.bincount(pairs.of_network[place]) == 1).sum()),
        }
        for place, name in enumerate(factors)
    }


def _most_moving(networks: Networks) -> str | None:
    """The hyper-parameter whose levels' mean gaps differ most."""
    gap = networks.errors["gap"]
    spread = {name: float(gap.groupby(networks.levels[name]).mean().std()) for name in networks.factors()}
    return max(spread, key=spread.__getitem__, default=None)


def verdict(rows: Sequence[Mapping[str, Any]]) -> str:
    """Which quantity orders the gaps best, and which bound: one sentence; empty without a Ψ.

    Example:
        >>> rows = [("path_norm_l2", "measure", 0.49), ("occam", "bound", 0.1)]
        >>> verdict([dict(zip(("quantity", "kind", "psi"), row)) for row in rows])
        'path_norm_l2 orders the gaps best (Ψ 0.49); of the bounds occam does (Ψ 0.10); 1 is perfect, 0 is chance.'
    """
    ranked = [row for row in rows if row["psi"] == row["psi"]]
    if not ranked:
        return ""
    said = f"{ranked[0]['quantity']} orders the gaps best (Ψ {ranked[0]['psi']:.2f})"
    bound = next((row for row in ranked if row["kind"] == "bound"), None)
    if bound is not None and bound is not ranked[0]:
        said += f"; of the bounds {bound['quantity']} does (Ψ {bound['psi']:.2f})"
    return f"{said}; 1 is perfect, 0 is chance."


def show(console: Console, document: dict[str, Any]) -> None:
    """The best rows and what they are made of, for people."""
    apart = " and ".join(number(value, 2) for value in document["standard_errors_apart"])
    console.print(
        f"{document['networks']} networks, {document['short']} more left out as their training ended before its "
        f"stopping rule; quartiles of the gap {' '.join(number(v, 2) for v in document['gap_quartiles'])}, {apart} "
        "standard errors apart",
        highlight=False,
    )
    for name, found in document["environments"].items():
        lone = f", {found['lone']} with a single network: no pair there" if found["lone"] else ""
        said = f"  {name}: {found['pairs']} pairs in {found['environments']} environments{lone}"
        console.print(said, highlight=False)
    columns = {"tau_gap": "τ gap", "tau_error": "τ error", "psi": "Ψ", "cmi": "inform.", "sign_error_p90": "sign 90 %"}
    rows = [
        [row["quantity"], row["kind"], *(f"{row[name]:.2f}" if row[name] == row[name] else "–" for name in columns)]
        for row in document["rows"][:SHOWN]
    ]
    title = f"{len(document['rows'])} quantities, the best by Ψ; intervals in correlations.csv"
    console.print(grid(title, ["quantity", "kind", *columns.values()], rows, left=2, gap=2))
    console.print(MEANING, highlight=False, style="dim")
    console.print(f"written to {document['folder']}: correlations.csv, correlations.png, scatter.png", highlight=False)
    if said := verdict(document["rows"]):
        console.print(said, highlight=False)
