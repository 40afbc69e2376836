"""The loop of these trainings: continued bit for bit, told apart, every sample visited, two forms one result."""

from pathlib import Path
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from sparsebounds import nets
from sparsebounds.nets.certify.distance.descent import Descent, descend

PRIOR = SimpleNamespace(reference={"w": np.full((4, 3), 0.1, np.float32)}, scales={"w": 0.1})
X = np.random.default_rng(0).normal(size=(50, 4)).astype(np.float32)
Y = np.random.default_rng(1).integers(0, 3, 50)


def f(params, x):
    return x @ params["w"]


def stopped(monkeypatch: pytest.MonkeyPatch, after: int) -> None:
    """Ctrl-C once so many epochs are kept."""
    from sparsebounds.nets.training.checkpoint import Checkpoints

    monkeypatch.setattr("sparsebounds.nets.training.checkpoint.BETWEEN_S", 0.0)
    save = Checkpoints.save

    def once(self, state, where, **now):
        save(self, state, where, **now)
        if int(state.step) == after:
            monkeypatch.undo()
            raise KeyboardInterrupt

    monkeypatch.setattr(Checkpoints, "save", once)


class Noisy(nnx.Module):
    """Batch norm and dropout: statistics and random numbers beside the weights."""

    def __init__(self, rngs: nnx.Rngs) -> None:
        self.one, self.two = nnx.Linear(4, 8, rngs=rngs), nnx.Linear(8, 3, rngs=rngs)
        self.norm, self.drop = nnx.BatchNorm(8, rngs=rngs), nnx.Dropout(0.3, rngs=rngs)

    def __call__(self, x):
        return self.two(self.drop(nnx.relu(self.norm(self.one(x)))))


def trained_module(key, folder):
    net = Noisy(nnx.Rngs(3))
    nets.train_module(net, X, Y, key=key, epochs=4, batch_size=16, directory=folder, progress=False)
    _, params, rest = nets.split_module(net)
    return {"params": params, "statistics": rest["norm"]}


TRAININGS = {
    "reference": lambda key, folder: nets.train_reference(
        f, PRIOR.reference, X, Y, key=key, epochs=4, batch_size=16, directory=folder, progress=False
    ),
    "module": trained_module,
    "scales": lambda key, folder: nets.train_scales(
        f, PRIOR.reference, X, Y, key=key, epochs=4, batch_size=16, directory=folder, progress=False
    ),
    "near": lambda key, folder: nets.train_near(
        f, PRIOR, X, Y, key=key, epochs=4, batch_size=16, directory=folder, progress=False
    ),
    "free": lambda key, folder: nets.train_free(
        f, PRIOR.reference, X, Y, key=key, epochs=(4, 3), batch_size=16, directory=folder, progress=False
    ),
}


def same(one, other) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True))


@pytest.mark.parametrize("name", TRAININGS)
def test_continued_is_uninterrupted(name, key, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    straight = TRAININGS[name](key, None)
    stopped(monkeypatch, 2)
    with pytest.raises(KeyboardInterrupt):
        TRAININGS[name](key, tmp_path)
    assert list(tmp_path.iterdir())
    continued = TRAININGS[name](key, tmp_path)
    assert same(straight, continued)
    assert same(straight, TRAININGS[name](key, tmp_path))  # complete: nothing left to do
    assert not same(straight, TRAININGS[name](jax.random.key(5), None))


def test_an_interrupt_between_two_checkpoints_loses_nothing(
    key, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    straight, updates = TRAININGS["near"](key, None), []

    def update(self, done: int, text: str) -> None:
        updates.append(done)
        if done == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr("sparsebounds.nets.certify.distance.descent.Bar.update", update)
    with pytest.raises(KeyboardInterrupt):
        TRAININGS["near"](key, tmp_path)
    assert same(straight, TRAININGS["near"](key, tmp_path))
    assert updates[:3] == [1, 2, 3]  # no epoch twice


def test_another_training_in_the_folder_is_refused(key, tmp_path: Path) -> None:
    TRAININGS["near"](key, tmp_path)
    given = {"key": key, "epochs": 4, "batch_size": 16, "directory": tmp_path, "progress": False}
    with pytest.raises(ValueError, match="settings"):
        nets.train_near(f, PRIOR, X, Y, strength=2.0, **given)
    with pytest.raises(ValueError, match="data"):
        nets.train_near(f, PRIOR, X, Y, **{**given, "key": jax.random.key(1)})
    other = SimpleNamespace(reference=PRIOR.reference, scales={"w": 0.2})
    with pytest.raises(ValueError, match="data"):
        nets.train_near(f, other, X, Y, **given)
    with pytest.raises(ValueError, match="what = near, not scales"):
        nets.train_scales(f, PRIOR.reference, X, Y, **given)


def seen(n: int, batch: int) -> np.ndarray:
    """How often one epoch looks at each of n samples."""
    x = jnp.eye(n)

    def count(p, held, x, y, key):
        return jnp.sum(p["w"] * 0.0), held + jnp.sum(x, axis=0)

    plan = Descent("count", 1, batch, {"w": 0.1}, {})
    start, key = {"w": jnp.zeros(1)}, jax.random.key(0)
    return np.asarray(descend(start, count, x, jnp.zeros(n), plan, key=key, carried=jnp.zeros(n), progress=False)[1])


def test_every_sample_is_visited() -> None:
    assert seen(12, 4).tolist() == [1] * 12
    assert sorted(seen(10, 4)) == [1] * 8 + [2] * 2  # the last batch is filled up
    assert seen(3, 100).tolist() == [1] * 3


def test_native_convolutions_loop_outside_the_program(key) -> None:
    """The same steps, one by one: a scan over them is ten times slower on a CPU."""
    images = np.random.default_rng(2).normal(size=(40, 6, 6, 1)).astype(np.float32)
    labels = np.random.default_rng(3).integers(0, 2, 40)
    native, patches = (
        nnx.Conv(1, 2, (6, 6), padding="VALID", rngs=nnx.Rngs(0)),
        nets.models.Conv2d(1, 2, 6, rngs=nnx.Rngs(0)),
    )
    found = []
    for layer in (native, patches):
        g, params, _ = nets.split_module(layer)
        scores = lambda p, x, g=g: g(p, x)[:, 0, 0]  # noqa: E731
        found.append(nets.train_reference(scores, params, images, labels, key=key, batch_size=8, progress=False))
    np.testing.assert_allclose(found[0]["kernel"], found[1]["kernel"], atol=1e-4)


def test_no_bar_without_a_terminal(key, capfd: pytest.CaptureFixture[str]) -> None:
    nets.train_reference(f, PRIOR.reference, X, Y, key=key, epochs=2)
    assert capfd.readouterr() == ("", "")
