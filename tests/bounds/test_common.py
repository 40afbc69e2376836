"""What every bound in BOUNDS owes, on every network of the zoo; a new bound gets these tests by being listed."""

import ast
import doctest
import inspect
import math
import pickle
import pydoc
import re
import sys
from functools import cache

import networks
import numpy as np
import pytest
from networks import network

from sparsebounds import bounds
from sparsebounds.bounds.bound import NotCovered
from sparsebounds.bounds.margin.grids import RATIO, ROUNDING
from sparsebounds.bounds.theorems.rademacher.galanti import complexities

M, DELTA, CLASSES = 200, 1e-3, networks.CLASSES
GUARANTEES = {"certificate", "expectation", "published", "shape"}
# The other spellings of one network are compared in test_reader.
SAME = ("patches", "shifted_matmuls", "vmapped", "nested_calls", "patches_flat_batch", "maximum_relu", "where_relu")
ZOO = [name for name in networks.NETWORKS if name.removesuffix("_biased") not in SAME]

every_bound = pytest.mark.parametrize("bound", bounds.BOUNDS)
every_network = pytest.mark.parametrize("name", ZOO)


@cache
def measured(name: str, seed: int = 0, preprocessing: str = "fixed"):
    """A network of the zoo with random labels: whatever it computes, its true error is exactly 1 − 1/C."""
    net = network(name)
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(M, *net.x.shape[1:])).astype(np.float32)
    y = rng.integers(0, CLASSES, M)
    return bounds.read_graph(net.f, x[:2], group_size=2), bounds.Sample.measure(
        net.f, x, y, preprocessing=preprocessing
    )


@cache
def value(bound: str, name: str, delta: float = DELTA, seed: int = 0) -> bounds.Bound:
    return bounds.BOUNDS[bound](*measured(name, seed), delta=delta)


# ---- what it says about itself -----------------------------------------------------------------


@every_bound
def test_signature(bound):
    parameters = list(inspect.signature(bounds.BOUNDS[bound]).parameters.values())
    assert [p.name for p in parameters[:3]] == ["graph", "sample", "delta"]
    for p in parameters[2:]:
        assert p.kind in (p.KEYWORD_ONLY, p.VAR_KEYWORD), f"{p.name} must be keyword-only"
        assert p.name == "delta" or p.default is not p.empty or p.kind is p.VAR_KEYWORD, f"{p.name} needs a default"
    assert parameters[2].default is inspect.Parameter.empty, "delta has no default: the caller decides"


def arguments(bound):
    return list(inspect.signature(bounds.BOUNDS[bound]).parameters)


@every_bound
def test_every_argument_is_used(bound):
    """One that a bound takes and forgets looks as if it had an effect."""
    (function,) = ast.parse(inspect.getsource(bounds.BOUNDS[bound])).body
    read = {node.id for node in ast.walk(function) if isinstance(node, ast.Name)}
    assert set(arguments(bound)) - {"graph", "delta"} <= read  # these two the theorem itself checks


@every_bound
def test_declaration(bound):
    declaration = bounds.BOUNDS[bound].declaration
    assert declaration.guarantee in GUARANTEES
    assert declaration.summary and declaration.source
    assert isinstance(declaration.assumes, tuple) and all(isinstance(a, str) and a for a in declaration.assumes)


SHARED = {"Args of every bound", "Args of many"}


def documented(text, *sections):
    """Names that the sections of a docstring explain."""
    parts = re.split(r"^ *([A-Z][a-z ]+):$", text, flags=re.M)
    lines = [part for title, part in zip(parts[1::2], parts[2::2], strict=True) if title in sections]
    names = re.findall(r"^ +([a-z_]+(?:, [a-z_]+)*): ", "\n".join(lines), flags=re.M)
    return {name for found in names for name in found.split(", ")}


