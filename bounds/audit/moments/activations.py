"""Theorem M, activation by activation: the p-th moment of the supremum, over all signs, against the pass.

Rows of one size (the form "rows") where the class fixes the largest row of a node: functions that are odd, that are not
homogeneous, that are not 0 at 0. Homogeneous ones keep the norm of the node.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from sparsebounds.bounds.audit.moments.nets import FUNCTIONS, Net, Op
from sparsebounds.bounds.audit.moments.theorem_1 import Broken, NetCase
from sparsebounds.bounds.moments import khintchine
from sparsebounds.bounds.moments.activations import contraction_of

PLANE = np.array([[1.0, 1.0], [2.0, 0.0], [1.0, -1.0]])[:, None]
"""u, v and u + v: where one ReLU attains most."""
SMALL, LARGE = 1e-3, 30.0
"""Sizes of inputs at which a smooth function is linear, or nearly a ReLU."""
NO_S, NO_C, NO_CONSTANT = "s_σ → 1", "√c → 1", "σ(0) dropped"
ODD, HOMOGENEOUS, OTHER, CONSTANT = (
    f"Theorem M, {kind}" for kind in ("odd", "homogeneous", "not homogeneous", "not 0 at 0")
)


def activation_cases() -> Iterator[NetCase]:
    """One layer with every kind of function, two with an odd one."""
    equal = np.ones((4, 1, 1))
    yield _case(ODD, "tanh", 1, 2, SMALL * equal, _without_c(2))
    yield _case(ODD, "tanh", 2, 1, SMALL * equal, lambda p, claim: ())
    yield _case(HOMOGENEOUS, "abs", 1, 1, PLANE, _without_s("abs"))
    yield _case(HOMOGENEOUS, "PReLU", 1, 1, PLANE, _without_s("PReLU"))
    yield _case(OTHER, "GELU", 1, 1, LARGE * PLANE, _without_s("GELU"))
    yield _case(OTHER, "GELU", 1, 2, LARGE * PLANE, _without_c(2))
    yield _case(CONSTANT, "sigmoid", 1, 1, SMALL * equal, _without_constant("sigmoid", len(equal)))


def _case(statement: str, name: str, layers: int, rows: int, x: np.ndarray, broken: Broken) -> NetCase:
    ops = tuple(Op("point", rows, 1.0, function=name) for _ in range(layers))
    net = Net(1, x.shape[-1], ops, "layer" if FUNCTIONS[name].known.homogeneous else "rows")
    return NetCase(statement, f"{name}, {layers} × {rows} rows", net, x, 120, broken=broken)


def _without_s(name: str) -> Broken:
    """As if the function were odd, of slopes up to 1: contraction without a second sign."""
    known = FUNCTIONS[name].known
    return lambda p, claim: ((NO_S, float(contraction_of(known, np.array([p]))[0])),)


def _without_c(rows: int) -> Broken:
    """The largest row of a node in place of all of them."""
    return lambda p, claim: ((NO_C, math.sqrt(rows)),)


def _without_constant(name: str, m: int) -> Broken:
    """The constant |σ(0)| B √m of a node of one row left out."""
    at_zero = abs(FUNCTIONS[name].known.at_zero)
    return lambda p, claim: ((NO_CONSTANT, claim / (claim - at_zero * float(khintchine(p)) * math.sqrt(m))),)
