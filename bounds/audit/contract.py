"""What every bound owes, whoever wrote it: tried on small networks with random labels, whose true error is known."""

from __future__ import annotations

import functools
import inspect
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
from jax import lax

from sparsebounds.bounds.bound import Bound, Theorem
from sparsebounds.bounds.graph.graph import Graph
from sparsebounds.bounds.plugins import wrong_result
from sparsebounds.bounds.reader import read_graph
from sparsebounds.bounds.sample.sample import Sample

CLASSES, M, DELTA = 3, 120, 1e-3
GUARANTEES = ("certificate", "expectation", "published", "shape")


@dataclass(frozen=True)
class Finding:
    """One thing that a bound owes."""

    what: str
    problem: str
    """What came instead; empty where it was kept."""


def check_contract(theorem: Theorem[...]) -> list[Finding]:
    """What a bound owes, one finding each.

    Args:
        theorem: any bound, as it was written.

    Returns:
        In the order of the list below; a bound that fails has a text in `problem`.

    Example:
        >>> from sparsebounds.bounds.registry import BOUNDS
        >>> [found.what for found in check_contract(BOUNDS["golowich"]) if found.problem]
        []
    """
    said = [
        Finding("takes graph, sample, *, delta, and has a default for everything else", _signature(theorem)),
        Finding("declares what it guarantees, its summary and its source", _declaration(theorem)),
        Finding("has a docstring", "" if (theorem.__doc__ or "").strip() else "there is none"),
    ]
    if any(found.problem for found in said):
        return said
    trials = (
        ("returns a Bound whose parts sum to its value, or NaN and a reason", _parts),
        ("a certificate is not below the true error of random labels", _truth),
        ("a smaller δ gives no smaller value", _delta),
        ("the order of the samples does not matter, nor calling it twice", _order),
    )
    tried = [Finding(what, _first(problem, theorem)) for what, problem in trials]
    return [*said, *tried, Finding("covers one of the networks that it is tried on", _covering(theorem))]


@functools.cache
def networks() -> dict[str, tuple[Any, tuple[int, ...]]]:
    """Name → function and the shape of an input: a linear map, two and three layers, a convolution, biases."""
    rng = np.random.default_rng(0)

    def w(*shape: int) -> np.ndarray:
        return (rng.normal(size=shape) / math.sqrt(math.prod(shape[:-1]))).astype(np.float32)

    linear, hidden, head, middle, bias, kernel, last = (
        *(w(6, CLASSES), w(6, 5), w(5, CLASSES), w(5, 5), w(1, 5)[0]),
        *(w(2, 2, 1, 4), w(36, CLASSES)),
    )
    relu: Callable[[Any], Any] = jax.nn.relu
    window = jax.numpy.asarray(kernel)

    def convolution(x: Any) -> Any:
        numbers = ("NHWC", "HWIO", "NHWC")
        found = lax.conv_general_dilated(x, window, (1, 1), "VALID", dimension_numbers=numbers)
        return relu(found).reshape(len(x), -1) @ last

    return {
        "linear": (lambda x: x @ linear, (6,)),
        "two layers": (lambda x: relu(x @ hidden) @ head, (6,)),
        "three layers": (lambda x: relu(relu(x @ hidden) @ middle) @ head, (6,)),
        "two layers, biases": (lambda x: relu(x @ hidden + bias) @ head, (6,)),
        "convolution": (convolution, (4, 4, 1)),
    }


@functools.cache
def _measured(name: str, seed: int, turned: bool = False) -> tuple[Graph, Sample]:
    f, shape = networks()[name]
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(M, *shape)).astype(np.float32), rng.integers(0, CLASSES, M)
    step = -1 if turned else 1
    return read_graph(f, x[:2]), Sample.measure(f, x[::step], y[::step])


def _row(theorem: Theorem[...], name: str, seed: int = 0, delta: float = DELTA, turned: bool = False) -> Bound:
    taken = inspect.signature(theorem).parameters
    options = {"input_bound": 100.0, "pixel_range": (-10.0, 10.0)}
    given = {key: value for key, value in options.items() if key in taken}
    return theorem(*_measured(name, seed, turned), delta=delta, **given)


def _first(problem: Callable[[Theorem[...], str], str], theorem: Theorem[...]) -> str:
    """The first network on which something is wrong; an error counts as wrong, a refusal does not."""
    for name in networks():
        try:
            found = problem(theorem, name)
        except ValueError:  # a refusal
            continue
        except Exception as error:
            found = f"{type(error).__name__}: {' '.join(str(error).split())}"
        if found:
            return f"{name}: {found}"
    return ""


def _parts(theorem: Theorem[...], name: str) -> str:
    row = _row(theorem, name)
    wrong = wrong_result(row)
    if wrong or row.covered:
        low = not wrong and min(row.margin_error, row.complexity, row.confidence) < 0
        return "a part is below 0" if low else wrong
    return "" if row.note else "NaN without a reason in note"


def _truth(theorem: Theorem[...], name: str) -> str:
    truth = 1 - 1 / CLASSES
    for seed in range(3):
        row = _row(theorem, name, seed)
        if row.guarantee == "certificate" and row.value < truth:
            return f"certifies {row.value:.4g} where the error is {truth:.4g}"
    return ""


def _delta(theorem: Theorem[...], name: str) -> str:
    loose, tight = _row(theorem, name, delta=0.1), _row(theorem, name, delta=1e-6)
    return f"{loose.value:.6g} at δ = 0.1, {tight.value:.6g} at δ = 1e-6" if tight.value < loose.value else ""


def _order(theorem: Theorem[...], name: str) -> str:
    values = [_row(theorem, name).value, _row(theorem, name).value, _row(theorem, name, turned=True).value]
    same = all(math.isclose(value, values[0], rel_tol=1e-9) or value != value for value in values)
    return "" if same else f"{', '.join(f'{value:.10g}' for value in values)}"


def _covering(theorem: Theorem[...]) -> str:
    reasons = []
    for name in networks():
        try:
            row = _row(theorem, name)
        except ValueError as error:
            reasons.append(str(error))
            continue
        if row.covered:
            return ""
        reasons.append(row.note)
    return f"none, so that nothing was tried: {reasons[0]}"


def _signature(theorem: Theorem[...]) -> str:
    parameters = list(inspect.signature(theorem).parameters.values())
    if [p.name for p in parameters[:3]] != ["graph", "sample", "delta"]:
        return f"it takes {', '.join(p.name for p in parameters)}"
    return "; ".join(_kinds(parameters[2:]))


def _kinds(options: list[inspect.Parameter]) -> Iterator[str]:
    for p in options:
        if p.kind not in (p.KEYWORD_ONLY, p.VAR_KEYWORD):
            yield f"{p.name} is not keyword-only"
        if p.name != "delta" and p.default is p.empty and p.kind is not p.VAR_KEYWORD:
            yield f"{p.name} has no default"
        if p.name == "delta" and p.default is not p.empty:
            yield "delta has a default: the caller decides"


def _declaration(theorem: Theorem[...]) -> str:
    declared = theorem.declaration
    if declared.guarantee not in GUARANTEES:
        return f"guarantee {declared.guarantee!r}; needed one of {', '.join(GUARANTEES)}"
    missing = [name for name in ("summary", "source") if not getattr(declared, name)]
    return f"no {' and no '.join(missing)}" if missing else ""
