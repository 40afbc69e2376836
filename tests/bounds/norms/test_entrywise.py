"""Frobenius, (2,1) and ℓ1,∞ norms against the unrolled matrix; kernels however they are written."""

from __future__ import annotations

import jax.numpy as jnp
import networks
import norms_oracle as oracle
import numpy as np
import pytest
from networks import conv, draw, flat

from sparsebounds import bounds
from sparsebounds.bounds import norms
from sparsebounds.bounds.graph.layers import Input, Linear
from sparsebounds.bounds.graph.taps import Taps
from sparsebounds.bounds.graph.terms import Dot


@pytest.mark.parametrize("name", oracle.ZOO)
def test_operator_norms_of_the_zoo(name):
    graph = oracle.graph(name)
    for i in oracle.linear_layers(graph):
        a = oracle.matrix(graph, i)
        rows = np.sqrt(np.square(a).sum(axis=1))
        assert norms.frobenius_norm(graph, i) == pytest.approx(np.sqrt(np.square(a).sum()), rel=1e-12)
        np.testing.assert_allclose(norms.row_norms(graph, i), rows, rtol=1e-12)
        assert norms.two_one_norm(graph, i) == pytest.approx(rows.sum(), rel=1e-12)
        assert norms.one_inf_norm(graph, i) == pytest.approx(np.abs(a).sum(axis=1).max(), rel=1e-12)


def test_terms_that_read_the_same_elements_are_added_before_the_norm():
    """I + K: the middle tap's weight and the skip's 1 are one entry."""
    kernel, w = draw(5, 3, 3, 2, 2), draw(6, 72, 4)
    skip = bounds.read_graph(
        lambda x: flat(jnp.maximum(x + conv(x, kernel, padding="SAME"), 0.0)) @ w, networks.images(2)
    )
    merged = kernel.copy()
    merged[1, 1] += np.eye(2, dtype=np.float32)
    plain = bounds.read_graph(lambda x: flat(jnp.maximum(conv(x, merged, padding="SAME"), 0.0)) @ w, networks.images(2))
    assert len(skip.layers[1].terms) == 2
    for norm in (norms.frobenius_norm, norms.two_one_norm, norms.one_inf_norm):
        assert norm(skip, 1) == pytest.approx(norm(plain, 1), rel=1e-6)  # float32 added the 1
        assert norm(skip, 2) == norm(plain, 2)


def test_a_row_that_reads_one_element_twice_adds_its_weights():
    """Only graphs made by hand have such rows: x + x and x/2 + x/2 are the matrix (2, 1)."""
    twice = Taps(np.zeros((1, 1, 2), np.int32), np.zeros((1, 1), np.int32))
    map_ = Linear(1, 2, (Dot(twice, np.array([[[1.0, 0.5], [1.0, 0.5]]])),))
    graph = bounds.Graph((Input((1,), 1, 1), map_))
    assert norms.row_norms(graph, 1).tolist() == [2.0, 1.0]
    assert norms.frobenius_norm(graph, 1) == pytest.approx(5**0.5)
    assert 5**0.5 <= norms.spectral_upper(graph, 1) <= 5**0.5 * (1 + 1e-9)


def test_by_hand():
    """A 1×2 kernel (3, 4) without padding on three sites, two positions; then zero padding on the right."""
    kernel = np.array([3.0, 4.0], np.float32).reshape(1, 2, 1, 1)
    x = np.ones((1, 1, 3, 1), np.float32)
    valid = bounds.read_graph(lambda x: flat(jnp.maximum(conv(x, kernel), 0.0)) @ jnp.eye(2), x)
    assert norms.frobenius_norm(valid, 1) == pytest.approx(50**0.5)
    assert norms.two_one_norm(valid, 1) == pytest.approx(10.0)
    assert norms.one_inf_norm(valid, 1) == 7.0
    padded = bounds.read_graph(
        lambda x: flat(jnp.maximum(conv(x, kernel, padding=((0, 0), (0, 1))), 0.0)) @ jnp.eye(3), x
    )
    assert norms.frobenius_norm(padded, 1) == pytest.approx(59**0.5)  # 3 meets the image three times, 4 twice
    assert norms.two_one_norm(padded, 1) == pytest.approx(13.0)


