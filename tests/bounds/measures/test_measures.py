"""Measures on networks small enough for paper, and what every measure owes."""

import math
import types

import jax
import jax.numpy as jnp
import networks
import numpy as np
import pytest
from networks import network

from sparsebounds import bounds
from sparsebounds.bounds import plugins, registry
from sparsebounds.bounds.measuring import COLUMNS

W1, W2 = np.diag([3.0, 4.0]).astype(np.float32), np.diag([1.0, 2.0]).astype(np.float32)
X = np.tile(np.array([[2 / 3, 0.0]], np.float32), (100, 1))
"""The scores are (2, 0): every margin is 2, and so is γ."""


def two_layers(x):
    return jax.nn.relu(x @ W1) @ W2


def zeros(x):
    return jax.nn.relu(x @ jnp.zeros((2, 2))) @ jnp.zeros((2, 2))


@pytest.fixture(scope="module")
def by_hand():
    y = np.zeros(100, int)
    rows = bounds.measures(two_layers, X, y, bounds.read_graph(zeros, X[:2]))
    return rows.set_index("measure")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("params", math.sqrt(8 / 100)),
        ("nonzeros", math.sqrt(4 / 100)),
        ("log_prod_of_spec", -0.223144),  # ½(log 64 − log 100)
        ("log_prod_of_spec_over_margin", -0.916291),
        ("fro_over_spec", 0.167705),  # √((25/16 + 5/4)/100)
        ("log_prod_of_fro", 0.111572),  # ½(log 125 − log 100)
        ("param_norm", 0.547723),  # √(30/100)
        ("fro_dist", 0.547723),  # from zeros
        ("dist_spec_init", math.sqrt((16 + 4) / 100)),
        ("path_norm", 0.854400),  # √((9·1 + 16·4)/100)
        ("path_norm_over_margin", math.sqrt(73 / 4 / 100)),
        ("path_norm_l1", (3 * 1 + 4 * 2) / 2),
        ("path_norm_l2", math.sqrt(73) / 2),
        ("inverse_margin", math.sqrt(1 / 4 / 100)),
        ("log_sum_of_spec", 0.5 * (math.log(2) + math.log(64) / 2 - math.log(100))),
        ("log_sum_of_fro_over_margin", 0.5 * (math.log(2) + (math.log(125) - math.log(4)) / 2 - math.log(100))),
        ("log_spec_orig_main", 0.5 * (math.log(64) - math.log(4) + math.log(25 / 16 + 5 / 4) - math.log(100))),
        ("log_spec_init_main", 0.5 * (math.log(64) - math.log(4) + math.log(25 / 16 + 5 / 4) - math.log(100))),
        ("l2", math.sqrt(math.sqrt(30) / 100)),
        ("l2_dist", math.sqrt(math.sqrt(30) / 100)),
        ("cross_entropy", math.log(1 + math.exp(-2))),
        ("train_error", 0.0),
    ],
)
def test_two_diagonal_layers(by_hand, name, value):
    """The hand test of the notes: diag(3, 4), diag(1, 2), γ = 2, m = 100, from zero."""
    assert by_hand.value[name] == pytest.approx(value, abs=1e-6)


@pytest.mark.parametrize("suffix", ["_FFT", "_operator"])
def test_dense_layers_are_the_same_in_every_reading(by_hand, suffix):
    for name in by_hand.index:
        if name.endswith(suffix):
            assert by_hand.value[name] == pytest.approx(by_hand.value[name.removesuffix(suffix)], rel=1e-7)


def test_columns_and_guarantee(by_hand):
    assert (by_hand.guarantee == "measure").all()
    assert ("measure", *by_hand.columns) == COLUMNS


def test_a_log_gives_rows_and_what_is_missing_says_so():
    rows = bounds.measures(two_layers, X, np.zeros(100, int), log={"training_loss": 0.25, "my_number": 7}).set_index(
        "measure"
    )
    assert rows.value["training_loss"] == 0.25 and rows.value["my_number"] == 7.0
    assert math.isnan(rows.value["epochs_to_stop"]) and "no epochs_to_stop" in rows.note["epochs_to_stop"]
    assert math.isnan(rows.value["l2_dist"]) and "reference" in rows.note["l2_dist"]


def test_a_measure_that_raises_is_a_row(monkeypatch):
    @bounds.declare_measure(formula="nothing", source="nowhere", needs="weights")
    def broken(subject):
        raise ZeroDivisionError("by hand")

    monkeypatch.setitem(bounds.MEASURES, "broken", broken)
    rows = bounds.measures(two_layers, X, np.zeros(100, int), names=["broken", "params"])
    assert rows.note[0] == "ZeroDivisionError: by hand" and math.isnan(rows.value[0])
    assert rows.value[1] == pytest.approx(math.sqrt(8 / 100))


