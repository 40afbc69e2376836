"""Theorem 1, rule by rule and on random graphs: the p-th moment of the supremum, over all signs, against the pass.

Weights of the class are drawn and the best ones, for every sign vector, moved at random as long as that helps; the
last layer's supremum has a closed form. No derivatives: what takes time here would be their compilation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Shaped

from sparsebounds.bounds.audit.moments.nets import Form, Kind, Net, Op, claims, graph_of, run, top
from sparsebounds.bounds.audit.run import Row, confirmed
from sparsebounds.bounds.audit.search.ascent import half_signs
from sparsebounds.bounds.audit.search.inputs import KINDS, inputs
from sparsebounds.bounds.audit.theorems.cases import Preset
from sparsebounds.bounds.graph.evaluation import evaluate
from sparsebounds.bounds.graph.graph import Graph
from sparsebounds.bounds.moments import contraction, khintchine, window

MOMENTS = (2.0, 6.0)
SLOPES = (0.0, 0.0, 0.5, 1.0)
FORMS: tuple[Form, ...] = ("layer", "tap", "scalar")
KINDS_OF_OPS: tuple[Kind, ...] = ("point", "pair", "dense", "residual", "post", "mean", "max")


Twins = tuple[tuple[str, float], ...]
"""Names, and by how much each is smaller than the claim."""
Broken = Callable[[float, float], Twins]
"""(p, claim) → twins."""


@dataclass(frozen=True, eq=False)
class NetCase:
    """A network, inputs, and how long to search."""

    statement: str
    name: str
    net: Net
    x: Shaped[np.ndarray, "m ..."]
    rounds: int = 60
    moved: int = 0
    """Rounds in which the inputs move too."""
    broken: Broken | None = None
    """None: those that `_twins` knows of networks of ReLU."""


def suprema(net: Net, x: np.ndarray, rounds: int, seed: int = 0) -> tuple[np.ndarray, list[np.ndarray]]:
    """sup |Σ_n ξ_n w·z(x_n)| over ‖w‖ ≤ 1 and the class, as far as found, and the weights, for half of all signs."""
    rng, signs = np.random.default_rng(seed), half_signs(len(x))[:, :, 0]
    drawn = net.draw(rng, 4 * len(signs) + 60)
    values = np.linalg.norm(signs @ run(net, drawn, x), axis=-1)  # (draws, signs)
    place = values.argmax(axis=0)
    best, kept = values.max(axis=0), [w[place] for w in drawn]
    return _improved(net, x, signs, best, kept, rounds, rng)


def _improved(
    net: Net, x: np.ndarray, signs: np.ndarray, best: np.ndarray, kept: list[np.ndarray], rounds: int,
    rng: np.random.Generator,
) -> tuple[np.ndarray, list[np.ndarray]]:  # fmt: skip
    for k in range(rounds):
        size = 0.7 * 0.93**k + 1e-4
        tried = net.project([w + size * np.abs(w).mean() * rng.normal(size=w.shape) for w in kept])
        found = np.linalg.norm((signs[:, :, None] * run(net, tried, x)).sum(axis=1), axis=-1)
        better = found > best
        best = np.where(better, found, best)
        kept = [np.where(better.reshape(-1, *[1] * (w.ndim - 1)), t, w) for t, w in zip(tried, kept, strict=True)]
    return best, kept


def worse(net: Net, x: np.ndarray, rounds: int, value: Callable[[np.ndarray], float]) -> np.ndarray:
    """Inputs moved at random as long as the search attains more of `value`, the claim on them."""
    rng, best, found = np.random.default_rng(1), -np.inf, x
    for k in range(rounds):
        tried = found + (0.5 * 0.98**k if k else 0.0) * rng.normal(size=x.shape) * np.abs(found).mean()
        ratio = float(np.sqrt(np.square(suprema(net, tried, 15, k)[0]).mean())) / value(tried)
        if ratio > best:
            best, found = ratio, tried
    return found


def audit_nets(cases: Iterator[NetCase]) -> list[Row]:
    """One row per case and moment."""
    return [row for case in cases for row in _rows(case)]


def _rows(case: NetCase) -> Iterator[Row]:
    net, x = case.net, case.x
    if case.moved:
        some = graph_of(net, [np.asarray(w[0]) for w in net.draw(np.random.default_rng(0), 1)])
        x = worse(net, x, case.moved, lambda x: float(claims(net, some, np.square(x).sum(axis=0), len(x), MOMENTS)[0]))
    best, kept = suprema(net, x, case.rounds)
    graph = graph_of(net, [w[0] for w in kept])
    _check(case, graph, x, best, kept)
    for p, claim in zip(MOMENTS, claims(net, graph, np.square(x).sum(axis=0), len(x), MOMENTS), strict=True):
        twins = _twins(net, p) if case.broken is None else case.broken(p, float(claim))
        lower = float(np.mean(best**p) ** (1 / p))
        yield Row("peeling", case.statement, f"{case.name}, p = {p:g}", lower, float(claim), 0.0, False, twins)


def _twins(net: Net, p: float) -> Twins:
    """Of networks of leaky ReLU."""
    activations = sum(op.slope < 1 for op in net.ops if op.kind not in ("mean", "max"))
    slopes = [op.slope for op in net.ops if op.kind not in ("mean", "max")]
    s = float(np.prod([contraction(p, slope) for slope in slopes])) if activations else 1.0
    # Without s everywhere the bound is smaller by exactly this where nothing joins a later layer: no skip, no bias.
    chain = all(op.kind in ("point", "pair", "dense") for op in net.ops)
    plain = chain and (len(net.ops) == 1 or not any(op.biased for op in net.ops))
    twins: Twins = (("s → 1", s),) if activations and plain else ()
    pooled = [op.kind for op in net.ops] == ["point", "max"] and not activations
    twins += (("c → 1", float(window(p, 2))),) if pooled else ()
    return twins + ((("B dropped", float(khintchine(p))),) if p > 2 else ())


def _check(case: NetCase, graph: Graph, x: np.ndarray, best: np.ndarray, kept: list[np.ndarray]) -> None:
    """The first sign's network, read as a graph, attains what the search says."""
    weights, signs = [w[0] for w in kept], half_signs(len(x))[0, :, 0]
    v = run(case.net, weights, x)
    scores = evaluate(graph, x)[:, 0]
    confirmed(case.name, float(signs @ v @ top(v.shape[1])), float(signs @ scores), len(x), 1e-7)
    confirmed(case.name, float(best[0]), float(np.linalg.norm(signs @ v)), len(x))


