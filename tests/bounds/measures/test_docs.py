"""docs/measures.md has a line for every measure, and what it says of conventions is what the code does.

SPARSEBOUNDS_WRITE_DOCS=1 writes the table anew.
"""

import os
from pathlib import Path

import pytest

from sparsebounds import bounds
from sparsebounds.bounds.measures import search, sharpness, spectra

PAGE = Path(__file__).parents[3] / "docs" / "measures.md"
MARK = "<!-- made from MEASURES by tests/bounds/measures/test_docs.py -->\n"


def table() -> str:
    lines = ["", "| name | formula | needs | then | source |", "|---|---|---|---|---|"]
    for name, measure in bounds.MEASURES.items():
        cells = (f"`{name}`", measure.formula, measure.needs, measure.convention, measure.declaration.source)
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines) + "\n"


def test_the_table_is_that_of_the_code():
    text = PAGE.read_text(encoding="utf-8")
    head, mark, rest = text.partition(MARK)
    assert mark
    if os.environ.get("SPARSEBOUNDS_WRITE_DOCS") == "1":
        PAGE.write_text(head + mark + table(), encoding="utf-8")
        rest = table()
    assert rest == table()


@pytest.mark.parametrize(
    "said",
    [
        f"{search.STEPS} steps of bisection, σ in [0, {search.MOST_SIGMA:g}], α in [0, {search.MOST_ALPHA:g}]",
        f"{search.MOVED:g} ± {search.TOLERANCE:g}",
        f"noise is drawn {search.DRAWS} times",
        f"ascent is {search.ASCENT_STEPS} steps of the sign of the gradient of {search.ASCENT_IMAGES} images",
        f"fewer than {spectra.FEWEST} eigenvalues",
        f"δ = {sharpness.DELTA:g} is ours",
    ],
)
def test_the_numbers_of_the_page_are_those_of_the_code(said):
    assert said in " ".join(PAGE.read_text(encoding="utf-8").split())


def test_every_measure_says_what_it_is():
    for name, measure in bounds.MEASURES.items():
        assert measure.name == name and measure.formula and measure.declaration.source, name
        assert measure.declaration.guarantee == "measure"
