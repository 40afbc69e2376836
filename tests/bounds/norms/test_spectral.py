"""Spectral norms: never below the norm of the unrolled matrix, exact where nothing is lost, and close elsewhere."""

from __future__ import annotations

import itertools
import math
import tracemalloc
from dataclasses import replace

import jax
import jax.numpy as jnp
import networks
import norms_oracle as oracle
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import conv, draw, flat

from sparsebounds import bounds
from sparsebounds.bounds import norms
from sparsebounds.bounds.graph.elements import ABSENT
from sparsebounds.bounds.graph.layers import Linear
from sparsebounds.bounds.graph.taps import Taps
from sparsebounds.bounds.graph.terms import Diagonal, Dot
from sparsebounds.bounds.norms.eigenvalue import gram_iteration_upper, largest_eigenvalue_upper
from sparsebounds.bounds.norms.lattice import find_lattice

EXACT = 1e-7
"""How far above the truth an upper that loses nothing may lie: the margin of the proof and rounding."""


@st.composite
def convolutions(draw):
    axes = draw(st.integers(1, 2))
    each = lambda low, high: tuple(draw(st.integers(low, high)) for _ in range(axes))  # noqa: E731
    window, stride, dilation, size = each(1, 3), each(1, 3), each(1, 2), each(1, 6)
    groups, per_group, per_out = draw(st.integers(1, 2)), draw(st.integers(1, 2)), draw(st.integers(1, 3))
    kind = draw(st.sampled_from(["CIRCULAR", "VALID", "SAME", "pairs"]))
    padding = tuple((draw(st.integers(0, 3)), draw(st.integers(0, 3))) for _ in range(axes))
    sparse = draw(st.booleans())
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    kernel = rng.normal(size=(*window, per_group, per_out * groups))
    kernel *= rng.random(kernel.shape) < 0.5 if sparse else 1.0
    return kernel, size, stride, dilation, groups, kind if kind != "pairs" else padding