def rule_cases(preset: Preset) -> Iterator[NetCase]:
    """One rule at a time, where the bound is attained or nearly so."""
    one, equal = np.ones((1, 1, 1)), np.ones((8, 1, 1))
    two = np.array([[[1.0], [0.0]]])
    moved = 150 if preset == "full" else 25
    yield NetCase("no activation", "equal inputs", Net(1, 1, (Op("point", 1, 1.0),)), equal)
    yield NetCase("ReLU", "one input", Net(1, 1, (Op("point"),)), one)
    # u, v and u + v: of all inputs searched, those on which one ReLU attains most.
    plane = np.array([[1.0, 1.0], [2.0, 0.0], [1.0, -1.0]])[:, None]
    beside = np.concatenate([plane, np.zeros_like(plane)], axis=1)
    spread = np.random.default_rng(3).normal(size=(4, 1, 3))
    yield NetCase("ReLU", "three inputs in a plane", Net(1, 2, (Op("point"),)), plane, 120)
    yield NetCase("ReLU", "four inputs, searched", Net(1, 3, (Op("point"),)), spread, 80, moved)
    yield NetCase("leaky ReLU", "one input, a = 0.5", Net(1, 1, (Op("point", 1, 0.5),)), one)
    yield NetCase("bias", "one input", Net(1, 1, (Op("point", 1, 0.0, True),)), one, 120)
    yield NetCase("residual block", "one input", Net(1, 1, (Op("residual"),)), one)
    yield NetCase("activation after a skip", "one input", Net(1, 1, (Op("post"),)), one)
    yield NetCase("two blocks, one number", "one input", Net(2, 1, (Op("pair"),)), np.ones((1, 2, 1)))
    yield NetCase("two blocks, a number each", "one input", Net(2, 1, (Op("pair"),), "tap"), np.ones((1, 2, 1)))
    yield NetCase("scalar nodes", "one input", Net(2, 1, (Op("dense", 2),), "scalar"), np.ones((1, 2, 1)))
    yield NetCase("average pooling", "one input", Net(2, 1, (Op("point", 1, 1.0), Op("mean"))), np.ones((1, 2, 1)))
    yield NetCase("max pooling", "one input", Net(2, 1, (Op("point", 1, 1.0), Op("max"))), two)
    yield NetCase(
        "max pooling", "three inputs in a plane, beside 0", Net(2, 2, (Op("point", 1, 1.0), Op("max"))), beside, 120
    )
    yield NetCase("max pooling of ReLU", "one input", Net(2, 1, (Op("point"), Op("max"))), two)
    yield NetCase("three layers", "one input", Net(1, 1, (Op("point"),) * 3), one)


def graph_cases(preset: Preset) -> Iterator[NetCase]:
    """Random graphs."""
    rng = np.random.default_rng(0)
    for k in range(400 if preset == "full" else 20):
        yield drawn_case(lambda low, high: int(rng.integers(low, high + 1)), f"number {k}")


def drawn_case(integer: Callable[[int, int], int], name: str) -> NetCase:
    """A random network and inputs.

    Args:
        integer: draws a whole number from low..high; a random generator or a test's search for counterexamples.
        name: of the case.
    """
    n, channels = integer(1, 4), integer(1, 2)
    ops, positions = [], n
    for _ in range(integer(1, 3)):
        kind = KINDS_OF_OPS[integer(0, len(KINDS_OF_OPS) - 1)]
        if kind in ("pair", "mean", "max") and positions < 2:
            kind = "point"
        ops.append(Op(kind, integer(1, 2), SLOPES[integer(0, 3)], bool(integer(0, 1))))
        positions = {"pair": positions - 1, "dense": 1, "mean": positions // 2, "max": positions // 2}.get(
            kind, positions
        )
    if all(op.kind in ("mean", "max") for op in ops):  # something to search
        ops.insert(0, Op("point", channels, 0.0))
    net = Net(n, channels, tuple(ops), FORMS[integer(0, 2)])
    x = inputs(KINDS[integer(0, len(KINDS) - 1)], integer(1, 8), (n, channels), integer(0, 9))
    return NetCase("random graphs", name, net, x, rounds=40)
