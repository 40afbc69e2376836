"""A copy of a module with smaller arrays, whose layers know their new sizes."""

from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
import numpy as np
import numpy.typing as npt
from flax import nnx

from sparsebounds.nets.masks import trees
from sparsebounds.nets.masks.owners import owners
from sparsebounds.nets.masks.tied import holders
from sparsebounds.nets.models.channels import Channels

_OVER_CHANNELS = (nnx.LayerNorm, nnx.RMSNorm, nnx.GroupNorm)


def check_norms(model: nnx.Module, groups: Mapping[str, Channels]) -> None:
    """No channel is normalised together with others.

    Raises:
        ValueError: one is; the message names its layer and the norm.
    """
    found = owners(model)
    for group in groups.values():
        for path in group.own:
            if group.skip is None and isinstance(owner := found[path][0], _OVER_CHANNELS):
                raise ValueError(
                    f"the channels of {group.layer} cannot be removed: {path} is of a {type(owner).__name__}, which "
                    "normalises over channels, so that without one the others change"
                )


def rebuilt(
    model: nnx.Module,
    leaves: Mapping[str, npt.NDArray[Any]],
    groups: Mapping[str, Channels],
    keep: Mapping[str, npt.NDArray[np.bool_]],
) -> Any:
    """A copy of the module with these parameters, and the statistics of batch norms cut along.

    Args:
        model: it is not changed.
        leaves: all parameters by path, cut.
        groups: what it declares of channels, by layer.
        keep: layer → which channels are left.
    """
    small = nnx.clone(model)
    values = {path: jnp.asarray(leaf) for path, leaf in leaves.items()}
    trees.set_parameters(small, trees.with_leaves(trees.parameters(small), values))
    found = owners(small)
    for layer, here in keep.items():
        norms = {id(found[path][0]): found[path][0] for path in groups[layer].own}
        for norm in norms.values():
            if isinstance(norm, nnx.BatchNorm):
                norm.mean.set_value(jnp.compress(here, norm.mean[...], axis=-1))
                norm.var.set_value(jnp.compress(here, norm.var[...], axis=-1))
    before = trees.leaves(trees.parameters(model))
    for path, places in holders(small, found).items():
        if before[path].shape != values[path].shape:
            for _, module, _ in places:
                _know_sizes(module)
    return small


def _know_sizes(module: Any) -> None:
    """Sizes that a layer keeps beside its arrays."""
    match module:
        case nnx.Linear():
            module.in_features, module.out_features = module.kernel.shape[-2:]
        case nnx.LinearGeneral():
            batch, read = len(module.batch_axis), len(module.in_features)
            module.in_features = tuple(module.kernel.shape[batch : batch + read])
            module.out_features = tuple(module.kernel.shape[batch + read :])
        case nnx.Conv() | nnx.ConvTranspose():
            module.kernel_shape = tuple(module.kernel.shape)
            swapped = getattr(module, "transpose_kernel", False)
            read, written = module.kernel_shape[-2:][:: -1 if swapped else 1]
            module.in_features, module.out_features = read * getattr(module, "feature_group_count", 1), written
        case nnx.BatchNorm() | nnx.InstanceNorm():
            size = next((a.shape[-1] for a in (module.scale, module.bias) if a is not None), None)
            module.num_features = module.num_features if size is None else size
