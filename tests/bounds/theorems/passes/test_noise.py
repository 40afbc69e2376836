"""Norms of noise against draws, and theorem P against networks whose weights and biases are moved."""

import math
from dataclasses import replace

import jax
import numpy as np
import pytest
from networks import conv, draw, flat, network

from sparsebounds import bounds
from sparsebounds.bounds.graph.difference import difference
from sparsebounds.bounds.theorems.passes.fixed import Fixed
from sparsebounds.bounds.theorems.passes.hulls import bias_norm
from sparsebounds.bounds.theorems.passes.maps import Place, biased_layers, learned_terms, term_upper
from sparsebounds.bounds.theorems.passes.noise import noisy_bias, noisy_map
from sparsebounds.bounds.theorems.passes.perturbation import Bearing
from sparsebounds.bounds.theorems.passes.sizes import Size, log, log_sum

# ---- κ -------------------------------------------------------------------------------------------


def images(f, *shape):
    return bounds.read_graph(f, np.ones((2, *shape), np.float32))


def shared(graph, index):
    """The graph with a bias whose channels are one number each at all positions."""
    layers, layer = list(graph.layers), graph.linear(index)
    channel = np.tile(np.arange(layer.channels, dtype=np.int32), layer.positions)
    layers[index] = replace(layer, bias_of=channel)
    return replace(graph, layers=tuple(layers))


def only(graph):
    (place, *_) = learned_terms(graph)
    return noisy_map(graph, place)


def test_the_forms_of_a_convolution_by_hand():
    """3×3, 3 → 16 channels, same padding on 8×8: a torus of 10×10. Two arrays, 1/L = 1/8."""
    found = only(images(lambda x: flat(conv(x, draw(1, 3, 3, 3, 16), padding="SAME")), 8, 8, 3))
    kappas = sorted({round(form.kappa(math.log(8)), 4) for form in found.forms})
    assert kappas == [39.8318, 77.9099] and found.kappa(math.log(8)) == pytest.approx(39.8318, abs=1e-4)
    sides = math.sqrt(3) + math.sqrt(16)
    assert math.sqrt(2) * 3 * (sides + math.sqrt(2 * math.log(4 * 100 * 2))) == pytest.approx(39.8318, abs=1e-4)
    assert 9 * (sides + math.sqrt(2 * math.log(4 * 9 * 2))) == pytest.approx(77.9099, abs=1e-4)
    assert found.norm == pytest.approx(np.linalg.norm(draw(1, 3, 3, 3, 16)), rel=1e-6)


def test_dense_patches_groups_scales_and_biases_by_hand():
    tail = lambda events: math.sqrt(2 * math.log(8 * events))  # noqa: E731
    kappa = lambda f, *shape: only(images(f, *shape)).kappa(math.log(8))  # noqa: E731
    assert kappa(lambda x: x @ draw(1, 9, 4), 9) == pytest.approx(3 + 2 + tail(1))
    # Patches that do not overlap are one matrix at every position: 2·2·3 elements, 16 outputs.
    patches = lambda x: flat(conv(x, draw(1, 2, 2, 3, 16), stride=(2, 2)))  # noqa: E731
    assert kappa(patches, 8, 8, 3) == pytest.approx(math.sqrt(12) + 4 + tail(1))
    # Four groups of 2 → 3 channels, 3×3 on a torus of 8×8 (VALID).
    grouped = lambda x: flat(conv(x, draw(1, 3, 3, 2, 12), groups=4))  # noqa: E731
    sides = math.sqrt(2) + math.sqrt(3)
    assert kappa(grouped, 8, 8, 8) == pytest.approx(
        min(math.sqrt(18) * (sides + tail(64 * 4)), 9 * (sides + tail(9 * 4)))
    )
    scaled = images(lambda x: flat(jax.nn.relu(jax.nn.relu(x) * draw(1, 5) + draw(3, 5))) @ draw(2, 80, 2), 4, 4, 5)
    assert only(scaled).kappa(math.log(8)) == pytest.approx(math.sqrt(2 * math.log(8 * 2 * 80)))
    free = images(lambda x: flat(conv(x, draw(1, 3, 3, 3, 16), padding="SAME") + draw(2, 16)), 8, 8, 3)
    (layer,) = biased_layers(free)
    own = replace(free.linear(layer), bias_of=None)
    free = replace(free, layers=(*free.layers[:layer], own, *free.layers[layer + 1 :]))
    assert noisy_bias(free, layer).kappa(math.log(8)) == pytest.approx(32 + tail(1))  # 1024 numbers of their own
    biased = replace(free.linear(layer), positions=64, channels=16)
    graph = shared(replace(free, layers=(*free.layers[:layer], biased, *free.layers[layer + 1 :])), layer)
    found = noisy_bias(graph, layer)
    assert found.kappa(math.log(8)) == pytest.approx(8 * (math.sqrt(16) + tail(1)))
    assert found.norm == pytest.approx(np.linalg.norm(draw(2, 16)), rel=1e-6)


