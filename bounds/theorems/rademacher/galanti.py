"""The bound for sparse networks of Galanti, Xu, Galanti, Poggio (NeurIPS 2023): a sound form, and the printed one.

A network is a DAG of nodes; node j reads |pred(j)| nodes. The printed bound depends on the weights through one number
ρ = Π_l max_j ‖W^l_j‖_F and on the structure through |pred| alone. As printed by the authors' code and as others
restate it (the paper's own text was not at hand) it is not valid, for two reasons that exact counterexamples show
(tests/bounds/theorems/test_soundness.py): the predecessors of the last layer are missing, and the last layer's
Frobenius norm cannot replace the sum of its row norms without a factor √C. `galanti` repairs both, covers graphs of
any shape, and replaces products of largest norms by sums over paths (docs/theory.md, "Gains and paths").
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Float64

from sparsebounds.bounds.bound import (
    MASK_FIXED,
    MASK_NONE,
    MASK_PAID,
    MASK_UNCOUNTED,
    Bound,
    Gamma,
    NotCovered,
    declare,
)
from sparsebounds.bounds.graph.graph import PARTITIONS, Graph, Partition, check_partition
from sparsebounds.bounds.graph.memory import per_graph
from sparsebounds.bounds.margin import slopes
from sparsebounds.bounds.margin.classes import ClassSize
from sparsebounds.bounds.margin.conclude import bound_from_step, conclude
from sparsebounds.bounds.margin.contraction import contracted
from sparsebounds.bounds.margin.payment import alternative
from sparsebounds.bounds.margin.step import MarginStep
from sparsebounds.bounds.sample.sample import Sample
from sparsebounds.bounds.theorems.chains import plain as plain_chain
from sparsebounds.bounds.theorems.chains import sparse as sparse_chain
from sparsebounds.bounds.theorems.chains import sparse_forms
from sparsebounds.bounds.theorems.passes.gains import Way, run_pass
from sparsebounds.bounds.theorems.rademacher.node_forms import (
    COVERS,
    NOT_HOMOGENEOUS,
    constants,
    fixed_numbers,
    mask_counts,
    mask_nats,
    summed,
)

SOURCE = (
    "Galanti, Xu, Galanti, Poggio, Norm-based Generalization Bounds for (Compositionally) Sparse Neural Networks, "
    "NeurIPS 2023"
)
ASSUMES = (slopes.ASSUMES, NOT_HOMOGENEOUS)
Nodes = Partition | Literal["best"] | None
stated = partial(declare, guarantee="certificate", assumes=ASSUMES, covers=COVERS)


@stated(
    summary="norms and predecessor counts of a sparse network, sound form",
    source=f"{SOURCE}; last layer's predecessors and √C restored, union over norms and γ",
)
def galanti(
    graph: Graph, sample: Sample, *, delta: float, gamma: Gamma = 1.0, nodes: Nodes = None, mask_fixed: bool = False
) -> Bound:
    """The sparse-network bound, with every cost paid.

    err ≤ mean ramp φ_γ on S + (4/m) c_j (1 + √(2 Λ)) D + 2 √(log(1/δ_j)/2m), for all networks of the graph's
    structure and all γ, w.p. ≥ 1 − δ. In the form "nodes" c = Σ_r κ_r/γ with gains κ_j = (Σ_r (Σ_i ‖w_{r,i}‖ κ_i +
    |b_r|)²)^½ from κ = 1 at the inputs, rows r of node j, parts w_{r,i} that read node i (a maximum over k nodes:
    k times the largest); Λ = log Σ_r N_r counts paths, N_j = √2 (Σ_i N_i + 1) under a ReLU; D² is the largest energy of
    an input node, or m. On chains also the form "shared", an alternative: c = (Σ_r ‖w_r‖)(Π_{l<L} max_j ‖W^l_j‖_F)/γ,
    D² = max over paths of Π_{l≤L} |pred(l, j_l)| · Σ_i ‖x_{i,j_0}‖², Λ = (activations) ½ log 2 + Σ_l log max_j
    |pred(l,j)| + log C. Biases are one more predecessor that carries the constant 1, or for its price another one.
    Two classes: 2/m, and the one output f_1 − f_0 for the scores, its row w_1 − w_0.

    Args:
        nodes: partition of the layers into nodes; None: the graph's own; "best": the best of three, for log 3.
        mask_fixed: True if the positions of zero weights were fixed before seeing the sample. Otherwise zero blocks
            count as predecessors, or cost the logarithm of the number of masks, whichever is smaller.

    Example:
        >>> b = galanti(graph, sample, delta=0.001)
        >>> b.guarantee, b.value >= 0.0
        ('certificate', True)

    Source: as above, Theorem 3.3 in its sound form; theorem N of docs/theory.md.
    """
    outputs, payment = contracted(graph, delta, gamma, mask_fixed=mask_fixed)
    return conclude(galanti, _forms(outputs, sample, nodes, mask_fixed), graph, sample, payment)


def _forms(graph: Graph, sample: Sample, nodes: Nodes, mask_fixed: bool) -> Iterator[ClassSize]:
    """Every form on every partition, with the price of the choice among partitions."""
    partitions = _partitions(graph, nodes)
    price = {"choice of nodes": math.log(len(partitions))} if len(partitions) > 1 else {}
    for partition in partitions:
        for form in _complexities_of(graph, partition, sample, mask_fixed):
            yield replace(form, prices={**price, **form.prices}, terms={"nodes": partition, **form.terms})


@per_graph
def _complexities_of(graph: Graph, partition: Partition, sample: Sample, mask_fixed: bool) -> list[ClassSize]:
    """`complexities` of a partition, once for `galanti` and `galanti_best`."""
    chosen = graph if partition == graph.nodes else graph.apart(partition)
    return complexities(chosen, sample.energies, sample.m, mask_fixed)


def complexities(graph: Graph, energies: Float64[np.ndarray, " ..."], m: int, mask_fixed: bool) -> list[ClassSize]:
    """All forms of the theorem that apply, each with its price.

    The node pass that counts every possible predecessor is the main form and free. What else there is depends on the
    structure and on `mask_fixed` alone, and shares the weight of alternatives: another constant for the biases, the
    shared form of chains, and each of them without the zero blocks, whose mask is paid for.
    """
    n, k = mask_counts(graph)
    masks = [_Mask(False, MASK_FIXED)] if mask_fixed else [_Mask(True, MASK_UNCOUNTED if k < n else MASK_NONE)]
    if k < n and not mask_fixed:
        masks.append(_Mask(False, MASK_PAID, mask_nats(graph)))
    found, *paid = _named(graph, energies, m, masks)
    kinds = len(found) - 1 if mask_fixed else 2 * len(found) - 1
    forms = [_priced(form, kinds if name else 0) for name, form in found]
    for masked in paid:
        forms += [_priced(replace(form, prices={**form.prices, "mask": masks[-1].nats}), kinds) for _, form in masked]
    return forms


class _Mask(NamedTuple):
    """Which predecessors count, and how a row says it."""

    structural: bool
    said: str
    nats: float = 0.0

    def shown(self, form: ClassSize) -> ClassSize:
        return replace(form, terms={**form.terms, "mask": self.said, "nats for the mask": self.nats})


def _priced(form: ClassSize, kinds: int) -> ClassSize:
    """One of so many alternatives; 0: the main form."""
    return replace(form, prices={**alternative(math.log(kinds)), **form.prices}) if kinds else form


def _named(
    graph: Graph, energies: Float64[np.ndarray, " ..."], m: int, masks: list[_Mask]
) -> list[list[tuple[str, ClassSize]]]:
    """For each mask the forms by name, "" for the main one; the gains of a pass are those of all masks."""
    found: list[list[tuple[str, ClassSize]]] = [[] for _ in masks]
    for constant in constants(graph, energies, m):
        state = None
        for mask, forms in zip(masks, found, strict=True):
            way = Way(mask.structural, constant.log, numbers=fixed_numbers(graph))
            state = run_pass(graph, energies, m, way, state)
            forms.append((constant.name, mask.shown(constant.priced(summed(state)))))
    try:
        chain = sparse_chain.read_chain(graph)
    except NotCovered:
        return found
    sums = graph.node_sums(0, energies)
    for mask, forms in zip(masks, found, strict=True):
        forms.append(("shared", mask.shown(sparse_forms.shared(chain, sums, m, mask.structural))))
    return found


@stated(
    summary="galanti with the best margin and the best of three node partitions",
    source=galanti.declaration.source,
)
def galanti_best(
    graph: Graph, sample: Sample, *, delta: float, gamma: Gamma = "best", mask_fixed: bool = False
) -> Bound:
    """The smallest value that `galanti` can give: best γ unless one is given, best of three partitions for log 3.

    Returns:
        A certificate. Near 1 it says nothing: a γ so large that every margin is below it.

    Example:
        >>> galanti_best(graph, sample, delta=0.001).value < galanti(graph, sample, delta=0.001, gamma=0.3).value
        True

    Source: see `galanti`.
    """
    return galanti(graph, sample, delta=delta, gamma=gamma, nodes="best", mask_fixed=mask_fixed)


def _partitions(graph: Graph, nodes: Nodes) -> list[Partition]:
    if nodes == "best":
        return list(PARTITIONS)
    if nodes is None:
        return [graph.nodes]
    check_partition(nodes)
    return [nodes]


def vector_complexity(
    graph: Graph, energies: Float64[np.ndarray, " ..."], m: int, *, mask_fixed: bool = True
) -> ClassSize:
    """The complexity below the sample: E_ξ sup Σ_i Σ_r ξ_ir f_r(x_i) ≤ value, at the network's own norms.

    Args:
        graph: any covered network, with one output or more.
        energies: Σ_i x_ij² per input coordinate, of the shape of one input.
        m: number of inputs (the constant that biases read has energy m).

    Returns:
        The smallest of all forms; an upper bound on the supremum over all networks of the class that the network's
        norms define. Not divided by m, without the factor 4/γ.
    """
    forms = complexities(graph, energies, m, mask_fixed)
    return min(forms, key=lambda c: c.log_scale + math.log(c.unit or 1e-300))


@declare(
    summary="the sparse-network bound exactly as printed, for figures",
    guarantee="published",
    assumes=(
        "ReLU or leaky ReLU",
        "layered: every layer reads the one below it, no skips",
        "no pooling",
        "no biases (present ones are not counted)",
    ),
    source=f"{SOURCE}; as the authors' code evaluates it and others restate it",
    fixed_gamma=True,
)
def galanti_published(
    graph: Graph,
    sample: Sample,
    *,
    delta: float,
    gamma: float = 1.0,
    version: Literal["neurips", "v1"] = "neurips",
    m: int | None = None,
    energies: Float64[np.ndarray, " ..."] | None = None,
) -> Bound:
    """The bound as printed: refuted, kept to reproduce figures.

    err ≤ err^γ_S + (2√2 (ρ+1))/(γ m) · Λ + 3 √(log(2(ρ+2)²/δ)/2m), ρ = ‖W^L‖_F Π_{l<L} max_j ‖W^l_j‖_F,
    Λ = (1 + √(2(L log 2 + Σ_{l<L} log max_j |pred| + log C))) √(max over paths Π_{l<L} |pred| · Σ_i ‖x_{i,j_0}‖²);
    version "v1" has L log(2 max |pred|) in place of L log 2 + Σ log max |pred|.

    Args:
        gamma: a margin fixed in advance; "best" is not allowed.
        version: "neurips" or "v1" (arXiv version 1 and the authors' code).
        m: number of samples to put into the formula (the figure has 50000 where 60000 were used).
        energies: Σ_i ‖x_ij‖² per input node (the figure takes raw pixels while the network sees normalised ones).

    Returns:
        `complexity + confidence` is the printed expression. Not a guarantee: it can lie below the truth.

    Example:
        >>> galanti_published(graph, sample, delta=0.001).guarantee
        'published'

    Source: as above, Theorem 3.3 as restated.
    """
    if gamma == "best":
        raise ValueError("gamma='best'; the printed form holds for one γ fixed in advance, give a number")
    if version not in ("neurips", "v1"):
        raise ValueError(f"version={version!r}; needed 'neurips' or 'v1'")
    if m is not None and m < 1:
        raise ValueError(f"m={m}; needed a positive number of samples")
    for i, layer in graph.linear_layers():
        plain_chain.biases(graph, i)  # all numbers of the layer are finite, those that are not counted too
        slopes.slope_prices([layer.slope])  # and its slope lies between 0 and 1
    chain = sparse_chain.read_chain(graph)
    node_energies = _node_energies(graph, sample.energies if energies is None else energies)
    printed = sparse_forms.printed(chain, node_energies, version)
    used = sample.m if m is None else m
    rho, lam = printed["rho"], printed["Lambda"]
    complexity = 2 * math.sqrt(2) * (rho + 1) / (gamma * used) * lam
    confidence = 3 * math.sqrt((math.log(2 / delta) + 2 * math.log(rho + 2)) / (2 * used))
    terms = {"version": version, **printed, "gamma": gamma, "m": used}
    step = MarginStep(sample.margin_error(gamma), complexity, confidence, float(gamma), delta, terms)
    bias = " Biases are present and not counted." if chain.has_bias else ""
    note = f"refuted: the last layer's predecessors and a factor √C are missing, see galanti.{bias}"
    return bound_from_step(step, galanti_published, sample, note=note)


def _node_energies(graph: Graph, energies: Float64[np.ndarray, " ..."]) -> Float64[np.ndarray, " nodes"]:
    """Energies per input node, from one number per node or per coordinate."""
    energies = np.asarray(energies, dtype=np.float64)
    if not np.isfinite(energies).all() or (energies < 0).any():
        raise ValueError("energies must be finite and not negative: they are sums of squares")
    if energies.size == graph.input.size:
        return graph.node_sums(0, energies)
    if energies.size == graph.node_counts[0]:
        return energies.ravel()
    raise ValueError(f"energies of shape {energies.shape}; needed one number per input node ({graph.node_counts[0]})")
