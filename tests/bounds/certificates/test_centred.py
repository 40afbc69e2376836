"""Boxes around a rehearsal: membership, charge by hand, the margin step against all signs, certificates, training."""

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
from classes_fixed import three_clusters, two_layers
from hypothesis import given
from hypothesis import strategies as st

from sparsebounds import bounds
from sparsebounds.bounds.bound import NotCovered
from sparsebounds.bounds.certificates.boxes.centred import Centred
from sparsebounds.bounds.certificates.boxes.common_scale import common_scales
from sparsebounds.bounds.certificates.boxes.family import Boxes
from sparsebounds.bounds.certificates.boxes.moments import pairs
from sparsebounds.bounds.certificates.boxes.rehearsal import box_around_rehearsal
from sparsebounds.bounds.certificates.energies import measure_energies
from sparsebounds.bounds.certificates.family import certify_family
from sparsebounds.bounds.certificates.signs import SLACK
from sparsebounds.bounds.moments.margin_forms import tree_form
from sparsebounds.bounds.moments.tree import Tree
from sparsebounds.nets.certify import CertifyConfig, train_centred

TWO, THREE = (tree_form(Tree.balanced(n), n) for n in (2, 3))


@given(st.integers(0, 2**32 - 1))
def test_which_multiples_hold_a_network(seed: int) -> None:
    """Against the definition, factor by factor; a box without an inner factor is refused."""
    rng = np.random.default_rng(seed)
    centres, halves = rng.normal(size=3), rng.uniform(0, 1, size=3) * (rng.uniform(size=3) < 0.8)
    weights = rng.uniform(0.2, 3) * (centres + rng.uniform(-1.3, 1.3, size=3) * halves)
    a = np.geomspace(1e-3, 1e3, 20001)
    held = a[(np.abs(weights - a[:, None] * centres) <= a[:, None] * halves).all(axis=1)]
    try:
        low, high = common_scales(weights, centres, halves)
    except ValueError:
        assert len(held) <= 1
    else:
        inside = (a >= low * (1 + 1e-12)) & (a <= high * (1 - 1e-12))
        assert set(a[inside]) <= set(held) and held.size >= inside.sum()
        np.testing.assert_array_equal(held[(held < low * (1 - 1e-12)) | (held > high * (1 + 1e-12))], [])


def test_the_refusal_is_one_sentence() -> None:
    with pytest.raises(ValueError, match=r"a factor of at least 2, another one of at most 1\.25; train inside"):
        common_scales(np.array([3.0, 1.0]), np.ones(2) + [0.0, 0.0], np.array([0.5, 0.2]))
    with pytest.raises(ValueError, match="no multiple"):  # without a floor a weight of 0 has to stay 0
        common_scales(np.array([1.0, 0.1]), np.array([1.0, 0.0]), np.array([0.1, 0.0]))


def centred_of(rng: np.random.Generator, form=THREE, inputs: int = 3) -> Centred:
    shape, count = (len(form.rows), inputs + 1), len(pairs(form))
    sizes = rng.uniform(0.5, 2, size=(count, inputs + 1))
    return Centred(
        form, rng.normal(size=shape), rng.uniform(0.1, 1, size=shape), sizes, np.append(np.ones(inputs), 1.0)
    )


def test_half_of_a_box_with_signs_is_one_around_its_middle() -> None:
    """[0, β] is D⁰ = h = β/2: the charges agree, but for the slack of the signs."""
    rng = np.random.default_rng(1)
    centred = centred_of(rng)
    signed = Boxes(THREE, 2 * centred.halves, np.ones_like(centred.halves), centred.sizes, centred.largest)
    energies = rng.uniform(1, 2, size=(len(centred.sizes), len(THREE.weights)))
    weights, others = centred.weights.inputs * energies[:, :1], signed.weights.inputs * energies[:, :1]
    np.testing.assert_allclose(2 * weights, others)
    np.testing.assert_allclose(
        centred.reach(energies, 50), signed.reach(2 * energies, 50) / (1 + 2 * SLACK), rtol=1e-12
    )


def suprema(form, x, y, centres, halves, signs, gamma: float, rng: np.random.Generator) -> float:
    """Mean over all signs ξ of a lower estimate of sup_D Σ ξ_n φ_γ(M_n): corners of the box, and the rehearsal."""
    codes = np.sign(form.rows).T  # f_r = Σ_S ε_S(r) D_S·x
    corners = np.array(list(itertools.product((-1.0, 1.0), repeat=centres.size))).reshape(-1, *centres.shape)
    if len(corners) > 400:
        corners = corners[rng.choice(len(corners), 400, replace=False)]
    rows = centres + np.concatenate([corners, rng.uniform(-1, 1, size=(100, *centres.shape)), 0 * corners[:1]]) * halves
    scores = np.einsum("dsk,nk,rs->dnr", rows, np.concatenate([x, np.ones((len(x), 1))], axis=1), codes)
    own = np.take_along_axis(scores, y[None, :, None], 2)[..., 0]
    np.put_along_axis(scores, np.broadcast_to(y[None, :, None], (len(rows), len(y), 1)), -np.inf, 2)
    ramps = np.clip(1 - (own - scores.max(axis=2)) / gamma, 0, 1)
    return float((signs @ ramps.T).max(axis=1).mean())


