"""What won the challenge on predicting generalization: mixtures of one label, clusters of features, margins summed up.

Drawn with the subject's seed. Mixtures are halves of two samples of one label.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64, Int64
from scipy.special import log_softmax

from sparsebounds.bounds.graph.evaluation import activations, evaluate
from sparsebounds.bounds.measures.measure import declare_measure
from sparsebounds.bounds.measures.subject import Subject, Undefined, once

SOURCE = "parthnatekar/pgdl 18c8251, the winner of PGDL 2020"
BATCHES, BATCH = 50, 50
POOLED = 4
"""Sites of a window, per axis."""


def _inputs(subject: Subject) -> Float64[np.ndarray, "m ..."]:
    if subject.graph.input.vocabulary is not None:
        raise Undefined("the input is tokens, and half of two of them is none")
    return np.asarray(subject.x, dtype=np.float64)


def _partners(labels: Int64[np.ndarray, " n"], rng: np.random.Generator) -> Int64[np.ndarray, " n"]:
    """For every sample another one of its label, or itself where it is alone."""
    found = np.arange(len(labels))
    for label in np.unique(labels):
        mine = np.flatnonzero(labels == label)
        found[rng.permutation(mine)] = np.roll(rng.permutation(mine), 1)
    return found


@once
def _mixup(subject: Subject) -> float:
    rng = np.random.default_rng(subject.seed)
    chosen = rng.permutation(subject.m)[: subject.searched]
    x, y = _inputs(subject)[chosen], subject.y[chosen]
    mixed = (x + x[_partners(y, rng)]) / 2
    parts = np.array_split(mixed, -(-len(mixed) // 250))
    scores = np.concatenate([evaluate(subject.graph, part) for part in parts])
    return -float(log_softmax(scores, axis=1)[np.arange(len(y)), y].mean())


@declare_measure(formula="mean CE of ½:½ mixtures of samples of one label", source=SOURCE, needs="data")
def labelwise_mixup(subject: Subject) -> float:
    """The cross entropy on mixtures of two samples of one label: lower is better."""
    value: float = _mixup(subject)
    return value


def davies_bouldin_mean(features: Float64[np.ndarray, "n k"], labels: Int64[np.ndarray, " n"]) -> float:
    """Mean over pairs i ≠ j of (s_i + s_j)/d_ij: s the mean distance from the centre of a class, d between centres.

    Example:
        >>> round(davies_bouldin_mean(np.array([[0.0], [2.0], [10.0], [12.0]]), np.array([0, 0, 1, 1])), 6)  # 2/10
        0.2
    """
    present = np.unique(labels)
    centres = np.stack([features[labels == c].mean(axis=0) for c in present])
    pairs = zip(present, centres, strict=True)
    spread = np.array([np.linalg.norm(features[labels == c] - at, axis=1).mean() for c, at in pairs])
    apart = np.linalg.norm(centres[:, None] - centres, axis=2)
    other = ~np.eye(len(present), dtype=bool) & (apart > 0)
    if not other.any():
        raise Undefined("the features of all classes have one centre")
    return float(((spread[:, None] + spread)[other] / apart[other]).mean())


def _pooled(values: Float64[np.ndarray, "n S C"], grid: tuple[int, ...] | None) -> Float64[np.ndarray, "n k"]:
    """Maxima over windows of `POOLED` × `POOLED` sites where the layer has a square grid of that size or more."""
    n, sites, channels = values.shape
    side = round(sites**0.5)
    shape = grid if grid is not None and len(grid) == 2 else (side, side)
    if np.prod(shape) != sites or min(shape) < POOLED:
        return values.reshape(n, -1)
    kept = [s // POOLED for s in shape]
    cut = values.reshape(n, *shape, channels)[:, : kept[0] * POOLED, : kept[1] * POOLED]
    return cut.reshape(n, kept[0], POOLED, kept[1], POOLED, channels).max(axis=(2, 4)).reshape(n, -1)


@once
def _clusters(subject: Subject) -> float:
    rng, x = np.random.default_rng(subject.seed), _inputs(subject)
    layers = [(i, layer) for i, layer in subject.graph.linear_layers() if layer.dots]
    if not layers:
        raise Undefined("the network has no learned layer")
    index, layer = layers[0]
    found = []
    for _ in range(BATCHES):
        chosen = rng.choice(subject.m, min(BATCH, subject.m), replace=False)
        labels = subject.y[chosen]
        if len(np.unique(labels)) < 2:
            continue
        mixed = (x[chosen] + x[chosen][_partners(labels, rng)]) / 2
        features = _pooled(activations(subject.graph, mixed)[index], getattr(layer, "grid", None))
        found.append(davies_bouldin_mean(features, labels))
    if not found:
        raise Undefined("no batch has two labels")
    return float(np.mean(found))


@declare_measure(
    formula="mean over batches and pairs of classes of (s_i + s_j)/d_ij, features of the first layer, 4×4 max-pooled",
    source=SOURCE,
    needs="data",
)
def davies_bouldin(subject: Subject) -> float:
    """How little the classes are apart in the first layer's features of mixtures: lower is better."""
    value: float = _clusters(subject)
    return value


@declare_measure(formula="labelwise_mixup · davies_bouldin", source=SOURCE, needs="data")
def mixup_davies_bouldin(subject: Subject) -> float:
    """The product of the two, which won."""
    value: float = _mixup(subject) * _clusters(subject)
    return value


@declare_measure(
    formula="−mean(lower fence, quartiles, upper fence) of the margins of the scores",
    source=f"{SOURCE}; of the scores, where it has those of hidden layers",
    needs="outputs",
)
def margin_summary(subject: Subject) -> float:
    """Five numbers of the distribution of margins, their mean, negative; fences are 1.5 interquartile ranges out."""
    low, middle, high = np.percentile(subject.margins, [25, 50, 75])
    fence = 1.5 * (high - low)
    return -float(np.mean([low - fence, low, middle, high, high + fence]))


MEASURES = (labelwise_mixup, davies_bouldin, mixup_davies_bouldin, margin_summary)
