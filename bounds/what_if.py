"""What if: the same bound after pruning a layer, with more samples, or with a layer counted as fully connected."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from sparsebounds.bounds.arguments import check_match
from sparsebounds.bounds.bound import Bound
from sparsebounds.bounds.graph.evaluation import evaluate
from sparsebounds.bounds.graph.graph import Graph
from sparsebounds.bounds.graph.pruning import layer_index, pruned
from sparsebounds.bounds.graph.unrolling import unrolled
from sparsebounds.bounds.sample.sample import Sample
from sparsebounds.bounds.sample.scaling import scaled

MOST = 10**18
"""Up to so many samples `samples_needed` looks."""
NOT_A_CERTIFICATE = "what if there were {m} samples with the same shares of margins and energies: none were drawn"


def what_if_pruned(
    bound: Callable[..., Bound],
    graph: Graph,
    x: Any,
    y: Any,
    *,
    layer: int | str,
    density: float,
    delta: float = 1e-3,
    preprocessing: str = "fixed",
    repetitions: str = "counted",
    **options: Any,
) -> Bound:
    """A bound of the network after magnitude pruning of one layer, without training it again.

    The pruned network is evaluated on the sample, so that its own margins enter, and the mask, which was chosen from
    trained weights, is paid for. Theorems that hold for all weights at once hold for every layer and density at once:
    the best may be chosen after looking.

    Args:
        bound: a value of `bounds.BOUNDS` that speaks of the training sample.
        graph: the network as it is.
        x, y: the sample that trained it.
        layer, density: as in `pruned`.
        delta: failure probability.
        preprocessing, repetitions: as in `Sample.measure`.
        options: further arguments of the bound.

    Returns:
        The bound, with the guarantee it has for any network; `terms` begin with the layer and the density.

    Raises:
        ValueError: as `pruned` and the bound; `mask_fixed`, `test` or `quantised` among the options.

    Example:
        >>> from sparsebounds import bounds
        >>> w = np.array([[4.0, 0.1], [-0.1, 4.0]], np.float32)
        >>> x, y = np.eye(2, dtype=np.float32)[[0, 1] * 500], np.array([0, 1] * 500)
        >>> graph = bounds.read_graph(lambda x: x @ w, x[:2])
        >>> found = what_if_pruned(bounds.occam, graph, x, y, layer=-1, density=0.5)
        >>> found.terms["density"], found.terms["nonzeros"]
        (0.5, 2)
    """
    own = "it has margins of its own"
    for name, why in (("mask_fixed", "the mask comes from trained weights"), ("test", own), ("quantised", own)):
        if name in options:
            raise ValueError(f"{name} was given, but the network is another one after pruning: {why}; leave it out")
    sparse = pruned(graph, layer, density)
    sample = Sample.measure(
        lambda batch: evaluate(sparse, np.asarray(batch)), x, y, preprocessing=preprocessing, repetitions=repetitions
    )
    found = bound(sparse, sample, delta=delta, **options)
    name = sparse.layers[layer_index(graph, layer)].name
    return replace(found, terms={"pruned layer": name, "density": density, **found.terms})


def what_if_dense(
    bound: Callable[..., Bound], graph: Graph, sample: Sample, *, layer: int | str, delta: float = 1e-3, **options: Any
) -> Bound:
    """A bound of the same network if one layer, such as a convolution, is counted as fully connected.

    Args:
        bound: a value of `bounds.BOUNDS`.
        graph: the network.
        sample: measured; the function is the same, and so are its margins.
        layer: its index in `graph.layers`, or its name.
        delta: failure probability.
        options: further arguments of the bound.

    Returns:
        The bound, as good as it is for any network whose layer was written so; `terms` begin with the layer.

    Raises:
        ValueError: as `unrolled` and the bound.

    Example:
        >>> from sparsebounds import bounds
        >>> found = what_if_dense(bounds.occam, graph, sample, layer=1)
        >>> found.terms["fully connected layer"], found.value >= bounds.occam(graph, sample, delta=1e-3).value
        ('dot 1', True)
    """
    found = bound(unrolled(graph, layer), sample, delta=delta, **options)
    name = graph.layers[layer_index(graph, layer)].name
    return replace(found, terms={"fully connected layer": name, **found.terms})


def what_if_samples(
    bound: Callable[..., Bound], graph: Graph, sample: Sample, m: int, *, delta: float = 1e-3, **options: Any
) -> Bound:
    """A bound of the same network if m samples had the same shares of margins and energies.

    Args:
        bound: a value of `bounds.BOUNDS` that speaks of the training sample.
        graph: the network.
        sample: measured.
        m: number of samples to suppose.
        delta: failure probability.
        options: further arguments of the bound.

    Returns:
        The bound's arithmetic at m. Never a certificate, since nobody measured m samples: `guarantee` is "shape", and
        the note says so.

    Raises:
        ValueError: m below 1, or what the bound refuses.

    Example:
        >>> from sparsebounds import bounds
        >>> found = what_if_samples(bounds.galanti, graph, sample, 100 * sample.m)
        >>> now = bounds.galanti(graph, sample, delta=1e-3)
        >>> round(now.complexity / found.complexity, 9), found.guarantee
        (10.0, 'shape')
    """
    check_match(graph, sample)  # a scaled sample cannot be checked
    found = bound(graph, scaled(sample, m), delta=delta, **options)
    note = "; ".join(part for part in (found.note, NOT_A_CERTIFICATE.format(m=m)) if part)
    return replace(found, guarantee="shape", note=note)


def samples_needed(
    bound: Callable[..., Bound],
    graph: Graph,
    sample: Sample,
    *,
    target: float = 1.0,
    tolerance: float = 0.0,
    delta: float = 1e-3,
    **options: Any,
) -> int | None:
    """From how many samples on a bound says something: an m at which its value falls below the target.

    Args:
        bound, graph, sample, delta, options: as in `what_if_samples`.
        target: value to fall below; 1 is where a bound on an error begins to say something.
        tolerance: stop when m is known within this relative precision, from above; 0 finds it exactly.

    Returns:
        m such that the value is below the target at m and not at m − 1, or 1; there is only one where the bound falls
        with m, as all do up to the rounding of their grids. None where it stays above up to 10^18 samples, for which
        a training error above the target is enough, or where it does not cover the network.

    Raises:
        ValueError: a target that is not positive, a negative tolerance, or what the bound refuses.

    Example:
        >>> from sparsebounds import bounds
        >>> needed = samples_needed(bounds.occam, graph, sample, target=0.05)
        >>> [what_if_samples(bounds.occam, graph, sample, m).value < 0.05 for m in (needed - 1, needed)]
        [False, True]
    """
    if not 0.0 < target < math.inf:
        raise ValueError(f"target is {target}; need a positive number, such as 1")
    if not tolerance >= 0.0:
        raise ValueError(f"tolerance is {tolerance}; need 0 for the exact m, or a relative precision such as 0.05")
    check_match(graph, sample)

    def below(m: int) -> bool:
        return bound(graph, scaled(sample, m), delta=delta, **options).value < target

    if sample.train_error >= target:
        return None  # no bound on the error lies below what the sample shows
    low, high = 0, sample.m
    while not below(high):
        low, high = high, 4 * high
        if high > MOST:
            return None
    while high - low > 1 and high > (1 + tolerance) * low:
        # By the geometric mean while the ends are far apart.
        middle = (low + high) // 2 if high < 4 * low + 4 else math.isqrt(max(low, 1) * high)
        low, high = (low, middle) if below(middle) else (middle, high)
    return high
