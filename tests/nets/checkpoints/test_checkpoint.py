"""Weights from disk: every format into every kind of network, and all that does not fit in one message."""

import pickle
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import orbax.checkpoint as ocp
import pytest
from flax import linen, nnx
from safetensors.flax import save_file as save_jax
from safetensors.numpy import save_file
from standard_networks import small

from sparsebounds import nets
from sparsebounds.nets.checkpoints.names import named


class Small(nnx.Module):
    """A convolution, batch norm, dropout with a key of its own, a list of dense layers."""

    def __init__(self, rngs: nnx.Rngs, width: int = 3) -> None:
        self.conv, self.norm = nnx.Conv(1, width, (3, 3), rngs=rngs), nnx.BatchNorm(width, rngs=rngs)
        self.dropout = nnx.Dropout(0.5, rngs=rngs)
        self.dense = nnx.List([nnx.Linear(width, 4, rngs=rngs), nnx.Linear(4, 2, rngs=rngs)])

    def __call__(self, x: jax.Array) -> jax.Array:
        x = self.dropout(self.norm(self.conv(x))).mean(axis=(1, 2))
        return self.dense[1](nnx.relu(self.dense[0](x)))


def built(seed: int, width: int = 3) -> Small:
    module = Small(nnx.Rngs(seed), width)
    module.eval()
    return module


X = np.random.default_rng(0).normal(size=(3, 5, 5, 1)).astype(np.float32)


def arrays_of(module: nnx.Module) -> dict[str, np.ndarray]:
    return named(nnx.split(module, nnx.RngState, ...)[2])


def write(kind: str, folder: Path, module: nnx.Module) -> Path:
    arrays = arrays_of(module)
    path = folder / f"w.{kind}"
    if kind == "safetensors":
        save_file(arrays, path)
    elif kind == "npz":
        np.savez(path, **{name.replace(".", "/"): value for name, value in arrays.items()})
    elif kind == "orbax":
        with ocp.StandardCheckpointer() as checkpointer:
            checkpointer.save(path, nnx.split(module, nnx.RngState, ...)[2])
    else:  # a training with its optimiser
        kept = {"params": nnx.to_pure_dict(nnx.split(module, nnx.RngState, ...)[2]), "momentum": {"w": np.ones(3)}}
        with ocp.CheckpointManager(path) as manager:
            for step in (4, 7):
                scaled = jax.tree.map(lambda a, step=step: a * (step / 7), kept)
                about = ocp.args.JsonSave({"epoch": step})
                manager.save(step, args=ocp.args.Composite(state=ocp.args.StandardSave(scaled), about=about))
    return path


@pytest.mark.parametrize("kind", ["safetensors", "npz", "orbax", "training"])
def test_every_format_into_a_module(kind: str, tmp_path: Path) -> None:
    trained, fresh = built(1), built(2)
    path = write(kind, tmp_path, trained)
    before = np.asarray(fresh(X))
    loaded = nets.load_checkpoint(fresh, path)
    np.testing.assert_array_equal(loaded(X), trained(X))
    np.testing.assert_array_equal(fresh(X), before)
    shapes = nnx.eval_shape(lambda: built(0))
    assert arrays_of(nets.load_checkpoint(shapes, path)).keys() == arrays_of(trained).keys()


def test_steps(tmp_path: Path) -> None:
    path = write("training", tmp_path, built(1))
    latest, early = nets.Checkpoint.read(path), nets.Checkpoint.read(path, 4)
    assert latest.note == "step 7" and early.note == "step 4"
    ratio = early.arrays["params.conv.kernel"] / latest.arrays["params.conv.kernel"]
    np.testing.assert_allclose(ratio, 4 / 7, rtol=1e-6)
    np.testing.assert_array_equal(
        nets.Checkpoint.read(path / "4").arrays["params.conv.kernel"], early.arrays["params.conv.kernel"]
    )
    with pytest.raises(ValueError, match="no step 5; it has 4, 7"):
        nets.Checkpoint.read(path, 5)
    with pytest.raises(ValueError, match="no steps, and step 5"):
        nets.Checkpoint.read(path / "4", 5)


class LinenNet(linen.Module):
    @linen.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        x = linen.BatchNorm(use_running_average=True)(linen.Conv(3, (3, 3))(x))
        return linen.Dense(2)(x.mean(axis=(1, 2)))


