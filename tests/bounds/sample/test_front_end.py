"""Fixed front ends: what they compute, where the graph begins, and that no image of the sample may have shaped them."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sparsebounds import bounds
from sparsebounds.bounds.sample.fingerprinting import fingerprints
from sparsebounds.bounds.sample.front_end import FrontEnd, Received
from sparsebounds.nets.data.filters import EdgeFilters, cosine_patches, directions, edge_features, pooled, triangles


def stripes(angle: float, size: int = 28) -> np.ndarray:
    """A straight edge through the middle, brighter along `angle`."""
    r, c = np.mgrid[:size, :size] - (size - 1) / 2
    return (1 / (1 + np.exp(-(math.cos(angle) * c + math.sin(angle) * r))))[None, ..., None].astype(np.float32)


@pytest.mark.parametrize("which", range(8))
def test_a_direction_answers_to_its_own_edge_most(which: int) -> None:
    maps = np.asarray(directions(jnp.asarray(stripes(2 * math.pi * which / 8)), 8))[0, 5:-5, 5:-5].sum(axis=(0, 1))
    assert int(np.argmax(maps)) == which
    assert maps[(which + 4) % 8] == 0.0  # the opposite direction sees the edge fall, and is silent
    assert maps[which] > 2 * maps[(which + 1) % 8]


def test_triangles_cover_the_middle_evenly() -> None:
    rows = triangles(28, 5)
    assert rows.shape == (6, 28)
    np.testing.assert_allclose(rows.sum(axis=0)[5:-5], 1 / 5, rtol=1e-6)
    maps = np.random.default_rng(0).normal(size=(2, 9, 9, 3)).astype(np.float32)
    by_hand = sum(triangles(9, 4)[1, r] * triangles(9, 4)[2, c] * maps[1, r, c, 2] for r in range(9) for c in range(9))
    np.testing.assert_allclose(np.asarray(pooled(jnp.asarray(maps), 4))[1, 1, 2, 2], by_hand, rtol=1e-5)


def test_features_do_not_see_brightness_and_have_bounded_norm() -> None:
    x = np.random.default_rng(1).uniform(size=(3, 12, 12, 1)).astype(np.float32)
    filters = EdgeFilters(4, (4, 5), (4,), 4)
    features = np.asarray(edge_features(jnp.asarray(10 * x), filters))
    np.testing.assert_allclose(features, np.asarray(edge_features(jnp.asarray(1000 * x), filters)), atol=0.01)
    assert (np.linalg.norm(features, axis=1) <= math.sqrt(3) * (1 + 1e-6)).all()
    assert np.isfinite(np.asarray(edge_features(jnp.zeros((1, 12, 12, 1)), filters))).all()


def test_filters_refuse_what_they_cannot_do() -> None:
    with pytest.raises(ValueError, match="at least one stride"):
        EdgeFilters(strides=())
    with pytest.raises(ValueError, match="needed"):
        edge_features(jnp.ones((2, 28, 28, 3)), EdgeFilters())


def test_a_convolution_is_a_one_by_one_convolution_of_the_cosine_patches() -> None:
    rng = np.random.default_rng(2)
    x, kernel = rng.normal(size=(2, 12, 12, 1)), rng.normal(size=(4, 4, 1, 3))
    plain = jax.lax.conv_general_dilated(
        jnp.asarray(x, jnp.float32), jnp.asarray(kernel, jnp.float32), (2, 2), "VALID",
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
    )  # fmt: skip
    impulses = np.asarray(cosine_patches(jnp.asarray(np.eye(16).reshape(16, 4, 4, 1), jnp.float32), 4, 1))[:, 0, 0]
    np.testing.assert_allclose(impulses @ impulses.T, np.eye(16), atol=1e-5)  # an orthogonal change of basis
    turned = impulses.T @ kernel.reshape(16, 3)
    found = np.asarray(cosine_patches(jnp.asarray(x, jnp.float32), 4, 2)) @ turned
    np.testing.assert_allclose(found, np.asarray(plain), atol=1e-4)


def test_the_graph_and_the_energies_begin_behind_the_front_end() -> None:
    rng = np.random.default_rng(3)
    x, y = rng.normal(size=(30, 6)).astype(np.float32), np.arange(30) % 2
    front = FrontEnd(lambda v: jnp.abs(v[:, :4]) * 3.0)
    head = rng.normal(size=(4, 2)).astype(np.float32)

    def f(v):
        return v @ head

    graph = bounds.read_graph(f, x, front_end=front)
    sample = bounds.Sample.measure(f, front.receive(x), y)
    assert graph.input.shape == (4,)
    np.testing.assert_allclose(sample.energies, 9 * np.square(x[:, :4]).sum(axis=0), rtol=1e-5)
    assert np.array_equal(sample.fingerprints, fingerprints(x))  # of the images, not of the features
    assert bounds.peeling(graph, sample, delta=0.01).covered


def test_images_that_shaped_the_front_end_are_refused() -> None:
    x = np.random.default_rng(4).normal(size=(10, 3)).astype(np.float32)
    mean = x[:4].mean(axis=0)
    front = FrontEnd(lambda v: v - mean, fingerprints(x[:4]))
    assert front.receive(x[4:]).shape == (6, 3)
    with pytest.raises(ValueError, match="2 of these 8 inputs shaped the front end"):
        front.receive(x[2:])
    with pytest.raises(ValueError, match="shaped the front end"):
        front.then(jnp.tanh).receive(x)  # what comes after does not make them forgotten
    later = front.receive(x[4:]).then(lambda v: 2 * v)
    assert isinstance(later, Received) and np.array_equal(later.fingerprints, fingerprints(x[4:]))


def test_values_that_are_not_finite_are_refused() -> None:
    with pytest.raises(ValueError, match="not finite"):
        FrontEnd(lambda v: v / 0.0).outputs(np.ones((1, 2), np.float32))
