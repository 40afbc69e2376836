"""What every term can do, against its matrix written out; a new kind of term is one more line in `TERMS`."""

from __future__ import annotations

import numpy as np
import pytest

from sparsebounds import bounds
from sparsebounds.bounds.graph.blocks import LayerNodes
from sparsebounds.bounds.graph.elements import ABSENT, names_twice
from sparsebounds.bounds.graph.layers import Linear
from sparsebounds.bounds.graph.taps import Taps
from sparsebounds.bounds.graph.terms import Diagonal, Dot, Pool, Term

ELEMENTS = 12
"""Of the graph: six sites of two channels."""
RNG = np.random.default_rng(3)
IMAGE = np.arange(ELEMENTS, dtype=np.int32).reshape(1, 6, 2)
WINDOWS = np.array([[0, 1], [2, 3], [4, ABSENT]], np.int32)
SPELLED = np.array([[[0, 3, 5]], [[2, 4, 5]], [[7, 7, ABSENT]]], np.int32)

TERMS: dict[str, Term] = {
    "convolution": Dot(Taps(IMAGE, WINDOWS), RNG.normal(size=(1, 4, 2))),
    "convolution out of order": Dot(Taps(IMAGE, WINDOWS), RNG.normal(size=(1, 4, 2)), RNG.permutation(6)),
    "dense": Dot(Taps.spelled(np.array([[[3, 1, 8, 11]]])), RNG.normal(size=(1, 4, 6))),
    "unshared": Dot(Taps.spelled(SPELLED), RNG.normal(size=(3, 3, 2))),
    "pool": Pool(Taps(IMAGE, WINDOWS), np.asarray(0.5)),
    "pool with its own coefficients": Pool(Taps(IMAGE, WINDOWS), RNG.normal(size=(3, 2))),
    "skip": Diagonal(np.array([0, 1, 4, 5, ABSENT, 5], np.int32)),
    "scale": Diagonal(np.array([0, 1, 4, 5, ABSENT, 5], np.int32), RNG.normal(size=6)),
}
SIZE = 6


@pytest.fixture(params=TERMS, ids=str)
def term(request: pytest.FixtureRequest) -> Term:
    return TERMS[request.param]


def matrix_of(term: Term) -> np.ndarray:
    """The term's matrix, entry by entry."""
    full = np.zeros((SIZE, ELEMENTS + 1))
    parts = np.broadcast_arrays(*term.entries())
    for row, element, weight in zip(*(part.ravel() for part in parts), strict=True):
        full[row, element] += weight
    return full[:, :ELEMENTS]


def test_evaluation_and_both_operators_are_the_matrix(term: Term) -> None:
    matrix, x, u = matrix_of(term), RNG.normal(size=(2, ELEMENTS)), RNG.normal(size=SIZE)
    padded = np.concatenate([x, np.zeros((2, 1))], axis=1)
    np.testing.assert_allclose(term.evaluate(lambda elements: padded[:, elements]), x @ matrix.T, atol=1e-12)
    np.testing.assert_allclose(term.apply(padded[0], np.asarray), matrix @ x[0], atol=1e-12)
    np.testing.assert_allclose(term.apply_transposed(u, np.asarray, ELEMENTS), u @ matrix, atol=1e-12)


def test_sums_over_entries(term: Term) -> None:
    there = [part.ravel() for part in np.broadcast_arrays(*term.entries())]
    rows, elements, weights = (part[there[1] >= 0] for part in there)
    sums = np.bincount(rows, np.square(weights), SIZE)
    np.testing.assert_allclose(term.row_sums(np.square), sums, atol=1e-12)
    assert term.sum_of_entries(np.square) == pytest.approx(sums.sum(), rel=1e-12)
    assert term.entry_count == there[0].size and elements.max() < term.width <= ELEMENTS


def test_adding_to_a_matrix(term: Term) -> None:
    column = np.append(np.arange(ELEMENTS), ELEMENTS)
    found = np.ones((SIZE, ELEMENTS + 1))
    term.add_to(found, column)
    np.testing.assert_allclose(found[:, :-1] - 1, matrix_of(term), atol=1e-12)