@pytest.mark.parametrize("part", ["all", "params"])
def test_linen(part: str, tmp_path: Path) -> None:
    net = LinenNet() if part == "all" else linen.Dense(2)
    x = X if part == "all" else X[:, 0, :, 0]
    variables = net.init(jax.random.key(3), x)
    with ocp.StandardCheckpointer() as checkpointer:
        checkpointer.save(tmp_path / "w", variables if part == "all" else variables["params"])
    f = nets.load_checkpoint(net, tmp_path / "w", example=x[:1])
    np.testing.assert_array_equal(f(x), net.apply(variables, x))
    zeros = jax.tree.map(jnp.zeros_like, variables)
    apply, loaded = nets.load_checkpoint((net.apply, zeros), tmp_path / "w")
    np.testing.assert_array_equal(apply(loaded, x), net.apply(variables, x))
    with pytest.raises(ValueError, match=r"give one: example=x\[:1\]"):
        nets.load_checkpoint(net, tmp_path / "w")


def test_all_that_does_not_fit_is_said_at_once(tmp_path: Path) -> None:
    arrays = arrays_of(built(1))
    del arrays["conv.bias"]
    arrays |= {"dense.2.bias": np.zeros(2, np.float32), "dense.0.kernel": np.zeros((3, 5), np.float32)}
    arrays["dense.1.bias"] = np.array([True, False])
    save_file(arrays, tmp_path / "w.safetensors")
    with pytest.raises(ValueError) as said:
        nets.load_checkpoint(built(2), tmp_path / "w.safetensors")
    assert str(said.value) == (
        "w.safetensors does not fit the network: conv.bias is missing; dense.2.bias is not in the network; "
        "dense.0.kernel has shape (3, 5), not (3, 4); dense.1.bias is bool, not float32; needed all of its weights and "
        "nothing else, as the same architecture saves them"
    )


def test_another_architecture(tmp_path: Path) -> None:
    save_file(arrays_of(small("mobilenet_v2")[0]), tmp_path / "other.safetensors")
    with pytest.raises(
        ValueError, match=r"holds another network: none of its \d+ names \(blocks\.0\..* of the 10 that"
    ):
        nets.load_checkpoint(built(1), tmp_path / "other.safetensors")
    save_file(arrays_of(built(1, width=4)), tmp_path / "wide.safetensors")
    with pytest.raises(ValueError, match=r"conv\.bias has shape \(4,\), not \(3,\).*norm\.var has shape"):
        nets.load_checkpoint(built(1), tmp_path / "wide.safetensors")


@pytest.mark.parametrize("kind", ["float16", "bfloat16"])
def test_half_precision_is_read_and_said(kind: str, tmp_path: Path) -> None:
    half = {name: jnp.asarray(value).astype(kind) for name, value in arrays_of(built(1)).items()}
    save_jax(half, tmp_path / "w.safetensors")
    found = nets.Checkpoint.read(tmp_path / "w.safetensors")
    assert found.note.startswith(f"weights in half precision ({kind}), widened as they are: ")
    for name, value in arrays_of(found.into(built(2))).items():
        assert value.dtype == np.float32
        np.testing.assert_array_equal(value, np.asarray(half[name]).astype(np.float32))


class Payload:
    """What a pickle can do."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return Path.touch, (self.mark,)  # type: ignore[return-value]


@pytest.mark.parametrize("suffix", [".pt", ".pkl", ".ckpt", ".npz", ".safetensors", "", ".h5"])
def test_a_pickle_is_never_loaded(suffix: str, tmp_path: Path) -> None:
    path, mark = tmp_path / f"w{suffix}", tmp_path / "ran"
    path.write_bytes(pickle.dumps(Payload(mark)))
    with pytest.raises(ValueError, match=r"never loaded|cannot be read as weights|weights come as"):
        nets.Checkpoint.read(path)
    objects = np.empty(1, object)
    objects[0] = Payload(mark)
    np.savez(tmp_path / "objects.npz", w=objects)
    with pytest.raises(ValueError, match="cannot be read as weights"):
        nets.Checkpoint.read(tmp_path / "objects.npz")
    assert not mark.exists()


def test_files_that_are_no_checkpoints(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no checkpoint"):
        nets.Checkpoint.read(tmp_path / "none.npz")
    (tmp_path / "folder").mkdir()
    with pytest.raises(ValueError, match="a folder without an Orbax checkpoint"):
        nets.Checkpoint.read(tmp_path / "folder")
    whole = write("safetensors", tmp_path, built(1))
    (tmp_path / "cut.safetensors").write_bytes(whole.read_bytes()[:-20])
    with pytest.raises(ValueError, match="cannot be read as weights"):
        nets.Checkpoint.read(tmp_path / "cut.safetensors")
    with pytest.raises(ValueError, match="only an Orbax folder has steps"):
        nets.Checkpoint.read(whole, 3)