def test_the_margin_step_around_a_rehearsal() -> None:
    """E sup Σ ξ φ_γ(M) ≤ T/γ in the tree form, pairs of leaves included, with exact first moments of the inputs."""
    rng, m, inputs, ratios = np.random.default_rng(0), 5, 2, []
    signs = np.array(list(itertools.product((-1.0, 1.0), repeat=m)))
    for case in range(24):
        form, classes = (THREE, 3) if case % 2 else (TWO, 2)
        x, y = rng.normal(size=(m, inputs)), rng.integers(0, classes, m)
        centred = centred_of(rng, form, inputs)
        with_one = np.concatenate([x, np.ones((m, 1))], axis=1)
        total = 0.0
        for row, k in pairs(form):
            moments = np.abs(signs @ (with_one * np.sqrt(form.weights[k][y])[:, None])).mean(axis=0)
            total += form.multipliers[row, k] * float(centred.halves[row] @ moments)
        ratios += [g * suprema(form, x, y, centred.centres, centred.halves, signs, g, rng) / total for g in (1.0, 8.0)]
    assert 0.5 < max(ratios) <= 1.0


@pytest.fixture(scope="module")
def measured():
    return three_clusters()


def test_certificate_written_out(measured) -> None:
    graph, sample, x, y = measured
    means = (
        np.stack([np.append(np.square(x[y == r].astype(np.float64)).sum(0), (y == r).sum()) for r in range(3)]) / 4000
    )
    rows = np.append(1.3 * THREE.rows, np.zeros((2, 1)), axis=1)  # the network is 1/1.3 of the rehearsal
    centred = box_around_rehearsal(
        THREE, rows, means, np.full(3, 1.5), width=0.1, shaped_by=None, side_floor=0.05, size_floor=0.1
    )
    mean = np.abs(rows).mean(axis=1, keepdims=True)
    np.testing.assert_allclose(centred.halves, 0.1 * np.maximum(np.abs(rows), 0.05 * mean))
    low, high = centred.radii(graph), centred.most(graph)
    np.testing.assert_allclose(low, 1 / 1.43, rtol=1e-12)
    assert high == pytest.approx(1 / 1.17)
    energies = measure_energies(centred.weights, THREE, x, y, centred.weights.limits(np.full(3, 1.5)))
    b = certify_family(graph, sample, centred, energies, delta=0.01, choices={"width": 6})
    c, gamma = b.terms["c_j = ratio^j"], b.gamma
    assert low[0] <= c * gamma <= high and "choice of radii, one of 4" not in str(b.terms)
    assert b.terms["nats: choice of width, one of 6"] == pytest.approx(math.log(6))
    assert b.margin_error == pytest.approx(sample.ramp(gamma))
    # γ by hand: the grid point above holds the network at some margins and not at others.
    fixed = certify_family(graph, sample, centred, energies, delta=0.01, gamma=gamma, choices={"width": 6})
    assert fixed.value == pytest.approx(b.value)
    with pytest.raises(ValueError, match="no class on the grid holds the network at this margin"):
        narrow = replace(centred, halves=centred.halves / 50)
        seen = measure_energies(narrow.weights, THREE, x, y, narrow.weights.limits(np.full(3, 1.5)))
        certify_family(graph, sample, narrow, seen, delta=0.01, gamma=1.05 * gamma)
    with pytest.raises(ValueError, match="larger than the class states"):
        certify_family(graph, sample, replace(centred, largest=np.append(np.full(3, 0.5), 1.0)), energies, delta=0.01)
    with pytest.raises(ValueError, match="no multiple"):
        certify_family(graph, sample, replace(centred, centres=-centred.centres), energies, delta=0.01)


def test_bad_input() -> None:
    rng = np.random.default_rng(0)
    centred = centred_of(rng, TWO, 4)
    with pytest.raises(NotCovered, match="hidden layers"):
        centred.radii(two_layers(rng)[0])
    with pytest.raises(ValueError, match="centres of shape"):
        replace(centred, centres=centred.centres[:, :-1])
    with pytest.raises(ValueError, match="must not be negative"):
        replace(centred, halves=-centred.halves)
    with pytest.raises(ValueError, match="width 0"):
        box_around_rehearsal(
            TWO, centred.centres, np.ones((2, 5)), np.ones(4), width=0, shaped_by=None, side_floor=0.1, size_floor=0.1
        )
    other = bounds.read_graph(lambda x: x @ np.eye(2, dtype=np.float32), np.ones((1, 2), np.float32))
    with pytest.raises(ValueError, match="of another network"):
        centred.radii(other)


def test_training_stays_inside() -> None:
    rng = np.random.default_rng(4)
    y = rng.integers(0, 2, size=400)
    x = (rng.normal(size=(400, 5)) + np.where(y == 0, 1.0, -1.0)[:, None]).astype(np.float32)
    centres = rng.uniform(0.1, 0.5, size=(1, 6))
    centres[0, 2] = 0.0  # the floor leaves room here
    halves = np.maximum(np.abs(centres) / 4, 0.01)
    weights, bias = train_centred(
        x, y, np.array([[1.0, -1.0]]), centres, halves, np.array([0.02]), CertifyConfig(60, 20, 200, 0.05)
    )
    found = np.append(weights, bias)[None]
    low, high = common_scales(found, centres, halves)
    assert low < high
    moved = np.abs(found / ((low + high) / 2) - centres) / halves
    assert 0.1 < moved.max() <= 1.1
