"""The study of mask topology: masks against nets.prune, rank correlations by hand and by SciPy, rows, verdicts."""

import dataclasses
import json
import math
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from flax import nnx
from reproduced import reproduced
from scipy.stats import rankdata, spearmanr

from sparsebounds import nets
from sparsebounds.experiments.reproduce.topology import study as topology
from sparsebounds.experiments.reproduce.topology import summary as topology_statistics
from sparsebounds.experiments.reproduce.topology.figure import conclusion
from sparsebounds.experiments.reproduce.topology.networks import METHODS, SmallResNet, draw_masks
from sparsebounds.experiments.reproduce.topology.summary import centred_ranks, correlation
from sparsebounds.experiments.shared import rows as row_files
from sparsebounds.nets import prune
from sparsebounds.nets.masks import fingerprint, leaves, parameters
from sparsebounds.nets.models.batch_norm import with_batch_norm

TINY = dataclasses.replace(
    topology.QUICK, train=60, test=50, width=8, densities=(0.5,), seeds=(0, 1), methods=("erk", "random"),
    batch=10, steps=3, batch_size=5,
)  # fmt: skip


@pytest.mark.parametrize("method", METHODS)
def test_masks_are_those_of_prune(method: str) -> None:
    """Without convolutions there is nothing to normalise: the masks are those of the plain methods."""
    net = nets.MLP((6, 9, 7, 3), rngs=nnx.Rngs(2))
    rng = np.random.default_rng(0)
    batch = rng.normal(size=(8, 6)).astype(np.float32), rng.integers(0, 3, 8)
    found = draw_masks(method, net, 0.3, batch, seed=5)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", prune.FloorApplied)
        expected = prune.METHODS[method](net, 0.3, batch=batch, in_shape=(6,), seed=5, floor=1)
    for path, mask in leaves(parameters(expected)).items():
        np.testing.assert_array_equal(leaves(found)[path], mask, err_msg=path)


def test_snip_is_scored_under_batch_normalisation() -> None:
    net = SmallResNet(4, in_shape=(8, 8, 1), classes=3, rngs=nnx.Rngs(0))
    rng = np.random.default_rng(0)
    batch = rng.normal(size=(8, 8, 8, 1)).astype(np.float32), rng.integers(0, 3, 8)
    found = draw_masks("snip", net, 0.3, batch, seed=0)
    assert fingerprint(found) == fingerprint(prune.snip(with_batch_norm(net), 0.3, batch=batch, floor=1))
    assert fingerprint(found) != fingerprint(prune.snip(net, 0.3, batch=batch, floor=1))


def test_centred_ranks_against_scipy() -> None:
    rng = np.random.default_rng(0)
    values = rng.integers(0, 4, (50, 6)).astype(float)  # many ties
    known = rng.random((50, 6)) < 0.7
    found = centred_ranks(values, known)
    for row, value, there in zip(found, values, known, strict=True):
        ranks = rankdata(value[there])
        np.testing.assert_allclose(row[there], ranks - (ranks.mean() if there.any() else 0))
        assert not row[~there].any()


def test_correlation_of_one_cell_is_spearmans() -> None:
    rng = np.random.default_rng(1)
    a, s = rng.normal(size=(2, 1, 1, 6))
    found = correlation(a, s)
    assert found["correlation"] == pytest.approx(spearmanr(a.ravel(), s.ravel()).statistic)
    assert found["low"] == found["high"] == pytest.approx(found["correlation"])  # one seed: nothing to draw from


def test_permutations_by_hand() -> None:
    """Three methods in perfect order: of the six orders only this and its reverse are as extreme."""
    a = np.broadcast_to(np.array([1.0, 2.0, 3.0]), (2, 4, 3))
    found = correlation(a, 10 - a)
    assert found["correlation"] == -1 and found["p"] == pytest.approx(1 / 3) and found["verdict"] == "undecided"


