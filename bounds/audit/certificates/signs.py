"""Classes whose weights have fixed signs: what a search attains, over all sign vectors ξ, against the pass.

Compared are one-sided second moments (letters: docs/theory.md, "Signs"):

    √(E_ξ (sup Σ_n ξ_n D·z(x_n))₊²)   against   √(Σ_n Z(x_n)) of `bounds.certificates.ellipsoids.family`

Weights of the class are drawn and moved at random as long as that helps; the last layer's supremum has a closed form,
the length of the positive part of what its signs show. Attained by one input through any number of layers.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Shaped

from sparsebounds.bounds.audit.run import Row, confirmed
from sparsebounds.bounds.audit.search.architectures import dense
from sparsebounds.bounds.audit.search.ascent import all_signs
from sparsebounds.bounds.audit.theorems.cases import Preset
from sparsebounds.bounds.certificates.ellipsoids.family import Ellipsoids
from sparsebounds.bounds.certificates.signs import Orthants
from sparsebounds.bounds.graph.evaluation import evaluate
from sparsebounds.bounds.graph.graph import Graph
from sparsebounds.bounds.moments.margin_forms import tree_form
from sparsebounds.bounds.moments.tree import Tree

PAIR = tree_form(Tree.balanced(2), 2)
Weights = list[np.ndarray]


@dataclass(frozen=True, eq=False)
class SignedCase:
    """Inputs, and the class: signs times axes of every layer, (in, out); the last is (in, 1)."""

    name: str
    x: Shaped[np.ndarray, "m ..."]
    axes: Weights
    free: bool = False
    """The search uses any signs; the claim does not know."""


def claim(case: SignedCase) -> float:
    """√(Σ_n Z(x_n)) of the class, from the library's own pass over its graph."""
    weights = _class(case).energy_weights(_graph(case, case.axes))
    return float(np.sqrt(weights.of(case.x).sum()))


def suprema(case: SignedCase, rounds: int, seed: int = 0) -> tuple[np.ndarray, Weights]:
    """(sup Σ_n ξ_n D·z(x_n))₊ as far as found, for all signs ξ (2^m,), and the hidden weights, (2^m, in, out) each."""
    rng, signs = np.random.default_rng(seed), all_signs(len(case.x))[:, :, 0]
    if len(case.axes) == 1:
        return _tops(case, signs @ case.x), []
    drawn = _project(case, [rng.normal(size=(4 * len(signs) + 60, *a.shape)) for a in case.axes[:-1]])
    values = _tops(case, signs @ _hidden(case.x, drawn))  # (draws, signs)
    place = values.argmax(axis=0)
    best, kept = values.max(axis=0), [w[place] for w in drawn]
    for k in range(rounds):
        size = 0.7 * 0.93**k + 1e-4
        tried = _project(case, [w + size * np.abs(w).mean() * rng.normal(size=w.shape) for w in kept])
        found = _tops(case, np.einsum("sn,snh->sh", signs, _hidden(case.x, tried)))
        better = found > best
        best = np.where(better, found, best)
        kept = [np.where(better[:, None, None], t, w) for t, w in zip(tried, kept, strict=True)]
    return best, kept


def audit_orthants(preset: Preset = "quick") -> list[Row]:
    """One row per case; where the search may use any signs, the claim must be refuted."""
    return [_row(case) for case in signed_cases(preset)]


def signed_cases(preset: Preset) -> Iterator[SignedCase]:
    """Where the bound is attained, at random, and with signs that are not those of the class."""
    one, rng = np.ones((1, 1)), np.random.default_rng(0)
    for layers in (1, 2, 4):
        yield SignedCase(f"one input, {layers - 1} hidden layers", one, [np.ones((1, 1))] * layers)
    for k in range(60 if preset == "full" else 8):
        widths = [int(rng.integers(1, 4)) for _ in range(2 + k % 3)] + [1]
        axes = [rng.normal(0.7, size=shape) for shape in itertools.pairwise(widths)]
        yield SignedCase(f"number {k}", rng.normal(size=(int(rng.integers(2, 6)), widths[0])), axes)
    yield SignedCase("one input, signs free", one, [np.ones((1, 1))] * 2, free=True)


def _row(case: SignedCase) -> Row:
    best, kept = suprema(case, 60)
    _check(case, best, kept)
    statement = "a twin: fixed signs charged, free ones used" if case.free else "signs fixed, second moment"
    # Without the ½ of the positive part: a claim that is √2 times smaller.
    twins = () if case.free else (("¼ for ½", float(np.sqrt(2.0))),)
    return Row(
        "peeling", statement, case.name, float(np.sqrt(np.square(best).mean())), claim(case), 0.0, case.free, twins
    )


def _check(case: SignedCase, best: np.ndarray, kept: Weights) -> None:
    """The last sign's network lies in the class, and attains what the search says."""
    signs, hidden = all_signs(len(case.x))[-1, :, 0], [w[-1] for w in kept]
    shown = signs @ _hidden(case.x, hidden)
    axes = case.axes[-1][:, 0]
    pull = shown * axes if case.free else np.maximum(shown * axes, 0.0)
    top = (axes * pull / max(float(np.linalg.norm(pull)), 1e-300))[:, None]
    graph = _graph(case, [*hidden, top])
    confirmed(case.name, float(best[-1]), float(signs @ evaluate(graph, case.x)[:, 0]), len(case.x))
    if not case.free and float(_class(case).radii(graph)[0]) > 1 + 1e-6:
        raise ArithmeticError(f"{case.name}: the search left the class")


def _hidden(x: np.ndarray, weights: Weights) -> np.ndarray:
    """What the last layer reads: (…, m, h)."""
    for w in weights:
        x = np.maximum(x @ w, 0.0)
    return x


def _tops(case: SignedCase, shown: np.ndarray) -> np.ndarray:
    """sup of D·A over the last layer's class, for A (…, h)."""
    pull = shown * case.axes[-1][:, 0]
    return np.asarray(np.linalg.norm(pull if case.free else np.maximum(pull, 0.0), axis=-1))


def _project(case: SignedCase, weights: Weights) -> Weights:
    """Weights of the class: the signs of its axes, every column of length 1 over its axes."""
    found = []
    for w, axes in zip(weights, case.axes[:-1], strict=True):
        over = w / axes if case.free else np.abs(w / axes)
        found.append(over / np.maximum(np.linalg.norm(over, axis=-2, keepdims=True), 1e-300) * axes)
    return found


def _class(case: SignedCase) -> Ellipsoids:
    """Biases have axes of 0: there are none."""
    tops = [np.concatenate([a, np.zeros((1, a.shape[1]))]) for a in case.axes]
    signs, axes = [np.where(t < 0, -1.0, 1.0) for t in tops], [np.abs(t) for t in tops]
    hidden, hidden_signs = ({i + 1: v[None] for i, v in enumerate(of[:-1])} for of in (axes, signs))
    return Ellipsoids(PAIR, axes[-1].T, hidden, orthants=Orthants(signs[-1].T, hidden_signs))


def _graph(case: SignedCase, weights: Weights) -> Graph:
    """Two scores whose half difference is D·z."""
    top = np.concatenate([weights[-1], -weights[-1]], axis=1).T
    return dense(tuple(a.shape[0] for a in case.axes)).graph([w.T for w in weights[:-1]], top)
