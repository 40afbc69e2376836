"""Softmax attention, however the program computes it: scores, a mask, a softmax, a weighted sum.

The weights are followed down to the scores that they come from; that they are a softmax of a multiple of these, and
which are left out, is told by their values for random scores.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float64, Int, Int32
from scipy.special import softmax

from sparsebounds.bounds.graph.elements import ABSENT, as_elements, owners, present_elements
from sparsebounds.bounds.graph.layers import Activation, Attention, Linear, Product, Unknown
from sparsebounds.bounds.graph.terms import Diagonal
from sparsebounds.bounds.reader.bilinear import Bilinear
from sparsebounds.bounds.reader.builder import Builder
from sparsebounds.bounds.reader.probing import Probe, agree
from sparsebounds.bounds.reader.recognise import rounded
from sparsebounds.bounds.reader.values import View

AGREE = 2e-5
"""How far weights may be apart: parts of the program are run in float32."""

RAISED = 3000.0
"""A mask of −100 leaves out what scores less than 100 above the rest, and is none."""


def attention(builder: Builder, sums: Bilinear) -> View | None:
    """The layer that a sum of values, weighted by a softmax, is; None where it is no attention."""
    for weights, values, order in ((sums.left, sums.right, (0, 1, 2)), (sums.right, sums.left, (0, 2, 1))):
        found = _attention(builder, weights, values)
        if found is not None:
            return View(np.ascontiguousarray(found.transpose(order)).reshape(sums.shape))
    return None


def _attention(
    builder: Builder, weights: Int32[np.ndarray, "H T S"], values: Int32[np.ndarray, "H E S"]
) -> Int32[np.ndarray, "H T E"] | None:
    """Elements of the new layer for (head, query, coordinate of a value)."""
    if (weights < 0).any():
        return None
    scores = _scores_below(builder, weights)
    owner = builder.layer_indices(scores[scores >= 0]) if scores is not None else np.zeros(0, dtype=np.int64)
    if scores is None or not owner.size or (owner != owner[0]).any():
        return None
    index = int(owner[0])
    operands = _operands(builder.bilinear[index], scores, builder.offsets[index])
    softmaxed = None if operands is None else _softmax(builder, weights, scores, index)
    if operands is None or softmaxed is None:
        return None
    (query, key), (scale, mask) = operands, softmaxed
    (heads, positions, _), width = weights.shape, values.shape[1]
    layer = builder.new(
        Attention,
        positions=positions,
        channels=heads * width,
        query=as_elements(query.transpose(1, 0, 2)),
        key=as_elements(key.transpose(1, 0, 2)),
        value=as_elements(values.transpose(2, 0, 1)),
        scale=scale,
        mask=None if mask.all() else mask,
    )
    return builder.ids(layer).reshape(positions, heads, width).transpose(1, 0, 2)


def _scores_below(builder: Builder, elements: Int[np.ndarray, "H T S"]) -> Int[np.ndarray, "H T S"] | None:
    """For each of these the score that it is a function of, element by element; ABSENT where there is none."""
    present = elements >= 0
    owner = owners(elements, np.asarray(builder.offsets))
    if len(owner) != 1:
        return None
    index = owner[0]
    if index in builder.bilinear:
        distinct = len(present_elements(elements)) == int(present.sum())
        return elements if distinct else None
    local = np.where(present, elements - builder.offsets[index], 0)
    for read in _one_by_one(builder, index):
        found = _scores_below(builder, np.where(present, read[local], ABSENT))
        if found is not None:
            return found
    return None


def _one_by_one(builder: Builder, index: int) -> list[Int32[np.ndarray, " size"]]:
    """What layer `index` reads element by element, each in the order of the layer."""
    layer = builder.layers[index]
    if isinstance(layer, Linear):
        read = [term.elements for term in layer.terms if isinstance(term, Diagonal)]
    elif isinstance(layer, Product | Activation):
        read = [*layer.elements_read]
    elif isinstance(layer, Unknown):
        read = [part.ravel() for part in layer.reads if part.size == layer.size]
    else:
        read = []
    return [part for part in read if (part >= 0).any()]


def _operands(
    scores: Bilinear, seen: Int[np.ndarray, "H T S"], offset: int
) -> tuple[Int32[np.ndarray, "H T D"], Int32[np.ndarray, "H S D"]] | None:
    """Queries and keys whose products the scores are; None where a row or a column has no single one."""
    batch, left, right = np.unravel_index(np.where(seen < 0, 0, seen - offset), scores.sizes)
    lefts, rights = batch * scores.sizes[1] + left, batch * scores.sizes[2] + right
    for (rows, of_rows), (columns, of_columns) in (
        ((lefts, scores.left), (rights, scores.right)),
        ((rights, scores.right), (lefts, scores.left)),
    ):
        query, key = _only(rows, seen >= 0, 2), _only(columns, seen >= 0, 1)
        if query is not None and key is not None:
            width = scores.left.shape[2]
            return of_rows.reshape(-1, width)[query], of_columns.reshape(-1, width)[key]
    return None


def _only(numbers: Int[np.ndarray, "H T S"], there: Bool[np.ndarray, "H T S"], axis: int) -> np.ndarray | None:
    """The one number along an axis; None where there are several, or none."""
    most = np.where(there, numbers, -1).max(axis=axis)
    least = np.where(there, numbers, np.iinfo(np.int64).max).min(axis=axis)
    return most if np.array_equal(most, least) else None


def _softmax(
    builder: Builder, weights: Int32[np.ndarray, "H T S"], scores: Int[np.ndarray, "H T S"], index: int
) -> tuple[float, Bool[np.ndarray, "T S"]] | None:
    """(scale, mask) if the weights are a softmax of scale · scores, of those that the mask has."""
    tried = _tried(builder, weights, scores, index)
    if tried is None:
        return None
    found, z = tried
    used = found > 0.0
    mask = used[0, 0]
    if not (used == mask).all() or not mask.any(axis=1).all() or ((scores < 0) & mask).any():
        return None
    scale = _scale(found, z, mask)
    expected = softmax(np.where(mask, scale * z, -np.inf), axis=3)
    left_out = scores[~np.broadcast_to(mask, scores.shape) & (scores >= 0)]
    raised = _tried(builder, weights, scores, index, left_out) if left_out.size else tried
    right = raised is not None and all(agree(w, expected, AGREE) for w in (found, raised[0]))
    return (rounded(scale), mask) if right else None


def _tried(
    builder: Builder,
    weights: Int32[np.ndarray, "H T S"],
    scores: Int[np.ndarray, "H T S"],
    index: int,
    raised: Int[np.ndarray, " n"] | None = None,
) -> tuple[Float64[np.ndarray, "draws H T S"], Float64[np.ndarray, "draws H T S"]] | None:
    """Weights for random scores, some of them raised so high that only what is left out at any score stays out."""
    probe = Probe(builder, [index])
    if raised is not None:
        probe.values[index][:, raised - builder.offsets[index]] += RAISED
    found, z = probe.read(weights), probe.read(scores)
    return None if found is None or z is None or not np.isfinite(found).all() else (found, z)


def _scale(
    weights: Float64[np.ndarray, "draws H T S"], z: Float64[np.ndarray, "draws H T S"], mask: Bool[np.ndarray, "T S"]
) -> float:
    """The slope of the logarithms of the weights in the scores, each less their mean over a row."""
    count = mask.sum(axis=1, keepdims=True)

    def centred(values: Float64[np.ndarray, "draws H T S"]) -> Float64[np.ndarray, "draws H T S"]:
        kept = np.where(mask, values, 0.0)
        return np.where(mask, kept - kept.sum(axis=3, keepdims=True) / count, 0.0)

    x, y = centred(z), centred(np.log(np.where(mask, weights, 1.0)))
    size = float(np.square(x).sum())
    return float((x * y).sum()) / size if size else 1.0
