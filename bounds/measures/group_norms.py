"""Products of group norms and of norms of singular values over the margin, and the shapes of bounds made of them."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import numpy as np

from sparsebounds.bounds.measures.measure import Measure, Needs, declare_measure, defined
from sparsebounds.bounds.measures.norms_and_margins import SINGULAR
from sparsebounds.bounds.measures.paths import NEYSHABUR, TOO_LARGE
from sparsebounds.bounds.measures.subject import Subject, Undefined
from sparsebounds.bounds.measures.weights import Weights

Norm = Callable[[Weights], float]


def group_norm(weights: Weights, p: float, q: float) -> float:
    """ℓp of what comes into every unit, ℓq over the units of a reshaped kernel."""
    return float(np.linalg.norm(np.linalg.norm(weights.matrix, p, axis=1), q))


def schatten(weights: Weights, p: float) -> float:
    """ℓp of the singular values of a reshaped kernel."""
    return float(np.linalg.norm(weights.singular_values, p))


NORMS: dict[str, tuple[str, Norm]] = {
    "l1_inf": ("‖w‖_{1,∞}", partial(group_norm, p=1, q=math.inf)),
    "frobenius": ("‖w‖_F", partial(group_norm, p=2, q=2)),
    "l3_1.5": ("‖w‖_{3,1.5}", partial(group_norm, p=3, q=1.5)),
    "spectral": ("σ_1", partial(schatten, p=math.inf)),
    "schatten_1.5": ("‖w‖_{S1.5}", partial(schatten, p=1.5)),
    "trace": ("‖w‖_*", partial(schatten, p=1)),
}
"""Name → how it is written, and the norm of one layer."""


def product_over_margin(subject: Subject, name: str) -> float:
    """Π norms / γ."""
    norms = [NORMS[name][1](one) for one in subject.weights]
    if not all(norms):
        raise Undefined(SINGULAR)
    log = math.fsum(map(math.log, norms)) - math.log(subject.gamma)
    return defined(math.exp(log) if log < 709 else math.inf, TOO_LARGE)


def _product(name: str) -> Measure:
    def measure(subject: Subject) -> float:
        return product_over_margin(subject, name)

    formula = f"Π {NORMS[name][0]}/γ"
    return declare_measure(formula=formula, source=NEYSHABUR, needs="outputs", name=f"prod_{name}_over_margin")(measure)


def _depth_factor(subject: Subject) -> float:
    """√(d + log D) of d layers and D inputs."""
    return math.sqrt(len(subject.weights) + math.log(subject.graph.input.size))


def _simple(name: str, power: float) -> Callable[[Subject], float]:
    return lambda s: _depth_factor(s) * product_over_margin(s, name) / s.m**power


def _ratio(subject: Subject, q: float, p: float) -> float:
    """(Σ (h^(1−1/q) ‖ΔW‖_{2,q}/σ_1)^p)^(1/p), h units of the layer."""
    pairs = zip(subject.weights, subject.moved, strict=True)
    parts = [len(w.matrix) ** (1 - 1 / q) * group_norm(d, 2, q) / w.spectral for w, d in pairs]
    return math.fsum(part**p for part in parts) ** (1 / p)


def _parameters(subject: Subject) -> int:
    """Weights, and a bias for every unit that has one."""
    layers = {one.index: subject.graph.layers[one.index] for one in subject.weights}
    units = {i: sum(len(w.matrix) for w in subject.weights if w.index == i) for i in layers}
    biases = sum(units[i] for i, layer in layers.items() if getattr(layer, "bias", None) is not None)
    return sum(one.size for one in subject.weights) + biases


def _spec_l21(subject: Subject) -> float:
    logs = math.log(subject.m) * math.log(_parameters(subject))
    return logs * product_over_margin(subject, "spectral") * _ratio(subject, 1, 2 / 3) / math.sqrt(subject.m)


def _spec_fro(subject: Subject) -> float:
    depth = len(subject.weights)
    return depth * product_over_margin(subject, "spectral") * _ratio(subject, 2, 2) / math.sqrt(subject.m)


SHAPES: dict[str, tuple[str, Needs, Callable[[Subject], float]]] = {
    "shape_l1_max": ("√(d + log D) Π‖w‖_{1,∞}/(γ√m)", "outputs", _simple("l1_inf", 1 / 2)),
    "shape_frobenius": ("√(d + log D) Π‖w‖_F/(γ√m)", "outputs", _simple("frobenius", 1 / 2)),
    "shape_l3_1.5": ("√(d + log D) Π‖w‖_{3,1.5}/(γ m^(1/3))", "outputs", _simple("l3_1.5", 1 / 3)),
    "shape_spec_l21": (
        "log m log(params) Πσ_1/γ (Σ(‖w−w⁰‖_{2,1}/σ_1)^(2/3))^(3/2)/√m", "reference", _spec_l21,
    ),
    "shape_spec_fro": ("d Πσ_1/γ (Σ h‖w−w⁰‖_F²/σ_1²)^(1/2)/√m, h units", "reference", _spec_fro),
}  # fmt: skip


def _shape(name: str) -> Measure:
    formula, needs, value = SHAPES[name]

    def measure(subject: Subject) -> float:
        return defined(value(subject), TOO_LARGE)

    return declare_measure(formula=formula, source=NEYSHABUR, needs=needs, name=name)(measure)


MEASURES = (*map(_product, NORMS), *map(_shape, SHAPES))
