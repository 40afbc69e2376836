"""Theorem 2: the margin step, from moments of the last layer's inputs to the complexity of the margin loss.

A form says which rows of the last layer count (linear combinations of the w_r that the margin sees), and over which
sub-samples each is summed: a row D_S contributes its norm times Σ_k multipliers[S, k] q^{(k)}, where q^{(k)} is the
pass over the sample weighted by `weights[k]` on its labels. Letters: docs/theory.md, "Theorem 2".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from jaxtyping import Float64

from sparsebounds.bounds.moments.tree import Tree, log_trees

MOST_CLASSES = 64
"""With more classes q^S is replaced by q, which is never smaller: one sub-sample per split would cost too much."""


@dataclass(frozen=True, eq=False)
class MarginForm:
    """Rows, and what each is multiplied with."""

    name: str
    rows: Float64[np.ndarray, "R C"]
    """D = rows · W."""
    weights: Float64[np.ndarray, "K C"]
    """λ² of each label, for every sub-sample; the first is the whole sample."""
    multipliers: Float64[np.ndarray, "R K"]
    prices: Mapping[str, float] = field(default_factory=dict)
    """log(1/weight) of what was chosen after looking: the tree."""


def tree_form(tree: Tree, classes: int) -> MarginForm:
    """The tree form: Σ_S [Σ_i ‖D_{S,i}‖ (q_i + q^S_i) + |d_S| (√m + √m_S)], sharper on pairs of leaves.

    For a pair S of leaves at depth k, q + q^S becomes (1 − 2^{−k}) q + q^λ, with λ = 1 + 2^{−k} on the labels of S and
    2^{−k} on all others; never larger, since λ ≤ 2^{−k} + 1[y ∈ S].

    Args:
        tree: fixed without looking at the sample, or paid for.
        classes: C.

    Returns:
        MarginForm with C − 1 rows.

    Example:
        >>> form = tree_form(Tree.balanced(2), 2)
        >>> form.rows.tolist(), (form.multipliers @ np.sqrt(form.weights)).tolist()  # ‖w_0 − w_1‖/2 times 2q
        ([[0.5, -0.5]], [[2.0, 2.0]])

    Source: theorem 2 of docs/theory.md, tree form.
    """
    weights = [np.ones(classes)]
    multipliers = np.zeros((len(tree.splits), len(tree.splits) + 1))
    for i, (split, member) in enumerate(zip(tree.splits, tree.members(classes), strict=True)):
        if classes > MOST_CLASSES or member.all():
            multipliers[i, 0] = 2.0
            continue
        share = 2.0**-split.depth if split.is_pair else 0.0
        multipliers[i, 0] = 1.0 - share
        multipliers[i, len(weights)] = 1.0
        weights.append(np.square(member + share))
    return MarginForm("tree", tree.haar(np.eye(classes)), np.stack(weights), multipliers[:, : len(weights)])


def chosen_tree_form(tree: Tree, classes: int) -> MarginForm:
    """The tree form along a tree that the trained network chose: log (2C − 3)!! dearer.

    Example:
        >>> form = chosen_tree_form(Tree.balanced(3), 3)
        >>> form.name, round(form.prices["tree chosen after training"], 4)
        ('tree chosen after training', 1.0986)
    """
    form = tree_form(tree, classes)
    return replace(form, name="tree chosen after training", prices={"tree chosen after training": log_trees(classes)})


def sum_form(classes: int) -> MarginForm:
    """The sum form: Σ_r Σ_i ‖w̃_{r,i}‖ (q_i + q^{(r)}_i) + |b̃_r| (√m + √m_r), w̃ = w minus the mean of the rows.

    Args:
        classes: C.

    Returns:
        MarginForm with C rows.

    Example:
        >>> sum_form(2).rows.tolist()
        [[0.5, -0.5], [-0.5, 0.5]]

    Source: theorem 2 of docs/theory.md, sum form.
    """
    rows = np.eye(classes) - 1.0 / classes
    if classes > MOST_CLASSES:
        return MarginForm("sum", rows, np.ones((1, classes)), np.full((classes, 1), 2.0))
    weights = np.concatenate([np.ones((1, classes)), np.eye(classes)])
    return MarginForm("sum", rows, weights, np.concatenate([np.ones((classes, 1)), np.eye(classes)], axis=1))
