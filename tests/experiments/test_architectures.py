"""The matrix of networks and rows: what the documentation shows is what the code says."""

from pathlib import Path

import jax
import pandas as pd
import pytest

from sparsebounds import bounds
from sparsebounds.experiments.reproduce.architectures.from_onnx import FILES, there
from sparsebounds.experiments.reproduce.architectures.matrix import ONNX, counts, matrix, without_files
from sparsebounds.experiments.reproduce.architectures.study import NETWORKS, ArchitecturesConfig, rows_of

ROOT = Path(__file__).resolve().parents[2]
COMMITTED = pd.read_csv(ROOT / "results" / "architectures" / "rows.csv", keep_default_na=True).fillna({"note": ""})
NOT_YET: set[str] = set()
"""Rows that came after the committed matrix; empty once it is made again."""
ADDED = {"occam_quantised"}
"""Rows beyond the 24 that `AT_LEAST` counts."""
AT_LEAST = {
    "perceptron": 23,
    "LeNet, max pooling, biases": 22,
    "ResNet, batch norm": 21,
    "CNN, GELU": 22,
    "perceptron, tanh": 23,
    "one logit behind a sigmoid": 24,
    "vision transformer": 10,
    "bag of embeddings": 20,
}


def test_the_page_shows_what_was_computed():
    page = (ROOT / "docs" / "architectures.md").read_text()
    assert page.endswith(matrix(COMMITTED)) and len(NETWORKS) >= 20
    assert list(counts(COMMITTED)) == [*NETWORKS, *there(tuple(NETWORKS))]
    assert list(counts(without_files(COMMITTED))) == list(NETWORKS)
    assert set(bounds.BOUNDS) - set(COMMITTED["bound"]) <= NOT_YET
    first = counts(COMMITTED[~COMMITTED["bound"].isin(ADDED)])
    for name, number in AT_LEAST.items():
        assert first[name] >= number
    for name in FILES:
        assert first[ONNX + name] == first[name]  # a file loses none


@pytest.mark.parametrize(
    "name",
    ["perceptron", "CNN, GELU", "bag of embeddings", "SwiGLU", "one logit behind a sigmoid",
     f"{ONNX}MobileNet block, ReLU6", f"{ONNX}vision transformer"],
)  # fmt: skip
def test_a_network_gets_the_rows_of_the_page(name):
    mine = COMMITTED[COMMITTED["network"] == name].set_index("bound")
    with jax.numpy_dtype_promotion("standard"):  # networks of users promote types
        found = rows_of(name, ArchitecturesConfig())
    assert {row["bound"] for row in found} == set(bounds.BOUNDS)
    assert all(row["counts"] for row in found if row["bound"] in ADDED)  # there is always a quantised network
    for row in found:
        if row["bound"] not in mine.index:
            continue  # of `NOT_YET`
        assert row["counts"] == mine.loc[row["bound"], "counts"], row["bound"]
        if row["counts"]:
            assert row["complexity"] == pytest.approx(mine.loc[row["bound"], "complexity"], rel=1e-3)