CONVOLUTIONS = {
    "same": (lambda k: lambda x: flat(conv(x, k, padding="SAME")), (3, 3, 2, 5)),
    "strided": (lambda k: lambda x: flat(conv(x, k, stride=(2, 2), padding="SAME")), (3, 3, 2, 5)),
    "dilated": (lambda k: lambda x: flat(conv(x, k, dilation=(2, 2), padding="SAME")), (2, 2, 2, 5)),
    "grouped": (lambda k: lambda x: flat(conv(x, k, groups=2)), (3, 3, 1, 6)),
    "one tap": (lambda k: lambda x: flat(conv(x, k)), (1, 1, 2, 3)),
    "dense": (lambda k: lambda x: flat(x) @ k.reshape(72, -1), (6, 6, 2, 5)),
}


@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_noise_stays_below_every_form(name):
    """The operator written out, 60 draws, 1/L = 1/200."""
    of_kernel, shape = CONVOLUTIONS[name]
    forms, rng, worst = only(images(of_kernel(draw(0, *shape)), 6, 6, 2)).forms, np.random.default_rng(7), 0.0
    basis = np.eye(72, dtype=np.float32).reshape(72, 6, 6, 2)
    for _ in range(60):
        matrix = np.asarray(of_kernel(rng.normal(size=shape).astype(np.float32))(basis), np.float64)
        worst = max(worst, float(np.linalg.norm(matrix, 2)))
    ratios = [worst / form.kappa(math.log(200)) for form in forms]
    assert 0.25 < max(ratios) <= 1


def test_noise_of_a_shared_bias_stays_below():
    rng = np.random.default_rng(7)
    f = lambda x: flat(jax.nn.relu(conv(x, draw(1, 1, 1, 2, 3)) + draw(2, 3))) @ draw(3, 108, 2)  # noqa: E731
    graph = images(f, 6, 6, 2)
    graph = shared(graph, biased_layers(graph)[0])
    kappa = noisy_bias(graph, biased_layers(graph)[0]).kappa(math.log(2))
    drawn = [6 * np.linalg.norm(rng.normal(size=3)) for _ in range(400)]
    assert np.mean(np.array(drawn) > kappa) < 0.5 and max(drawn) > 0.8 * kappa


# ---- theorem P -----------------------------------------------------------------------------------


def own(graph):
    norms = {place: log(term_upper(graph, place)) for place in learned_terms(graph)}
    return Fixed(graph, norms, {i: log(bias_norm(graph, i)) for i in biased_layers(graph)})


def bearing(graph, chi):
    return Bearing.of(own(graph), learned_terms(graph), Size(log(chi), log(chi), log(chi)))


def said(graph, moved, chi):
    """Σ Λ⁺ χ ‖U‖ + Σ Λ⁺ ‖u‖ for the difference of two networks."""
    shift, class_ = difference(moved, bounds.Reference(graph, fixed="before training")), bearing(graph, chi)
    noise = {place: log(term_upper(shift, place)) for place in learned_terms(graph)}
    noise |= {i: log(bias_norm(shift, i)) for i in biased_layers(graph)}
    reaches = class_.reaches(noise)
    return math.exp(log_sum(noise[a] + reaches[a] for a in noise))


def found(graph, moved, x):
    return float(np.linalg.norm(bounds.evaluate(moved, x) - bounds.evaluate(graph, x), axis=1).max())


def net(seed):
    """Skips before and after activations, overlapping maxima, concatenation, biases: one of several."""
    rng, kind = np.random.default_rng(seed), seed % 5
    relu, tanh, gelu = jax.nn.relu, jax.numpy.tanh, jax.nn.gelu
    one = lambda *shape: (rng.normal(size=shape) * rng.uniform(0.2, 2.0)).astype(np.float32)  # noqa: E731
    a, b, c, bias, last = one(3, 3, 1, 2), one(3, 3, 2, 2), one(3, 3, 2, 2), one(2), one(50, 3)
    pool = lambda h: jax.lax.reduce_window(h, -np.inf, jax.lax.max, (1, 3, 3, 1), (1, 1, 1, 1), "SAME")  # noqa: E731
    same = lambda h, k: conv(h, k, padding="SAME")  # noqa: E731

    def f(x):
        h = (relu, tanh, gelu, jax.nn.sigmoid, abs)[kind](same(x, a) + bias)
        if kind == 0:
            h = relu(h + same(relu(same(h, b) + bias), c))
        elif kind == 1:
            h = pool(h) + same(h, b)
        elif kind == 2:
            h = same(gelu(same(h, b)), c) + h + bias
        elif kind == 3:
            h = same(jax.numpy.concatenate([h, same(h, b)], axis=-1), np.concatenate([b, c], axis=2))
        else:
            h = pool(pool(same(h, b)) + h)
        return flat(h) @ last

    return f


