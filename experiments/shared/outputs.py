"""The table of bounds as a file: CSV with every digit, LaTeX with booktabs and values rounded upwards."""

from pathlib import Path

import pandas as pd

from sparsebounds.experiments.shared.files import prepare_folder, write_files
from sparsebounds.experiments.shared.rows import to_csv
from sparsebounds.experiments.shared.tables import number, number_up

ESCAPED = str.maketrans(
    {c: f"\\{c}" for c in "&%$#_{}"}
    | {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
    | {"–": "--", "√": r"$\surd$", "γ": r"$\gamma$", "δ": r"$\delta$", "<": r"$<$", ">": r"$>$"}
)
COLUMNS = ("network", "bound", "nodes", "value", "guarantee", "verdict", "margin_error", "complexity", "confidence")
HEADS = {"margin_error": "margin"}


def write_tables(frame: pd.DataFrame, *, csv: Path | None = None, latex: Path | None = None) -> list[Path]:
    """Write what was asked for.

    Args:
        frame: rows of `bounds.tables`, of one network or several.
        csv, latex: files; None: not asked for.

    Returns:
        The files that were written.

    Raises:
        Problem: a file that cannot be written.
    """
    wanted = [(place, text) for place, text in ((csv, to_csv), (latex, latex_table)) if place is not None]
    for place, text in wanted:
        prepare_folder(place.parent)
        write_files(place.parent, {place.name: text(frame)})
    return [place for place, _ in wanted]


def latex_table(frame: pd.DataFrame) -> str:
    """A tabular with the rules of the package booktabs; names are escaped, values rounded upwards to four digits.

    Example:
        >>> row = {"bound": "path_norm", "value": 1.04131, "guarantee": "certificate"}
        >>> print(latex_table(pd.DataFrame([row])))
        % \\usepackage{booktabs}
        \\begin{tabular}{lrl}
        \\toprule
        bound & value & guarantee \\\\
        \\midrule
        path\\_norm & 1.042 & certificate \\\\
        \\bottomrule
        \\end{tabular}
        <BLANKLINE>
    """
    columns = [name for name in COLUMNS if name in frame]
    numbers = [name for name in columns if pd.api.types.is_numeric_dtype(frame[name])]
    lines = ["% \\usepackage{booktabs}"]
    lines.append(f"\\begin{{tabular}}{{{''.join('r' if name in numbers else 'l' for name in columns)}}}")
    lines += ["\\toprule", _line([HEADS.get(name, name) for name in columns]), "\\midrule"]
    for row in frame[frame["value"].notna()].to_dict(orient="records"):
        cells = [number_up(row[n]) if n == "value" else number(row[n]) if n in numbers else row[n] for n in columns]
        lines.append(_line(cells))
    return "\n".join([*lines, "\\bottomrule", "\\end{tabular}", ""])


def _line(cells: list[str]) -> str:
    return " & ".join(str(cell).translate(ESCAPED) for cell in cells) + " \\\\"
