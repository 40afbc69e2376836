"""The matrix of networks and rows as text: a mark, or the number of a reason that stands below."""

import re

import pandas as pd

ONNX = "ONNX: "
"""Before the name of a network whose rows are those of an ONNX file."""
MARKS = {"certificate": "✓", "expectation": "e", "published": "p", "shape": "s"}


def counts(rows: pd.DataFrame) -> dict[str, int]:
    """Rows that count, for each network, in the order of the networks; those of files come last."""
    return {str(name): int(group["counts"].sum()) for name, group in rows.groupby("network", sort=False)}


def without_files(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows of networks written in Flax or as functions."""
    return rows[~rows["network"].str.startswith(ONNX)]


def reason(note: str) -> str:
    """A note without what depends on where the files lie.

    Example:
        >>> reason("not covered: relu (vision.py:12 (__call__)) is abs at vision.py:12 (__call__), which …")
        'relu is abs, which …'
    """
    text = re.sub(r"^not covered: ", "", note)
    return re.sub(r" (?:\(|at )[\w./]+\.py:\d+ \([^()]*\)\)?", "", text)


def matrix(rows: pd.DataFrame) -> str:
    """Markdown: a line for each network, a column for each bound, and the reasons.

    Args:
        rows: of rows.csv.

    Returns:
        The page; ✓ certificate, e expectation, p published, a number in brackets where there is none. The column ONNX
        has the number of rows that a network of the same kind gets from a file.
    """
    total = counts(rows)
    names = list(dict.fromkeys(rows["bound"]))
    reasons: dict[str, int] = {}
    lines = [
        "| network | rows | ONNX | " + " | ".join(name.replace("_", " ") for name in names) + " |",
        "|" + "---|" * (len(names) + 3),
    ]
    for network, group in without_files(rows).groupby("network", sort=False):
        cells = []
        for _, row in group.iterrows():
            if int(row["counts"]):
                cells.append(MARKS[str(row["guarantee"])])
            else:
                text = reason(str(row["note"])) or "the number does not move with the weights"
                cells.append(f"[{reasons.setdefault(text, len(reasons) + 1)}]")
        lines.append(
            f"| {network} | {total[str(network)]} | {total.get(f'{ONNX}{network}', '-')} | {' | '.join(cells)} |"
        )
    notes = [f"{number}. {text}" for text, number in reasons.items()]
    legend = "✓ certificate · e expectation · p published · a number in brackets: the reason below"
    return "\n".join([*lines, "", legend, "", *notes, ""])
