"""What all norms need of a linear layer: its entries, sums over them, and its map and transposed map on one vector."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from scipy import sparse

from bounds.graph import Diagonal, Dot, Graph, Linear, Pool, Taps, Term, distinct, label

MAX_ENTRIES = 10**8
"""Entries written out one by one where two terms of a layer read the same elements."""

Table = Callable[[np.ndarray], np.ndarray]
"""What is done to a weight before it is summed: its square, its absolute value."""


def linear_layer(graph: Graph, index: int) -> Linear:
    """Layer `index`, which must be linear with finite weights.

    Raises:
        ValueError: the layer is of another kind, or has weights that are NaN or infinite.
    """
    layer = graph.layers[index]
    if not isinstance(layer, Linear):
        raise ValueError(f"layer {index} is a {type(layer).__name__}; needed a linear layer")
    finite = lambda: all(bool(np.isfinite(strengths(term)).all()) for term in layer.terms)  # noqa: E731
    if not graph.kept(("finite weights", index), finite):
        raise ValueError(f"layer {label(layer)} has weights that are not finite; needed finite ones: retrain it")
    return layer


def strengths(term: Term) -> np.ndarray:
    """The weights of a term: of a Dot its table, of a fixed term its coefficients."""
    if isinstance(term, Dot):
        return term.weight
    if isinstance(term, Pool):
        return np.asarray(term.coefficient, dtype=np.float64)
    return np.ones(1) if term.scale is None else term.scale


def power_of_two(values: np.ndarray) -> float:
    """The power of two above max |value|; dividing by it is exact, and squares of the quotients never overflow."""
    largest = float(np.max(np.abs(values), initial=0.0))
    return float(np.ldexp(1.0, int(np.clip(np.frexp(largest)[1], -1021, 1023)))) if largest > 0 else 1.0


def layer_scale(layer: Linear) -> float:
    """The power of two above all weights of a layer."""
    return max(power_of_two(strengths(term)) for term in layer.terms)


def row_sums(layer: Linear, table: Table) -> np.ndarray:
    """Σ over the entries of every row of the layer's matrix, of `table(entry)`: float64 (size,)."""
    if _needs_merging(layer):
        matrix = operator(layer)
        return np.asarray(sparse.csr_array((table(matrix.data), matrix.indices, matrix.indptr), matrix.shape).sum(1))
    return np.sum([_term_row_sums(term, table) for term in layer.terms], axis=0)


def total(layer: Linear, table: Table) -> float:
    """Σ over all entries of the layer's matrix of `table(entry)`; a convolution's taps times their valid positions."""
    if _needs_merging(layer):
        return float(table(operator(layer).data).sum())
    return float(sum(_term_total(term, table) for term in layer.terms))


def _term_total(term: Term, table: Table) -> float:
    if not isinstance(term, Dot):
        return float(_term_row_sums(term, table).sum())
    sums = table(term.weight).sum(axis=2)
    return float(sum(counts @ sums[b] for b, counts in enumerate(column_counts(term))))


def column_counts(dot: Dot) -> Iterator[np.ndarray]:
    """For every weight set: how many rows apply each of its columns, float64 (K,)."""
    for b in range(dot.taps.shape[0]):
        used = (dot.taps.source[b] >= 0).astype(np.float64)
        padded = np.concatenate([used, np.zeros((1, used.shape[1]))])  # ABSENT is −1
        yield sum((padded[chunk].sum(axis=0).ravel() for chunk in _chunks(dot.taps)), np.zeros(dot.taps.shape[2]))


def _chunks(taps: Taps) -> Iterator[np.ndarray]:
    for start in range(0, len(taps.sites), taps.step):
        yield taps.sites[start : start + taps.step]


def _term_row_sums(term: Term, table: Table) -> np.ndarray:
    """Row sums of one term: what it maps the indicator of all elements to, with its weights replaced."""
    return apply(term, np.append(np.ones(width(term)), 0.0), table)


def width(term: Term) -> int:
    """One more than the largest element that a term reads."""
    elements = term.elements if isinstance(term, Diagonal) else term.taps.source
    return int(elements.max(initial=-1)) + 1


def apply(term: Term, values: np.ndarray, table: Table) -> np.ndarray:
    """The term with weights `table(weight)` on one vector of values of all elements, 0 at its end: float64 (size,)."""
    if isinstance(term, Diagonal):
        taken = values[term.elements]
        return taken * table(strengths(term))
    if isinstance(term, Pool):
        sums = [taken.sum(axis=1) for _, _, taken in windows(term.taps, values)]
        return (np.concatenate(sums) * table(strengths(term))).ravel()
    b_count, f_count, _ = term.taps.shape
    out = np.empty((b_count, f_count, term.weight.shape[2]))
    weight = table(term.weight)
    for b, start, taken in windows(term.taps, values):
        out[b, start : start + len(taken)] = taken.reshape(len(taken), -1) @ weight[b]
    if term.order is None:
        return out.ravel()
    placed = np.empty(out.size)
    placed[term.order] = out.ravel()
    return placed


def windows(taps: Taps, values: np.ndarray) -> Iterator[tuple[int, int, np.ndarray]]:
    """(weight set, first row, values (rows, T, C) that these rows read); values as in `apply`."""
    for b, source in enumerate(taps.source):
        image = np.concatenate([values[source], np.zeros((1, source.shape[1]))])  # ABSENT is −1
        for i, chunk in enumerate(_chunks(taps)):
            yield b, i * taps.step, image[chunk]