def test_rows_scaled_and_reordered(term: Term) -> None:
    matrix, order = matrix_of(term), RNG.permutation(SIZE)
    doubled = term.scaled(np.full(SIZE, 2.0))
    assert doubled is not None
    np.testing.assert_allclose(matrix_of(doubled), 2 * matrix, atol=1e-12)
    moved = term.reordered(order)
    if moved is not None:
        np.testing.assert_allclose(matrix_of(moved), matrix[order], atol=1e-12)
    assert (moved is None) == isinstance(term, Pool)


def test_a_shared_weight_is_not_scaled_row_by_row() -> None:
    factor = np.arange(1.0, 7.0)
    assert TERMS["convolution"].scaled(factor) is None
    scaled = TERMS["unshared"].scaled(factor)
    assert scaled is not None
    np.testing.assert_allclose(matrix_of(scaled), factor[:, None] * matrix_of(TERMS["unshared"]), atol=1e-12)


def test_other_weights_and_other_elements(term: Term) -> None:
    matrix = matrix_of(term)
    np.testing.assert_allclose(matrix_of(term.with_strengths(term.strengths / 4)), matrix / 4, atol=1e-12)
    backwards = term.renumbered(lambda e: np.where(e < 0, e, ELEMENTS - 1 - e))
    np.testing.assert_allclose(matrix_of(backwards), matrix[:, ::-1], atol=1e-12)
    assert term.parameters is None or term.parameters is term.strengths


def test_blocks_hold_the_squares_of_learned_weights_and_the_pattern_of_fixed_ones(term: Term) -> None:
    node_of = np.append(np.arange(ELEMENTS), ABSENT).astype(np.int32)
    blocks = term.blocks(LayerNodes(np.arange(SIZE, dtype=np.int32), node_of, channels=2, scalar=True))
    seen = [part.ravel() for part in np.broadcast_arrays(*term.entries())]
    there = (seen[1] >= 0) & (seen[2] != 0)
    squares = np.square(seen[2]) if term.learned else np.ones_like(seen[2])
    np.testing.assert_allclose(blocks.square_norms(), np.bincount(seen[0][there], squares[there], SIZE), atol=1e-12)


def test_who_reads_an_element_twice() -> None:
    assert {name for name, term in TERMS.items() if term.reads_twice} == {"unshared"}
    assert names_twice(SPELLED) and not names_twice(WINDOWS)
    apart = Taps(np.array([[[0], [1], [0]]], np.int32), np.array([[0, 1], [1, 2]], np.int32))
    assert apart.repeats == 1, "one element at two sites that no window shows together"
    assert Taps(apart.source, np.array([[0, 2]], np.int32)).repeats == 2


def test_structure_is_all_but_learned_weights(term: Term) -> None:
    def parts(found: Term) -> list[object]:
        return [np.asarray(part).tolist() for values in found.structure.values() for part in values if part is not None]

    assert (parts(term.with_strengths(term.strengths + 1.0)) == parts(term)) == term.learned


def test_layers_by_kind() -> None:
    w = np.ones((2, 3), np.float32)
    graph = bounds.read_graph(lambda x: x @ w, np.ones((1, 2), np.float32))
    assert graph.linear(-1) is graph.layers[1] and graph.dot(1) is graph.layers[1].terms[0]
    assert [i for i, _ in graph.linear_layers()] == [i for i, _ in graph.computed()] == [1]
    with pytest.raises(ValueError, match="layer 0 is a Input; needed a linear layer"):
        graph.linear(0)
    with pytest.raises(ValueError, match="layer 1 is a Linear; needed a max pool"):
        graph.max_pool(1)
    with pytest.raises(ValueError, match="layer 0 is input; needed a layer of one learned map"):
        graph.dot(0)


def test_a_layer_takes_a_scale_and_a_shift_unless_it_is_activated() -> None:
    layer = Linear(3, 2, (TERMS["unshared"],), bias=np.arange(6.0))
    factor, shift = np.arange(1.0, 7.0), np.full(6, 0.5)
    folded = layer.folded(factor, shift)
    assert folded is not None
    np.testing.assert_allclose(folded.bias, factor * np.arange(6.0) + 0.5)
    np.testing.assert_allclose(matrix_of(folded.terms[0]), factor[:, None] * matrix_of(TERMS["unshared"]))
    assert Linear(3, 2, (TERMS["unshared"],), slope=0.0).folded(factor, shift) is None
    assert Linear(3, 2, (TERMS["unshared"], TERMS["convolution"])).folded(factor, None) is None
    assert layer.fixed_terms == () and layer.single_dot is TERMS["unshared"]
