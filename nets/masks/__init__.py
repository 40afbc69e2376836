"""Masks: trees of booleans beside the weights; true is kept."""

from sparsebounds.nets.masks.kernel_paths import Given, Select, kernels, layouts
from sparsebounds.nets.masks.layers import Layers
from sparsebounds.nets.masks.layout import Layout
from sparsebounds.nets.masks.masks import apply, check, check_zeros, density, fingerprint, keep_zeros, random_mask
from sparsebounds.nets.masks.normed import Normed, applied, check_stored
from sparsebounds.nets.masks.trees import leaves, like, name, parameters, set_parameters, to_zero, with_leaves, zeroed

__all__ = [
    "Given",
    "Layers",
    "Layout",
    "Normed",
    "Select",
    "applied",
    "apply",
    "check",
    "check_stored",
    "check_zeros",
    "density",
    "fingerprint",
    "keep_zeros",
    "kernels",
    "layouts",
    "leaves",
    "like",
    "name",
    "parameters",
    "random_mask",
    "set_parameters",
    "to_zero",
    "with_leaves",
    "zeroed",
]
