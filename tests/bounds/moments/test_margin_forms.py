"""Theorem 2: Haar coefficients, trees and their number, the margin step against all signs, broken twins."""

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest

from sparsebounds.bounds.moments.margin_forms import MarginForm, chosen_tree_form, sum_form, tree_form
from sparsebounds.bounds.moments.tree import Tree, greedy_tree, log_trees

MNIST = [[[[4, 9], 7], [[3, 5], 8]], [[0, 6], [2, 1]]]


def all_trees(leaves):
    """Every full binary tree over a tuple of leaves, unordered."""
    if len(leaves) == 1:
        return [leaves[0]]
    first, rest = leaves[0], leaves[1:]
    found = []
    for k in range(len(rest)):
        for beside in itertools.combinations(rest, k):
            right = tuple(r for r in rest if r not in beside)
            found += [(a, b) for a in all_trees((first, *beside)) for b in all_trees(right)]
    return found


@pytest.mark.parametrize("classes, count", [(2, 1), (3, 3), (4, 15), (5, 105)])
def test_the_price_of_a_tree_is_the_logarithm_of_their_number(classes, count):
    assert len(all_trees(tuple(range(classes)))) == count
    assert math.exp(log_trees(classes)) == pytest.approx(count)


@pytest.mark.parametrize("tree", [Tree.balanced(10), Tree.given(MNIST, 10), Tree.given([3, [2, [1, 0]]], 4)])
def test_haar_coefficients_rebuild_the_scores(tree):
    classes = len(tree.leaves)
    rows = np.random.default_rng(0).normal(size=(classes, 5))
    haar = tree.haar(rows)
    rebuilt = np.zeros_like(rows)
    for split, row in zip(tree.splits, haar, strict=True):
        rebuilt[list(split.left)] += row
        rebuilt[list(split.right)] -= row
    np.testing.assert_allclose(rebuilt - rebuilt.mean(0), rows - rows.mean(0), atol=1e-12)
    np.testing.assert_allclose(tree.haar(rows + 7.0), haar, atol=1e-12)  # a vector added to all rows


def test_the_form_by_hand():
    """((0, 1), 2): the root counts 2q, the pair at depth 1 counts q/2 and λ = 3/2 under it, 1/2 elsewhere."""
    form = tree_form(Tree.given([[0, 1], 2], 3), 3)
    np.testing.assert_allclose(form.rows, [[0.25, 0.25, -0.5], [0.5, -0.5, 0.0]])
    np.testing.assert_allclose(form.weights, [[1, 1, 1], [9 / 4, 9 / 4, 1 / 4]])
    np.testing.assert_allclose(form.multipliers, [[2, 0], [0.5, 1]])
    np.testing.assert_allclose(sum_form(3).multipliers, [[1, 1, 0, 0], [1, 0, 1, 0], [1, 0, 0, 1]])


def test_pairs_never_cost_more_than_q_plus_qs():
    rng = np.random.default_rng(1)
    tree = Tree.given(MNIST, 10)
    form = tree_form(tree, 10)
    for _ in range(20):
        energies = rng.exponential(size=10) * rng.integers(0, 2, 10)
        found = form.multipliers @ np.sqrt(form.weights @ energies)
        plain = np.sqrt(energies.sum()) + np.sqrt(tree.members(10) @ energies)
        assert (found <= plain * (1 + 1e-12)).all()
        pairs = [s.is_pair for s in tree.splits]
        np.testing.assert_allclose(found[~np.array(pairs)], plain[~np.array(pairs)])


def test_many_classes_count_the_whole_sample_twice():
    form = tree_form(Tree.balanced(100), 100)
    assert form.weights.shape == (1, 100) and (form.multipliers == 2).all()
    assert sum_form(100).weights.shape == (1, 100)


def test_the_greedy_tree_joins_what_is_alike():
    rows = np.array([[0.0, 0], [10, 0], [0.1, 0], [10, 1]])
    tree = greedy_tree(4, lambda a, b, row: float(np.linalg.norm(row)), rows)
    assert {frozenset(s.classes) for s in tree.splits} == {frozenset(s) for s in ((0, 2), (1, 3), (0, 1, 2, 3))}
    assert chosen_tree_form(tree, 4).prices == {"tree chosen after training": pytest.approx(math.log(15))}


# ---- against all signs ---------------------------------------------------------------------------


def complexity(form: MarginForm, radii, v, y, theta=math.inf):
    """E_ξ sup Σ_n ξ_n min(M(x_n), θ), exactly, over heads with |D_S| ≤ radii_S on a grid; one feature v."""
    classes = form.rows.shape[1]
    grid = np.array(list(itertools.product(np.linspace(-1, 1, 9), repeat=len(radii)))) * radii
    heads = grid @ np.linalg.pinv(form.rows).T  # (G, C)
    scores = heads[:, None, :] * v[None, :, None]
    own = np.take_along_axis(scores, np.broadcast_to(y[None, :, None], (*scores.shape[:2], 1)), 2)[..., 0]
    others = np.where(np.arange(classes) == y[:, None], -np.inf, scores)
    margins = np.minimum(own - others.max(2), theta)  # (G, m)
    signs = np.array(list(itertools.product((-1, 1), repeat=len(v))))
    return float((signs @ margins.T).max(1).mean())


def bound(form, radii, v, y):
    energies = np.bincount(y, weights=v**2, minlength=form.rows.shape[1])
    return float(radii @ (form.multipliers @ np.sqrt(form.weights @ energies)))


def draws(classes, count, m=6):
    rng = np.random.default_rng(classes)
    for k in range(count):
        v = rng.normal(size=m) if k % 2 else rng.choice([-1.0, 1.0], m) * np.where(np.arange(m) < 1 + k % 3, 1, 0.05)
        yield v, rng.integers(0, classes, m), rng.choice([0.0, 0.2, 1.0], classes - 1)


@pytest.mark.parametrize("classes", [2, 3, 4])
def test_the_tree_form_by_all_signs(classes):
    form = tree_form(Tree.balanced(classes), classes)
    ratios = [
        complexity(form, radii, v, y) / bound(form, radii, v, y)
        for v, y, radii in draws(classes, {2: 20, 3: 20, 4: 8}[classes])
        if radii.any()
    ]
    assert max(ratios) <= 1 + 1e-9
    assert max(ratios) > {2: 0.97, 3: 0.8, 4: 0.6}[classes]


def test_it_is_attained_and_a_form_without_half_of_qs_is_caught():
    """One sample with label 2, the other numbers 0: E sup |ξ|·2|D| = 2|D|; half of q^S would be three quarters."""
    form = tree_form(Tree.given([[0, 1], 2], 3), 3)
    v, y, radii = np.array([1.0]), np.array([2]), np.array([1.0, 0.0])
    assert complexity(form, radii, v, y) == pytest.approx(bound(form, radii, v, y)) == 2.0
    broken = replace(form, multipliers=form.multipliers * 0.75)
    assert complexity(form, radii, v, y) > bound(broken, radii, v, y)


def test_the_sum_form_by_all_signs():
    form = sum_form(2)
    for v, y, radii in draws(2, 10):
        both = np.array([radii[0], radii[0]])
        tree = tree_form(Tree.balanced(2), 2)
        assert complexity(tree, radii, v, y) <= bound(form, both, v, y) * (1 + 1e-9)
