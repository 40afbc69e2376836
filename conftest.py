"""What the examples of the docstrings share."""

import doctest

import pytest

from sparsebounds import bounds


@pytest.fixture(autouse=True)
def usual_width(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Examples print for 80 columns, wherever they run."""
    if isinstance(request.node, pytest.DoctestItem):
        monkeypatch.setenv("COLUMNS", "80")


@pytest.fixture(scope="session", autouse=True)
def example_network(doctest_namespace: dict[str, object]) -> None:
    """`graph` and `sample` of every bound's example: those that the example of `bounds.Theorem` makes."""
    names: dict[str, object] = {}
    for example in doctest.DocTestParser().get_examples(bounds.Theorem.__doc__ or ""):
        exec(example.source, names)
    doctest_namespace.update(graph=names["graph"], sample=names["sample"])