@every_bound
def test_docstring(bound):
    """A bound explains its own arguments, in a fixed order of sections; `Theorem` those that many have."""
    text = inspect.getdoc(bounds.BOUNDS[bound]) or ""
    assert len(text.split("\n\n")) >= 4, "one line, the formula, an example, the source"
    places = [text.find(part) for part in ("Args:", "Returns:", "Raises:", "Example:", "Source:")]
    assert -1 not in places[3:], "an example and a source"
    found = [place for place in places if place >= 0]
    assert found == sorted(found)
    shared = documented(bounds.Theorem.__doc__, *SHARED)
    assert {"graph", "sample", "delta", "gamma"} <= shared
    assert set(arguments(bound)) <= documented(text, "Args") | shared
    assert documented(text, "Args") <= set(arguments(bound))


@every_bound
def test_the_example_is_found_and_help_shows_the_bound(bound):
    """A theorem is an object: doctest, help, inspect and pickle must see the function behind it."""
    theorem = bounds.BOUNDS[bound]
    module = sys.modules[theorem.__module__]
    (found,) = [t for t in doctest.DocTestFinder().find(module) if t.name == f"{module.__name__}.{theorem.name}"]
    assert found.examples
    shown = pydoc.plain(pydoc.render_doc(theorem))
    assert theorem.__doc__.split("\n")[0] in shown and "delta" in shown
    assert pickle.loads(pickle.dumps(theorem)) is theorem


def test_a_theorem_speaks_before_and_after_its_function():
    """δ, γ and the sample are checked before the call; NotCovered becomes a row."""

    @bounds.declare(summary="none", guarantee="certificate", assumes=(), source="nobody")
    def never(graph, sample, *, delta, gamma="best"):
        raise NotCovered("it covers nothing")

    graph, sample = measured("native")
    row = never(graph, sample, delta=0.5)
    assert math.isnan(row.value) and math.isnan(row.gamma) and row.note == "not covered: it covers nothing"
    assert (row.guarantee, row.source, row.delta) == ("certificate", "nobody", 0.5)
    assert never(graph, sample, delta=0.5, gamma=2.0).gamma == 2.0
    with pytest.raises(ValueError, match="gamma"):
        never(graph, sample, delta=0.5, gamma=-1.0)
    with pytest.raises(ValueError, match="inputs of shape"):
        never(graph, measured("mlp_flat")[1], delta=0.5)
    with pytest.raises(TypeError, match="delta"):
        never(graph, sample)


# ---- what it returns ---------------------------------------------------------------------------


@every_network
@every_bound
def test_a_bound_is_its_parts_or_a_reason(bound, name):
    row = value(bound, name)
    assert isinstance(row, bounds.Bound)
    assert row.delta == DELTA and row.source
    if math.isnan(row.value):
        assert len(row.note) > 10, "a refusal needs its reason"
        return
    assert row.value == pytest.approx(row.margin_error + row.complexity + row.confidence, rel=1e-9)
    assert min(row.margin_error, row.complexity, row.confidence) >= 0
    assert row.terms, "every factor stands in terms"
    assert row.guarantee == bounds.BOUNDS[bound].declaration.guarantee


@every_network
@every_bound
def test_a_certificate_is_above_the_true_error(bound, name):
    """Random labels: the true error of every network is exactly 3/4. Three samples, each may fail with 10⁻³."""
    for seed in (0, 1, 2):
        row = value(bound, name, seed=seed)
        assert row.guarantee != "certificate" or math.isnan(row.value) or row.value >= 1 - 1 / CLASSES


@every_network
@every_bound
def test_more_confidence_is_not_cheaper(bound, name):
    rows = [value(bound, name, delta) for delta in (0.5, 0.05, DELTA, 1e-9)]
    values = [row.value for row in rows]
    assert all(map(math.isnan, values)) or values == sorted(values)


