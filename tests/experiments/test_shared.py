"""The pieces behind the command line: whole files, strict JSON, figures without networks, counts worked by hand."""

import ast
import json
import math
from pathlib import Path

import jax
import numpy as np
import pandas as pd
import pytest
from samples import of_any_network

from sparsebounds import bounds
from sparsebounds.experiments.report import figure as figures
from sparsebounds.experiments.report.sparsity import sparsity
from sparsebounds.experiments.shared.files import to_json, write_files
from sparsebounds.experiments.shared.problems import Problem
from sparsebounds.experiments.shared.rows import RowFile, read_rows


def test_an_interrupted_write_leaves_what_was_there(tmp_path: Path) -> None:
    write_files(tmp_path, {"a": "old", "b": "old"})

    class Unwritable(str):
        def encode(self, *_: str) -> bytes:
            raise OSError(28, "No space left on device")

    with pytest.raises(Problem, match="No space left"):
        write_files(tmp_path, {"a": "new", "b": Unwritable("new")})
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"a": "old", "b": "old"}


def test_json_has_no_nan() -> None:
    text = to_json({"a": np.array([1.0, np.nan, np.inf]), "b": np.float32("nan"), "c": None})
    assert json.loads(text) == {"a": [1.0, None, "inf"], "b": None, "c": None}


def test_rows_replace_a_group_and_survive(tmp_path: Path) -> None:
    rows = RowFile(tmp_path / "rows.csv", ("epoch",), keep=False)
    rows.put([{"epoch": 1, "value": 0.1 + 0.2}])
    rows.put([{"epoch": 2, "value": math.nan}])
    rows.put([{"epoch": 1, "value": 2 / 3}])
    again = RowFile(tmp_path / "rows.csv", ("epoch",), keep=True).frame()
    assert again["epoch"].tolist() == [1, 2]
    assert again["value"].iloc[0] == 2 / 3
    assert RowFile(tmp_path / "rows.csv", ("epoch",), keep=False).frame().empty


def test_every_float_is_read_as_it_was_written(tmp_path: Path) -> None:
    values = np.random.default_rng(0).lognormal(0.0, 20.0, 500)
    RowFile(tmp_path / "rows.csv", ("run",), keep=False).put([{"run": 0, "value": float(v)} for v in values])
    assert read_rows(tmp_path / "rows.csv")["value"].tolist() == values.tolist()


def test_rows_of_declared_columns_are_whole_and_only_what_is_missing_is_measured(tmp_path: Path) -> None:
    asked: list[str] = []

    def rows_of(name: str, seed: int) -> list[dict[str, object]]:
        asked.append(name)
        return [{"value": 0.5, "seconds": 3.0}]

    columns = ("name", "seed", "value", "note", "gap")
    for todo in ([("a", 0)], [("a", 0), ("b", 0)]):
        rows = RowFile(tmp_path / "rows.csv", ("name", "seed"), keep=True, columns=columns)
        frame = rows.measure(todo, rows_of, progress=False)
    assert asked == ["a", "b"] and tuple(frame.columns) == columns
    assert frame["note"].tolist() == ["", ""] and frame["gap"].isna().all() and frame["value"].tolist() == [0.5, 0.5]


def test_figures_know_no_network() -> None:
    names: set[str] = set()
    for node in ast.walk(ast.parse(Path(figures.__file__).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add(node.module or "experiments")
    shared = {name for name in names if name.startswith("sparsebounds.experiments.shared.")}
    assert {name.split(".")[0] for name in names - shared} <= {"sys", "pathlib", "matplotlib", "pandas"}
    assert {name.rpartition(".")[2] for name in shared} <= {"files", "style"}


def test_the_figure_draws_every_curve_and_leaves_out_what_has_no_logarithm() -> None:
    common = {"network": "n", "data": "digits", "m": 9, "delta": 0.1, "value": 4.75, "margin_error": 0.25,
              "uncapped": 4.0, "confidence": 0.5, "train_error": 0.0, "test_error": 0.25}  # fmt: skip
    names = ("galanti", "galanti_published", "peeling", "held_out")
    rows = [{**common, "bound": name, "nodes": "position", "epoch": epoch} for epoch in range(3) for name in names]
    rows.append({**common, "bound": "distance", "nodes": "–", "epoch": 2, "value": 0.3})
    figure = figures.draw_report(pd.DataFrame(rows))
    (axis,) = figure.axes
    curves = {str(line.get_label()): np.asarray(line.get_ydata()) for line in axis.get_lines()}
    labels = " ".join(curves)
    bound_parts = ("sound", "authors compute", "peeling", "held-out")
    assert all(part in labels for part in (*bound_parts, "test error", "certificate by distance"))
    assert "train error" not in curves
    assert all(np.allclose(y, 4.75) for label, y in curves.items() if any(part in label for part in bound_parts))
    assert curves[figures.CERTIFICATE[0]].tolist() == [0.3]
    assert figure.get_suptitle() == "Bounds on the error of new images: digits, m = 9, δ = 0.1"
    assert axis.get_yscale() == "log"


def test_figure_of_a_table_that_lacks_columns() -> None:
    with pytest.raises(ValueError, match="uncapped"):
        figures.draw_report(pd.DataFrame({"network": ["n"], "epoch": [0]}))


def local(width: int, x: np.ndarray) -> bounds.Graph:
    """Four inputs, then two nodes of one channel that read two each, or one node of two channels; two scores."""
    weight = np.ones((width, 2), np.float32)
    top = np.eye(2, dtype=np.float32)
    if width == 4:
        return bounds.read_graph(lambda z: jax.nn.relu(z @ weight) @ top, x)
    return bounds.read_graph(lambda z: jax.nn.relu(z.reshape(-1, 2, 2) @ weight[:, :1])[..., 0] @ top, x)


@pytest.mark.parametrize(("width", "own", "dense"), [(2, 4, 4 * 2), (4, 4, 4)], ids=["sparse", "dense"])
def test_sparsity_by_hand(width: int, own: int, dense: int) -> None:
    """Paths into the difference of the two scores, 2/m; one ReLU, a factor √2."""
    x = np.tile(np.array([[1.0, 2.0, 3.0, 4.0], [4.0, 0.0, 1.0, 2.0]], np.float32), (5, 1))
    graph = local(width, x[:2])
    sample = of_any_network(bounds.Sample.measure(lambda z: z[:, :2], x, np.tile([0, 1], 5)))
    gamma = 4 / 1.1**14 if width == 2 else 1.0  # where rounding up c costs nothing, gains are the better form
    found = sparsity(graph, bounds.galanti(graph, sample, delta=0.1, gamma=gamma, mask_fixed=True))
    assert found is not None
    assert found.energy == pytest.approx(5 * (16 + 4))  # the last pixel
    # sparse: every class reads one of two hidden nodes, which reads two pixels; dense: there is one hidden node
    assert found.logs == pytest.approx(math.log(math.sqrt(2) * own))
    assert found.dense_logs == pytest.approx(math.log(math.sqrt(2) * dense))
    scale = 2 / 10 * found.c_j * math.sqrt(found.energy)
    assert found.complexity == pytest.approx(scale * (1 + math.sqrt(2 * found.logs)))
    assert found.dense_complexity == pytest.approx(scale * (1 + math.sqrt(2 * found.dense_logs)))
