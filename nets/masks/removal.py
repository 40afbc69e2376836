"""Cutting channels out of a network: a smaller network that computes the same function."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import jax.numpy as jnp
import numpy as np
import numpy.typing as npt

from sparsebounds.nets.masks import trees
from sparsebounds.nets.masks.channel_axes import channel_axis, check_channels
from sparsebounds.nets.masks.kernel_paths import Given, layouts
from sparsebounds.nets.masks.layout import Layouts
from sparsebounds.nets.masks.masks import check
from sparsebounds.nets.masks.normed import Normed
from sparsebounds.nets.masks.resize import check_norms, rebuilt
from sparsebounds.nets.masks.same import check_same
from sparsebounds.nets.models import weight_norm
from sparsebounds.nets.models.channels import Channels, channels_of

Tree = Any
Alive = dict[str, npt.NDArray[np.bool_]]


def alive_channels(model: Any, masks: Tree = None, *, layout: Given = None) -> Alive:
    """Which removable channels can change the scores, as far as weights and masks show.

    A channel cannot if its weights and bias are all zero, or if every weight that reads it is zero.

    Args:
        model: a network that declares its channels.
        masks: booleans; a masked weight counts as zero. A weight that is active and happens to be zero counts as
            there, unless `masks` is None.
        layout: what the axes of parameters are that do not say so themselves, as for `nets.masks.layouts`.

    Returns:
        Layer → (channels,) booleans, for the layers whose channels no skip holds.
    """
    params, found = trees.leaves(trees.parameters(model)), layouts(model, layout)
    check_channels(channels_of(model), found, {path: np.shape(leaf) for path, leaf in params.items()})
    if masks is not None:
        check(model, masks)
        params = trees.leaves(trees.parameters(masks))
    there = {path: np.asarray(leaf) != 0 for path, leaf in params.items()}
    result: Alive = {}
    for group in channels_of(model):
        if group.skip is None:
            feeds = np.zeros(group.count, bool)
            for path in group.own:
                if not found[path].norm_of:  # a gain of nothing is nothing
                    axis = channel_axis(found[path], there[path].ndim)
                    feeds |= np.moveaxis(there[path], axis, -1).reshape(-1, group.count).any(axis=0)
            result[group.layer] = feeds & _reads(there[group.reader], group)
    return result


def remove(
    model: Any,
    channels: Mapping[str, Sequence[int]] | None = None,
    *,
    masks: Tree = None,
    x: Any = None,
    layout: Given = None,
) -> tuple[Any, Tree]:
    """A smaller copy of a network, without the channels that cannot change its scores.

    Where a reader is weight-normalised, its gain is adjusted for the weights it loses. A channel without weights is
    nothing to its reader only if what lies between them makes 0 of 0, as ReLU and tanh do and sigmoid, softplus and
    norms over channels do not: both networks are evaluated, in evaluation mode, and must agree. The widths then come
    from the data, and no bound codes them: divide its δ by the product of the widths before.

    Args:
        model: an `nnx.Module` that declares its channels; it is not changed.
        channels: layer → indices to remove; default all that `alive_channels` finds to be without effect. Every
            layer keeps one.
        masks: booleans of the model, cut along; masked weights must be zero.
        x: a batch of inputs to compare both on; default random ones of shape `model.in_shape`.
        layout: what the axes of parameters are that do not say so themselves, as for `nets.masks.layouts`.

    Returns:
        (network, masks), masks None if none were given. The network computes the same function to rounding.

    Raises:
        ValueError: a removal that would break a skip or change the function, an unknown layer or channel, all channels
            of a layer, or channels in stacks, groups or under a norm over channels; the message names the layer. No
            inputs to compare on.

    Example:
        >>> from flax import nnx
        >>> from sparsebounds.nets.models.mlp import MLP
        >>> net = MLP((4, 3, 2), rngs=nnx.Rngs(0))
        >>> net.dense1.kernel[...] = net.dense1.kernel[...].at[:, 1].set(0.0)
        >>> net.dense1.bias[...] = net.dense1.bias[...].at[1].set(0.0)
        >>> small, _ = remove(net)
        >>> small.dense1.kernel.shape, small.dense2.kernel.shape
        ((4, 2), (2, 2))
    """
    groups = {group.layer: group for group in channels_of(model)}
    check_norms(model, groups)
    alive, found = alive_channels(model, layout=layout), layouts(model, layout)
    if channels is None:
        keep = {layer: _never_empty(here) for layer, here in alive.items()}
    else:
        keep = {layer: _asked(groups, alive, layer, gone) for layer, gone in channels.items()}
    params = trees.leaves(trees.parameters(model))
    before = {path: np.asarray(leaf) for path, leaf in params.items()}
    normed = Normed.of(model, layout)

    def without(kept: Alive) -> Any:
        after = _cut(before, groups, kept, found)
        _adjust_gains(before, after, kept, normed)
        return rebuilt(model, after, groups, kept)

    small = without(keep)
    if not all(here.all() for here in keep.values()):
        check_same(model, small, x, {layer: partial(without, {layer: here}) for layer, here in keep.items()})
    if masks is None:
        return small, None
    check(model, masks)
    flat = {path: np.asarray(leaf) for path, leaf in trees.leaves(trees.parameters(masks)).items()}
    if loose := [path for path, leaf in before.items() if leaf[~flat[path]].any()]:
        raise ValueError(f"{loose[0]} has weights that are masked and not zero; apply the masks first")
    cut = {path: jnp.asarray(leaf) for path, leaf in _cut(flat, groups, keep, found).items()}
    return small, trees.with_leaves(trees.parameters(small), cut)


def _asked(groups: Mapping[str, Channels], alive: Alive, layer: str, gone: Sequence[int]) -> npt.NDArray[np.bool_]:
    """What is kept of a layer, after checking that the rest may go."""
    if layer not in groups:
        raise ValueError(f"{layer} is no layer with channels; those are {', '.join(groups)}")
    group = groups[layer]
    if group.skip is not None:
        raise ValueError(f"the channels of {layer} cannot be removed: {group.skip}")
    if wrong := [index for index in gone if not 0 <= index < group.count]:
        raise ValueError(f"{layer} has channels 0 to {group.count - 1}, and none {wrong[0]}")
    keep = np.ones(group.count, bool)
    keep[list(gone)] = False
    if not keep.any():
        raise ValueError(f"all {group.count} channels of {layer} would go; keep one")
    if (used := np.flatnonzero(alive[layer] & ~keep)).size:
        raise ValueError(f"channel {used[0]} of {layer} changes the scores; mask its weights, bias or readers first")
    return keep


def _never_empty(alive: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    keep = alive.copy()
    keep[0] |= not alive.any()
    return keep


def _reads(there: npt.NDArray[np.bool_], group: Channels) -> npt.NDArray[np.bool_]:
    """Which channels a reader has a non-zero weight for."""
    flat = np.moveaxis(there, group.axis, 0).reshape(group.repeat, group.count, -1)
    return np.asarray(flat.any(axis=(0, 2)))


def _cut(
    leaves: Mapping[str, npt.NDArray[Any]], groups: Mapping[str, Channels], keep: Alive, layouts: Layouts
) -> dict[str, npt.NDArray[Any]]:
    result = dict(leaves)
    for layer, here in keep.items():
        group = groups[layer]
        for path in group.own:
            result[path] = np.compress(here, result[path], axis=channel_axis(layouts[path], result[path].ndim))
        result[group.reader] = np.compress(np.tile(here, group.repeat), result[group.reader], axis=group.axis)
    return result


def _adjust_gains(before: Mapping[str, Any], after: dict[str, Any], keep: Alive, normed: Normed) -> None:
    """g ← g · ‖v after‖/‖v before‖ wherever v was cut, so that the kernel g·v/‖v‖ keeps its entries."""
    for path, gain in normed.gains.items():
        if after[path].shape == before[path].shape:
            continue
        layer = path.rpartition(".")[0]
        was, now = (np.asarray(weight_norm.norm(jnp.asarray(t[path]), jnp.asarray(t[gain]))) for t in (before, after))
        if was.ndim and layer in keep:
            was = was[keep[layer]]
        after[gain] = after[gain] * (now / was)
