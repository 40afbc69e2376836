"""Samples that were normalised by their own statistics are known by their numbers; others are not taken for such."""

import gzip

import numpy as np
import pytest

from sparsebounds import bounds
from sparsebounds.bounds.sample.margins import Margins
from sparsebounds.bounds.sample.normalised import looks_normalised

RNG = np.random.default_rng(0)
FEATURES = RNG.gamma(2.0, size=(300, 4)) + np.arange(4)
IMAGES = RNG.uniform(size=(50, 6, 6, 3)) ** np.array([1, 2, 3])


def scaled(x, axes, ddof=0, dtype=np.float32):
    return ((x - x.mean(axis=axes)) / x.std(axis=axes, ddof=ddof)).astype(dtype)


def each(x):
    """Every input by itself."""
    axes = tuple(range(1, x.ndim))
    return (x - x.mean(axis=axes, keepdims=True)) / x.std(axis=axes, keepdims=True)


OWN = {
    "every coordinate": scaled(FEATURES, 0),
    "with m − 1": scaled(FEATURES, 0, ddof=1),
    "beside a constant": np.pad(scaled(FEATURES, 0), ((0, 0), (0, 2))),
    "all statistics in float32": scaled(FEATURES.astype(np.float32), 0),
    "every channel": scaled(IMAGES, (0, 1, 2)),
    "channels first": np.moveaxis(scaled(IMAGES, (0, 1, 2)), -1, 1),
    "all together": scaled(IMAGES, (0, 1, 2, 3)),
    "every largest value": FEATURES / FEATURES.max(axis=0),
    "from 0 to 1": (FEATURES - FEATURES.min(axis=0)) / np.ptp(FEATURES, axis=0),
}
FIXED = {
    "constants of the distribution": (FEATURES - 2 - np.arange(4)) / np.sqrt(2),
    "statistics of other samples": (FEATURES[:150] - FEATURES[150:].mean(axis=0)) / FEATURES[150:].std(axis=0),
    "one largest value": FEATURES / FEATURES.max(),
    "coins": RNG.choice([-1.0, 1.0], size=(200, 5)),
    "all coins": np.tile([[-1.0, -1.0], [1.0, 1.0], [1.0, -1.0], [-1.0, 1.0]], (50, 1)),
    "unit vectors": np.eye(3)[RNG.integers(0, 3, 100)],
    "zeros and ones": RNG.integers(0, 2, size=(100, 6)).astype(float),
    "white pixels": RNG.integers(0, 300, size=(2000, 4, 4, 3)).clip(0, 255) / 255,
    "clipped": RNG.normal(size=(500, 8)).clip(-1, 1),
    "every input by itself": each(IMAGES),
    "shares": FEATURES / FEATURES.sum(axis=1, keepdims=True),
    "too few to tell": scaled(FEATURES[:10], 0),
    "nothing varies": np.zeros((40, 3)),
}


@pytest.mark.parametrize("name", OWN)
def test_own_statistics_are_seen(name):
    assert looks_normalised(OWN[name])


@pytest.mark.parametrize("name", FIXED)
def test_other_constants_are_not_suspected(name):
    assert not looks_normalised(FIXED[name])


def test_images_divided_by_255_are_not_suspected(mnist_dir):
    path = mnist_dir / "t10k-images-idx3-ubyte"
    data = path.read_bytes() if path.exists() else gzip.decompress((mnist_dir / f"{path.name}.gz").read_bytes())
    x = np.frombuffer(data, np.uint8, offset=16).reshape(-1, 28, 28, 1) / np.float32(255)
    assert not any(looks_normalised(part) for part in (x, x[:300], 2 * x - 1, (x - 0.13) / 0.31, each(x + 0.01)))
    flat = x.reshape(len(x), -1)
    spread = flat.std(axis=0)
    assert looks_normalised((flat - flat.mean(axis=0)) / np.where(spread > 0, spread, 1))


def test_no_certificate_unless_the_caller_says_that_the_constants_were_fixed():
    x, y = OWN["every coordinate"], np.arange(300) % 2
    w = np.eye(4, dtype=np.float32)[:, :2]

    def f(x):
        return x @ w

    graph = bounds.read_graph(f, x)
    suspected, stated, own = (
        bounds.Sample.measure(f, x, y, preprocessing=said) for said in ("fixed", "stated", "sample")
    )
    for name in ("occam", "peeling", "golowich", "parameter_count"):
        row = bounds.BOUNDS[name](graph, suspected, delta=0.01)
        assert row.guarantee == "published" and 'preprocessing="stated"' in row.note
        assert bounds.BOUNDS[name](graph, stated, delta=0.01).guarantee == "certificate"
        assert bounds.BOUNDS[name](graph, own, delta=0.01).guarantee == "published"
        assert bounds.BOUNDS[name](graph, suspected, delta=0.01).value == row.value
    (said,) = bounds.table(f, x, y, names=["peeling"], preprocessing="stated").guarantee
    assert said == "certificate" and bounds.certificate(f, x, y).guarantee == "published"
    with pytest.raises(ValueError, match="preprocessing is 'apparent'"):
        bounds.Sample.measure(f, x, y, preprocessing="apparent")


def test_held_out_samples_normalised_by_themselves_are_no_certificate():
    """Each day's measurements have a zero of their own: the mean of the test set is no constant of the network."""
    days = [(RNG.gamma(2.0, size=(400, 5)) + 3 * (np.arange(400) % 2)[:, None] + 50 * day) for day in (1, 2)]
    y, w = np.arange(400) % 2, np.ones((5, 1), np.float32)

    def f(x):
        return x @ w

    def row(x, test, said="fixed"):
        return bounds.table(
            f, x.astype(np.float32), y, test.astype(np.float32), y, names=["held_out"], preprocessing=said
        )

    train, own = scaled(days[0], 0), scaled(days[1], 0)
    by_training = (days[0][::-1] + RNG.normal(size=(400, 5)) - days[0].mean(axis=0)) / days[0].std(axis=0)
    assert (
        row(train, own, "sample").guarantee.tolist() == ["published"]
        and 'preprocessing="stated"' in row(train, own).note[0]
    )
    assert row(train, own, "stated").guarantee.tolist() == ["certificate"]
    assert row(train, by_training, "sample").guarantee.tolist() == ["certificate"]
    with pytest.raises(ValueError, match="preprocessing is 'test'"):
        Margins.measure(f, own, y, preprocessing="test")


def test_what_was_suspected_is_kept_in_files(tmp_path):
    sample = bounds.Sample.measure(lambda x: x, OWN["every coordinate"], np.arange(300) % 4)
    sample.save(tmp_path / "sample.npz")
    assert bounds.Sample.load(tmp_path / "sample.npz").preprocessing == sample.preprocessing == "apparent"
