"""Channels cut out of a trained network: what is smaller then, that it is the same function, and how long it takes."""

import time
from typing import Any

import jax
import numpy as np
import numpy.typing as npt
from flax import nnx

from sparsebounds.nets.masks.removal import remove
from sparsebounds.nets.masks.statistics import summary
from sparsebounds.nets.models.channels import channels_of
from sparsebounds.nets.models.functional import pure

Images = npt.NDArray[np.float32]
REPEATS, BATCH = 15, 100


def removal(model: Any, masks: Any, images: Images) -> dict[str, Any]:
    """Remove every channel without effect and measure both networks.

    Args:
        model: a network with `channels()` and `positions()`, trained, and zero outside its masks.
        masks: its masks.
        images: on which the scores are compared and the time is taken.

    Returns:
        `channels` and `removed` (of the output channels of all layers but the last), `removed_share`;
        `arrays_before` and `…_after` (numbers stored, zeros included), `dense_flops_before` and `…_after` (of one
        image if zeros are multiplied too), `difference` (largest of a score, relative to the largest score),
        `seconds_before` and `…_after` (for all images: of every batch the shortest of several passes), `images`.
    """
    small, small_masks = remove(model, masks=masks)
    before, after = _scores(model), _scores(small)
    batches = np.split(images, range(BATCH, len(images), BATCH))
    old, new = (np.concatenate([np.asarray(scores(batch)) for batch in batches]) for scores in (before, after))
    first, second = _fastest((before, after), batches)
    sizes = [summary(jax.tree.map(np.ones_like, mask), model.positions()) for mask in (masks, small_masks)]
    channels, left = _channels(model), _channels(small)
    return {
        "channels": channels,
        "removed": channels - left,
        "removed_share": 1 - left / channels,
        "arrays_before": sizes[0]["parameters"],
        "arrays_after": sizes[1]["parameters"],
        "dense_flops_before": sizes[0]["flops"],
        "dense_flops_after": sizes[1]["flops"],
        "difference": float(np.abs(old - new).max() / np.abs(old).max()),
        "seconds_before": first,
        "seconds_after": second,
        "images": len(images),
    }


def _channels(model: Any) -> int:
    """Output channels of all layers but the last: those in skips, which cannot be removed, count."""
    return sum(group.count for group in channels_of(model))


def _scores(model: nnx.Module) -> Any:
    params, apply = pure(model)
    compiled = jax.jit(apply)
    return lambda images: compiled(params, images).block_until_ready()


def _fastest(functions: tuple[Any, ...], batches: list[Images]) -> list[float]:
    """Seconds of each over all batches, of every batch the shortest call: whatever else the machine does in between
    counts as little as it can. The functions take turns."""
    total = [0.0 for _ in functions]
    for batch in batches:
        best = [np.inf for _ in functions]
        for _ in range(REPEATS):
            for place, function in enumerate(functions):
                start = time.perf_counter()
                function(batch)
                best[place] = min(best[place], time.perf_counter() - start)
        total = [sum(pair) for pair in zip(total, best, strict=True)]
    return total
