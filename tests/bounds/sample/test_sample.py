"""Sample: sums against literal ones, what is refused and how it is said, save and load."""

import dataclasses
import os

import jax.numpy as jnp
import networks
import numpy as np
import pytest

from sparsebounds.bounds.sample.fingerprinting import fingerprints
from sparsebounds.bounds.sample.sample import Sample
from sparsebounds.bounds.sample.statistics import STATISTICS


def two_scores(x):
    s = x.reshape(x.shape[0], -1).sum(axis=1)
    return jnp.stack([jnp.zeros_like(s), s], axis=-1)


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    return rng.normal(size=(37, 6, 6, 2)).astype(np.float32), rng.integers(0, 4, 37)


@pytest.fixture
def net():
    return networks.network("native").f


def measured(f, data, **options) -> Sample:
    return Sample.measure(f, *data, **options)


def same(a: Sample, b: Sample, **tolerance) -> None:
    names = ("energies", "class_energies", "margins", "class_counts", "class_fourths", "largest", "largest_norm")
    for name in names:
        np.testing.assert_allclose(getattr(a, name), getattr(b, name), **tolerance)
    assert (a.m, a.classes, a.preprocessing) == (b.m, b.classes, b.preprocessing)
    assert np.array_equal(a.fingerprints, b.fingerprints)


def test_sums_margins_and_counts_are_the_literal_ones(data, net):
    x, y = data
    sample = measured(net, data, batch_size=10)
    scores = np.asarray(net(x)).astype(np.float64)
    assert sample.m == 37 and sample.classes == 4 and sample.preprocessing == "fixed"
    assert sample.energies.dtype == np.float64
    np.testing.assert_allclose(sample.energies, (x.astype(np.float64) ** 2).sum(0), rtol=1e-13)
    for r in range(4):
        np.testing.assert_allclose(sample.class_energies[r], (x[y == r].astype(np.float64) ** 2).sum(0), rtol=1e-13)
    literal = [s[k] - max(s[r] for r in range(4) if r != k) for s, k in zip(scores, y, strict=True)]
    np.testing.assert_allclose(sample.margins, literal, atol=1e-6)
    np.testing.assert_array_equal(sample.class_counts, [np.sum(y == r) for r in range(4)])
    assert sample.train_error == np.mean(scores.argmax(1) != y)


def test_sums_are_float64_where_float32_would_drift():
    """10⁵ squares of 0.1: a float32 running sum is off by far more than 1e-9."""
    x = np.full((100_000, 1), 0.1, np.float32)
    sample = Sample.measure(two_scores, x, np.arange(100_000) % 2, batch_size=1000)
    assert sample.energies[0] == pytest.approx(100_000 * float(np.float32(0.1)) ** 2, rel=1e-12)


def test_fourths_and_the_largest_are_the_literal_ones(data, net):
    x, y = data
    sample, wide = measured(net, data, batch_size=10), x.astype(np.float64)
    for label in range(4):
        np.testing.assert_allclose(sample.class_fourths[label], (wide[y == label] ** 4).sum(0), rtol=1e-12)
    assert np.array_equal(sample.largest, np.abs(wide).max(0))
    assert sample.largest_norm == pytest.approx(np.sqrt((wide**2).sum((1, 2, 3))).max(), rel=1e-14)


def test_fingerprints_tell_inputs_apart_and_find_them_again(data, net):
    x, _ = data
    sample = measured(net, data, batch_size=10)
    assert np.array_equal(sample.fingerprints, fingerprints(x)) and len(set(sample.fingerprints.tolist())) == 37
    changed = x.copy()
    changed[5, 0, 0, 0] += 1e-3
    assert np.flatnonzero(fingerprints(changed) != sample.fingerprints).tolist() == [5]
    assert np.array_equal(fingerprints(x.astype(np.float64)), fingerprints(x))


@pytest.mark.parametrize("batch_size", [1, 7, 37, 1000])
def test_batch_size_does_not_matter(data, net, batch_size):
    same(measured(net, data), measured(net, data, batch_size=batch_size), rtol=1e-5, atol=1e-6)


