"""`evaluate --checkpoint`: the weights of a file in a network that `module.py:function` builds."""

from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest
from command_line import run, strict
from safetensors.flax import save_file

MODEL = """
import numpy as np
from flax import linen, nnx

class Net(nnx.Module):
    def __init__(self, rngs):
        self.dense = nnx.Linear(3, 3, use_bias=False, rngs=rngs)
    def __call__(self, x):
        return self.dense(x)

class LinenNet(linen.Module):
    @linen.compact
    def __call__(self, x):
        return linen.Dense(3, use_bias=False, name="dense")(x)

def without():
    return Net(nnx.Rngs(1))

def pair():
    return (lambda params, x: x @ params["dense"]["kernel"]), {"dense": {"kernel": np.zeros((3, 3), np.float32)}}

instance = Net(nnx.Rngs(2))
linen_net = LinenNet()
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "model.py").write_text(MODEL)
    x = np.random.default_rng(0).normal(size=(60, 3)).astype(np.float32)
    np.savez(tmp_path / "data.npz", x=x, y=x.argmax(axis=1))
    save_file({"dense.kernel": 2 * jnp.eye(3, dtype=jnp.float16)}, tmp_path / "w.safetensors")
    save_file({"other": jnp.eye(3)}, tmp_path / "other.safetensors")
    (tmp_path / "w.pt").write_bytes(b"anything")
    return tmp_path


@pytest.mark.parametrize("name", ["Net", "without", "pair", "instance", "linen_net"])
def test_every_kind_of_network(name: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ("--data", str(folder / "data.npz"), "--checkpoint", str(folder / "w.safetensors"))
    assert run("evaluate", f"{folder / 'model.py'}:{name}", *options, "--bound", "galanti", "--json") == 0
    printed = capsys.readouterr()
    (row,) = strict(printed.out)["rows"]
    assert row["train_error"] == 0.0
    said = "weights in half precision (float16), widened as they are: dense.kernel"
    assert printed.err == f"sparsebounds: {said}\n"


@pytest.mark.parametrize(
    ("file", "said"),
    [
        ("other.safetensors", "none of its 1 names (other) is one of the 1 that are needed (dense.kernel)"),
        ("w.pt", "a pickle can run any program while it is read and is never loaded"),
        ("none.npz", "no checkpoint"),
    ],
)
def test_what_does_not_fit_is_one_line(file: str, said: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ("--data", str(folder / "data.npz"), "--checkpoint", str(folder / file))
    assert run("evaluate", f"{folder / 'model.py'}:Net", *options) == 2
    err = capsys.readouterr().err
    assert said in err and err.count("\n") == 1