def test_verdicts_on_known_truths() -> None:
    """A score that orders accuracies, one that reverses them, and fifty that know nothing."""
    rng = np.random.default_rng(2)
    quality = np.arange(6.0)
    accuracy = quality + 0.5 * rng.normal(size=(3, 5, 6))
    assert correlation(accuracy, quality + 0.5 * rng.normal(size=(3, 5, 6)))["verdict"] == "positive"
    assert correlation(accuracy, -quality + 0.5 * rng.normal(size=(3, 5, 6)))["verdict"] == "negative"
    # Scores that are fixed per method and unrelated: the test over methods must hold its level of 5 %.
    verdicts = [correlation(accuracy, rng.permutation(6) + np.zeros((3, 5, 1)))["verdict"] for _ in range(50)]
    assert sum(verdict != "undecided" for verdict in verdicts) <= 7  # 50 · 5 % and three standard deviations


def test_undefined_scores_are_left_out() -> None:
    a = np.arange(12.0).reshape(1, 2, 6)
    s = a.copy()
    s[0, 0, :3] = np.nan
    found = correlation(a, s)
    assert found["correlation"] == 1 and found["defined"] == 0.75
    nothing = correlation(a, np.full_like(a, np.nan))
    assert math.isnan(nothing["correlation"]) and nothing["defined"] == 0 and nothing["verdict"] == "undecided"


def test_means_over_seeds_and_the_noise_of_accuracies() -> None:
    rows = pd.DataFrame(
        [{"density": 0.1, "seed": s, "method": m, "accuracy": base + s / 100, "imdb_defined": base / 2, **dict.fromkeys(
            topology_statistics.ALL_SCORES, base)} for s in (0, 1) for m, base in (("erk", 0.8), ("snip", 0.9))]
    )  # fmt: skip
    found = topology_statistics.summary(rows)
    (row,) = found["accuracies"]
    assert row["mean"] == pytest.approx({"erk": 0.805, "snip": 0.905})
    assert row["noise"] == pytest.approx(0.005) and row["spread"] == pytest.approx(0.1 / 2**0.5) and row["told_apart"]
    assert found["scores"]["imdb"]["by_density"] == {"0.1": 1.0}
    assert found["scores"]["imdb"]["layers"] == pytest.approx(0.425)  # the masks' layers, not whether a mean is there
    assert math.isnan(found["scores"]["full_spectrum"]["layers"])
    text = conclusion(found)  # two methods: each order is as extreme as the other
    assert text.startswith("This run cannot decide about ramanujan_gap") and "at every density" in text


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return reproduced(topology.TOPOLOGY, TINY, tmp_path_factory.mktemp("topology"))


def test_run_writes_every_mask(finished: Path) -> None:
    rows = row_files.read_rows(finished / "rows.csv")
    assert rows[["seed", "method"]].value_counts().max() == 1 and len(rows) == 4
    np.testing.assert_allclose(rows["kept"], 0.5, atol=0.01)
    assert rows["accuracy"].between(0, 1).all() and rows["ramanujan_gap_defined"].gt(0).all()
    assert (finished / "figure.png").stat().st_size > 10_000
    assert {"scores", "accuracies", "paper", "folder"} <= json.loads((finished / "found.json").read_text()).keys()


def test_resumed_run_keeps_rows_and_ends_the_same(finished: Path, tmp_path: Path) -> None:
    rows = pd.read_csv(finished / "rows.csv")
    marked = rows.iloc[:-1].copy()
    marked.loc[0, "accuracy"] = 0.123  # recognisable: it must not be measured again
    marked.to_csv(tmp_path / "rows.csv", index=False)
    topology.run(TINY, tmp_path, resume=True, progress=False, data_dir=None)
    again = pd.read_csv(tmp_path / "rows.csv")
    assert again.loc[0, "accuracy"] == 0.123
    pd.testing.assert_frame_equal(again.iloc[1:], rows.iloc[1:])


def test_every_layer_is_wide() -> None:
    net = SmallResNet(64, in_shape=(14, 14, 1), classes=10, rngs=nnx.Rngs(0))
    shapes = [leaf.shape for leaf in leaves(parameters(net)).values() if leaf.ndim == 4]
    assert shapes.count((3, 3, 64, 64)) == 6 and shapes.count((3, 3, 1, 64)) == 1 and len(shapes) == 7
    assert topology.TOPOLOGY.plan(topology.TopologyConfig())[0].endswith("60 masks with their scores")