def test_shuffling_the_sample_only_shuffles_the_margins(data, net):
    x, y = data
    order = np.random.default_rng(1).permutation(37)
    a, b = measured(net, data), measured(net, (x[order], y[order]))
    np.testing.assert_allclose(a.energies, b.energies, rtol=1e-13)
    np.testing.assert_allclose(a.class_energies, b.class_energies, rtol=1e-13)
    np.testing.assert_allclose(a.margins[order], b.margins, atol=1e-6)
    assert a.train_error == b.train_error and a.ramp(0.3) == pytest.approx(b.ramp(0.3), abs=1e-7)


def test_ramp_lies_between_error_and_margin_error():
    sample = Sample(4, 2, np.ones(1), np.ones((2, 1)) / 2, np.array([-1.0, 0.0, 0.5, 2.0]), np.array([2, 2]))
    assert sample.train_error == 0.5
    assert sample.ramp(1.0) == pytest.approx((1 + 1 + 0.5 + 0) / 4)
    assert sample.margin_error(0.5) == 0.75 and sample.margin_error(0.49) == 0.5
    for gamma in (0.1, 0.5, 1.0, 10.0):
        assert sample.train_error <= sample.ramp(gamma) <= sample.margin_error(gamma)
    for gamma in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="gamma"):
            sample.ramp(gamma)
        with pytest.raises(ValueError, match="gamma"):
            sample.margin_error(gamma)


def test_an_nnx_module_is_measured_as_the_function_it_is(data):
    sample = measured(networks.network("nnx_conv").f, data)
    same(sample, measured(networks.network("native_biased").f, data), rtol=1e-5, atol=1e-5)


def test_a_function_that_cannot_be_traced_is_called_plainly(data):
    weights = np.random.default_rng(2).normal(size=(72, 3)).astype(np.float32)

    def numpy_only(x):
        return np.asarray(x).reshape(len(x), -1) @ weights

    x, y = data
    sample = Sample.measure(numpy_only, x, y % 3, batch_size=8)
    assert sample.classes == 3
    assert sample.margins.shape == (37,)


def test_a_function_that_fails_says_so_itself(data):
    def broken(x):
        raise RuntimeError("my own trouble")

    with pytest.raises(RuntimeError, match="my own trouble"):
        measured(broken, data)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (np.zeros((37, 4)), "one-hot.*argmax"),
        (np.zeros((37, 1), int), r"column.*y\[:, 0\]"),
        (np.zeros(36, int), "37 inputs and 36 labels"),
        (np.linspace(0, 3, 37), "float64.*integers.*as in a regression: bounds here speak of 0/1 errors alone"),
        (np.arange(37) / 1.0, r"float64.*y\.astype\(int\)$"),
        (np.ones((37, 4)), "look like several labels for one sample; bounds here speak of 0/1 errors alone"),
        (np.full((37, 2), 1.5), "look like the targets of a regression; bounds here speak of 0/1 errors alone"),
        (np.array([True] * 37), "bool.*integers"),
        (np.array(["cat"] * 37), "integers"),
        (np.array([0] * 36 + [-1]), "label -1 of sample 36.*negative"),
        (np.zeros(37, int), "all 37 samples have label 0"),
        (np.zeros((37, 2, 2), int), "one integer per sample"),
    ],
)
def test_bad_labels_are_refused_before_the_network_runs(data, labels, message):
    def never(x):
        raise AssertionError("the network was called")

    with pytest.raises(ValueError, match=message):
        Sample.measure(never, data[0], labels)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_inputs_that_are_not_finite_are_refused_before_the_network_runs(data, value):
    x, y = data
    x[23, 1, 2, 0] = value
    with pytest.raises(ValueError, match="sample 23 of the sample has an input that is not finite"):
        Sample.measure(lambda x: pytest.fail("the network was called"), x, y)


def test_inputs_beyond_float32_are_refused(data):
    x, y = data[0].astype(np.float64), data[1]
    x[5, 0, 0, 0] = 1e300
    with pytest.raises(ValueError, match=r"sample 5 .*not finite in float32"):
        Sample.measure(two_scores, x, y)


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (np.zeros((0, 6, 6, 2), np.float32), "empty"),
        (np.zeros(37, np.float32), r"shape \(37,\)"),
        (np.array([["a"]] * 37), "real numbers"),
        (np.zeros((37, 2), np.complex64), "real numbers"),
    ],
)
def test_bad_inputs_are_refused(x, message):
    with pytest.raises(ValueError, match=message):
        Sample.measure(two_scores, x, np.arange(len(x)) % 2)


