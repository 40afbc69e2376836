"""Classes of boxes: their charge by hand and against enumeration, radii, the certificate written out, training."""

import math
from dataclasses import replace

import jax.numpy as jnp
import numpy as np
import pytest
from classes_fixed import three_clusters
from scipy.stats import binom

from sparsebounds import bounds
from sparsebounds.bounds.audit.certificates.boxes import BoxCase, attained, audit_boxes, claim
from sparsebounds.bounds.bound import NotCovered
from sparsebounds.bounds.certificates.boxes.family import Boxes
from sparsebounds.bounds.certificates.boxes.moments import REST, H, pairs
from sparsebounds.bounds.certificates.boxes.rehearsal import box_of_rehearsal
from sparsebounds.bounds.certificates.energies import measure_energies
from sparsebounds.bounds.certificates.family import certify_family
from sparsebounds.bounds.certificates.signs import SLACK
from sparsebounds.bounds.moments.margin_forms import tree_form
from sparsebounds.bounds.moments.tree import Tree
from sparsebounds.bounds.sample.fingerprinting import fingerprints
from sparsebounds.nets.certify import CertifyConfig, train_boxes

THREE = tree_form(Tree.balanced(3), 3)


def moment(n: int) -> float:
    """E|Σ ξ_i| of n signs."""
    k = np.arange(n + 1)
    return float(np.sum(np.abs(2.0 * k - n) * binom.pmf(k, n, 0.5)))


def test_first_moments() -> None:
    """E|Σ ξ_n a_n| ≤ √(2/π) √(Σ a² + H max a²) + REST max|a|, and √(2/π) alone is too little."""
    for n in (1, 2, 3, 10, 101, 5000):
        bound = math.sqrt(2 / math.pi) * math.sqrt(n + H) + REST
        assert moment(n) <= bound
    assert moment(5000) > 0.999 * bound and moment(1) > math.sqrt(2 / math.pi)
    # The constants of the proof: κ, H, the rest of the integral.
    kappa = -(math.log(math.cos(1.4)) + 0.98) / 1.4**4
    assert kappa < 0.2063 and 4 + 2 * kappa + kappa**2 / 4 < H
    assert 2 / math.pi * math.exp(-3.92) / (2 * 1.4**3) < REST


def test_audit() -> None:
    rows = audit_boxes("quick")
    assert not any(row.violated for row in rows)
    assert max(row.ratio for row in rows) > 0.999
    assert any(row.catches(f) for row in rows for _, f in row.broken)


def test_sizes_that_are_wrong_cost_but_do_not_break() -> None:
    rng = np.random.default_rng(0)
    case = BoxCase("", rng.normal(size=(8, 3)) * [1.0, 5.0, 0.1], np.array([1.0, -0.5, 2.0]))
    assert attained(case) <= claim(case) < claim(case, sizes=np.array([5.0, 0.1, 1.0]))


def boxes_of(rng: np.random.Generator, inputs: int = 3) -> Boxes:
    count = len(pairs(THREE))
    signs = np.where(rng.uniform(size=(2, inputs + 1)) < 0.5, -1.0, 1.0)
    sides, sizes = rng.uniform(0.5, 2, size=(2, inputs + 1)), rng.uniform(0.5, 2, size=(count, inputs + 1))
    return Boxes(THREE, sides, signs, sizes, np.append(np.full(inputs, 1.5), 1.0))


def of_pairs(energies: np.ndarray) -> np.ndarray:
    """The same for every sub-sample: only that of the pair counts."""
    return np.repeat(energies[:, None], len(THREE.weights), axis=1)


def test_reach_by_hand() -> None:
    boxes = boxes_of(np.random.default_rng(1))
    found = pairs(THREE)
    energies, m = np.arange(1.0, len(found) + 1), 50
    expected = np.zeros(2)
    for i, (row, k) in enumerate(found):
        beta, kappa, top = boxes.sides[row], boxes.sizes[i], THREE.weights[k].max()
        inner = m * energies[i] + 4.43 * top * sum(beta / kappa * boxes.largest**2)
        part = math.sqrt(2 / math.pi * sum(beta * kappa) * inner) + 0.0024 * math.sqrt(top) * sum(beta * boxes.largest)
        expected[row] += (0.5 + SLACK) * THREE.multipliers[row, k] * part
    np.testing.assert_allclose(boxes.reach(of_pairs(energies), m), expected)


@pytest.fixture(scope="module")
def measured():
    return three_clusters()


def test_radii_and_signs(measured) -> None:
    graph = measured[0]
    rows = THREE.rows  # of the identity
    boxes = boxes_of(np.random.default_rng(2))
    right = Boxes(
        THREE, boxes.sides, np.append(np.where(rows < 0, -1.0, 1.0), [[1.0], [1.0]], 1), boxes.sizes, boxes.largest
    )
    np.testing.assert_allclose(right.radii(graph), (np.abs(rows) / boxes.sides[:, :-1]).max(axis=1))
    signs = right.signs.copy()
    signs[1, 1] *= -1
    wrong = Boxes(THREE, boxes.sides, signs, boxes.sizes, boxes.largest)
    assert wrong.radii(graph)[1] == pytest.approx(abs(rows[1, 1]) / boxes.sides[1, 1] / SLACK)

    def deep(x):
        return jnp.maximum(x @ np.eye(3, dtype=np.float32), 0) @ np.eye(3, dtype=np.float32)

    with pytest.raises(NotCovered, match="hidden layers"):
        right.radii(bounds.read_graph(deep, np.ones((2, 3), np.float32)))
    with pytest.raises(ValueError, match="signs must be"):
        Boxes(THREE, boxes.sides, np.zeros((2, 4)), boxes.sizes, boxes.largest)


