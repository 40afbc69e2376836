"""Continuing a training: after SIGKILL, after Ctrl-C, prolonged; refused where it would be another training."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from flax import nnx
from training import small, weights

from sparsebounds import nets

ROOT = Path(__file__).resolve().parents[3]
CONFIG = nets.TrainConfig(
    epochs=6, batch_size=8, learning_rate=0.1, momentum=0.9, weight_decay=1e-3, milestones=(3,), seed=4
)
# The child trains and writes its weights at the end; the parent sees how far it is by the checkpoints.
CHILD = """
import sys, time
import numpy as np, jax
from flax import nnx
import nets
folder, out = sys.argv[1:3]
data = nets.data.datasets.load("digits", train=300)
net = nets.ConvNet(2, 4, in_shape=(8, 8, 1), rngs=nnx.Rngs(int(sys.argv[3])))
mask = nets.masks.random_mask(net, 0.5)
config = nets.TrainConfig(epochs=4, batch_size=8, learning_rate=0.1, momentum=0.9, weight_decay=1e-3,
                          milestones=(3,), seed=4)
history = nets.train(net, data, config, masks=mask, checkpoint=folder, resume=True, checkpoint_every=13)
leaves = jax.tree.leaves(nnx.state(net, nnx.Param))
np.savez(out, *leaves, losses=[row["loss"] for row in history.rows],
         errors=[row["train_error"] for row in history.rows])
"""


def child(folder: Path, out: Path, seed: int = 0) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-c", CHILD, str(folder), str(out), str(seed)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )


def newest(folder: Path) -> int:
    """The largest step with a whole checkpoint; −1 before there is any."""
    names = [entry.name for entry in folder.iterdir()] if folder.exists() else []
    return max((int(name) for name in names if name.isdigit()), default=-1)


@pytest.mark.slow
def test_killed_three_times_and_continued_is_bit_identical(tmp_path: Path) -> None:
    folder, straight, broken = tmp_path / "c", tmp_path / "straight.npz", tmp_path / "broken.npz"
    whole = child(tmp_path / "never-killed", straight)
    # 38 steps an epoch, a checkpoint every 13: random steps, in up to three epochs. Only the first child starts as
    # the uninterrupted training does; the later ones must take everything from the checkpoint.
    steps = np.sort(np.random.RandomState().choice(np.arange(3, 130), 3, replace=False))
    for seed, step in zip((0, 11, 12), steps, strict=True):
        process = child(folder, broken, seed)
        deadline = time.monotonic() + 200
        while newest(folder) < step and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.002)
        assert process.poll() is None, f"ended before step {step}, of {steps}"
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
    assert not broken.exists()
    process = child(folder, broken, seed=99)
    assert process.wait(timeout=300) == 0 and whole.wait(timeout=300) == 0
    a, b = np.load(straight), np.load(broken)
    assert sorted(a.files) == sorted(b.files)
    for name in a.files:
        np.testing.assert_array_equal(a[name], b[name])
    assert len(a["losses"]) == 4 and (a["arr_0"] != 0).any()


def net(seed: int = 0) -> nets.MLP:
    return nets.MLP((4, 3), rngs=nnx.Rngs(seed))


def test_interrupt_keeps_the_checkpoint(tmp_path: Path) -> None:
    def stop(epoch: int, model: object, row: object) -> None:
        if epoch == 2:
            raise KeyboardInterrupt

    straight = net()
    nets.train(straight, small(), CONFIG)
    with pytest.raises(KeyboardInterrupt):
        nets.train(net(), small(), CONFIG, checkpoint=tmp_path, on_epoch=stop)
    assert newest(tmp_path) == 6  # two epochs of three steps
    continued = net(1)
    history = nets.train(continued, small(), CONFIG, checkpoint=tmp_path, resume=True)
    assert [row["epoch"] for row in history.rows] == [1, 2, 3, 4, 5, 6]
    for a, b in zip(weights(straight), weights(continued), strict=True):
        np.testing.assert_array_equal(a, b)


def test_prolonged_and_finished(tmp_path: Path) -> None:
    straight, two = net(), net()
    nets.train(straight, small(), CONFIG)
    nets.train(two, small(), replace(CONFIG, epochs=2), checkpoint=tmp_path)
    nets.train(two, small(), CONFIG, checkpoint=tmp_path, resume=True)
    done = net(5)
    history = nets.train(done, small(), CONFIG, checkpoint=tmp_path, resume=True)  # nothing left to do
    assert len(history) == 6
    for a, b, c in zip(weights(straight), weights(two), weights(done), strict=True):
        assert (a == b).all() and (a == c).all()
    assert len(list(tmp_path.iterdir())) == 2  # old checkpoints go


def test_continuing_another_training_is_refused(tmp_path: Path) -> None:
    config = replace(CONFIG, epochs=1)
    nets.train(net(), small(), config, checkpoint=tmp_path)
    before = sorted(path.name for path in tmp_path.rglob("*"))
    with pytest.raises(ValueError, match="holds a training already"):
        nets.train(net(), small(), config, checkpoint=tmp_path)
    with pytest.raises(ValueError, match=r"learning_rate = 0.1, not 0.2"):
        nets.train(net(), small(), replace(config, learning_rate=0.2), checkpoint=tmp_path, resume=True)
    with pytest.raises(ValueError, match="data = "):
        nets.train(net(), small(seed=1), config, checkpoint=tmp_path, resume=True)
    with pytest.raises(ValueError, match="another network"):
        wide = nets.MLP((4, 7, 3), rngs=nnx.Rngs(0))
        nets.train(wide, small(), config, checkpoint=tmp_path, resume=True)
    assert sorted(path.name for path in tmp_path.rglob("*")) == before


def test_epochs_shorter_than_a_checkpoint_wait_for_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Six epochs of three steps take milliseconds: the start and the end are written, or what a failure leaves."""
    nets.train(net(), small(), CONFIG, checkpoint=tmp_path / "quick")
    assert sorted(int(path.name) for path in (tmp_path / "quick").iterdir()) == [0, 18]
    monkeypatch.setattr("sparsebounds.nets.training.checkpoint.BETWEEN_S", 0.0)
    nets.train(net(), small(), CONFIG, checkpoint=tmp_path / "each")
    assert sorted(int(path.name) for path in (tmp_path / "each").iterdir()) == [15, 18]
