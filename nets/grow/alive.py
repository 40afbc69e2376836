"""Masks without the channels that were removed: what owns them and what reads them."""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp

from sparsebounds.nets import masks as masking
from sparsebounds.nets.masks.channel_axes import channel_axis
from sparsebounds.nets.masks.layout import Layout, Layouts
from sparsebounds.nets.models.channels import Channels

Tree = Any


def with_channels(
    masks: Tree, alive: Mapping[str, jax.Array], channels: tuple[Channels, ...], layouts: Layouts
) -> Tree:
    """Masks that are false also at everything that owns or reads a channel that is not there.

    Args:
        masks: nested dict of booleans.
        alive: layer → (count,) booleans.
        channels: the groups that `alive` speaks of.
        layouts: of the kernels.

    Example:
        >>> group = Channels("a", 2, ("a.kernel", "a.bias"), "b.kernel")
        >>> first = {"kernel": jnp.ones((1, 2), bool), "bias": jnp.ones(2, bool)}
        >>> full = {"a": first, "b": {"kernel": jnp.ones((2, 3), bool)}}
        >>> cut = with_channels(full, {"a": jnp.array([True, False])}, (group,), masking.kernels(full))
        >>> cut["a"]["bias"].tolist(), cut["b"]["kernel"][1].tolist()
        ([True, False], [False, False, False])
    """
    found = masking.leaves(masks)
    for group in channels:
        here = alive[group.layer]
        for path in group.own:
            axis = channel_axis(layouts.get(path, Layout("gain")), found[path].ndim)
            found[path] = found[path] & _along(here, found[path], axis)
        found[group.reader] = found[group.reader] & _along(
            jnp.tile(here, group.repeat), found[group.reader], group.axis
        )
    return masking.with_leaves(masks, found)


def _along(values: jax.Array, leaf: jax.Array, axis: int) -> jax.Array:
    return values.reshape([-1 if i == axis else 1 for i in range(leaf.ndim)])
