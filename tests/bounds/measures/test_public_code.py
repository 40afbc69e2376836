"""Agreement with the public code of the measures, on one network that it was run on.

`benchmarks/public_measures.py` made public.json (repository, commit, numbers) and public.npz (the weights before and
after training); nothing of it is run here.
"""

import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.datasets import load_digits

from sparsebounds import bounds

HERE = Path(__file__).parent
PUBLIC = json.loads((HERE / "public.json").read_text(encoding="utf-8"))
ROBUST, NEYSHABUR, WATCHER = (PUBLIC[name]["values"] for name in PUBLIC)
WEIGHTS = np.load(HERE / "public.npz")
M = 300
CALLED = {
    "L_{1,inf} norm": "prod_l1_inf_over_margin",
    "Frobenious norm": "prod_frobenius_over_margin",
    "L_{3,1.5} norm": "prod_l3_1.5_over_margin",
    "Spectral norm": "prod_spectral_over_margin",
    "L_1.5 operator norm": "prod_schatten_1.5_over_margin",
    "Trace norm": "prod_trace_over_margin",
    "L1_path norm": "path_norm_l1",
    "L1.5_path norm": "path_norm_l1.5",
    "L2_path norm": "path_norm_l2",
    "L1_max Bound (Bartlett and Mendelson 2002)": "shape_l1_max",
    "Frobenious Bound (Neyshabur et al. 2015)": "shape_frobenius",
    "L_{3,1.5} Bound (Neyshabur et al. 2015)": "shape_l3_1.5",
    "Spec_L_{2,1} Bound (Bartlett et al. 2017)": "shape_spec_l21",
    "Spec_Fro Bound (Neyshabur et al. 2018)": "shape_spec_fro",
}
SEARCHED = [name for name in ROBUST if name.startswith("pacbayes") and not name.endswith("without batch norm")]


def net(prefix):
    w = {k.removeprefix(f"{prefix}."): v for k, v in WEIGHTS.items() if k.startswith(prefix)}

    def conv(x, name, stride, pad):
        kernel = w[f"{name}.weight"].transpose(2, 3, 1, 0).astype(np.float32)
        dims = ("NHWC", "HWIO", "NHWC")
        out = jax.lax.conv_general_dilated(x, kernel, (stride, stride), [(pad, pad)] * 2, dimension_numbers=dims)
        return out + w[f"{name}.bias"].astype(np.float32)

    def norm(x, name):
        scale = w[f"{name}.weight"] / np.sqrt(w[f"{name}.running_var"] + 1e-5)
        shift = w[f"{name}.bias"] - scale * w[f"{name}.running_mean"]
        return x * scale.astype(np.float32) + shift.astype(np.float32)

    def f(x):
        x = jax.nn.relu(norm(conv(x, "conv1", 1, 1), "bn1"))
        x = jax.nn.relu(norm(conv(x, "conv2", 2, 1), "bn2"))
        return jnp.mean(conv(x, "conv3", 1, 0), axis=(1, 2))

    return f


def measured(names=None):
    data = load_digits()
    x, y = (data.images[:M, :, :, None] / 16).astype(np.float32), data.target[:M]
    return bounds.measures(net("after"), x, y, net("before"), names=names).set_index("measure")


@pytest.fixture(scope="module")
def ours():
    return measured().value


@pytest.mark.parametrize("name", [name for name in ROBUST if not name.startswith("pacbayes")])
def test_robust_generalization_measures(ours, name):
    """Up to the margins: scores are computed in float32 here."""
    assert ours[name] == pytest.approx(ROBUST[name], rel=5e-5, abs=2e-5)


@pytest.mark.parametrize("name", NEYSHABUR)
def test_generalization_bounds(ours, name):
    assert ours[CALLED[name]] == pytest.approx(NEYSHABUR[name], rel=5e-5)


@pytest.mark.parametrize(
    "name", ["norm", "log_norm", "spectral_norm", "log_spectral_norm", "stable_rank", "matrix_rank"]
)
def test_weightwatcher(ours, name):
    assert WATCHER["layers"] == 2  # the first convolution has nine eigenvalues, fewer than ten
    assert ours[name] == pytest.approx(WATCHER[name], rel=2e-5)


@pytest.mark.parametrize("name", ["alpha", "alpha_weighted", "log_alpha_norm"])
def test_weightwatcher_power_law(ours, name):
    assert ours[name] == pytest.approx(WATCHER[name], rel=1e-4)


def test_weightwatcher_entropy(ours):
    assert ours["matrix_entropy"] == pytest.approx(WATCHER["entropy"], rel=1e-4)


def test_searches_agree_up_to_their_draws():
    """Its generator draws other noise, and both stop within 0.01 of the target: σ agrees to some percent.

    With batch norm it also moves scales and shifts that were folded, and has other values (in the same file).
    """
    rows = measured(SEARCHED).value
    for name in SEARCHED:
        assert rows[name] == pytest.approx(ROBUST[f"{name} without batch norm"], rel=0.1), name
