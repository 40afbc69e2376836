"""The committed files: the scores of onnxruntime, and the table of the same network written by hand in JAX."""

from pathlib import Path

import numpy as np
import onnxruntime
import pandas as pd
import pytest
from onnx_twins import CLASSES, FOLDER, SHAPES, twin

from sparsebounds import bounds, nets

FILES = [path for path in sorted(FOLDER.glob("*.onnx")) if "keras" not in path.name]
KERAS = sorted(FOLDER.glob("*keras*.onnx"))
NUMBERS = ["value", "complexity", "margin_error", "confidence", "gamma", "train_error", "test_error"]
QUICK = ("lenet-dynamo-20", "resnet-script-17", "mobilenet-dynamo-18-folded", "gelu_mlp-script-13", "vit-dynamo-18")
"""Files whose whole table is compared each time; those of the others are slow."""
TABLES = [pytest.param(p.stem, marks=[] if p.stem in QUICK else pytest.mark.slow, id=p.stem) for p in FILES]


def name_of(path: Path) -> str:
    return path.name.partition("-")[0]


def inputs(name: str, m: int = 24) -> np.ndarray:
    return np.random.default_rng(m).normal(size=(m, *SHAPES[name])).astype(np.float32)


def by_onnxruntime(path: Path, x: np.ndarray) -> np.ndarray:
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return np.asarray(session.run(None, {session.get_inputs()[0].name: x})[0])


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_scores_are_those_of_onnxruntime_and_of_the_twin(path: Path) -> None:
    f, x = nets.onnx.load(path), inputs(name_of(path), 3)
    first = np.moveaxis(x, -1, 1)  # as the file takes it
    one = f.program.shape[0] == 1
    expected = np.concatenate([by_onnxruntime(path, first[i : i + 1]) for i in range(3)]) if one else None
    expected = by_onnxruntime(path, first) if expected is None else expected
    np.testing.assert_allclose(f(first), expected, atol=2e-6)
    np.testing.assert_allclose(f.channels_last()(x), expected, atol=2e-6)
    np.testing.assert_allclose(twin(name_of(path), folded="folded" in path.stem)(x), expected, atol=2e-6)


def test_the_files_are_what_the_issue_asks_for() -> None:
    stems = {path.stem for path in FILES}
    for name in SHAPES:
        opsets = {int(stem.split("-")[2]) for stem in stems if stem.startswith(f"{name}-") and "-one" not in stem
                  and "-beside" not in stem}  # fmt: skip
        assert opsets == ({14, 17, 18, 20, 23} if name == "vit" else {13, 17, 18, 20, 23})
        assert {stem.split("-")[1] for stem in stems if stem.startswith(f"{name}-")} >= {"script", "dynamo"}
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) < 2e6


@pytest.fixture(scope="module")
def tables() -> dict[tuple[str, bool], pd.DataFrame]:
    """Those of the twins, made once."""
    return {}


@pytest.mark.parametrize("stem", TABLES)
def test_every_row_is_that_of_the_twin(stem: str, tables: dict[tuple[str, bool], pd.DataFrame]) -> None:
    name, folded = stem.partition("-")[0], "folded" in stem
    x, y = inputs(name), np.arange(24) % CLASSES[name]
    data = (x, y, inputs(name, 20), y[:20])
    if (name, folded) not in tables:
        tables[name, folded] = bounds.table(twin(name, folded=folded), *data)
    f = nets.onnx.load(FOLDER / f"{stem}.onnx").channels_last()
    found = bounds.table(f.apply, *data, params=f.params)
    expected = tables[name, folded]
    assert found.bound.tolist() == expected.bound.tolist()
    assert found.value.notna().sum() >= 9
    np.testing.assert_allclose(found[NUMBERS].to_numpy(float), expected[NUMBERS].to_numpy(float), rtol=1e-6)


@pytest.mark.parametrize("path", KERAS, ids=lambda path: path.stem)
def test_files_of_keras_have_the_scores_of_onnxruntime(path: Path) -> None:
    f = nets.onnx.load(path)
    x = np.random.default_rng(0).normal(size=(5, *f.shape)).astype(np.float32)
    assert nets.onnx.compare(f, path, x).difference < 1e-5
    assert not f.images