def test_label_outside_the_scores(data, net):
    x, y = data
    y[30] = 4
    with pytest.raises(ValueError, match=r"label 4 of sample 30 .*outside 0\.\.3.*4 scores"):
        Sample.measure(net, x, y, batch_size=8)


@pytest.mark.parametrize(
    ("f", "message"),
    [
        (lambda x: x, r"shape \(37, 6, 6, 2\) for 37 inputs; \(37, C\) is needed"),
        (lambda x: x.sum(), r"shape \(\) for 37 inputs"),
        (lambda x: two_scores(x).T, r"shape \(2, 37\) for 37 inputs"),
        (lambda x: (two_scores(x), x), "returned a tuple"),
        (lambda x: jnp.log(two_scores(x) - 1e9), "scores for sample 0 .*not finite"),
        (None, "NoneType.*function"),
    ],
)
def test_bad_networks_are_refused(data, f, message):
    with pytest.raises(ValueError, match=message):
        Sample.measure(f, data[0], data[1] % 2)


def test_the_sample_with_bad_scores_is_named(data):
    x, y = data
    x[29] = 0.0
    with pytest.raises(ValueError, match="scores for sample 29 "):
        Sample.measure(lambda x: 1.0 / jnp.stack([x[:, 0, 0, 0], x[:, 0, 0, 1]], axis=-1), x, y % 2, batch_size=8)


@pytest.mark.parametrize("batch_size", [0, -1, 2.5, True])
def test_bad_batch_size(data, net, batch_size):
    with pytest.raises(ValueError, match="batch_size"):
        measured(net, data, batch_size=batch_size)


def test_preprocessing_is_recorded_and_checked(data, net):
    assert measured(net, data, preprocessing="sample").preprocessing == "sample"
    with pytest.raises(ValueError, match="'fixed', 'sample'"):
        measured(net, data, preprocessing="paper")


def test_save_and_load_give_the_same_sample(data, net, tmp_path):
    sample = measured(net, data, preprocessing="sample")
    sample.save(tmp_path / "s.npz")
    loaded = Sample.load(tmp_path / "s.npz")
    same(sample, loaded, rtol=0, atol=0)
    assert os.listdir(tmp_path) == ["s.npz"]


def test_a_file_with_energies_of_hidden_layers_is_read_without_them(data, net, tmp_path):
    """As they were saved when a graph could be given to `measure`."""
    path = tmp_path / "s.npz"
    sample = measured(net, data)
    sample.save(path)
    with np.load(path) as stored:
        held = dict(stored) | {"hidden/1": np.ones((25, 3)), "reference_hidden/1": np.ones((25, 3))}
    np.savez(path, **held)
    same(sample, Sample.load(path), rtol=0, atol=0)


def test_a_sample_without_the_optional_statistics_is_saved_and_loaded(tmp_path):
    sample = Sample(2, 2, np.ones(1), np.ones((2, 1)) / 2, np.array([0.5, 2.0]), np.array([1, 1]))
    sample.save(tmp_path / "s.npz")
    loaded = Sample.load(tmp_path / "s.npz")
    assert loaded.margins.tolist() == [0.5, 2.0]
    assert (loaded.class_fourths, loaded.largest, loaded.largest_norm, loaded.fingerprints) == (None,) * 4


def test_every_field_that_is_gathered_is_declared():
    """One declaration says how it is gathered, checked, saved and scaled: no field of a measured sample is without."""
    derived = {"m", "classes", "energies", "class_counts"}
    stated = {"preprocessing", "repetitions"}
    apart = {"input_space", "overlapping", "probe_inputs", "probe_scores"}  # not sums over batches
    assert {s.name for s in STATISTICS} | derived | stated | apart == {f.name for f in dataclasses.fields(Sample)}
    assert all(s.needed_by for s in STATISTICS)