def test_kernels_by_hand():
    kernel = np.zeros((1, 2, 2, 2))
    kernel[0, 0, :, 0], kernel[0, 1, :, 0], kernel[0, 1, 0, 1] = (3.0, 4.0), (0.0, 12.0), 2.0
    assert norms.kernel_frobenius_norm(kernel) == pytest.approx((169 + 4) ** 0.5)
    assert norms.kernel_two_one_norm(kernel) == pytest.approx(13 + 2)
    assert norms.kernel_tensor_norm(kernel) == pytest.approx(5 + 12 + 2)


@pytest.mark.parametrize(
    "name", ["native", "patches", "shifted_matmuls", "predecessors", "patches_flat_batch", "nnx_conv", "vmapped"]
)
def test_the_kernel_of_a_convolution_however_it_is_written(name):
    net, graph = networks.two_convolutions(name in ("nnx_conv", "vmapped")), oracle.graph(name)
    for i, kernel in ((1, net.k1), (2, net.k2)):
        found = norms.layer_kernel(graph, i)
        assert found.shape == (4, *kernel.shape[2:])
        for norm in (norms.kernel_frobenius_norm, norms.kernel_two_one_norm, norms.kernel_tensor_norm):
            assert norm(found) == pytest.approx(norm(kernel), rel=1e-12)
    assert norms.layer_kernel(graph, 3).shape == (1, 48, 4)


def test_the_kernel_of_groups_and_of_padding_that_hides_a_tap():
    grouped = norms.layer_kernel(oracle.graph("grouped"), 2)
    assert grouped.shape == (4, 2, 4)
    assert norms.kernel_tensor_norm(grouped) == pytest.approx(norms.kernel_tensor_norm(draw(56, 2, 2, 2, 4)), rel=1e-12)
    kernel = draw(9, 3, 3, 2, 3)
    hidden = bounds.read_graph(
        lambda x: flat(jnp.maximum(conv(x, kernel, padding="SAME"), 0.0)) @ draw(10, 3, 4),
        networks.images(2, size=(1, 1)),
    )
    assert norms.kernel_frobenius_norm(norms.layer_kernel(hidden, 1)) == pytest.approx(
        np.linalg.norm(kernel[1, 1].astype(np.float64)), rel=1e-12
    )


@pytest.mark.parametrize("scale", [1e-300, 1e-200, 1e200, 1e300])
def test_scales_that_square_out_of_range(scale):
    kernel = np.array([[[3.0], [4.0]]]) * scale
    assert norms.kernel_frobenius_norm(kernel) == pytest.approx(5 * scale, rel=1e-12)
    assert norms.kernel_two_one_norm(kernel) == pytest.approx(5 * scale, rel=1e-12)
    assert norms.kernel_tensor_norm(kernel) == pytest.approx(5 * scale, rel=1e-12)


def test_zeros_and_refusals():
    graph = bounds.read_graph(lambda x: x @ jnp.zeros((3, 2)), np.ones((1, 3), np.float32))
    norms_of_layers = (norms.frobenius_norm, norms.two_one_norm, norms.one_inf_norm)
    assert [norm(graph, 1) for norm in norms_of_layers] == [0.0] * 3
    with pytest.raises(ValueError, match="linear layer"):
        norms.frobenius_norm(graph, 0)
    pooled = oracle.graph("average_pooled")
    with pytest.raises(ValueError, match="0 learned maps"):
        norms.layer_kernel(pooled, 2)
    for norm in (norms.kernel_frobenius_norm, norms.kernel_two_one_norm, norms.kernel_tensor_norm):
        with pytest.raises(ValueError, match="NaN or infinite"):
            norm(np.array([[np.nan, 1.0]]))
