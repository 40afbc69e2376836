"""Tables as CSV and LaTeX: no printed bound is below the bound, and no text breaks the file."""

import csv
import io
import math
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sparsebounds import bounds
from sparsebounds.bounds.printed import nearest, percent, upwards

FRAME = pd.DataFrame(
    {
        "bound": ["peeling", "a_b & c", "gonon"],
        "value": [1.00000001, 0.1234567, math.nan],
        "margin_error": [0.1, 0.02, math.nan],
        "gamma": [1.0, 1e9, 1.0],
        "guarantee": ["certificate", "published", "expectation"],
        "note": ["", 'text, with "quotes"\nand lines', "not covered: 3 % of λ"],
    }
)


@given(st.floats(allow_nan=False, allow_infinity=False, allow_subnormal=False), st.integers(1, 12))
def test_upwards_is_never_below_and_off_by_one_digit_at_most(value: float, digits: int) -> None:
    printed = upwards(value, digits)
    unit = Decimal((0, (1,), Decimal(value).adjusted() - digits + 1))
    assert float(printed) >= value and Decimal(printed) < Decimal(value) + unit


@given(st.floats(1e-300, 1e300))
def test_nearest_is_near(value: float) -> None:
    assert math.isclose(float(nearest(value, 6)), value, rel_tol=5.1e-6)


def test_percentages_round_up() -> None:
    assert percent(0.29, 2) == "29 %" and percent(0.290001, 2) == "30 %" and percent(0.07, 3) == "7 %"


def test_csv_reads_back_and_rounds_up() -> None:
    rows = list(csv.DictReader(io.StringIO(bounds.to_csv(FRAME, digits=3))))
    assert [row["value"] for row in rows] == ["1.01", "0.124", ""]
    assert rows[1]["note"] == FRAME["note"][1]
    again = pd.read_csv(io.StringIO(bounds.to_csv(FRAME)))
    assert (again["value"][:2] >= FRAME["value"][:2]).all() and np.isnan(again["value"][2])


def test_csv_keeps_infinity(tmp_path) -> None:
    bounds.to_csv(pd.DataFrame({"value": [math.inf]}), tmp_path / "a.csv")
    assert pd.read_csv(tmp_path / "a.csv")["value"][0] == math.inf


def test_latex_escapes_orders_and_names_what_is_left_out(tmp_path) -> None:
    text = bounds.to_latex(FRAME, tmp_path / "a.tex", caption="100 % of γ")
    assert (tmp_path / "a.tex").read_text(encoding="utf-8") == text + "\n"
    lines = text.splitlines()
    assert lines[2] == r"\caption{100 \% of $\gamma$}"
    assert lines[3] == r"\begin{tabular}{lrrrl}"
    assert lines[7] == r"  a\_b \& c & 0.1235 & 0.02 & 1e+09 & published \\"
    assert lines[8] == r"  peeling & 1.001 & 0.1 & 1 & certificate \\"
    assert lines[-2] == "% no number: gonon"


def test_an_unknown_column_is_named() -> None:
    with pytest.raises(ValueError, match="no column 'verdict'; it has bound, value"):
        bounds.to_latex(FRAME, columns=["verdict"])


def test_latex_keeps_the_rows_of_a_network_together() -> None:
    rows = [("b", "occam", 0.3), ("a", "occam", 0.1), ("b", "gonon", 0.2), ("a", "gonon", 0.4)]
    text = bounds.to_latex(pd.DataFrame(rows, columns=["network", "bound", "value"]))
    shown = [line.split(" & ")[0].strip() + line.split(" & ")[1] for line in text.splitlines() if "0." in line]
    assert shown == ["bgonon", "boccam", "aoccam", "agonon"]