def stirred(graph, change):
    return replace(graph, layers=tuple(layer.with_parameters(change) for layer in graph.layers))


@pytest.mark.parametrize("start", range(0, 300, 60))
def test_no_noise_moves_the_scores_further_than_said(start):
    """Random noise, and weights all scaled alike, which comes closest."""
    ratios = []
    for seed in range(start, start + 60):
        rng = np.random.default_rng(seed)
        x = rng.normal(size=(8, 5, 5, 1)).astype(np.float32) * rng.uniform(0.1, 3.0)
        graph, chi = bounds.read_graph(net(seed), x[:2]), float(np.linalg.norm(x.reshape(8, -1), axis=1).max())
        size = 10.0 ** rng.uniform(-3, 0.5)
        for change in (lambda w, r=rng, s=size: w + s * r.normal(size=w.shape), lambda w, s=size: w * (1 + s)):
            moved = stirred(graph, change)
            ratios.append(found(graph, moved, x) / said(graph, moved, chi))
    assert 0.01 < max(ratios) <= 1


def test_overlapping_maxima_attain_the_bound_and_refute_constant_1():
    """The weight before maxima that all see one bump moves four scores."""
    pool = lambda h: jax.lax.reduce_window(h, -np.inf, jax.lax.max, (1, 2, 2, 1), (1, 1, 1, 1), "VALID")  # noqa: E731
    of = lambda w: bounds.read_graph(  # noqa: E731
        lambda x: flat(pool(conv(x, np.full((1, 1, 1, 1), w, np.float32)))) @ np.eye(4, dtype=np.float32),
        np.ones((2, 3, 3, 1), np.float32),
    )
    bump = np.zeros((1, 3, 3, 1), np.float32)
    bump[0, 1, 1, 0] = 1.0
    graph, moved = of(1.0), of(1.5)
    assert found(graph, moved, bump) == pytest.approx(1.0) == pytest.approx(said(graph, moved, 1.0), rel=1e-6)
    class_ = own(graph)
    (pooled,) = (i for i, layer in enumerate(graph.layers) if layer.role == "max pool")
    twin = replace(class_, norms={**class_.norms, Place(pooled, 0): 0.0})
    first = learned_terms(graph)[0]
    broken = Bearing.of(twin, learned_terms(graph), Size(0.0, 0.0, 0.0)).reaches({})[first]
    assert found(graph, moved, bump) > 1.9 * 0.5 * math.exp(broken)


def test_a_skip_attains_the_bound_and_refutes_one_path():
    """f = h + 1·h, h = w x: a change of w counts twice."""
    of = lambda w: bounds.read_graph(  # noqa: E731
        lambda x: (lambda h: h + h @ np.eye(2, dtype=np.float32))(x @ np.float32([[w, 0.0], [0.0, 1.0]])),
        np.ones((2, 2), np.float32),
    )
    graph, moved, x = of(1.0), of(1.5), np.float32([[1.0, 0.0]])
    assert found(graph, moved, x) == pytest.approx(1.0) == pytest.approx(said(graph, moved, 1.0), rel=1e-6)
    (first, second) = learned_terms(graph)
    path = math.exp(own(graph).norms[second])  # λ of the skip not added
    assert found(graph, moved, x) > 1.9 * 0.5 * path
    assert math.exp(bearing(graph, 1.0).reaches({})[first]) == pytest.approx(2 * path)


@pytest.mark.parametrize("name", ["native_biased", "residual_post_activation", "max_pooled", "concatenated"])
@pytest.mark.parametrize("change", [1e-3, 1.0, 1e3])
def test_what_is_bearable_causes_no_more_than_the_change(name, change):
    one = network(name)
    graph = bounds.read_graph(one.f, one.x[:2])
    class_ = bearing(graph, 10.0)
    arrays = class_.reaches({})
    tau = class_.bearable(dict.fromkeys(arrays, -math.log(len(arrays))), log(change))
    raised = class_.reaches(tau)
    total = math.exp(log_sum(tau[a] + raised[a] for a in tau))
    assert 0.5 * min(change, 1.0) < total <= change * (1 + 1e-9) if change <= 1 else total <= change * (1 + 1e-9)
