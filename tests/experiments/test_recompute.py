"""A stranger's recomputation of three certificates from their files alone."""

import json
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from sparsebounds import bounds
from sparsebounds.experiments.certify.recompute import log_tail, main, upper_quantile

SCRIPT = Path(__file__).resolve().parents[2] / "experiments" / "certify" / "recompute.py"
DECODER = """
import numpy as np

def f(params, x):
    return np.maximum(x @ params["a"]["kernel"] + params["a"]["bias"], 0) @ params["b"]["kernel"]
"""


@pytest.fixture(scope="module")
def released(tmp_path_factory):
    """Data, a decoder, and a posterior near a reference."""
    folder, rng = tmp_path_factory.mktemp("released"), np.random.default_rng(0)
    y = rng.integers(0, 2, 3000)
    x = (rng.normal(size=(3000, 4)) + 2.0 * y[:, None] - 1.0).astype(np.float32)
    np.savez(folder / "data.npz", x=x, y=y)
    (folder / "decoder.py").write_text(DECODER)
    kernel = np.repeat([[1.0, -1.0]], 4, axis=0).astype(np.float32)
    reference = {
        "a": {"kernel": kernel, "bias": np.zeros(2, np.float32)},
        "b": {"kernel": np.array([[-1, 1], [1, -1]], np.float32)},
    }
    mean = {"a": {"kernel": kernel * np.float32(1.02), "bias": np.full(2, 0.01, np.float32)}, "b": reference["b"]}
    return folder, x, y, reference, mean


def f(params, x):
    import jax

    return jax.nn.relu(x @ params["a"]["kernel"] + params["a"]["bias"]) @ params["b"]["kernel"]


def drawn(kind, reference, mean):
    if kind == "gaussian":
        return bounds.draw(bounds.Prior(reference, 0.05, factors=(0.5, 1.0, 2.0)), mean, factor=0.5)
    if kind == "half-space":
        frozen = {"a": {"kernel": 0.05, "bias": 0.1}, "b": {"kernel": 0.0}}
        return bounds.draw(bounds.Prior(reference, frozen), mean, nats=8.0)
    turn = np.linalg.qr(np.random.default_rng(5).normal(size=(4, 4)))[0]
    spread = {"a": {"kernel": np.linspace(0.02, 0.09, 8).reshape(4, 2), "bias": 0.05}, "b": {"kernel": 0.05}}
    turns = {"a.kernel": (turn, None)} if kind == "turned" else None
    return bounds.draw(bounds.Prior.data_free(reference), mean, spread=spread, turns=turns)


@pytest.mark.parametrize(
    ("kind", "options", "arguments"),
    [
        ("gaussian", {"form": "both", "budgets": (2.0, 10.0, "kl"), "choices": {"split": 3}, "draws": 2},
         ("--form", "both", "--budgets", "2", "10", "kl", "--nats", str(math.log(6)), "--reference-nats",
          str(math.log(3)))),
        ("half-space", {"budgets": (8.0,)}, ("--budgets", "8")),
        ("data-free", {"budgets": (20.0, 100.0, "tail")}, ("--budgets", "20", "100", "tail")),
        ("turned", {"budgets": ("kl",)}, ("--budgets", "kl")),
    ],
)  # fmt: skip
def test_the_numbers_of_the_certificate(released, capsys, kind, options, arguments):
    folder, x, y, reference, mean = released
    one = drawn(kind, reference, mean)
    row = bounds.distance_certificate(f, one, x, y, delta=0.01, **options)
    one.save(folder / f"{kind}.npz")
    files = [str(folder / name) for name in (f"{kind}.npz", "data.npz", "decoder.py")]
    assert row.value < 1.0
    assert main([*files, "--delta", "0.01", *arguments, "--value", repr(row.value)]) == 0
    found = json.loads(capsys.readouterr().out.rpartition("\n}")[0] + "}")
    assert found["errors"] == row.terms["errors"] and found["value"] == pytest.approx(row.value, rel=1e-7)
    if kind in ("gaussian", "half-space"):
        assert found["held-out bound of the reference"] == pytest.approx(
            row.terms["held-out bound of the reference"], rel=1e-7
        )
    assert main([*files, "--delta", "0.01", *arguments, "--value", repr(row.value * 0.999)]) == 1


def test_it_runs_without_the_library(released):
    """In a process of its own, from the file, with nothing of the package on the path."""
    folder, _, _, reference, mean = released
    drawn("half-space", reference, mean).save(folder / "alone.npz")
    files = [str(folder / name) for name in ("alone.npz", "data.npz", "decoder.py")]
    done = subprocess.run(
        [sys.executable, "-I", str(SCRIPT), *files, "--delta", "0.01", "--budgets", "8"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0 and done.stdout.endswith("agrees\n"), done.stderr
    assert "sparsebounds" not in SCRIPT.read_text(encoding="utf-8").replace("`sparsebounds", "")


def test_a_tampered_file_does_not_agree(released, capsys):
    folder, _, _, reference, mean = released
    drawn("gaussian", reference, mean).save(folder / "one.npz")
    arrays = dict(np.load(folder / "one.npz"))
    arrays["params.0"] = arrays["params.0"] + np.float32(1e-3)
    np.savez(folder / "other.npz", **arrays)
    files = [str(folder / name) for name in ("other.npz", "data.npz", "decoder.py")]
    assert main([*files, "--delta", "0.01", "--budgets", "8"]) == 1
    assert "does not agree" in capsys.readouterr().out


def test_the_normal_tail():
    assert log_tail(0.0) == pytest.approx(math.log(0.5)) and log_tail(-8.0) == pytest.approx(0.0, abs=1e-14)
    assert log_tail(29.999) == pytest.approx(log_tail(30.001), rel=1e-3)
    for nats in (0.1, 1.0, 10.0, 300.0, 2000.0):
        assert log_tail(upper_quantile(nats)) == pytest.approx(-nats, rel=1e-9)
    assert upper_quantile(10.0) == pytest.approx(3.91395, abs=1e-4)
