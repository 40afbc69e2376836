"""The matrix of networks and rows: what the documentation shows is what the code says."""

from pathlib import Path

import jax
import pandas as pd
import pytest

from sparsebounds.experiments.reproduce.architectures.matrix import counts, matrix
from sparsebounds.experiments.reproduce.architectures.study import NETWORKS, ArchitecturesConfig, rows_of

ROOT = Path(__file__).resolve().parents[2]
COMMITTED = pd.read_csv(ROOT / "results" / "architectures" / "rows.csv", keep_default_na=True).fillna({"note": ""})
AT_LEAST = {  # of 24 rows
    "perceptron": 23,
    "LeNet, max pooling, biases": 18,
    "ResNet, batch norm": 18,
    "CNN, GELU": 19,
    "vision transformer": 10,
    "bag of embeddings": 20,
    "one logit behind a sigmoid": 24,
}


def test_the_page_shows_what_was_computed():
    page = (ROOT / "docs" / "architectures.md").read_text()
    assert page.endswith(matrix(COMMITTED)) and len(NETWORKS) >= 20
    assert list(counts(COMMITTED)) == list(NETWORKS)
    for name, number in AT_LEAST.items():
        assert counts(COMMITTED)[name] >= number


@pytest.mark.parametrize(
    "name", ["perceptron", "CNN, GELU", "bag of embeddings", "SwiGLU", "one logit behind a sigmoid"]
)
def test_a_network_gets_the_rows_of_the_page(name):
    mine = COMMITTED[COMMITTED["network"] == name].set_index("bound")
    with jax.numpy_dtype_promotion("standard"):  # networks of users promote types
        found = rows_of(name, ArchitecturesConfig())
    for row in found:
        assert row["counts"] == mine.loc[row["bound"], "counts"], row["bound"]
        if row["counts"]:
            assert row["complexity"] == pytest.approx(mine.loc[row["bound"], "complexity"], rel=1e-3)
