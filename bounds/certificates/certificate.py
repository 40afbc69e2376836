"""The best certificate that peeling by moments gives for a network: every form tried, every choice paid."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from jaxtyping import UInt64

from sparsebounds.bounds.arguments import check_delta
from sparsebounds.bounds.bound import MASK_FIXED, MASK_UNCOUNTED, Bound, Gamma, NotCovered, declare
from sparsebounds.bounds.certificates.checks import check_every_class, check_left_out
from sparsebounds.bounds.graph.graph import PARTITIONS, Graph
from sparsebounds.bounds.margin.classes import ClassSize, choice_prices
from sparsebounds.bounds.margin.conclude import bound_from_step
from sparsebounds.bounds.margin.payment import Payment
from sparsebounds.bounds.margin.space import Configuration
from sparsebounds.bounds.margin.step import smallest
from sparsebounds.bounds.moments.energies import EnergiesUpper, energy_forms
from sparsebounds.bounds.moments.head_axes import UNIFORM, HeadAxes
from sparsebounds.bounds.moments.margin_forms import MOST_CLASSES, MarginForm, chosen_tree_form, sum_form, tree_form
from sparsebounds.bounds.moments.network import PeeledNetwork
from sparsebounds.bounds.moments.peeling import ASSUMES, SOURCE
from sparsebounds.bounds.moments.tree import Tree
from sparsebounds.bounds.reader import read_graph
from sparsebounds.bounds.sample.front_end import Received
from sparsebounds.bounds.sample.sample import Sample


def certificate(
    f: Any,
    x: Any,
    y: Any,
    *,
    delta: float = 1e-3,
    gamma: Gamma = "best",
    tree: Any = None,
    pixel_range: tuple[float, float] | None = None,
    weights: Sequence[HeadAxes] = (UNIFORM,),
    left_out: UInt64[np.ndarray, " n"] | None = None,
    nodes: str | None = None,
    mask_fixed: bool = False,
    selections_fixed: bool = False,
    choices: Mapping[str, int] | Configuration | None = None,
    preprocessing: str = "fixed",
    repetitions: str = "counted",
    batch_size: int = 256,
) -> Bound:
    """With probability 1 − δ, the error of this network on new data is at most `value`.

    err ≤ mean ramp φ_γ on S + (2/m) c_j Σ_S a_S (√Σ_i τ_i² q_i² + √Σ_i τ_i² (q^S_i)²) + the price of δ and of every
    choice, minimised over partitions into nodes, trees, forms of the margin step and of Theorem 3, grids and weights.

    Args:
        f: function of one batched input giving (batch, C) scores, or a Flax NNX module.
        x, y: the m samples the certificate is about, drawn independently; inputs exactly as the network receives them,
            after everything that was fixed without looking at these samples; or x as `FrontEnd.receive` gives it.
        delta: allowed probability of failure.
        gamma: the margin, or "best".
        tree: nested pairs of classes, fixed without looking at the sample; None: halves of consecutive classes.
        pixel_range: (lo, hi) in which every coordinate lies, known in advance: allows the one-sided form.
        weights: of the last layer, axes fixed without looking at the sample, by hand or from samples
            left out: `bounds.certificates.HeadAxes`. One of them is chosen, and the choice paid for.
        left_out: fingerprints of samples that shaped the grids, the tree or the front end (see
            `bounds.sample.fingerprints`): none of them may be among x. Those that shaped `weights`, or the front end
            that received x, are known.
        nodes: one partition; None: the best of three.
        mask_fixed: True if the positions of zero weights were fixed before seeing the sample.
        selections_fixed: True if the lists of what the network reads were, see `read_graph`; otherwise they are paid.
        choices: a sequential search is not covered by its length: counts are for lists fixed in advance, by name how
            many configurations (front ends, architectures, …) stood there; whoever tried one after the other gives the
            `bounds.Configuration` that he ended with, of a space written down before. Its −log weight, or the
            logarithm of every count, enters the confidence and the energies.
        preprocessing: "fixed", or "sample" when the normalisation's constants come from these samples; "stated" if they
            do not although it looks so, see `Sample`.
        repetitions: "natural" if the distribution itself repeats inputs, see `Sample.measure`.
        batch_size: samples per call of f.

    It is `peeling` with two choices made after looking, of three partitions and of three margin forms, and their price:
    at most log 9 = 2.2 nats, in the confidence and in the energies (m large: nothing; m = 1000: about 0.01 in the
    value). It is smaller than `peeling` where nodes that are no positions, a tree that the data choose or the sum form
    save more than that: masks that remove most weights, classes that are not balanced. Where the partition and the tree
    are known in advance, `peeling` with them is smaller, or this with `nodes=`.

    Returns:
        A certificate; `note` says which partition and form won, `terms` lists every choice with its price in nats.
        Value NaN for a network outside the theorem.

    Raises:
        ValueError: bad data, δ, γ, tree, range or choices; left-out samples among x.
        ReadError: a network that cannot be read.

    Example:
        >>> import jax.numpy as jnp
        >>> rng = np.random.default_rng(0)
        >>> x, y = rng.uniform(size=(20000, 3)).astype(np.float32), rng.integers(0, 2, 20000)
        >>> x[:, 0] = np.where(y == 1, 0.9, 0.1)
        >>> f = lambda x: jnp.stack([0.5 - x[:, 0], x[:, 0] - 0.5], axis=1)
        >>> b = certificate(f, x, y, pixel_range=(0.0, 1.0))
        >>> b.value < 0.25, b.guarantee
        (True, 'certificate')

    Source: theorems 1–3 of docs/theory.md.
    """
    check_delta(delta)
    examples = np.asarray((x.values if isinstance(x, Received) else x)[:2])
    graph = read_graph(f, examples, selections_fixed=selections_fixed)
    sample = Sample.measure(f, x, y, preprocessing=preprocessing, repetitions=repetitions, batch_size=batch_size)
    return certified(
        graph, sample, delta=delta, gamma=gamma, tree=tree, pixel_range=pixel_range, weights=weights,
        left_out=left_out, nodes=nodes, mask_fixed=mask_fixed, choices=choices,
    )  # fmt: skip


@declare(
    summary="the best form of peeling: every partition, tree, form and grid, every choice paid",
    guarantee="certificate",
    assumes=ASSUMES,
    source=SOURCE,
)
def certified(
    graph: Graph,
    sample: Sample,
    *,
    delta: float,
    gamma: Gamma = "best",
    tree: Any = None,
    pixel_range: tuple[float, float] | None = None,
    weights: Sequence[HeadAxes] = (UNIFORM,),
    left_out: UInt64[np.ndarray, " n"] | None = None,
    nodes: str | None = None,
    mask_fixed: bool = False,
    choices: Mapping[str, int] | Configuration | None = None,
) -> Bound:
    """`certificate` of a graph and a sample that are at hand; formula and arguments as there.

    Example:
        >>> from sparsebounds import bounds
        >>> b = certified(graph, sample, delta=0.001)
        >>> b.value <= bounds.peeling(graph, sample, delta=0.001).value + 0.05
        True

    Source: theorems 1–3 of docs/theory.md.
    """
    check_every_class(sample)
    for marks in (left_out, *(w.shaped_by for w in weights)):
        check_left_out(sample, marks)
    paid = choice_prices(choices)
    fixed = Tree.balanced(graph.classes) if tree is None else Tree.given(tree, graph.classes)
    upper = energy_forms(sample, pixel_range, fixed, delta=delta, nats=paid.nats)
    sizes = list(_sizes(graph, sample, fixed, weights, upper, nodes, mask_fixed, paid.prices))
    _check_weights(weights, sizes)
    step = smallest(sizes, sample, Payment.of_theorem_3(delta, gamma))
    terms = {
        "tree fixed in advance": _shown(fixed, given=tree is not None),
        "mask": MASK_FIXED if mask_fixed else MASK_UNCOUNTED,
        **paid.terms,
    }
    found = bound_from_step(step, certified, sample, terms=terms)
    return replace(found, note="; ".join(part for part in (_won(found.terms), found.note) if part))


def _won(terms: Mapping[str, Any]) -> str:
    """Which partition and form gave the smallest value, and what choosing them cost."""
    price = sum(terms.get(f"nats: choice of {what}", 0.0) for what in ("nodes", "margin form"))
    paid = f", a choice that costs {price:.2f} nats beside `peeling`" if price else ""
    return f"nodes: {terms['nodes']}, margin form: {terms['margin form']}{paid}"


def _shown(tree: Tree, *, given: bool) -> str:
    if len(tree.leaves) > 20:
        return "given" if given else "balanced"
    return str(tree.nested)


def _sizes(
    graph: Graph,
    sample: Sample,
    fixed: Tree,
    weights: Sequence[HeadAxes],
    upper: Sequence[EnergiesUpper | None],
    nodes: str | None,
    mask_fixed: bool,
    prices: Mapping[str, float],
) -> Iterable[ClassSize]:
    partitions = [p for p in PARTITIONS if nodes in (None, p)]
    if not partitions:
        raise ValueError(f"nodes={nodes!r}; needed one of {', '.join(map(repr, PARTITIONS))}, or None for the best")
    price = {**prices, **({"choice of nodes": math.log(len(partitions))} if len(partitions) > 1 else {})}
    reasons: list[NotCovered] = []
    for partition in partitions:
        try:
            peeled = PeeledNetwork(graph.partition(partition), sample, mask_fixed)
        except NotCovered as reason:  # this partition cannot tell the blocks apart; its share of the price stays paid
            reasons.append(reason)
            continue
        for size in peeled.sizes(_forms(peeled, fixed), weights=weights, upper=upper, prices=price):
            yield replace(size, terms={"nodes": partition, **size.terms})
    if len(reasons) == len(partitions):
        raise reasons[0]


def _check_weights(weights: Sequence[HeadAxes], sizes: Sequence[ClassSize]) -> None:
    """Weights that fit no form would be paid for and never used."""
    used = {size.terms["weights of the last layer"] for size in sizes}
    lost = [w.name for w in weights if w.name not in used]
    if lost:
        raise ValueError(
            f"the weights {lost[0]!r} fit no form of this network; make them for its tree, and say for which nodes="
        )


def _forms(peeled: PeeledNetwork, fixed: Tree) -> list[MarginForm]:
    """The tree fixed in advance; up to 64 classes also a tree chosen by the data, paid for, and the sum form."""
    classes = peeled.graph.classes
    forms = [tree_form(fixed, classes)]
    if 2 < classes <= MOST_CLASSES:
        forms += [chosen_tree_form(peeled.greedy_tree(), classes), sum_form(classes)]
    return forms
