"""Samples in batches: the sample of the arrays, every check of it included, with one batch in memory."""

import os
import subprocess
import sys
import weakref
from collections.abc import Iterator
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest

from sparsebounds import bounds
from sparsebounds.bounds.sample import window_stream
from sparsebounds.bounds.sample.lattice import Lattice
from sparsebounds.bounds.sample.margins import Margins
from sparsebounds.bounds.sample.probes import LEAST, MOST, PassingProbes
from sparsebounds.bounds.sample.repetitions import input_space
from sparsebounds.bounds.sample.sample import Sample
from sparsebounds.bounds.sample.window_stream import Overlapping
from sparsebounds.bounds.sample.windows import overlapping

RNG = np.random.default_rng(0)
X = RNG.normal(size=(230, 4, 3)).astype(np.float32)
Y = np.arange(230) % 3
W = RNG.normal(size=(12, 3)).astype(np.float32)
ALIKE = ("energies", "class_energies", "class_fourths", "largest", "largest_norm", "margins", "class_counts")
EQUAL = ("fingerprints", "near", "input_space", "overlapping", "preprocessing", "m", "classes")


def net(x):
    return jnp.reshape(x, (len(x), -1)) @ W


def parts(x: np.ndarray, y: np.ndarray, rows: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    return ((x[start : start + rows], y[start : start + rows]) for start in range(0, len(y), rows))


def same(ours: Sample, theirs: Sample, tolerance: float) -> None:
    for name in ALIKE:
        np.testing.assert_allclose(getattr(ours, name), getattr(theirs, name), rtol=tolerance, atol=tolerance)
    for name in EQUAL:
        np.testing.assert_array_equal(getattr(ours, name), getattr(theirs, name))


@pytest.mark.parametrize(("rows", "tolerance"), [(50, 1e-12), (37, 1e-6), (230, 1e-6)])
def test_batches_measure_what_arrays_do(rows: int, tolerance: float) -> None:
    whole = Sample.measure(net, X, Y, batch_size=50)
    same(Sample.measure(net, parts(X, Y, rows), batch_size=50 if rows == 230 else 256), whole, tolerance)
    same(Sample.measure(net, list(parts(X, Y, rows)), batch_size=rows), whole, tolerance)
    tested, held = (Margins.measure(net, *given, batch_size=50) for given in ((X, Y), (parts(X, Y, rows),)))
    np.testing.assert_allclose(held.margins, tested.margins, rtol=1e-5, atol=1e-6)
    for name in ("fingerprints", "near", "input_space", "overlapping", "preprocessing"):
        np.testing.assert_array_equal(getattr(held, name), getattr(tested, name))
    sample = Sample.measure(net, parts(X, Y, rows))
    graph = bounds.read_graph(net, X[:1])
    sample.check_network(graph)
    with pytest.raises(ValueError, match="measured of another network"):
        sample.check_network(bounds.read_graph(lambda x: net(x) * jnp.array([1.0, 1.0, 1.1]), X[:1]))


def test_memory_maps(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", X)
    same(Sample.measure(net, np.load(tmp_path / "x.npy", mmap_mode="r"), Y), Sample.measure(net, X, Y), 1e-12)


def test_one_batch_at_a_time_is_in_memory() -> None:
    alive: list[weakref.ref[np.ndarray]] = []
    most = 0

    def generated() -> Iterator[tuple[np.ndarray, np.ndarray]]:
        nonlocal most
        for x, y in parts(X, Y, 23):
            batch = x.copy()
            alive.append(weakref.ref(batch))
            most = max(most, sum(one() is not None for one in alive))
            yield batch, y
            del batch

    Sample.measure(net, generated())
    assert len(alive) == 10 and most <= 2


def test_the_checks_of_all_samples_together() -> None:
    own = (X - X.mean(axis=0)) / X.std(axis=0)
    assert Sample.measure(net, parts(own, Y, 40)).preprocessing == "apparent"
    assert Sample.measure(net, parts(own, Y, 40), preprocessing="stated").preprocessing == "stated"
    copies = Sample.measure(net, parts(np.tile(X[:10], (23, 1, 1)), Y, 40))
    assert copies.copies.excluded and copies.copies.number == 220
    series = RNG.normal(size=300).astype(np.float32)
    windows = np.stack([series[i : i + 12].reshape(4, 3) for i in range(230)])
    assert Sample.measure(net, parts(windows, Y, 40)).copies.excluded
    with pytest.raises(ValueError, match="all 60 samples have label 1"):
        Sample.measure(net, parts(X[:60], np.ones(60, int), 20))
    assert Margins.measure(net, parts(own, Y, 40)).preprocessing == "apparent"


@pytest.mark.parametrize("kind", ["windows", "independent", "few numbers"])
def test_windows_of_more_samples_than_are_kept(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(window_stream, "NUMBERS", 1 << 12)
    monkeypatch.setattr(window_stream, "SEEN", 40)
    monkeypatch.setattr(window_stream, "TOGETHER", 4000)
    series = RNG.normal(size=2000).astype(np.float32)
    x = {
        "windows": np.stack([series[i : i + 40] for i in range(0, 1500, 2)]),
        "independent": RNG.normal(size=(750, 40)).astype(np.float32),
        "few numbers": RNG.integers(0, 2, size=(750, 40)).astype(np.float32),
    }[kind]
    found = Overlapping()
    for start in range(0, 750, 30):
        found.add(x[start : start + 30])
    assert not found._parts and sum(len(runs[0]) for runs in found._runs) <= 4000
    assert abs(found.share() - overlapping(x)) <= 0.1 and (found.share() > 0.8) == (kind == "windows")


@pytest.mark.parametrize("levels", [1, 2, 5, 70000])
def test_the_space_of_inputs_in_pieces(levels: int) -> None:
    for width in (1, 2, 70):
        x = (RNG.integers(0, levels, size=(300, width)) / 4).astype(np.float32)
        x[:100] = x[0]  # what moves late is found late
        found = Lattice()
        for start in range(0, 300, 7):
            found.add(x[start : start + 7])
        assert found.size() == input_space(x)


def test_probes_of_a_sample_of_unknown_size() -> None:
    probing = PassingProbes(12)
    sample = Sample.measure(net, parts(X, Y, 23))
    assert sample.probe_inputs is not None
    rows = {row.tobytes() for row in sample.probe_inputs.astype(np.float32)}
    for index in (0, 1, 2, 229, int(sample.margins.argmin()), int(sample.margins.argmax())):
        assert X[index].tobytes() in rows
    assert MOST <= len(rows) <= MOST + 6 and len(PassingProbes(10**7)._drawn) == 0
    assert PassingProbes(10**7)._most == LEAST and probing._most == MOST


def test_a_table_of_batches() -> None:
    expected = bounds.table(net, X[:150], Y[:150], X[150:], Y[150:]).set_index("bound")
    seen: list[tuple[str, int, int | None]] = []
    given = (parts(X[:150], Y[:150], 50), None, parts(X[150:], Y[150:], 40), None)
    found = bounds.table(net, *given, progress=lambda *state: seen.append(state)).set_index("bound")
    assert "table makes one of arrays" in found.loc["occam_quantised", "note"]
    for name in expected.index.drop("occam_quantised"):
        np.testing.assert_allclose(found.loc[name, "value"], expected.loc[name, "value"], rtol=1e-6)
        assert found.loc[name, "guarantee"] == expected.loc[name, "guarantee"]
    assert seen[:3] == [("sample", 50, None), ("sample", 100, None), ("sample", 150, None)]
    assert seen[4] == ("test sample", 80, None) and seen[-1] == ("bounds", len(bounds.BOUNDS), len(bounds.BOUNDS))


def spoilt(number: int, value: object) -> Iterator[object]:
    for i, part in enumerate(parts(X, Y, 50)):
        yield value if i == number else part


BAD = {
    "the sample is empty": lambda: iter(()),
    "gave a ndarray at sample 100": lambda: spoilt(2, X[:50]),
    r"batch at sample 50 of the sample has inputs float32 of shape \(4,\)": lambda: spoilt(1, (X[:50, :, 0], Y[:50])),
    "inputs float64 of shape": lambda: spoilt(1, (X[:50].astype(np.float64), Y[:50])),
    "has 50 inputs and 49 labels": lambda: spoilt(1, (X[:50], Y[:49])),
    "label 3 of sample 149 of": lambda: spoilt(2, (X[:50], np.append(Y[:49], 3))),
    "sample 102 of the sample has an input that is not finite": lambda: spoilt(
        2, (np.where(np.arange(50)[:, None, None] == 2, np.nan, X[:50]), Y[:50])
    ),
    "-1 in some batches and 0 in others": lambda: spoilt(1, (X[:50], np.where(Y[:50] > 0, 1, -1))),
    "and no labels": lambda: X,
    "the sample is a dict": lambda: {"x": X},
}


@pytest.mark.parametrize("said", BAD)
def test_bad_batches(said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Sample.measure(net, BAD[said]())


DEVICES = """
import jax, numpy as np
from flax import nnx
from sparsebounds import bounds
assert jax.local_device_count() == 2, jax.devices()
rng = np.random.default_rng(0)
x, y = rng.normal(size=(101, 5, 5, 1)).astype(np.float32), np.arange(101) % 3
class Net(nnx.Module):
    def __init__(self, rngs):
        self.conv, self.dense = nnx.Conv(1, 4, (3, 3), rngs=rngs), nnx.Linear(4, 3, rngs=rngs)
    def __call__(self, x):
        return self.dense(nnx.relu(self.conv(x)).mean(axis=(1, 2)))
net = Net(nnx.Rngs(0))
from sparsebounds.bounds.sample.batches import on_devices
import jax.numpy as jnp
assert len(on_devices(jnp.asarray(x[:50])).devices()) == 2 and len(on_devices(jnp.asarray(x)).devices()) == 1
shared = bounds.Sample.measure(net, x, y, batch_size=50)
with jax.default_device(jax.devices()[0]):
    alone = bounds.Sample.measure(net, x, y, batch_size=50)
    assert len(on_devices(jnp.asarray(x[:50])).devices()) == 1
for name in ("energies", "class_energies", "class_fourths"):
    np.testing.assert_allclose(getattr(shared, name), getattr(alone, name), rtol=1e-12)
np.testing.assert_allclose(shared.margins, alone.margins, rtol=1e-6, atol=1e-6)
w = jax.device_put(jnp.asarray(rng.normal(size=(25, 3)).astype(np.float32)), jax.devices()[0])
bounds.Sample.measure(lambda x: x.reshape(len(x), -1) @ w, x, y, batch_size=50)  # weights that are tied to one device
shared.check_network(bounds.read_graph(net, x[:1]))
print("equal")
"""


def test_two_devices_share_a_batch() -> None:
    environment = {"XLA_FLAGS": "--xla_force_host_platform_device_count=2", "JAX_PLATFORMS": "cpu"}
    done = subprocess.run(
        [sys.executable, "-c", DEVICES], capture_output=True, text=True, env={**os.environ, **environment}
    )
    assert done.stdout == "equal\n", done.stderr