def test_certificate_written_out(measured) -> None:
    graph, sample, x, y = measured
    rng = np.random.default_rng(3)
    means = (
        np.stack([np.append(np.square(x[y == r].astype(np.float64)).sum(0), (y == r).sum()) for r in range(3)]) / 4000
    )
    rows = np.append(THREE.rows + 0.01 * rng.normal(size=(2, 3)), np.zeros((2, 1)), axis=1)
    boxes = box_of_rehearsal(THREE, rows, means, np.full(3, 1.5), shaped_by=None, side_floor=0.1, size_floor=0.1)
    over = np.abs(rows) / boxes.sides
    np.testing.assert_allclose(over.max(axis=1), 1.0)
    limits = boxes.weights.limits(np.full(3, 1.5))
    energies = measure_energies(boxes.weights, THREE, x, y, limits)
    b = certify_family(graph, sample, boxes, energies, delta=0.01, gamma=1.0, choices={"front end": 5}, tied_only=True)
    z = np.stack([np.square(x.astype(np.float64)) @ (boxes.sides[r] / s)[:-1] + (boxes.sides[r] / s)[-1]
                  for (r, _), s in zip(pairs(THREE), boxes.sizes, strict=True)])  # fmt: skip
    upper, log = [], math.log(2 * len(z) * 5 * 2 / 0.01)
    for (_, k), row, limit in zip(pairs(THREE), z, limits, strict=True):
        v, reach = THREE.weights[k][y] * row, THREE.weights[k].max() * limit * 1.001
        upper.append(v.mean() + math.sqrt(2 * v.var(ddof=1) * log / 4000) + 7 * reach * log / (3 * 3999))
    unit = boxes.reach(of_pairs(np.array(upper)), 4000).sum()
    j = b.terms["grid index j"]
    assert 1.1**j / 1.1 < boxes.radii(graph).max() <= 1.1**j * (1 + 1e-6)
    assert b.complexity == pytest.approx(2 / 4000 * 1.1**j * unit, rel=1e-5)
    nats = math.log(5) + math.log(2 * (abs(j) + 1) * (abs(j) + 2))
    assert b.confidence == pytest.approx(math.sqrt((math.log(2 / 0.01) + nats) / 8000), rel=1e-9)
    assert b.value == pytest.approx(b.margin_error + b.complexity + b.confidence)
    with pytest.raises(ValueError, match="stated limit"):
        measure_energies(boxes.weights, THREE, 2 * x, y, limits)
    # The same weights, but a range that the sample leaves: its H and REST would be too small.
    narrow = replace(boxes, largest=np.append(np.full(3, 0.5), 1.0))
    with pytest.raises(ValueError, match="larger than the class states"):
        certify_family(graph, sample, narrow, energies, delta=0.01, gamma=1.0, tied_only=True)
    with pytest.raises(ValueError, match="no largest values"):
        certify_family(graph, replace(sample, largest=None), boxes, energies, delta=0.01, gamma=1.0, tied_only=True)
    for largest in (np.full(3, 1.5), np.array([1.5, 1.5, 1.5, 0.0]), np.full(4, np.nan)):
        with pytest.raises(ValueError, match="the last 1"):
            replace(boxes, largest=largest)


def test_training_stays_inside() -> None:
    rng = np.random.default_rng(4)
    y = rng.integers(0, 2, size=400)
    x = (rng.normal(size=(400, 5)) + np.where(y == 0, 1.0, -1.0)[:, None]).astype(np.float32)
    sides = rng.uniform(0.1, 0.5, size=(1, 6)) * [1, 1, -1, 1, 1, 1]
    weights, bias = train_boxes(
        x, y, np.array([[1.0, -1.0]]), sides, np.array([0.02]), CertifyConfig(60, 20, 200, 0.05), start=sides
    )
    share = np.append(weights, bias) / sides[0]
    assert (share >= 0).all() and share[2] == 0 and share[:2].min() > 0
    assert share.max() <= share[:2].max() * 1.5


def test_labels_drawn_at_random_get_no_certificate() -> None:
    """Even with the signs of the network itself, which a class may not have."""
    rng = np.random.default_rng(8)
    pair = tree_form(Tree.balanced(2), 2)
    x, y = rng.normal(size=(3000, 20)).clip(-2, 2).astype(np.float32), rng.integers(0, 2, size=3000)
    w = np.linalg.lstsq(x, 2.0 * y - 1.0, rcond=None)[0]

    def f(v):
        return v @ jnp.asarray(np.stack([-w, w], axis=1), jnp.float32)

    means = np.stack([np.append(np.square(x[y == r].astype(np.float64)).sum(0), (y == r).sum()) for r in (0, 1)]) / 3000
    rows = np.append(-w, 0.0)[None]
    boxes = box_of_rehearsal(pair, rows, means, np.full(20, 2.0), shaped_by=None, side_floor=0.0, size_floor=0.1)
    energies = measure_energies(boxes.weights, pair, x, y, boxes.weights.limits(np.full(20, 2.0)))
    b = certify_family(
        bounds.read_graph(f, x[:2]), bounds.Sample.measure(f, x, y), boxes, energies, delta=0.001, tied_only=True
    )
    assert b.value >= 1 - 1 / 2 - 0.01
    own = replace(boxes, shaped_by=fingerprints(x[:2]))
    with pytest.raises(ValueError, match="2 of the 3000 certified"):
        certify_family(
            bounds.read_graph(f, x[:2]), bounds.Sample.measure(f, x, y), own, energies, delta=0.001, tied_only=True
        )
