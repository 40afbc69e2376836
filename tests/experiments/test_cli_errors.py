"""Bad input: one line on stderr, exit status 2, nothing on stdout, nothing half-written."""

import gzip
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from sparsebounds.experiments.cli import main

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """The command line in this process, in an empty folder: exit status, stdout, stderr."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SPARSEBOUNDS_DATA", raising=False)

    def call(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as stopped:
            main(list(arguments))
        out, err = capsys.readouterr()
        assert isinstance(stopped.value.code, int)
        return stopped.value.code, out, err

    return call


def assert_one_line(result: tuple[int, str, str], *parts: str) -> None:
    status, out, err = result
    assert status == 2
    assert out == ""
    assert err.count("\n") == 1 and err.endswith("\n"), err
    assert err.startswith("sparsebounds: ")
    assert "Traceback" not in err
    for part in parts:
        assert part in err, err


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (("--dataset", "minst"), ("minst", "digits", "mnist", "cifar10")),
        (("--arch", "vgg"), ("vgg", "conv", "mlp", "tree")),
        (("--preset", "fast"), ("fast", "quick", "paper-readme")),
        (("--normalisation", "zca"), ("zca", "fixed", "paper")),
        (("--loss", "hinge"), ("hinge", "mse", "cross_entropy")),
        (("--width", "0"), ("--width 0", "at least 1")),
        (("--depth", "0"), ("--depth 0", "at least 1")),
        (("--depth", "8"), ("depth", "8", "at most 7")),
        (("--arch", "tree", "--depth", "2"), ("--depth 2", "leave it out")),
        (("--epochs", "0"), ("--epochs 0", "at least 1")),
        (("--train", "99999"), ("99999", "1437")),
        (("--lr", "-1"), ("learning_rate", "-1")),
        (("--delta", "0"), ("--delta 0", "between 0 and 1")),
        (("--delta", "1"), ("--delta 1", "between 0 and 1")),
        (("--delta", "nan"), ("--delta nan", "between 0 and 1")),
        (("--gamma", "0"), ("--gamma 0", "positive")),
        (("--gamma", "-2"), ("--gamma -2", "positive")),
        (("--gamma", "wide"), ("--gamma wide", "best")),
        (("--width", "many"), ("--width", "integer")),
        (("--colour", "red"), ("--colour",)),
        (("--resume",), ("nothing to resume", "--out")),
    ],
    ids=" ".join,
)
def test_report_refuses(run: Run, tmp_path: Path, arguments: tuple[str, ...], parts: tuple[str, ...]) -> None:
    assert_one_line(run("report", *arguments), *parts)
    assert not list(tmp_path.iterdir())


def test_unknown_command_and_no_command(run: Run) -> None:
    assert_one_line(run("reprot"), "reprot")
    status, out, err = run()
    assert status == 0 and "report" in out and "evaluate" in out and err == ""


def test_missing_data_names_the_file_and_what_to_do(run: Run, tmp_path: Path) -> None:
    assert_one_line(
        run("report", "--dataset", "mnist", "--data-dir", str(tmp_path)),
        "train-images-idx3-ubyte",
        "--data-dir",
    )


@pytest.mark.parametrize("damage", ["empty", "text", "truncated"])
def test_damaged_data(run: Run, tmp_path: Path, damage: str) -> None:
    names = ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1")
    whole = gzip.compress(bytes([0, 0, 8, 1, 0, 0, 0, 4, 1, 2, 3, 4]))
    content = {"empty": b"", "text": b"no such page", "truncated": whole[:-9]}[damage]
    for name in names:
        (tmp_path / f"{name}-ubyte.gz").write_bytes(content)
    assert_one_line(run("report", "--dataset", "mnist", "--data-dir", str(tmp_path)), "-ubyte.gz")


@pytest.mark.parametrize("out", ["file", "file/below"])
def test_unwritable_output(run: Run, tmp_path: Path, out: str) -> None:
    (tmp_path / "file").write_text("something of mine")
    assert_one_line(run("report", "--out", out), "cannot write", out, "--out")
    assert (tmp_path / "file").read_text() == "something of mine"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file"]


def test_nan_loss_names_the_step_and_keeps_the_checkpoint(run: Run, tmp_path: Path) -> None:
    result = run("report", "--width", "2", "--depth", "1", "--train", "64", "--lr", "1e30", "--epochs", "2", "--json")
    assert_one_line(result, "step", "lower --lr")
    written = [str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*") if p.is_file()]
    assert written and all("checkpoints" in name for name in written)


def test_ctrl_c_exits_130_and_says_how_to_go_on(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    from sparsebounds import nets

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(nets, "train", interrupted)
    status, out, err = run("report", "--width", "2", "--depth", "1", "--train", "32", "--json")
    assert status == 130 and out == ""
    assert err.count("\n") == 1 and "checkpoints" in err and "--resume" in err


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "model.py"
    path.write_text("def scores(x):\n    return x\n\nnumber = 3\n")
    return path


@pytest.fixture
def data(tmp_path: Path) -> Path:
    x = np.array([[2.0, 0.0], [0.0, 2.0], [1.0, 0.5], [0.5, 1.0]], np.float32)
    np.savez(tmp_path / "data.npz", x=x, y=np.array([0, 1, 0, 1]))
    return tmp_path / "data.npz"


def test_a_folder_in_place_of_a_file(run: Run, model: Path, data: Path) -> None:
    (folder := model.parent / "made").mkdir()
    assert_one_line(run("evaluate", f"{model}:scores", "--data", str(folder)), f"{folder} is a folder")
    for option in ("--html", "--csv", "--latex"):
        told = run("evaluate", f"{model}:scores", "--data", str(data), option, str(folder))
        assert_one_line(told, f"{folder} is a folder", "give the name of a file")
    assert_one_line(run("evaluate", f"{model}:scores", "--data", str(model)), "model.py is no .npz file")


def test_a_function_that_returns_no_scores(run: Run, model: Path, data: Path) -> None:
    model.write_text("def nothing(x):\n    x.sum()\n\ndef number(x):\n    return 3\n")
    for name in ("nothing", "number"):
        assert_one_line(run("evaluate", f"{model}:{name}", "--data", str(data)), "it returns no array")


def test_channels_on_the_wrong_axis_are_named(run: Run, model: Path, tmp_path: Path) -> None:
    model.write_text(
        "import jax\nimport numpy as np\nK = np.ones((3, 3, 2, 4), np.float32)\n"
        "def last(x):\n"
        "    x = jax.lax.conv_general_dilated(x, K, (1, 1), 'SAME', dimension_numbers=('NHWC', 'HWIO', 'NHWC'))\n"
        "    return x.sum(axis=(1, 2))\n"
    )
    x = np.random.default_rng(0).random((6, 2, 5, 5)).astype(np.float32)
    np.savez(tmp_path / "first.npz", x=x, y=np.arange(6) % 4)
    told = run("evaluate", f"{model}:last", "--data", str(tmp_path / "first.npz"))
    assert_one_line(told, "shape (1, 2, 5, 5)", "takes channels last, hand in numpy.moveaxis(x, 1, -1)")


def test_a_warning_is_one_line_without_a_place_in_the_code(run: Run, model: Path, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    np.savez(tmp_path / "guess.npz", x=rng.random((200, 2)).astype(np.float32), y=rng.integers(0, 2, 200))
    status, _, err = run("evaluate", f"{model}:scores", "--data", str(tmp_path / "guess.npz"), "--bound", "occam")
    assert status == 0 and err.startswith("sparsebounds: the network errs on") and err.count("\n") == 1


def test_evaluate_refuses_names(run: Run, model: Path, data: Path) -> None:
    arguments = ("--data", str(data))
    assert_one_line(run("evaluate", f"{model}:scores", *arguments, "--bound", "vc"), "'vc'", "galanti_published")
    assert_one_line(run("evaluate", f"{model}:score", *arguments), "'score'")
    assert_one_line(run("evaluate", f"{model}:number", *arguments), "'number'")
    assert_one_line(run("evaluate", str(model), *arguments), f"say which function of it, {model}:FUNCTION")
    assert_one_line(run("evaluate", f"{model.with_suffix('')}:scores", *arguments), f"in full, {model}:scores")
    assert_one_line(run("evaluate", str(model.parent), *arguments), "FILE.py:FUNCTION", ".onnx")
    assert_one_line(run("evaluate", "absent.py:f", *arguments), "absent.py")
    assert_one_line(run("evaluate", f"{model}:scores", *arguments, "--delta", "2"), "--delta 2")
    assert_one_line(run("evaluate", f"{model}:scores", *arguments, "--nodes", "edge"), "edge", "scalar")
    assert_one_line(run("evaluate", f"{model}:scores"), "--data")


def test_evaluate_refuses_data(run: Run, model: Path, tmp_path: Path) -> None:
    def with_data(path: Path) -> tuple[int, str, str]:
        return run("evaluate", f"{model}:scores", "--data", str(path))

    assert_one_line(with_data(tmp_path / "none.npz"), "none.npz", "numpy.savez")
    (tmp_path / "text.npz").write_text("x y")
    assert_one_line(with_data(tmp_path / "text.npz"), "text.npz")
    np.save(tmp_path / "one.npy", np.ones(3))
    assert_one_line(with_data(tmp_path / "one.npy"), "x_train")
    np.savez(tmp_path / "keys.npz", images=np.ones(3))
    assert_one_line(with_data(tmp_path / "keys.npz"), "images", "x_train")
    np.savez(tmp_path / "objects.npz", x=np.array([None]), y=np.array([0]))
    assert_one_line(with_data(tmp_path / "objects.npz"), "objects.npz")
    np.savez(tmp_path / "half.npz", x=np.ones((4, 2)), y=np.array([0, 1, 0, 1]))
    whole = (tmp_path / "half.npz").read_bytes()
    (tmp_path / "half.npz").write_bytes(whole[: len(whole) // 2])
    assert_one_line(with_data(tmp_path / "half.npz"), "half.npz")
    (tmp_path / "flipped.npz").write_bytes(whole[:150] + bytes([whole[150] ^ 255]) + whole[151:])
    assert_one_line(with_data(tmp_path / "flipped.npz"), "flipped.npz")


@pytest.mark.parametrize(
    ("x", "y", "part"),
    [
        (np.full((2, 2), np.nan, np.float32), [0, 1], "finite"),
        (np.eye(2, dtype=np.float32), [0, 2], "label"),
        (np.eye(2, dtype=np.float32), [0, 0], "label"),
        (np.eye(2, dtype=np.float32), [0, 1, 1], "3"),
        (np.zeros((0, 2), np.float32), [], "empty"),
    ],
    ids=["not a number", "label outside", "one class", "lengths differ", "empty"],
)
def test_evaluate_refuses_samples(
    run: Run, model: Path, tmp_path: Path, x: np.ndarray, y: list[int], part: str
) -> None:
    np.savez(tmp_path / "bad.npz", x=x, y=np.array(y, np.int64))
    assert_one_line(run("evaluate", f"{model}:scores", "--data", str(tmp_path / "bad.npz")), part)


def test_evaluate_tells_what_a_broken_module_says(run: Run, data: Path, tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("import no_such_package_at_all\n")
    (tmp_path / "raises.py").write_text("raise RuntimeError('first\\nsecond')\n")
    (tmp_path / "builder.py").write_text("def build():\n    return 3\n")
    (tmp_path / "mean.py").write_text("def f(x):\n    return x.reshape(len(x), -1) * x.mean()\n")
    for target, part in (
        ("broken.py:f", "no_such_package_at_all"),
        ("raises.py:f", "first second"),
        ("builder.py:build", "int"),
        ("mean.py:f", "mixes"),
    ):
        assert_one_line(run("evaluate", target, "--data", str(data)), part)
    assert_one_line(run("evaluate", "raises.py:f", "--data", str(data), "--checkpoint", "none"), "first second")


def test_evaluate_of_a_file_with_two_samples(run: Run, model: Path, tmp_path: Path) -> None:
    """x, y beside x_test, y_test: the test set would be lost silently."""
    x, y = np.eye(4, dtype=np.float32), np.arange(4) % 2
    np.savez(tmp_path / "both.npz", x=x, y=y, x_test=x, y_test=y)
    found = run("evaluate", f"{model}:scores", "--data", str(tmp_path / "both.npz"))
    assert_one_line(found, "x, x_test, y, y_test, which leave open what is meant: keep x and y, or x_train")


def test_evaluate_of_a_network_with_a_slip(run: Run, data: Path, tmp_path: Path) -> None:
    file = tmp_path / "slip.py"
    file.write_text("def f(x):\n    return x @ weights\n")
    found = run("evaluate", f"{file}:f", "--data", str(data))
    assert_one_line(found, "fails when it is called: NameError: name 'weights' is not defined")
