"""Masks: trees of booleans beside the weights; true is kept."""

from sparsebounds.nets.masks.masks import (
    apply,
    check,
    density,
    fingerprint,
    is_weight,
    keep_zeros,
    leaves,
    name,
    parameters,
    random_mask,
    set_parameters,
    with_leaves,
    zeroed,
)

__all__ = [
    "apply",
    "check",
    "density",
    "fingerprint",
    "is_weight",
    "keep_zeros",
    "leaves",
    "name",
    "parameters",
    "random_mask",
    "set_parameters",
    "with_leaves",
    "zeroed",
]
