"""What a bound is: a function with a declaration, the row that it returns, and how it says that it does not apply."""

from __future__ import annotations

import functools
import inspect
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from types import MappingProxyType
from typing import Any, Generic, Literal, ParamSpec

from sparsebounds.bounds.arguments import check_delta, check_flag, check_gamma, check_match
from sparsebounds.bounds.notebook import card
from sparsebounds.bounds.plain import plain
from sparsebounds.bounds.printed import nearest, readable, upwards
from sparsebounds.bounds.unrounded import without_rounding
from sparsebounds.bounds.verdicts import verdict_of

Guarantee = Literal["certificate", "expectation", "published", "shape", "measure", "unaudited"]
Gamma = float | Literal["best"]
PIECEWISE_LINEAR = ("input", "linear", "max pool")
"""Roles of layers that every theorem about ReLU networks knows."""
ANY_LAYER = (*PIECEWISE_LINEAR, "activation", "product", "normalisation", "attention", "unknown")
"""Roles of all layers."""
ANY_NETWORK = (*ANY_LAYER, "program")
"""With a graph or without one: what is said of scores and labels, or of the length of a program, needs none."""


@dataclass(frozen=True, repr=False)
class Bound:
    """A number said about the error of a network on new data, with every factor that went into it.

    For a certificate: with probability at least 1 − δ over the sample, P(M ≤ 0) ≤ value.
    value = margin_error + complexity + confidence.
    """

    value: float
    """The bound on the test error; NaN where the theorem does not cover the network (`note` says why)."""
    margin_error: float
    """What the sample shows: mean ramp loss, or share of margins at most γ, as the theorem says."""
    complexity: float
    """The part that measures the class of networks."""
    confidence: float
    """The price of δ and of every choice made after looking at the data."""
    gamma: float
    delta: float
    guarantee: Guarantee
    """certificate: holds as stated, every cost paid · expectation · published: as printed, refuted or unverified ·
    shape: constants unknown · measure: no bound at all · unaudited: of another package, `sparsebounds check-bound` has
    not passed."""
    terms: Mapping[str, Any] = field(default_factory=dict)
    """Every factor, in the order in which one redoes the computation on paper."""
    source: str = ""
    note: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "terms", MappingProxyType(dict(self.terms)))

    @property
    def covered(self) -> bool:
        """Whether the theorem covers the network."""
        return self.value == self.value

    @property
    def verdict(self) -> str:
        """What the number is worth, in two words: see `verdict_of`."""
        return verdict_of(self.value, self.guarantee)

    def to_dict(self) -> dict[str, Any]:
        """All fields as JSON takes them."""
        return {f.name: plain(getattr(self, f.name)) for f in fields(self)}

    def __repr__(self) -> str:
        if not self.covered:
            return f"<Bound: {self.note or self.verdict}>"
        parts = " + ".join(map(upwards, (self.margin_error, self.complexity, self.confidence)))
        kind = self.verdict if self.guarantee == "certificate" else f"{self.guarantee}, {self.verdict}"
        return f"<Bound {upwards(self.value)} = {parts}: {kind}, γ = {nearest(self.gamma)}, δ = {nearest(self.delta)}>"

    def _repr_html_(self) -> str:
        names = ("value", "margin_error", "complexity", "confidence")
        rows = [(name.replace("_", " "), upwards(getattr(self, name))) for name in names]
        rows += [("guarantee", self.guarantee), ("verdict", self.verdict)]
        rows += [("γ", nearest(self.gamma)), ("δ", nearest(self.delta))]
        rows += [(name, readable(term)) for name, term in self.terms.items() if name not in ("gamma", "delta")]
        return card(repr(self)[1:-1], rows, {"note": self.note, "source": self.source})

    def __reduce__(self) -> tuple[Any, ...]:
        """Copied and pickled by its fields: a view of a dictionary is neither."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        return type(self), tuple((values | {"terms": dict(self.terms)}).values())


@dataclass(frozen=True)
class Declaration:
    """What a bound says about itself, for tables, tests and `sparsebounds list`."""

    summary: str
    guarantee: Guarantee
    assumes: tuple[str, ...]
    source: str
    covers: tuple[str, ...] = PIECEWISE_LINEAR
    """The roles of the layers that the theorem knows."""
    fixed_gamma: bool = False
    """Whether it speaks of one margin fixed in advance; otherwise any may be chosen after looking."""


class NotCovered(Exception):
    """Raised inside a bound: the network is outside the theorem. Becomes a Bound with value NaN."""


P = ParamSpec("P")


@dataclass(frozen=True, eq=False, repr=False)
class Theorem(Generic[P]):
    """A bound with what it says about itself: called as `bound(graph, sample, *, delta, …)`, made by `declare`.

    A bound's own page documents its formula and the arguments that it has alone. What all bounds share:

    Args of every bound:
        graph: the network, from `read_graph`. A convolution counts by its operator, each weight once per position,
            unless the bound says otherwise.
        sample: the data that trained it, from `Sample.measure`, on the tensors that the network receives.
        delta: failure probability, over the draw of the sample; no default, the caller decides.

    Args of many:
        gamma: the margin, above 0, or "best": the γ that makes the bound smallest. Where a bound takes "best", any γ
            may be chosen after looking: the same union pays for it.
        nodes: partition of the layers into nodes, "position", "group" or "scalar"; None: the graph's own.
        mask_fixed: True if the positions of zero weights were fixed before seeing the sample. Otherwise a zero that a
            bound counts on is paid for. It speaks of all zeros: weights that training itself left at exactly 0, as in a
            layer that starts there, are not fixed, whatever the mask is. It says nothing of lists of what the network
            reads (indices, slices, masks of its values): those the graph pays for in every bound, unless
            `read_graph(…, selections_fixed=True)` said that they were fixed too.
        reference: a Graph with weights fixed without the sample, read before training, from which distances are
            measured; None: 0. One with the network's own weights, or nearly, is refused unless `bounds.Reference`
            declares it; a checkpoint of the training is none.
        input_bound: a number with ‖x‖₂ ≤ input_bound for every input that can occur, not only those of the sample; or
        pixel_range: (low, high) of a coordinate as the network receives it, known in advance.

    Returns:
        Bound, with the guarantee that the bound declares; "published" in place of a certificate or an expectation where
        the inputs were normalised by statistics of the sample. A certificate is never below the true error, except
        with probability δ. Value NaN, and the reason in `note`, for a network outside the theorem's assumptions.

    Raises:
        ValueError: an argument out of range, a sample of other inputs or classes than the graph's, weights that are not
            finite, norms beyond float64.

    Example:
        >>> import jax, numpy as np
        >>> from sparsebounds import bounds
        >>> f = lambda x: jax.nn.relu(x @ np.eye(2, dtype=np.float32)) @ np.eye(2, dtype=np.float32)
        >>> x, y = np.eye(2, dtype=np.float32)[[0, 1] * 500], np.array([0, 1] * 500)
        >>> graph, sample = bounds.read_graph(f, x[:2]), bounds.Sample.measure(f, x, y)
        >>> bounds.golowich(graph, sample, delta=0.001).guarantee  # the examples of all bounds take these two
        'certificate'
    """

    call: Callable[P, Bound]
    declaration: Declaration

    def __post_init__(self) -> None:
        # Name, docstring and signature of the function: help, inspect and doctest see them.
        for name in functools.WRAPPER_ASSIGNMENTS:
            object.__setattr__(self, name, getattr(self.call, name))
        object.__setattr__(self, "__wrapped__", self.call)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Bound:
        given = inspect.signature(self.call).bind(*args, **kwargs)
        given.apply_defaults()
        delta, gamma = given.arguments["delta"], given.arguments.get("gamma", 0.0)
        check_delta(delta)
        if "gamma" in given.arguments:
            check_gamma(gamma)
        check_flag("mask_fixed", given.arguments.get("mask_fixed", False))
        check_match(given.arguments["graph"], given.arguments["sample"])
        try:
            outside = given.arguments["graph"].outside(self.declaration.covers)
            if outside:
                raise NotCovered(outside)
            found = self.call(*given.args, **given.kwargs)
            return _with_note(found, ends_note(given.arguments["graph"]))
        except NotCovered as reason:
            nan = math.nan
            shown = nan if isinstance(gamma, str) else float(gamma)
            declared, note = self.declaration, f"not covered: {reason}"
            return Bound(nan, nan, nan, nan, shown, delta, declared.guarantee, {}, declared.source, note)

    def capacity(self, *args: P.args, **kwargs: P.kwargs) -> float:
        """The complexity of the network's own norms at one γ, a number: no grid, no union, no cut at 1.

        No bound: it orders networks, where the value is cut or stands on a grid. Ceilings of a covering number stay; of
        a description it is bits · log(2)/m. NaN for a network outside the theorem; ValueError as the bound.

        Example:
            >>> from sparsebounds.bounds import golowich
            >>> golowich.capacity(graph, sample, delta=0.001) <= golowich(graph, sample, delta=0.001).complexity
            True
        """
        given = inspect.signature(self.call).bind(*args, **kwargs)
        given.apply_defaults()
        if given.arguments.get("gamma") == "best":
            raise ValueError("gamma='best'; a capacity is taken at one margin, give a number")
        with without_rounding():
            return self(*args, **kwargs).complexity

    def __repr__(self) -> str:
        shown = inspect.signature(self.call)
        bare = [p.replace(annotation=p.empty) for p in shown.parameters.values()]
        called = shown.replace(parameters=bare, return_annotation=shown.empty)
        return f"<bound {self.name}{called}; what all bounds share: help(sparsebounds.bounds.Theorem)>"

    def __reduce__(self) -> str:
        """Pickled by name, as functions are."""
        return self.name

    @property
    def name(self) -> str:
        """Of the function."""
        return self.call.__name__


def declare(
    *,
    summary: str,
    guarantee: Guarantee,
    assumes: tuple[str, ...],
    source: str,
    covers: tuple[str, ...] = PIECEWISE_LINEAR,
    fixed_gamma: bool = False,
) -> Callable[[Callable[P, Bound]], Theorem[P]]:
    """Make a function `(graph, sample, *, delta, …) -> Bound` a `Theorem`.

    Args:
        summary: half a line for `sparsebounds list`.
        guarantee: what a row may claim at most.
        assumes: of the network, one thing each.
        source: paper, theorem, version.
        covers: roles of the layers that the theorem knows; a network with another one gets NaN, and the layer is named.
        fixed_gamma: it speaks of one γ fixed in advance.

    Returns:
        A decorator. The theorem checks δ, γ and that sample and graph belong together before it calls the function, and
        turns NotCovered into a row.

    Example:
        >>> @declare(summary="half", guarantee="shape", assumes=(), source="nowhere")
        ... def half(graph, sample, *, delta):
        ...     raise NotCovered("it is an example")
        >>> half.declaration.guarantee, half(graph, sample, delta=0.1).note
        ('shape', 'not covered: it is an example')
    """
    declaration = Declaration(summary, guarantee, assumes, source, covers, fixed_gamma)
    return lambda function: Theorem(function, declaration)


def ends_note(graph: Any) -> str:
    """What a row says of an end that was taken off, and of low precision; empty where there is neither."""
    notes = []
    if graph.ends:
        ends = " and the ".join(graph.ends)
        notes.append(f"margins are measured below the {ends} at the end, with the same predictions")
    if graph.rounding:
        notes.append(
            f"of the network as float32 computes it: in low precision its scores differ by {graph.rounding:.2g} of the "
            "largest on two examples"
        )
    return "; ".join(notes)


def _with_note(bound: Bound, note: str) -> Bound:
    return replace(bound, note="; ".join(part for part in (bound.note, note) if part)) if note else bound


MASK_FIXED = "fixed without the sample, as stated"
MASK_NONE = "no zero lowers a count of predecessors"
MASK_UNCOUNTED = "zeros are not counted on"
MASK_PAID = "from the sample, paid for"
"""What `terms` say of the zeros of the weights."""