def literal_padding(kernel, size, stride, dilation, padding):
    if padding == "CIRCULAR":
        return None
    if padding == "VALID":
        return [(0, 0)] * len(size)
    if padding != "SAME":
        return list(padding)
    totals = [
        max((-(-n // s) - 1) * s + (k - 1) * d + 1 - n, 0)
        for n, s, k, d in zip(size, stride, kernel.shape, dilation, strict=False)
    ]
    return [(t // 2, t - t // 2) for t in totals]


@settings(max_examples=250, deadline=None)
@given(convolutions())
def test_convolution_against_the_unrolled_matrix(case):
    kernel, size, stride, dilation, groups, padding = case
    pads = literal_padding(kernel, size, stride, dilation, padding)
    reach = [(k - 1) * d + 1 for k, d in zip(kernel.shape, dilation, strict=False)]
    if pads is not None and any(r > n + sum(p) for r, n, p in zip(reach, size, pads, strict=True)):
        with pytest.raises(ValueError, match="needed fewer"):
            norms.convolution_upper(kernel, size, stride=stride, padding=padding, dilation=dilation, groups=groups)
        return
    true = oracle.spectral(oracle.convolution(kernel, size, stride, pads, dilation, groups))
    for method in ("cholesky", "gram"):
        options = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups, "method": method}
        upper = norms.convolution_upper(kernel, size, **options)
        # Every tap that is applied is a block of the matrix, and the symbol is at most the sum of their norms.
        assert true * (1 - 1e-12) <= upper <= 1.02 * math.prod(kernel.shape[:-2]) * true + 1e-300
    if padding == "CIRCULAR" and all(n % s == 0 for n, s in zip(size, stride, strict=True)):
        assert norms.convolution_upper(kernel, size, **options | {"method": "cholesky"}) <= true * (1 + EXACT)


@pytest.mark.parametrize("padding", ["SAME", "VALID"])
@pytest.mark.parametrize("stride", [1, 2])
def test_close_to_the_truth_on_a_larger_grid(padding, stride):
    kernel = draw(1, 3, 3, 2, 2).astype(np.float64)
    pads = literal_padding(kernel, (16, 16), (stride,) * 2, (1, 1), padding)
    true = oracle.spectral(oracle.convolution(kernel, (16, 16), (stride,) * 2, pads, (1, 1), 1))
    assert true <= norms.convolution_upper(kernel, (16, 16), stride=stride, padding=padding) <= 1.03 * true


@pytest.mark.parametrize(("window", "channels"), [(3, 70), (5, 4)])
def test_circular_equals_the_union_of_the_frequencies(window, channels):
    """Channels beyond the size that LAPACK decomposes, and more taps than frequencies pay for."""
    kernel = np.random.default_rng(0).normal(size=(window, window, channels, channels + 1))
    symbols = np.fft.fft2(kernel, (6, 6), axes=(0, 1)) if window <= 6 else None
    true = np.linalg.svd(symbols, compute_uv=False).max()
    assert true * (1 - 1e-12) <= norms.convolution_upper(kernel, (6, 6), padding="CIRCULAR") <= true * (1 + EXACT)
    gram = norms.convolution_upper(kernel, (6, 6), padding="CIRCULAR", method="gram")
    assert true <= gram <= true * (channels + 1) ** (1 / 2**8) * (1 + EXACT)


def test_smooth_kernel_where_the_reshaped_norm_is_half_the_truth():
    kernel = np.ones((2, 2, 1, 1))
    assert np.linalg.norm(kernel.reshape(4, 1), 2) == 2.0
    assert norms.convolution_upper(kernel, (8, 8), padding="CIRCULAR") == pytest.approx(4.0, rel=EXACT)
    assert norms.convolution_upper(kernel, (8, 8)) <= 4.0 * (1 + EXACT)


def test_disjoint_windows_are_exact():
    kernel = draw(2, 2, 2, 3, 5).astype(np.float64)
    assert norms.convolution_upper(kernel, (8, 8), stride=2) == pytest.approx(
        np.linalg.norm(kernel.reshape(12, 5), 2), rel=EXACT
    )


def test_groups_count_the_largest():
    kernel = np.concatenate([np.ones((2, 2, 1, 1)), 5 * np.ones((2, 2, 1, 1))], axis=3)
    assert norms.convolution_upper(kernel, (4, 4), padding="CIRCULAR", groups=2) == pytest.approx(20.0, rel=EXACT)


@pytest.mark.parametrize("name", oracle.ZOO)
def test_every_linear_layer_of_the_zoo(name):
    graph = oracle.graph(name)
    for i in oracle.linear_layers(graph):
        true = oracle.spectral(oracle.matrix(graph, i))
        for method in ("cholesky", "gram"):
            assert true <= norms.spectral_upper(graph, i, method=method) <= 1.5 * true


@pytest.mark.parametrize("name", ["grouped", "linen_conv_local", "average_pooled", "residual_post_activation"])
def test_estimates_stay_below_the_truth(name):
    graph = oracle.graph(name)
    for i in oracle.linear_layers(graph):
        true = oracle.spectral(oracle.matrix(graph, i))
        assert 0.9 * true <= norms.spectral_estimate(graph, i) <= true * (1 + 1e-5)


def test_all_ways_to_write_a_convolution_give_one_number():
    written = [oracle.graph(n) for n in ("native", "patches", "shifted_matmuls", "predecessors", "patches_flat_batch")]
    for i in (1, 2, 3):
        values = [norms.spectral_upper(graph, i) for graph in written]
        assert values == pytest.approx([values[0]] * len(values), rel=1e-12)
        # Written as a dense matrix nothing is known of its windows, and nothing is lost at the border.
        assert norms.spectral_upper(oracle.graph("masked_dense"), i) <= values[0] * (1 + EXACT)


def test_circular_padding_by_hand_is_recognised():
    kernel, w = draw(3, 3, 3, 2, 3), draw(4, 108, 4)

    def f(x):
        x = jnp.concatenate([x[:, -1:], x, x[:, :1]], axis=1)
        x = jnp.concatenate([x[:, :, -1:], x, x[:, :, :1]], axis=2)
        return flat(jnp.maximum(conv(x, kernel), 0.0)) @ w

    graph = bounds.read_graph(f, networks.images(2))
    true = oracle.spectral(oracle.matrix(graph, 1))
    assert true <= norms.spectral_upper(graph, 1) <= true * (1 + EXACT)


def test_a_skip_that_reads_what_the_convolution_reads():
    kernel, w = draw(5, 3, 3, 2, 2), draw(6, 72, 4)
    graph = bounds.read_graph(
        lambda x: flat(jnp.maximum(x + conv(x, kernel, padding="SAME"), 0.0)) @ w, networks.images(2)
    )
    true = oracle.spectral(oracle.matrix(graph, 1))
    assert true <= norms.spectral_upper(graph, 1) <= 1.5 * true


def test_terms_that_read_different_elements_add_their_squares():
    graph = bounds.read_graph(lambda x: 3.0 * x[:, :2] + 4.0 * x[:, 2:], np.ones((1, 4), np.float32))
    assert norms.spectral_upper(graph, 1) == pytest.approx(5.0, rel=EXACT)


@pytest.mark.parametrize(("window", "stride", "true"), [(2, 2, 1.0), (3, 2, 2.0), (3, 1, 3.0)])
def test_max_pool_by_how_many_windows_an_element_is_in(window, stride, true):
    from flax import linen as nn

    w = draw(7, 400, 4)

    def f(x):
        pooled = flat(nn.max_pool(jnp.maximum(x, 0.0), (window, window), strides=(stride, stride)))
        return pooled @ w[: pooled.shape[1]]

    graph = bounds.read_graph(f, networks.images(2, size=(8, 8)))
    pool = next(i for i, layer in enumerate(graph.layers) if type(layer).__name__ == "MaxPool")
    assert true <= norms.spectral_upper(graph, pool) <= true * (1 + EXACT)


@pytest.mark.parametrize("scale", [1e-300, 1e-160, 1e160, 1e300])
def test_scales_that_square_out_of_range(scale):
    kernel = np.ones((2, 2, 1, 1)) * scale
    assert norms.convolution_upper(kernel, (4, 4), padding="CIRCULAR") == pytest.approx(4 * scale, rel=EXACT)
    assert norms.matrix_upper(np.diag([3.0, 7.0]) * scale) == pytest.approx(7 * scale, rel=EXACT)
    assert norms.matrix_upper(np.full((4, 4), 1e308)) == math.inf


def test_zeros_one_row_one_column():
    assert norms.convolution_upper(np.zeros((3, 3, 2, 2)), (5, 5), padding="SAME") == 0.0
    assert norms.matrix_upper(np.zeros((3, 2)), method="gram") == 0.0
    row = np.arange(1.0, 5.0)
    for matrix in (row[None], row[:, None]):
        assert np.linalg.norm(row) <= norms.matrix_upper(matrix) <= np.linalg.norm(row) * (1 + EXACT)
    graph = bounds.read_graph(lambda x: x @ jnp.zeros((3, 2)), np.ones((1, 3), np.float32))
    assert norms.spectral_upper(graph, 1) == norms.spectral_estimate(graph, 1) == 0.0


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_weights_that_are_not_finite_are_refused(bad):
    kernel = np.ones((2, 2, 1, 1))
    kernel[0, 0] = bad
    with pytest.raises(ValueError, match="NaN or infinite"):
        norms.convolution_upper(kernel, (4, 4))
    with pytest.raises(ValueError, match="NaN or infinite"):
        norms.matrix_upper(np.array([[1.0, bad]]))
    graph = oracle.graph("native")
    layer = graph.layers[1]
    weight = layer.terms[0].weight.copy()
    weight[0, 0, 0] = bad
    broken = replace(layer, terms=(replace(layer.terms[0], weight=weight),))
    graph = replace(graph, layers=(graph.layers[0], broken, *graph.layers[2:]))
    for norm in (norms.spectral_upper, norms.spectral_estimate, norms.frobenius_norm, norms.one_inf_norm):
        with pytest.raises(ValueError, match="not finite"):
            norm(graph, 1)


def test_bad_arguments():
    graph = oracle.graph("native")
    with pytest.raises(ValueError, match="linear layer"):
        norms.spectral_upper(graph, 0)
    with pytest.raises(ValueError, match="'cholesky', 'gram'"):
        norms.spectral_upper(graph, 1, method="power")
    with pytest.raises(ValueError, match="3 axes"):
        norms.convolution_upper(np.ones((2, 2, 1, 1)), (4,))
    with pytest.raises(ValueError, match="groups"):
        norms.convolution_upper(np.ones((2, 1, 3)), (4,), groups=2)
    with pytest.raises(ValueError, match="padding='FULL'"):
        norms.convolution_upper(np.ones((2, 1, 3)), (4,), padding="FULL")
    with pytest.raises(ValueError, match="at least one round"):
        norms.jacobian_estimate(lambda z: z, (2,), steps=0)


@pytest.mark.parametrize("size", [(1,), (5,), (63,), (65,), (100,)])
def test_proved_eigenvalues(size):
    rng = np.random.default_rng(0)
    a = rng.normal(size=(7, *size, *size)) + 1j * rng.normal(size=(7, *size, *size))
    grams = a @ a.conj().transpose(0, 2, 1)
    true = np.linalg.eigvalsh(grams).max()
    for batch in ([grams], [grams[:3], grams[3:]], [grams[3:], np.zeros_like(grams)]):
        expected = true if len(batch) < 2 or batch[1].any() else np.linalg.eigvalsh(batch[0]).max()
        assert expected * (1 - 1e-13) <= largest_eigenvalue_upper(batch) <= expected * (1 + EXACT)
        assert expected * (1 - 1e-13) <= gram_iteration_upper(batch) <= expected * size[0] ** (1 / 2**7) * (1 + EXACT)


def test_equal_matrices_and_equal_eigenvalues():
    grams = np.broadcast_to(np.eye(80), (5, 80, 80)).copy()
    assert 1.0 <= largest_eigenvalue_upper([grams]) <= 1 + EXACT


def test_entries_that_underflow():
    """Sets of weights of very different size, each on elements of its own and on shared ones."""
    assert 0 < largest_eigenvalue_upper([np.full((1, 3, 3), 1e-310)]) < 1e-270
    assert norms.convolution_upper(np.array([1e-170, 1.0, 1e-155]).reshape(1, 1, 3), (4,), groups=1) >= 1.0
    layer = Linear(positions=2, channels=1, terms=(unshared(np.array([[1e-165], [2.0]])),))
    graph = replace(oracle.graph("mlp_flat"), layers=(oracle.graph("mlp_flat").layers[0], layer))
    assert 2.0 <= norms.spectral_upper(graph, 1) <= 2.0 * (1 + EXACT)


def unshared(weights: np.ndarray) -> Dot:
    """Rows that read one element each, the first, with weights of their own."""
    taps = Taps(np.zeros((len(weights), 1, 1), np.int32), np.zeros((1, 1), np.int32))
    return Dot(taps, weights[:, :, None])


def test_a_lattice_is_refused_when_one_entry_disagrees():
    codes = np.array([[y * 5 + x + dy * 5 + dx for dy in (0, 1) for dx in (0, 1)] for y in range(4) for x in range(4)])
    shapes = [(5, 5)]
    found = find_lattice(codes, shapes)
    assert found is not None and found.modulus == (5, 5) and found.stride == (1, 1)
    for row, column in itertools.product(range(16), range(4)):
        broken = codes.copy()
        broken[row, column] = (broken[row, column] + 7) % 25
        assert find_lattice(broken, shapes) is None
        missing = codes.copy()
        missing[row, column] = ABSENT  # other rows read this point: it is no padding
        reads = np.isin(codes[row, column], np.delete(codes.ravel(), row * 4 + column))
        assert (find_lattice(missing, shapes) is None) == bool(reads)


def test_rows_that_repeat_count_as_often_as_they_stand():
    codes = np.array([[0, 1], [1, 2], [2, 3], [1, 2]])
    found = find_lattice(codes, [(4,)])
    assert found is not None and found.copies == 2


def test_elements_read_by_a_diagonal_several_times():
    layer = Linear(positions=3, channels=1, terms=(Diagonal(np.array([0, 0, 1], np.int32), np.array([3.0, 4.0, 1.0])),))
    graph = replace(oracle.graph("mlp_flat"), layers=(oracle.graph("mlp_flat").layers[0], layer))
    assert 5.0 <= norms.spectral_upper(graph, 1) <= 5.0 * (1 + EXACT)


def test_estimate_of_a_function_that_is_not_a_graph():
    kernel = draw(8, 3, 3, 2, 2).astype(np.float64)
    true = oracle.spectral(oracle.convolution(kernel, (6, 6), (1, 1), [(1, 1)] * 2, (1, 1), 1))
    found = norms.jacobian_estimate(lambda x: conv(x, jnp.asarray(kernel, jnp.float32), padding="SAME"), (1, 6, 6, 2))
    assert 0.95 * true <= found <= true * (1 + 1e-5)


def test_estimate_of_an_affine_map_leaves_the_constant_out():
    assert norms.jacobian_estimate(lambda z: 3.0 * z + 100.0, (4,)) == pytest.approx(3.0, rel=1e-5)


def test_a_wide_dense_layer_is_not_copied(monkeypatch):
    """Weights of a usual size are not scaled; others are, by a power of two."""
    weights = np.random.default_rng(0).normal(size=(300, 40)).astype(np.float32)
    usual, tiny, huge = (
        norms.spectral_upper(bounds.read_graph(lambda x, c=c: x @ (weights * np.float32(c)), np.ones((1, 300))), 1)
        for c in (1.0, 2.0**-120, 2.0**100)
    )
    assert (tiny * 2.0**120, huge * 2.0**-100) == pytest.approx((usual, usual), rel=1e-9)
    wide = bounds.read_graph(lambda x: x @ weights, np.ones((1, 300)))
    monkeypatch.setattr(type(wide.dot(1)), "with_strengths", None)
    assert norms.spectral_upper(wide, 1) == usual >= np.linalg.norm(weights.astype(np.float64), 2)


def test_a_depthwise_convolution_counts_what_it_reads_alone():
    """512 channels behind 33 000 elements: a table of all elements for each channel would take 130 MB."""
    first, second = draw(1, 1, 1, 4, 512), draw(2, 3, 3, 1, 512)
    f = lambda x: flat(conv(jax.nn.relu(conv(x, first)), second, padding="SAME", groups=512))  # noqa: E731
    graph = bounds.read_graph(f, np.ones((1, 8, 8, 4), np.float32))
    tracemalloc.start()
    found = norms.spectral_upper(graph, 2)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    alone = max(norms.convolution_upper(second[..., i : i + 1], (8, 8), padding="SAME") for i in range(0, 512, 100))
    assert peak < 40e6 and found >= alone


def test_a_dense_layer_takes_its_gram_matrix_and_no_copy():
    weights = np.random.default_rng(0).normal(size=(60_000, 200)).astype(np.float32)
    graph = bounds.read_graph(lambda x: x @ weights, np.ones((1, 60_000), np.float32))
    tracemalloc.start()
    norms.spectral_upper(graph, 1)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 0.6 * 8 * weights.size
