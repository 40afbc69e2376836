"""The sparsity experiment: its network, one compiled step for all masks, what a mask may know, rows and summary."""

import dataclasses
import math
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
from flax import nnx

from sparsebounds import bounds, nets
from sparsebounds.experiments.reproduce.run import reproduce
from sparsebounds.experiments.reproduce.sparsity import networks as sparsity_networks
from sparsebounds.experiments.reproduce.sparsity import rows as sparsity_rows
from sparsebounds.experiments.reproduce.sparsity import study as sparsity_study
from sparsebounds.experiments.reproduce.sparsity.summary import summary
from sparsebounds.experiments.shared.rows import read_rows
from sparsebounds.nets import masks as masking
from sparsebounds.nets.models.strided import StridedNet
from sparsebounds.nets.prune import METHODS

TINY = sparsity_networks.SparsityConfig(
    dataset="digits", train=60, widths=(2, 3), methods=("random", "magnitude"), densities=(1.0, 0.3), seeds=1, floor=2,
    scored=20, epochs=2, batch_size=20, milestones=(1,),
)  # fmt: skip


@pytest.fixture(scope="module")
def digits() -> nets.Dataset:
    return nets.data.datasets.load("digits", train=60, test=50)


# ---- the network -----------------------------------------------------------------------------


def test_every_node_reads_a_square_of_its_own() -> None:
    net = StridedNet((3, 4), in_shape=(9, 8, 2), use_bias=False, rngs=nnx.Rngs(0))
    x = np.random.default_rng(0).normal(size=(2, 9, 8, 2)).astype(np.float32)
    squares = x[:, :8].reshape(2, 4, 2, 4, 2, 2)  # image, row, a, column, b, channel; the ninth row is left over
    first = net.convolutions()[0]
    expected = np.einsum("nracbi,abio->nrco", squares, np.asarray(first.kernel()))
    np.testing.assert_allclose(first(jnp.asarray(x)), expected, rtol=1e-4, atol=1e-5)
    assert expected.shape == (2, 4, 4, 3) and net.dense.kernel.shape == (2 * 2 * 4, 10)
    assert net.positions() == {"conv1.v": 16, "conv2.v": 4, "dense.kernel": 1}
    graph = bounds.read_graph(net, x)
    assert [set(counts.tolist()) for counts in graph.pred_counts().values()] == [{4}, {4}, {4}]


def test_networks_that_cannot_be() -> None:
    with pytest.raises(ValueError, match="4 convolutions on 8×8 images and each halves them; need images of at least"):
        StridedNet((2, 2, 2, 2), in_shape=(8, 8, 1), rngs=nnx.Rngs(0))
    with pytest.raises(ValueError, match="depth is 0"):
        StridedNet((), rngs=nnx.Rngs(0))
    with pytest.raises(ValueError, match=r"widths\[1\] is 0"):
        StridedNet((2, 0), rngs=nnx.Rngs(0))


def test_rho_and_channels() -> None:
    net = StridedNet((3, 4), in_shape=(8, 8, 1), rngs=nnx.Rngs(0))
    norms = [float(jnp.linalg.norm(conv.g[...])) for conv in net.convolutions()]
    assert net.rho() == pytest.approx(math.prod(norms) * float(jnp.linalg.norm(net.dense.kernel[...])), rel=1e-5)
    groups = [(group.count, group.reader, group.axis, group.repeat) for group in net.channels()]
    assert groups == [(3, "conv2.v", 2, 1), (4, "dense.kernel", 0, 4)]


# ---- what a mask may know --------------------------------------------------------------------


def test_a_mask_called_fixed_does_not_depend_on_the_training_sample(digits: nets.Dataset) -> None:
    """With other images and labels masks called fixed are the same, and the others are not."""
    rng = np.random.default_rng(0)
    other = dataclasses.replace(
        digits,
        x_train=rng.uniform(-1, 1, size=digits.x_train.shape).astype(np.float32),
        y_train=rng.permutation(digits.y_train),
    )
    studies = [sparsity_networks.Study(TINY, data) for data in (digits, other)]
    for method in ("erk", "snip"):
        one, two = (masking.fingerprint(study.masks(study.build(0), method, 0.3, 0)) for study in studies)
        assert (one == two) == sparsity_networks.made_in_advance(method), method
    for method in sparsity_networks.SparsityConfig().methods:
        uses = METHODS[method].uses
        assert sparsity_networks.made_in_advance(method) == ("batch" not in uses and method != "magnitude"), method


# ---- the run ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict]:
    folder = tmp_path_factory.mktemp("sparsity")
    return folder, reproduce(_tiny(TINY), "quick", folder, progress=False)


def _tiny(config: sparsity_networks.SparsityConfig) -> sparsity_study.Experiment:
    return dataclasses.replace(sparsity_study.SPARSITY, presets={"quick": config})


