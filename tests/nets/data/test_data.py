"""Data sets: parsers on small files in their format, damaged files, splits, normalisation, MNIST's constants."""

import gzip
import pickle
import sys
import types
from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

from sparsebounds.nets.data.datasets import NAMES, DataError, load, normalise, read_idx
from sparsebounds.nets.data.formats import read_cifar_binary, read_cifar_python, read_svhn

HERE = Path(__file__).resolve().parents[2] / "data"
RNG = np.random.RandomState(0)


def idx(array: np.ndarray) -> bytes:
    """An IDX file of bytes, written by hand."""
    header = bytes([0, 0, 8, array.ndim]) + b"".join(int(n).to_bytes(4, "big") for n in array.shape)
    return header + array.astype(np.uint8).tobytes()


def write_fashion(folder: Path, images: np.ndarray, labels: np.ndarray) -> None:
    for part in ("train", "t10k"):
        (folder / f"{part}-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx(images)))
        (folder / f"{part}-labels-idx1-ubyte").write_bytes(idx(labels))


@pytest.fixture
def images() -> np.ndarray:
    return RNG.randint(0, 256, (6, 28, 28)).astype(np.uint8)


LABELS = np.array([3, 1, 4, 1, 5, 9])


def test_digits_split_is_whole_fixed_and_mixed() -> None:
    data = load("digits")
    assert data.x_train.shape == (1437, 8, 8, 1) and data.x_test.shape == (360, 8, 8, 1)
    assert data.x_train.dtype == np.float32 and data.y_train.dtype == np.int32
    together = np.concatenate([data.y_train, data.y_test])
    assert np.bincount(together).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    assert data.y_train[:10].tolist() == load("digits").y_train[:10].tolist()
    assert len(set(data.y_train[:30].tolist())) > 5
    assert data.x_train.min() == -1 and data.x_train.max() == 1
    np.testing.assert_array_equal(data.raw_train(), (data.x_train + 1) * 8)


def test_fashion_mnist_from_plain_and_gz_in_folder_or_subfolder(
    tmp_path: Path, images: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "fashion-mnist").mkdir()
    write_fashion(tmp_path / "fashion-mnist", images, LABELS)
    for folder in (tmp_path, tmp_path / "fashion-mnist"):
        data = load("fashion-mnist", folder)
        np.testing.assert_array_equal(data.raw_train()[..., 0], images)
        assert data.y_train.tolist() == LABELS.tolist() and data.preprocessing == "fixed"
        np.testing.assert_allclose(data.x_train[..., 0], (images / 255 - 0.5) / 0.5, atol=1e-6)
    monkeypatch.setenv("SPARSEBOUNDS_DATA", str(tmp_path))
    paper = load("fashion-mnist", normalisation="paper")
    assert paper.preprocessing == "sample" and paper.normalisation == (0.2860, 0.3530)
    np.testing.assert_allclose(paper.x_test[..., 0], (images / 255 - 0.2860) / 0.3530, atol=1e-5)


def test_subset_is_drawn_once_and_keeps_pairs(tmp_path: Path, images: np.ndarray) -> None:
    write_fashion(tmp_path, images, LABELS)
    few = load("fashion-mnist", tmp_path, train=4, seed=3)
    again = load("fashion-mnist", tmp_path, train=4, seed=3)
    np.testing.assert_array_equal(few.x_train, again.x_train)
    for image, label in zip(few.raw_train(), few.y_train, strict=True):
        where = [i for i in range(6) if (images[i] == image[..., 0]).all()]
        assert LABELS[where].tolist() == [label]
    assert any((load("fashion-mnist", tmp_path, train=4, seed=s).y_train != few.y_train).any() for s in range(5))
    for wrong in (0, 7):
        with pytest.raises(DataError, match="6 images"):
            load("fashion-mnist", tmp_path, train=wrong)


def test_svhn(tmp_path: Path) -> None:
    x = RNG.randint(0, 256, (32, 32, 3, 4)).astype(np.uint8)
    y = np.array([[10], [1], [9], [10]], np.uint8)
    for part in ("train", "test"):
        savemat(tmp_path / f"{part}_32x32.mat", {"X": x, "y": y})
    data = load("svhn", tmp_path, normalisation="paper")
    assert data.y_train.tolist() == [0, 1, 9, 0] and data.x_train.shape == (4, 32, 32, 3)
    np.testing.assert_array_equal(data.raw_train()[2, 5, 7], x[5, 7, :, 2])
    assert data.x_train[2, 5, 7, 1] == pytest.approx((x[5, 7, 1, 2] / 255 - 0.4438) / 0.2010, abs=1e-5)
    whole = (tmp_path / "train_32x32.mat").read_bytes()
    (tmp_path / "cut.mat").write_bytes(whole[: len(whole) // 2])
    savemat(tmp_path / "other.mat", {"a": x})
    savemat(tmp_path / "shape.mat", {"X": x, "y": y[:3]})
    for name, said in (("cut.mat", "complete MATLAB"), ("other.mat", "no variables"), ("shape.mat", "3 labels")):
        with pytest.raises(DataError, match=said):
            read_svhn(tmp_path / name)


def cifar_rows(n: int) -> np.ndarray:
    return RNG.randint(0, 256, (n, 3072)).astype(np.uint8)


@pytest.mark.parametrize("kind", ["python", "binary"])
def test_cifar10(tmp_path: Path, kind: str) -> None:
    names = [*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"]
    rows = {name: cifar_rows(2) for name in names}
    for name in names:
        if kind == "python":
            content = {b"data": rows[name], b"labels": [7, 0], b"batch_label": b"x"}
            (tmp_path / name).write_bytes(pickle.dumps(content, protocol=2))
        else:
            labelled = np.concatenate([np.array([[7], [0]], np.uint8), rows[name]], axis=1)
            (tmp_path / f"{name}.bin").write_bytes(labelled.tobytes())
    data = load("cifar10", tmp_path)
    assert data.x_train.shape == (10, 32, 32, 3) and data.y_train.tolist() == [7, 0] * 5
    row, column, channel = 4, 30, 2
    third = rows["data_batch_2"][0]  # image 2 of the set
    assert data.raw_train()[2, row, column, channel] == third[channel * 1024 + row * 32 + column]
    (tmp_path / (names[0] if kind == "python" else f"{names[0]}.bin")).unlink()
    with pytest.raises(DataError, match="data_batch_1"):
        load("cifar10", tmp_path)


class Harmful:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return print, ("a data file ran code",)


def test_damaged_cifar(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "batch"
    path.write_bytes(pickle.dumps({b"data": cifar_rows(1), b"labels": [1]})[:-50])
    with pytest.raises(DataError, match="complete CIFAR-10 batch"):
        read_cifar_python(path)
    path.write_bytes(pickle.dumps({b"data": cifar_rows(2), b"labels": [1]}))
    with pytest.raises(DataError, match="1 labels"):
        read_cifar_python(path)
    path.write_bytes(pickle.dumps({b"data": Harmful(), b"labels": [1]}))
    with pytest.raises(DataError, match="print"):
        read_cifar_python(path)
    assert "ran code" not in capsys.readouterr().out
    path.write_bytes(bytes(3072))
    with pytest.raises(DataError, match="3073"):
        read_cifar_binary(path)
    path.write_bytes(bytes([10]) + bytes(3072))
    with pytest.raises(DataError, match="label 10"):
        read_cifar_binary(path)


def test_missing_file_names_it_and_both_ways(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DataError) as refused:
        load("mnist", tmp_path)
    message = str(refused.value)
    assert "\n" not in message and str(tmp_path) in message
    for part in ("train-images-idx3-ubyte", "--data-dir", "SPARSEBOUNDS_DATA", "sparsebounds[hub]"):
        assert part in message
    monkeypatch.delenv("SPARSEBOUNDS_DATA", raising=False)
    monkeypatch.setattr("sparsebounds.nets.data.sources.hub_installed", lambda: False)
    with pytest.raises(DataError, match="no folder was given"):
        load("mnist")


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda raw: raw[:-1], "bytes of data"),
        (lambda raw: raw + b"x", "bytes of data"),
        (lambda raw: raw[:9], "bytes of data"),
        (lambda raw: b"", "IDX"),
        (lambda raw: b"<html>" + raw, "IDX"),
        (lambda raw: raw[:2] + b"\x0d" + raw[3:], "IDX"),
    ],
)
def test_damaged_idx(tmp_path: Path, images: np.ndarray, damage: object, said: str) -> None:
    path = tmp_path / "train-images-idx3-ubyte"
    path.write_bytes(damage(idx(images)))  # type: ignore[operator]
    with pytest.raises(DataError, match=said) as refused:
        read_idx(path)
    assert str(path) in str(refused.value)


def test_damaged_gzip_and_swapped_and_unequal(tmp_path: Path, images: np.ndarray) -> None:
    write_fashion(tmp_path, images, LABELS)
    path = tmp_path / "train-images-idx3-ubyte.gz"
    whole = path.read_bytes()
    for broken in (whole[:-20], whole[:100] + b"\xff\xff\xff" + whole[103:], b"not gzip"):
        path.write_bytes(broken)
        with pytest.raises(DataError, match="gzip"):
            load("fashion-mnist", tmp_path)
    path.write_bytes(gzip.compress(idx(LABELS)))
    with pytest.raises(DataError, match="swapped"):
        load("fashion-mnist", tmp_path)
    path.write_bytes(gzip.compress(idx(images[:5])))
    with pytest.raises(DataError, match="5 images and 6 labels"):
        load("fashion-mnist", tmp_path)
    path.write_bytes(whole)
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(idx(LABELS + 5))
    with pytest.raises(DataError, match=r"need 0\.\.9"):
        load("fashion-mnist", tmp_path)


def test_mnist_of_another_content_is_refused(tmp_path: Path, images: np.ndarray) -> None:
    write_fashion(tmp_path, images, LABELS)  # whole IDX files, not MNIST's
    with pytest.raises(DataError, match="sha256"):
        load("mnist", tmp_path)


def test_unknown_names_list_the_known() -> None:
    with pytest.raises(DataError) as refused:
        load("imagenet")
    assert all(name in str(refused.value) for name in NAMES)
    with pytest.raises(DataError, match='"fixed" or "paper"'):
        load("digits", normalisation="none")  # type: ignore[arg-type]
    with pytest.raises(DataError, match="no published constants"):
        load("digits", normalisation="paper")


def test_normalise_per_channel() -> None:
    x = normalise(np.array([[[[51, 102]]]], np.uint8), (0.1, 0.2), (0.5, 0.25))
    np.testing.assert_allclose(x.ravel(), [0.2, 0.8], rtol=1e-6)


def fake_hub(monkeypatch: pytest.MonkeyPatch, load_dataset: object) -> None:
    module = types.ModuleType("datasets")
    module.load_dataset = load_dataset  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "datasets", module)
    monkeypatch.setattr("sparsebounds.nets.data.sources.hub_installed", lambda: True)
    monkeypatch.delenv("SPARSEBOUNDS_DATA", raising=False)


class Table(dict):  # type: ignore[type-arg]
    @property
    def column_names(self) -> list[str]:
        return list(self)


def test_hub(monkeypatch: pytest.MonkeyPatch, images: np.ndarray, tmp_path: Path) -> None:
    asked: list[tuple[object, ...]] = []

    def load_dataset(name: str, config: str | None, split: str) -> Table:
        asked.append((name, config, split))
        return Table(image=list(images), label=LABELS.tolist())

    fake_hub(monkeypatch, load_dataset)
    data = load("mnist")
    np.testing.assert_array_equal(data.raw_train()[..., 0], images)
    assert asked == [("ylecun/mnist", None, "train"), ("ylecun/mnist", None, "test")]
    with pytest.raises(DataError, match="train-images"):
        load("mnist", tmp_path)  # a named folder is never replaced by the network
    np.testing.assert_array_equal(load("mnist", tmp_path, hub=True).x_train, data.x_train)  # unless it is asked for
    assert load("digits", tmp_path, train=10, hub=True).name == "digits"  # it comes with scikit-learn
    monkeypatch.setattr("sparsebounds.nets.data.sources.hub_installed", lambda: False)
    with pytest.raises(DataError, match=r"mnist was to come over the network: install sparsebounds\[hub\]"):
        load("mnist", tmp_path, hub=True)


def test_hub_that_fails(monkeypatch: pytest.MonkeyPatch, images: np.ndarray) -> None:
    def offline(name: str, config: str | None, split: str) -> Table:
        raise ConnectionError("no\nroute")

    fake_hub(monkeypatch, offline)
    with pytest.raises(DataError, match="cannot fetch ylecun/mnist \\(no route\\)"):
        load("mnist")
    fake_hub(monkeypatch, lambda *_, **__: Table(picture=list(images)))
    with pytest.raises(DataError, match="columns"):
        load("mnist")


def test_committed_slice_is_mnist() -> None:
    images = read_idx(HERE / "mnist-first-2000-images-idx3-ubyte.gz")
    labels = read_idx(HERE / "mnist-first-2000-labels-idx1-ubyte.gz")
    assert images.shape == (2000, 28, 28) and labels[:5].tolist() == [5, 0, 4, 1, 9]


def test_mnist_constants(mnist_dir: Path) -> None:
    """The figures every bound on MNIST starts from, in float64 from the raw bytes."""
    data = load("mnist", mnist_dir, normalisation="paper")
    assert data.x_train.shape == (60000, 28, 28, 1) and data.x_test.shape == (10000, 28, 28, 1)
    raw = data.raw_train()[..., 0].reshape(60000, 784).astype(np.float64) / 255
    energies = np.einsum("nj,nj->j", raw, raw)
    assert np.unravel_index(energies.argmax(), (28, 28)) == (14, 15)
    assert energies.max() == pytest.approx(29038.2855, abs=1e-4)
    assert np.sqrt(energies.sum()) == pytest.approx(2295.343, abs=1e-3)
    scaled = (raw - 0.1307) / 0.3081
    energies = np.einsum("nj,nj->j", scaled, scaled)
    assert energies.max() == pytest.approx(226281.06, abs=0.01)
    assert np.sqrt(energies.sum()) == pytest.approx(6858.745, abs=1e-3)
    assert np.linalg.norm(scaled, axis=1).max() == pytest.approx(48.905, abs=1e-3)
    np.testing.assert_allclose(data.x_train[:500].reshape(500, 784), scaled[:500], atol=2e-6)
    first = read_idx(HERE / "mnist-first-2000-images-idx3-ubyte.gz")
    np.testing.assert_array_equal(first, data.raw_train()[:2000, ..., 0])


def test_mnist_with_one_byte_changed(mnist_dir: Path, tmp_path: Path) -> None:
    name = "t10k-labels-idx1-ubyte"
    for source in mnist_dir.iterdir():
        if name not in source.name:
            (tmp_path / source.name).symlink_to(source)
    labels = read_idx(next(mnist_dir.glob(f"{name}*"))).copy()
    (tmp_path / name).write_bytes(idx(labels))
    assert load("mnist", tmp_path, train=1, test=1).name == "mnist"  # unpacked is as good as packed
    labels[17] = (labels[17] + 1) % 10
    (tmp_path / name).write_bytes(idx(labels))
    with pytest.raises(DataError, match=r"t10k-labels.*sha256"):
        load("mnist", tmp_path)