def test_a_log_cannot_stand_for_a_measure():
    with pytest.raises(ValueError, match="log has 'params', the name of a measure that is computed"):
        bounds.measures(two_layers, X, np.zeros(100, int), log={"params": 3.0})


def test_an_unknown_name_is_refused():
    with pytest.raises(ValueError, match="unknown measure 'sharp'; the known ones are params, vc_dim"):
        bounds.measures(two_layers, X, np.zeros(100, int), names=["sharp"])


def test_a_reference_of_another_architecture_is_a_reason():
    other = lambda x: x @ W1  # noqa: E731
    rows = bounds.measures(two_layers, X, np.zeros(100, int), other, names=["l2_dist", "l2"])
    assert math.isnan(rows.value[0]) and "needed the same architecture" in rows.note[0] and rows.note[1] == ""


def test_a_layer_of_zeros_has_no_logarithm():
    rows = bounds.measures(zeros, X, np.zeros(100, int), names=["log_prod_of_spec", "inverse_margin"])
    assert rows.value.isna().all()
    assert "logarithm of 0" in rows.note[0] and "10th percentile of the margins is 0" in rows.note[1]


# ---- of other packages -------------------------------------------------------------------------


@pytest.fixture
def offer(monkeypatch):
    """Let a package called others offer one measure, theirs."""

    def install(value):
        dist = types.SimpleNamespace(name="others", version="1.0")
        entry = types.SimpleNamespace(name="theirs", value="o:theirs", module=__name__, dist=dist, load=lambda: value)
        monkeypatch.setattr(plugins, "entry_points", lambda group: [entry] if group.endswith("measures") else [])
        registry.add_installed(())

    yield install
    bounds.MEASURES.pop("theirs", None)


def test_a_measure_of_another_package_takes_part(offer):
    @bounds.declare_measure(formula="number of layers", source="their paper", needs="weights")
    def theirs(subject: bounds.Subject) -> float:
        return float(len(subject.weights))

    offer(theirs)
    rows = bounds.measures(two_layers, X, np.zeros(100, int)).set_index("measure")
    assert rows.value["theirs"] == 2.0 and rows.source["theirs"] == "others 1.0: their paper"


def test_what_is_no_measure_is_a_row_with_the_reason(offer):
    offer(lambda subject: 1.0)
    row = bounds.measures(two_layers, X, np.zeros(100, int)).set_index("measure").loc["theirs"]
    assert math.isnan(row.value) and "others 1.0 offers a function without a declaration" in row.note


@pytest.mark.parametrize(("change", "message"), [({"needs": "luck"}, "needs is 'luck'"), ({"rescale": "x"}, "rescale")])
def test_a_declaration_has_known_words(change, message):
    with pytest.raises(ValueError, match=message):
        bounds.declare_measure(**({"formula": "1", "source": "nowhere", "needs": "weights"} | change))


@pytest.mark.parametrize("network_name", ["max_pooled", "residual_post_activation", "grouped", "depthwise", "dilated"])
def test_networks_of_all_kinds(network_name):
    """Everything but the training log has a value or a reason that names what is missing."""
    net = network(network_name)
    x = np.random.default_rng(0).normal(size=(40, *net.x.shape[1:])).astype(np.float32)
    before = bounds.read_graph(net.f, net.x[:2])
    rows = bounds.measures(net.f, x, np.arange(40) % networks.CLASSES, before).set_index("measure")
    assert not rows.note.str.contains("Error").any(), rows.note[rows.note.str.contains("Error")].tolist()
    assert rows.value[["l2_dist", "fro_dist", "dist_spec_init_operator"]].tolist() == [0, 0, 0]
    assert rows.value[["path_norm", "log_prod_of_spec", "log_prod_of_spec_operator", "labelwise_mixup"]].notna().all()


def test_a_mask_is_seen_by_the_counts():
    """`params` counts zeros, `nonzeros` does not."""
    w = np.where(np.arange(16).reshape(4, 4) % 2, 1.0, 0.0).astype(np.float32)
    x = np.random.default_rng(0).normal(size=(25, 4)).astype(np.float32)
    rows = bounds.measures(lambda x: x @ w, x, np.arange(25) % 4, names=["params", "nonzeros"]).value
    assert rows.tolist() == pytest.approx([math.sqrt(16 / 25), math.sqrt(8 / 25)])