def test_rows_hold_every_bound_in_three_partitions(done: tuple[Path, dict]) -> None:
    rows = read_rows(done[0] / "rows.csv")
    assert list(rows.columns) == list(sparsity_rows.COLUMNS) and (done[0] / "figure.png").stat().st_size > 10000
    for (method, density), part in rows.groupby(["method", "density"]):
        assert set(part["bound"]) == set(bounds.BOUNDS) | {"occam_quantised"}
        for name in sparsity_rows.BY_NODES:
            assert part[part["bound"] == name]["nodes"].tolist() == ["position", "group", "scalar"]
        assert set(part["mask_fixed"]) == {method != "magnitude"}, (method, density)
        assert (part["gap"] - (part["test_error"] - part["train_error"])).abs().max() < 1e-12
        total = part["margin_error"] + part["complexity"] + part["confidence"]
        assert ((part["value"] - total).abs() <= 1e-9 * part["value"].abs()).loc[part["value"].notna()].all()
    learned = rows[(rows["method"] == "magnitude") & (rows["bound"] == "galanti")]
    assert (rows[rows["mask_fixed"] & (rows["bound"] == "galanti")]["mask_nats"] == 0).all()
    assert learned[learned["nodes"] == "scalar"]["mask_nats"].item() > 0
    sizes = rows.drop_duplicates("method").set_index("method")
    assert sizes["kept"].to_dict() == {"dense": 152, "random": 45, "magnitude": 46}
    assert sizes["kept_per_layer"]["random"] == "2 7 36"


def test_rows_are_those_of_the_bounds_themselves(done: tuple[Path, dict], digits: nets.Dataset) -> None:
    rows = read_rows(done[0] / "rows.csv")
    data = nets.data.datasets.load("digits", train=60, seed=0)
    model, _, _ = sparsity_networks.Study(TINY, data).network("random", 0.3, 0)
    table = bounds.table(
        model, data.x_train, data.y_train, data.x_test, data.y_test, names=["galanti", "occam", "held_out"],
        mask_fixed=True,
    )  # fmt: skip
    mine = rows[(rows["method"] == "random") & rows["nodes"].isin(["position", ""])].set_index("bound")
    for row in table.itertuples():
        assert mine["value"][row.bound] == pytest.approx(row.value, rel=1e-6)
    for name in ("train_error", "test_error", "test_error_se", "gap"):
        assert mine[name]["occam"] == pytest.approx(table[name][0])


def test_resuming_does_what_is_missing_and_nothing_else(
    done: tuple[Path, dict], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = read_rows(done[0] / "rows.csv")
    for name in ("config.json", "rows.csv"):
        (tmp_path / name).write_bytes((done[0] / name).read_bytes())
    rows[rows["method"] != "random"].to_csv(tmp_path / "rows.csv", index=False)
    made, network = [], sparsity_networks.Study.network
    monkeypatch.setattr(sparsity_networks.Study, "network", lambda *args: made.append(args[1:]) or network(*args))
    monkeypatch.setattr(sparsity_rows, "_table", lambda *args: iter(()))
    reproduce(_tiny(TINY), "quick", tmp_path, resume=True, progress=False)
    assert made == [("random", 0.3, 0)]
    again = read_rows(tmp_path / "rows.csv")
    old, new = (frame[frame["method"] == "random"].iloc[-1] for frame in (rows, again))
    assert old["bound"] == new["bound"] == "occam_quantised" and old.equals(new)


def test_a_network_that_cannot_be_made_is_a_row_that_says_why(tmp_path: Path) -> None:
    config = dataclasses.replace(TINY, methods=("magnitude",), densities=(0.1,), floor=8)
    found = reproduce(_tiny(config), "quick", tmp_path, progress=False)
    assert found["networks"] == [] and found["failed"][0]["note"].startswith("the floors keep 24 weights")


# ---- the summary -----------------------------------------------------------------------------


def test_summary_by_hand() -> None:
    empty = dict.fromkeys(sparsity_rows.COLUMNS, math.nan) | {"nodes": "", "note": "", "guarantee": "certificate"}

    def row(method: str, density: float, seed: int, bound: str, value: float) -> dict:
        return empty | {"method": method, "density": density, "seed": seed, "bound": bound, "value": value,
                        "complexity": value / 2, "test_error": 0.1 * (seed + 1), "kept": 100 * density}  # fmt: skip

    rows = pd.DataFrame(
        [row("dense", 1.0, s, b, 8.0 + s) for s in (0, 1) for b in ("occam", "path_norm")]
        + [row("snip", d, s, "occam", 10 * d + s) for d in (0.5, 0.1) for s in (0, 1)]
        + [row("snip", 0.1, 0, "path_norm", 17.0)]
        + [row("grasp", 0.1, 0, "none", math.nan) | {"note": "the loss is nan"}]
    )
    found = summary(rows)
    assert [(n["method"], n["density"], n["kept"]) for n in found["networks"]] == [
        ("dense", 1.0, 100.0), ("snip", 0.5, 50.0), ("snip", 0.1, 10.0)
    ]  # fmt: skip
    middle = found["networks"][1]
    assert middle["occam"] == pytest.approx(5.5) and middle["test_error"] == pytest.approx(0.15)
    falls = {(row["bound"], row["method"]): row for row in found["falls"]}
    assert falls["occam", "snip"]["ratio"] == pytest.approx(1.5 / 8.5)
    assert falls["occam", "snip"]["rank"] == pytest.approx(0.956, abs=1e-3)  # ties in density, three levels of two
    assert falls["path_norm", "snip"]["ratio"] == pytest.approx(2.0)
    assert found["failed"] == [{"method": "grasp", "density": 0.1, "seed": 0, "note": "the loss is nan"}]
