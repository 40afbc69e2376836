"""Masks in and out of files and sparse arrays, and their statistics, worked by hand."""

from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from jax.experimental import sparse

from sparsebounds import nets
from sparsebounds.nets import masks, prune
from sparsebounds.nets.masks import io as mask_io
from sparsebounds.nets.masks import statistics as mask_statistics


@pytest.fixture(scope="module")
def net() -> nets.MLP:
    return nets.MLP((6, 5, 3), rngs=nnx.Rngs(0))


def same(a: dict, b: dict) -> bool:
    return masks.fingerprint(a) == masks.fingerprint(b)


def test_a_file_holds_exactly_the_masks(net: nets.MLP, tmp_path: Path) -> None:
    mask, path = prune.random(net, 0.3, seed=5), tmp_path / "masks.npz"
    mask_io.save(path, mask)
    assert same(mask_io.load(path, net), mask) and [p.name for p in tmp_path.iterdir()] == ["masks.npz"]
    mask_io.save(path, prune.random(net, 0.3, seed=6))  # replaced
    assert not same(mask_io.load(path, net), mask)
    sequence = nnx.Sequential(nnx.Linear(3, 2, rngs=nnx.Rngs(0)), nnx.relu)  # paths with numbers in them
    mask_io.save(path, prune.random(sequence, 0.5))
    assert same(mask_io.load(path, sequence), prune.random(sequence, 0.5))


def test_files_that_do_not_fit_are_refused_by_the_first_path(net: nets.MLP, tmp_path: Path) -> None:
    path = tmp_path / "masks.npz"
    mask_io.save(path, prune.random(nets.MLP((6, 5, 4, 3), rngs=nnx.Rngs(0)), 0.5))
    with pytest.raises(ValueError, match=r"has a mask of dense3\.bias"):
        mask_io.load(path, net)
    mask_io.save(path, prune.random(nets.MLP((6, 3), rngs=nnx.Rngs(0)), 0.5))
    with pytest.raises(ValueError, match=r"lacks the mask of dense2\.bias"):
        mask_io.load(path, net)
    mask_io.save(path, prune.random(nets.MLP((6, 4, 3), rngs=nnx.Rngs(0)), 0.5))
    with pytest.raises(ValueError, match=r"the mask of dense1\.bias has shape \(4,\); need \(5,\)"):
        mask_io.load(path, net)
    with pytest.raises(ValueError, match="the mask of w has type float32; need booleans"):
        mask_io.save(tmp_path / "other.npz", {"w": jnp.ones(2)})
    np.savez(path, x=np.ones(3))
    with pytest.raises(ValueError, match="holds no masks"):
        mask_io.load(path, net)
    path.write_bytes(b"no archive")
    with pytest.raises(ValueError, match=r"no \.npz file of masks"):
        mask_io.load(path, net)
    with pytest.raises(FileNotFoundError):
        mask_io.load(tmp_path / "absent.npz", net)
    assert not (tmp_path / "other.npz").exists()


def test_sparse_arrays_go_there_and_back(net: nets.MLP) -> None:
    mask = prune.random(net, 0.4)
    params = masks.apply(masks.parameters(net), mask)
    hit = np.argwhere(np.asarray(mask["dense1"]["kernel"]))[0]
    params["dense1"]["kernel"] = params["dense1"]["kernel"].at[tuple(hit)].set(0.0)  # active, and zero
    stored = mask_io.to_bcoo(params, mask)
    assert isinstance(stored["dense1"]["kernel"], sparse.BCOO) and stored["dense1"]["kernel"].nse == 12
    assert not isinstance(stored["dense1"]["bias"], sparse.BCOO)
    back, again = mask_io.from_bcoo(stored)
    assert same(again, mask)
    for path, leaf in masks.leaves(back).items():
        np.testing.assert_array_equal(leaf, masks.leaves(params)[path])
    with pytest.raises(ValueError, match="masks lack dense1"):
        mask_io.to_bcoo(net, {"dense2": mask["dense2"]})
    with pytest.raises(ValueError, match="1 batch and 0 dense axes"):
        mask_io.from_bcoo({"w": sparse.BCOO.fromdense(jnp.ones((2, 2)), n_batch=1)})


def test_statistics_by_hand() -> None:
    """Channel densities 1, .5, .25, .25, mean .5: two of four are below .4, and the deviation is √(.375/4)."""
    kernel = np.array([[1, 1, 1, 0], [1, 1, 0, 0], [1, 0, 0, 1], [1, 0, 0, 0]], bool)
    mask = {"a": {"kernel": kernel, "bias": np.ones(4, bool)}, "b": {"kernel": np.zeros((4, 2), bool)}}
    first, second = mask_statistics.layer_statistics(mask, {"a.kernel": 3})
    assert (first.kept, first.weights, first.density, first.channels, first.alive) == (8, 16, 0.5, 4, 4)
    assert first.spread == pytest.approx((0.375 / 4) ** 0.5) and first.below == 0.5 and first.flops == 48
    assert (second.alive, second.below, second.flops) == (0, 0.0, None) and np.isnan(second.relative_spread)
    whole = mask_statistics.summary(mask, {"a.kernel": 3, "b.kernel": 1})
    assert (whole["parameters"], whole["density"], whole["flops"]) == (12, 8 / 24, 48)
    assert (whole["channels"], whole["alive"], whole["below"]) == (6, 4, 2 / 6)
    assert whole["layers"][1]["relative_spread"] is None  # JSON has no NaN
    assert mask_statistics.summary(mask, {"a.kernel": 3})["flops"] is None