def apply_transposed(term: Term, outputs: np.ndarray, table: Table, size: int) -> np.ndarray:
    """The transposed term with weights `table(weight)` on one vector of outputs: float64 (size,), per element."""
    if isinstance(term, Diagonal):
        return _scattered(term.elements, outputs * table(strengths(term)), size)
    if isinstance(term, Pool):
        shape = (len(term.taps.sites), term.taps.source.shape[2])
        scaled = (outputs.reshape(shape) * table(strengths(term)))[:, None]
        starts = range(0, shape[0], term.taps.step)
        spread = (
            (0, chunk, np.broadcast_to(scaled[start : start + len(chunk)], (*chunk.shape, shape[1])))
            for start, chunk in zip(starts, _chunks(term.taps), strict=True)
        )
    else:
        b_count, f_count, _ = term.taps.shape
        rows = (outputs if term.order is None else outputs[term.order]).reshape(b_count, f_count, -1)
        weight = table(term.weight)
        spread = (
            (b, chunk, (rows[b, i * term.taps.step :][: len(chunk)] @ weight[b].T).reshape(*chunk.shape, -1))
            for b in range(b_count)
            for i, chunk in enumerate(_chunks(term.taps))
        )
    result = np.zeros(size)
    for b, chunk, spread_values in spread:
        source = np.concatenate([term.taps.source[b], np.full((1, term.taps.source.shape[2]), -1, dtype=np.int32)])
        result += _scattered(source[chunk], spread_values, size)
    return result


def _scattered(elements: np.ndarray, values: np.ndarray, size: int) -> np.ndarray:
    return np.bincount(elements.ravel() + 1, weights=values.ravel(), minlength=size + 1)[1:]


def with_shared_rows(dot: Dot) -> Dot:
    """Rows that are written with weights of their own, all equal, share one table."""
    b_count, f_count, _ = dot.taps.shape
    if b_count == 1 or f_count != 1 or not (dot.weight == dot.weight[:1]).all():
        return dot
    rows = np.stack([dot.taps.rows(b)[0] for b in range(b_count)])
    return Dot(Taps(rows[None], np.arange(b_count, dtype=np.int32)[:, None]), dot.weight[:1], dot.order)


def disjoint(terms: tuple[Term, ...]) -> bool:
    """Whether no element is read by two of these terms."""
    read = [distinct(t.elements if isinstance(t, Diagonal) else t.taps.source) for t in terms]
    return len(distinct(np.concatenate(read))) == sum(map(len, read))


def _needs_merging(layer: Linear) -> bool:
    """Whether some entry of the layer's matrix is a sum: two terms read one element, or a window reads one twice."""
    if len(layer.terms) > 1 and not disjoint(layer.terms):
        return True
    pools = [t for t in layer.terms if isinstance(t, Pool)]
    dots = [t for t in layer.terms if isinstance(t, Dot)]
    return any(_reads_twice(p) for p in pools) or any(d.taps.repeats > 1 for d in dots)


def _reads_twice(pool: Pool) -> bool:
    present = pool.taps.source[pool.taps.source >= 0]
    ordered = np.sort(pool.taps.sites, axis=1)
    return len(distinct(present)) < len(present) or bool(
        ((ordered[:, 1:] == ordered[:, :-1]) & (ordered[:, 1:] >= 0)).any()
    )


def operator(layer: Linear) -> sparse.csr_array:
    """The layer's matrix, rows its elements, columns the elements of the graph; entries that meet are added.

    Raises:
        ValueError: more than `MAX_ENTRIES` entries.
    """
    count = sum(t.elements.size if isinstance(t, Diagonal) else int(np.prod(t.taps.shape)) for t in layer.terms)
    widest = max((t.weight.shape[2] for t in layer.terms if isinstance(t, Dot)), default=1)
    if count * widest > MAX_ENTRIES:
        raise ValueError(
            f"layer {label(layer)} adds maps that read the same elements and has more than {MAX_ENTRIES} entries; "
            "needed a smaller layer, or an activation between them"
        )
    rows, columns, data = (np.concatenate(part) for part in zip(*map(_entries, layer.terms), strict=True))
    there = columns >= 0
    shape = (layer.size, max(width(t) for t in layer.terms))
    matrix = sparse.coo_array((data[there], (rows[there], columns[there])), shape=shape).tocsr()
    matrix.sum_duplicates()
    return matrix


def _entries(term: Term) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(row, element, weight) of every entry of a term's matrix; ABSENT elements included."""
    if isinstance(term, Diagonal):
        scale = np.ones(term.elements.size) if term.scale is None else term.scale
        return np.arange(term.elements.size), term.elements, scale
    taken = np.concatenate([term.taps.source, np.full_like(term.taps.source[:, :1], -1)], axis=1)[:, term.taps.sites]
    if isinstance(term, Pool):
        f_count, t_count, channels = taken.shape[1:]
        row = np.arange(f_count * channels).reshape(f_count, 1, channels)
        data = np.broadcast_to(term.coefficient, (f_count, channels))[:, None]
        shape = (f_count, t_count, channels)
        return np.broadcast_to(row, shape).ravel(), taken.ravel(), np.broadcast_to(data, shape).ravel()
    b_count, f_count, k_count = term.taps.shape
    n = term.weight.shape[2]
    every = (b_count, f_count, k_count, n)
    place = np.arange(b_count * f_count * n) if term.order is None else term.order
    rows = np.broadcast_to(place.reshape(b_count, f_count, 1, n), every)
    columns = np.broadcast_to(taken.reshape(b_count, f_count, k_count, 1), every)
    return rows.ravel(), columns.ravel(), np.broadcast_to(term.weight[:, None], every).ravel()