@every_bound
def test_the_same_twice(bound):
    graph, sample = measured("native_biased")
    first, second = (bounds.BOUNDS[bound](graph, sample, delta=DELTA) for _ in range(2))
    assert first.value == second.value or (math.isnan(first.value) and math.isnan(second.value))
    assert (first.note, first.guarantee, first.source) == (second.note, second.guarantee, second.source)


@every_bound
def test_the_order_of_the_sample_does_not_matter(bound):
    net, rng = network("native_biased"), np.random.default_rng(0)
    x, y = rng.normal(size=(M, 6, 6, 2)).astype(np.float32), rng.integers(0, CLASSES, M)
    graph, order = bounds.read_graph(net.f, x[:2]), rng.permutation(M)
    samples = [bounds.Sample.measure(net.f, x, y), bounds.Sample.measure(net.f, x[order], y[order])]
    first, second = (bounds.BOUNDS[bound](graph, s, delta=DELTA).value for s in samples)
    assert first == pytest.approx(second, rel=1e-5, nan_ok=True)


@every_bound
@pytest.mark.parametrize("delta", [0.0, 1.0, -1.0, 2.0, math.nan])
def test_delta_is_a_probability(bound, delta):
    with pytest.raises(ValueError, match="delta"):
        bounds.BOUNDS[bound](*measured("native"), delta=delta)


@every_bound
def test_inputs_normalised_by_the_sample_give_no_certificate(bound):
    row = bounds.BOUNDS[bound](*measured("native", preprocessing="sample"), delta=DELTA)
    assert math.isnan(row.value) or row.guarantee != "certificate"


@every_bound
def test_the_graph_and_the_sample_are_not_changed(bound):
    graph, sample = measured("masked_convolution")
    weights = [t.weight.copy() for layer in graph.layers[1:] for t in layer.terms]
    bounds.BOUNDS[bound](graph, sample, delta=DELTA)
    for before, after in zip(weights, (t.weight for layer in graph.layers[1:] for t in layer.terms), strict=True):
        np.testing.assert_array_equal(before, after)


# ---- the complexity below the sample -----------------------------------------------------------


@every_network
@pytest.mark.parametrize("partition", ["position", "group", "scalar"])
def test_every_form_of_the_complexity_is_above_what_the_network_itself_attains(name, partition):
    """Signs of the last layer's rows are free in the class: E Σ_r |Σ_i ξ_ir f_r(x_i)|, over the signs, is attained."""
    net = network(name)
    graph = measured(name)[0].partition(partition)
    x = np.repeat(net.x[:1], 20, axis=0)
    energies = (x.astype(np.float64) ** 2).sum(0)
    mean_sign = 20 * math.comb(19, 9) / 2**19  # E|Σ ξ_i| of 20 signs
    attained = mean_sign * np.abs(bounds.evaluate(graph, x[:1])).sum()
    for fixed in (True, False):
        found = complexities(graph, energies, 20, fixed)
        assert found and all(form.value >= attained for form in found)
        assert net.chain == any(form.terms["form"] == "shared" for form in found)


def test_the_zoo_is_large_enough():
    assert len(ZOO) >= 14
    covered = [name for name in ZOO if not math.isnan(value("galanti_published", name).value)]
    assert len(covered) >= 14 and set(ZOO) - set(covered)


@every_network
def test_the_class_paid_for_is_the_class_named(name):
    """Every row that names a grid and a j has c_j = ratio^j, so that it can be redone by hand."""
    graph, sample = measured(name)
    rows = [value(bound, name) for bound in bounds.BOUNDS]
    rows += [bounds.certified(graph, sample, delta=DELTA, pixel_range=limits) for limits in (None, (-9.0, 9.0))]
    named = [row.terms for row in rows if row.terms.get("grid index j") is not None]
    assert len(named) >= 3
    for terms in named:
        ratio, c_j = terms.get("ratio of the grids", RATIO), terms.get("c_j = ratio^j", terms.get("c_j"))
        assert c_j == pytest.approx(ratio ** terms["grid index j"] * (1 + ROUNDING), rel=1e-9)