def test_save_replaces_and_a_failed_save_leaves_the_old_file(data, net, tmp_path, monkeypatch):
    path = tmp_path / "s.npz"
    sample = measured(net, data)
    sample.save(path)
    sample.save(path)
    whole = path.read_bytes()

    def full_disk(*args, **kwargs):
        raise OSError("no space left on device")

    monkeypatch.setattr(np, "savez_compressed", full_disk)
    with pytest.raises(OSError, match="no space"):
        sample.save(path)
    assert path.read_bytes() == whole and os.listdir(tmp_path) == ["s.npz"]


def test_save_into_no_folder(data, net, tmp_path):
    with pytest.raises(FileNotFoundError, match="no folder"):
        measured(net, data).save(tmp_path / "absent" / "s.npz")


def test_damaged_and_foreign_files_are_refused(data, net, tmp_path):
    path = tmp_path / "s.npz"
    measured(net, data).save(path)
    whole = path.read_bytes()
    for damaged in (b"", b"not a zip", whole[: len(whole) // 2], whole[:-30]):
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match="measure and save"):
            Sample.load(path)
    np.savez(path, x=np.ones(3))
    with pytest.raises(ValueError, match="not written by"):
        Sample.load(path)
    np.savez(path, format=1, x=np.ones(3))
    with pytest.raises(ValueError, match="missing or unknown: class_counts"):
        Sample.load(path)
    np.save(path, np.ones(3))  # writes s.npz.npy
    path.write_bytes((tmp_path / "s.npz.npy").read_bytes())
    with pytest.raises(ValueError, match="measure and save"):
        Sample.load(path)
    with pytest.raises(FileNotFoundError):
        Sample.load(tmp_path / "absent.npz")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"m": 36}, "margins"),
        ({"margins": np.full(37, np.nan)}, "margins must be finite"),
        ({"class_counts": np.array([37, 0, 0, 1])}, "sum to m"),
        ({"energies": -np.ones((6, 6, 2))}, "energies must be finite"),
        ({"energies": np.ones((6, 6, 2))}, "class_energies must sum"),
        ({"classes": 3}, "class_counts"),
        ({"preprocessing": "raw"}, "preprocessing"),
        ({"largest": np.ones(3)}, r"largest must have shape \(6, 6, 2\)"),
        ({"class_fourths": -np.ones((4, 6, 6, 2))}, "class_fourths must be finite"),
        ({"largest_norm": np.inf}, "largest_norm must be finite"),
        ({"fingerprints": np.zeros(3, np.uint64)}, r"fingerprints must have shape \(37,\)"),
    ],
)
def test_a_file_edited_by_hand_is_refused(data, net, tmp_path, change, message):
    path = tmp_path / "s.npz"
    measured(net, data).save(path)
    with np.load(path) as stored:
        held = dict(stored) | change
    np.savez(path, **held)
    with pytest.raises(ValueError, match=message):
        Sample.load(path)


def test_arrays_cannot_be_written(data, net):
    sample = measured(net, data)
    for array in (sample.energies, sample.class_energies, sample.margins, sample.class_counts):
        with pytest.raises(ValueError, match="read-only"):
            array[...] = 0


def test_mnist_constants(mnist_dir):
    """The constants every MNIST bound starts from, recomputed from the files (60000 images)."""
    import gzip

    def raw(name, offset):
        path = mnist_dir / name
        data = path.read_bytes() if path.exists() else gzip.decompress((mnist_dir / f"{name}.gz").read_bytes())
        return np.frombuffer(data, np.uint8, offset=offset)

    x = raw("train-images-idx3-ubyte", 16).reshape(60000, 28, 28, 1).astype(np.float64) / 255
    energies = (x**2).sum(0)[..., 0]
    assert energies.max() == pytest.approx(29038.2855, abs=1e-4)
    assert np.unravel_index(energies.argmax(), energies.shape) == (14, 15)
    assert np.sqrt(energies.sum()) == pytest.approx(2295.343, abs=1e-3)
    y = raw("train-labels-idx1-ubyte", 8)
    network = lambda x: x.reshape(x.shape[0], -1)[:, :10]  # noqa: E731 - any scores will do
    sample = Sample.measure(network, ((x - 0.1307) / 0.3081).astype(np.float32), y, preprocessing="sample")
    assert sample.energies.max() == pytest.approx(226281.06, rel=1e-6)
    assert np.sqrt(sample.energies.sum()) == pytest.approx(6858.745, abs=2e-3)
    assert sample.class_counts.sum() == 60000
