"""Norms of layers, and the path norm: `…_norm` exact, `…_upper` never below the truth, `…_estimate` maybe below it."""

from sparsebounds.bounds.norms.entrywise import frobenius_norm, one_inf_norm, row_norms, two_one_norm
from sparsebounds.bounds.norms.estimates import jacobian_estimate, spectral_estimate
from sparsebounds.bounds.norms.gram import gram_upper
from sparsebounds.bounds.norms.kernels import (
    kernel_frobenius_norm,
    kernel_tensor_norm,
    kernel_two_one_norm,
    layer_kernel,
)
from sparsebounds.bounds.norms.path import log_path_norm, log_path_norms
from sparsebounds.bounds.norms.spectral import convolution_upper, matrix_upper, spectral_upper

__all__ = [
    "convolution_upper",
    "frobenius_norm",
    "gram_upper",
    "jacobian_estimate",
    "kernel_frobenius_norm",
    "kernel_tensor_norm",
    "kernel_two_one_norm",
    "layer_kernel",
    "log_path_norm",
    "log_path_norms",
    "matrix_upper",
    "one_inf_norm",
    "row_norms",
    "spectral_estimate",
    "spectral_upper",
    "two_one_norm",
]
