"""`--html` on `evaluate` and `report`: the page of the very bounds that are printed, and the extra that it needs."""

import re
import sys
from pathlib import Path

import numpy as np
import pytest
from command_line import run, strict
from onnx_twins import FOLDER

from sparsebounds import bounds
from sparsebounds.bounds.printed import upwards
from sparsebounds.experiments.report import certified
from sparsebounds.experiments.shared.distance.recipe import RECIPES, Recipe

REPORT = ("report", "--arch", "mlp", "--width", "8", "--depth", "1", "--no-tree", "--epochs", "1")
HOSTILE = "<b>model</b>.py"


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """A model in a file with a name that is markup, a lenet, and a sample for each."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(90, 3)).astype(np.float32)
    model = tmp_path / HOSTILE.replace("/", "∕")  # a slash that a file's name may have
    model.write_text("import numpy as np\nW = np.eye(3, dtype=np.float32)\ndef scores(x):\n    return x @ W\n")
    np.savez(tmp_path / "sample.npz", x=x, y=x.argmax(axis=1))
    images = rng.normal(size=(60, 1, 28, 28)).astype(np.float32)
    np.savez(tmp_path / "images.npz", x=images, y=np.arange(60) % 10)
    return tmp_path


def evaluated(own: Path, *more: str) -> int:
    (model,) = own.glob("*model*.py")
    return run("evaluate", f"{model}:scores", "--data", str(own / "sample.npz"), *more)


def values(html: str) -> dict[str, str]:
    """Name → value as the tables of a page show it."""
    rows = re.findall(r'class="name"><a href="#[^"]*">(.*?)</a></th><td class="n">(.*?)</td>', html)
    return {name.replace("<wbr>", ""): value for name, value in rows}


def test_the_page_of_a_model_shows_what_is_printed(own: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = own / "new" / "page.html"
    names = ("--bound", "galanti", "--bound", "path_norm", "--bound", "held_out")
    assert evaluated(own, *names, "--html", str(page), "--json") == 0
    rows = {row["bound"]: row["value"] for row in strict(capsys.readouterr().out)["rows"]}
    html = page.read_text(encoding="utf-8")
    assert values(html) == {name: upwards(value) for name, value in rows.items() if value is not None}
    assert "1 without a number, and why" in html
    title = re.findall("<title>(.*?)</title>", html)[0]
    assert title.endswith("&lt;b&gt;model&lt;∕b&gt;.py:scores") and "<b>" not in html.split("<style>")[0]


@pytest.mark.parametrize("together", [(), ("--simultaneous",)])
def test_the_page_and_the_screen_quote_one_number_of_certificates(
    together: tuple[str, ...], own: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = own / "page.html"
    more = ("--gamma", "percentile:30", "--repetitions", "natural", *together)
    assert evaluated(own, *more, "--html", str(page)) == 0
    said = [" ".join(text.split()) for text in (capsys.readouterr().out, page.read_text(encoding="utf-8"))]
    counts = [re.findall(r"the smallest of (\d+) certificates asked for", text) for text in said]
    sure = [re.findall(r"With probability ([\d.]+ %) the network", text)[0] for text in said]
    declared = [name for name, bound in bounds.BOUNDS.items() if bound.declaration.guarantee == "certificate"]
    assert counts == [[str(len(declared))]] * 2, "covered or not, and whatever the margin made of them"
    assert sure == ["99.9 %" if together else f"{100 - 0.1 * len(declared):.4g} %"] * 2


def test_files_that_were_written_are_named(own: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page, csv = own / "page.html", own / "table.csv"
    assert evaluated(own, "--bound", "galanti", "--html", str(page), "--csv", str(csv)) == 0
    said = "".join(capsys.readouterr().out.split())
    assert "page.html" in said and "table.csv" in said
    (own / "file").write_text("")
    assert evaluated(own, "--bound", "galanti", "--html", str(own / "file" / "page.html")) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_the_page_of_an_onnx_file(own: Path) -> None:
    model, page = FOLDER / "lenet-script-13.onnx", own / "page.html"
    names = ("--bound", "galanti", "--bound", "occam")
    assert run("evaluate", str(model), "--data", str(own / "images.npz"), *names, "--html", str(page)) == 0
    html = page.read_text(encoding="utf-8")
    assert set(values(html)) == {"galanti", "occam"}
    assert html.count("data-chart=") > 6 and "|pred| = " in html, "layers, energies and ranking of the file's network"


def test_the_page_of_a_report_has_a_section_for_each_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(RECIPES, "report", Recipe(1, 1, 1, (1, 1), (300, 100, 60, 100), (1.0,), 1, rate=1e-2))
    files = [tmp_path / name for name in ("page.html", "table.csv", "table.tex")]
    options = [word for path in files for word in (f"--{path.suffix[1:].replace('tex', 'latex')}", str(path))]
    assert run(*REPORT, "--out", str(tmp_path / "out"), *options, "--gamma", "0.5", "--json") == 0
    rows = strict(capsys.readouterr().out)["rows"]
    last = {(row["bound"], row["nodes"]): row for row in rows if row["epoch"] == 1 and row["value"] is not None}
    html = files[0].read_text(encoding="utf-8")
    assert re.findall(r'class="network">(.*?)</p>', html) == ["mlp, drawn near a reference", "mlp"]
    shown = values(html)
    assert shown.pop(certified.BOUND) == upwards(last.pop((certified.BOUND, "–"))["value"])
    assert shown["galanti (scalar)"] == upwards(last.pop(("galanti", "scalar"))["value"])
    assert shown.pop("galanti (scalar)") and shown == {name: upwards(row["value"]) for (name, _), row in last.items()}
    assert last["galanti", "position"]["gamma"] == 0.5
    assert all(path.stat().st_size > 500 for path in files[1:])


@pytest.mark.parametrize("module", ["altair", "jinja2", "vl_convert"])
def test_without_the_extra_one_line_before_any_work(
    module: str, own: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    for command in (lambda *more: evaluated(own, *more), lambda *more: run(*REPORT, "--out", str(own / "out"), *more)):
        assert command("--html", str(own / "page.html")) == 2
        said = capsys.readouterr()
        assert said.err.count("\n") == 1 and "pip install 'sparsebounds[page]'" in said.err and said.out == ""
    assert not (own / "page.html").exists() and not (own / "out").exists()
