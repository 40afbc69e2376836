"""What is kept with a graph: computed once, for this graph alone, and never written to."""

from __future__ import annotations

import copy
import pickle
from collections import Counter
from dataclasses import dataclass, replace

import numpy as np
import pytest

from sparsebounds import bounds
from sparsebounds.bounds.graph import memory
from sparsebounds.bounds.graph.difference import difference
from sparsebounds.bounds.graph.frozen import frozen
from sparsebounds.bounds.graph.graph import Graph
from sparsebounds.bounds.graph.memory import per_graph
from sparsebounds.bounds.norms import log_path_norms, row_norms, spectral_upper

CALLS: Counter[str] = Counter()


@per_graph
def widest(graph: Graph, least: int = 0, *, factor: float = 1.0) -> float:
    """The largest layer, and a line in `CALLS`."""
    CALLS["widest"] += 1
    if least < 0:
        raise ValueError("least is negative")
    return factor * max(least, *(layer.size for layer in graph.layers))


@pytest.fixture
def graph() -> Graph:
    CALLS.clear()
    w = np.array([[3.0, 0.0, 1.0], [4.0, 1.0, 0.0]], np.float32)
    return bounds.read_graph(lambda x: x @ w, np.ones((1, 2), np.float32))


def doubled(graph: Graph) -> Graph:
    """The same network with weights twice as large."""
    first, last = graph.layers
    terms = tuple(replace(term, weight=2 * term.weight) for term in last.terms)
    return replace(graph, layers=(first, replace(last, terms=terms)))


def test_computed_once_however_the_call_is_written(graph: Graph) -> None:
    same = [widest(graph), widest(graph, 0), widest(graph, least=0), widest(graph, 0, factor=1.0)]
    assert same == [3.0] * 4 and CALLS["widest"] == 1


def test_other_arguments_are_computed_anew(graph: Graph) -> None:
    assert (widest(graph), widest(graph, 7), widest(graph, factor=2.0)) == (3.0, 7.0, 6.0)
    assert CALLS["widest"] == 3


def test_another_graph_is_computed_anew(graph: Graph) -> None:
    widest(graph)
    for other in (doubled(graph), graph.partition("scalar"), replace(graph)):
        assert not other.memory
        widest(other)
    assert CALLS["widest"] == 4
    widest(graph)
    assert CALLS["widest"] == 4


def test_what_is_large_is_computed_anew(graph: Graph, monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks of a wide dense layer, one norm for each weight, would stay for every partition."""
    scalar, kept = graph.partition("scalar"), graph.partition("scalar", 3)
    blocks = kept.blocks(1)
    monkeypatch.setattr(memory, "LARGE", blocks.norms2.nbytes)
    first, second = scalar.blocks(1), scalar.blocks(1)
    assert first is not second and np.array_equal(first.norms2, blocks.norms2) and kept.blocks(1) is blocks
    assert not first.norms2.flags.writeable


def test_an_error_is_not_kept(graph: Graph) -> None:
    for _ in range(2):
        with pytest.raises(ValueError, match="negative"):
            widest(graph, -1)
    assert CALLS["widest"] == 2


def test_new_weights_have_new_norms(graph: Graph) -> None:
    before = row_norms(graph, 1), spectral_upper(graph, 1)
    other = doubled(graph)
    np.testing.assert_array_equal(row_norms(other, 1), 2 * before[0])
    assert spectral_upper(other, 1) == pytest.approx(2 * before[1], rel=1e-12)


def test_a_pickle_and_a_deep_copy_remember_nothing(graph: Graph) -> None:
    widest(graph), row_norms(graph, 1), graph.blocks(1)
    for other in (pickle.loads(pickle.dumps(graph)), copy.deepcopy(graph)):
        assert graph.memory and not other.memory
        np.testing.assert_array_equal(row_norms(other, 1), row_norms(graph, 1))
    assert len(pickle.dumps(graph)) == len(pickle.dumps(pickle.loads(pickle.dumps(graph))))


def test_partitions_are_kept_and_are_graphs_of_their_own(graph: Graph) -> None:
    scalar = graph.partition("scalar")
    assert graph.partition("scalar") is scalar and graph.partition("position") is graph
    assert graph.partition("group") is graph.partition("group", 8) is not graph.partition("group", 2)
    assert scalar.memory is not graph.memory and scalar.layers is graph.layers


def test_methods_are_computed_once(graph: Graph) -> None:
    assert graph.sources(1) is graph.sources(1) == [0]
    assert graph.blocks(1) is graph.blocks(1, 0) is graph.blocks(1, number=0)


def test_a_difference_is_kept_per_reference(graph: Graph) -> None:
    one, two = doubled(graph), doubled(doubled(graph))
    assert difference(graph, one) is difference(graph, one) is not difference(graph, two)
    with pytest.raises(ValueError, match="reference is a dict"):
        difference(graph, {})


def test_arrays_that_are_handed_out_cannot_be_written_to(graph: Graph) -> None:
    for found in (row_norms(graph, 1), log_path_norms(graph), graph.local_nodes(1)):
        with pytest.raises(ValueError, match="read-only"):
            found[0] = 0
    node = np.array([0, 0], np.int32)
    grouped = bounds.read_graph(lambda x: x, np.ones((1, 2), np.float32), input_nodes=node)
    assert grouped.input.node is not None and not grouped.local_nodes(0).flags.writeable
    assert node.flags.writeable, "the caller's array is left as it was"


def test_arrays_of_a_graph_are_unwritable(graph: Graph) -> None:
    """A network that is pruned in place would keep the check, the norms and the lengths of the dense one."""
    sparse, coarse = bounds.pruned(graph, -1, 0.5), bounds.quantise(graph, 4)
    for found in (graph, sparse, coarse, graph.partition("scalar"), difference(doubled(graph), graph)):
        for layer in found.layers:
            for term in layer.terms:
                for array in (term.parameters, term.strengths):
                    with pytest.raises(ValueError, match="read-only"):
                        array[...] = 0
        for array in (found.offsets, found.node_of, found.node_offsets, found.local_nodes(1), found.blocks(1).norms2):
            assert not array.flags.writeable
    with_bias = bounds.read_graph(lambda x: x @ np.ones((2, 2)) + np.ones(2), np.ones((1, 2)))
    assert with_bias.layers[-1].bias is not None and not with_bias.layers[-1].bias.flags.writeable


def test_what_leads_back_to_the_graph_is_kept_too(graph: Graph) -> None:
    @dataclass(frozen=True)
    class Around:
        graph: Graph
        array: np.ndarray

    @per_graph
    def around(graph: Graph) -> Around:
        return Around(graph, np.zeros(2))

    found = around(graph)
    assert around(graph) is found and not found.array.flags.writeable
    widest(graph)
    frozen(found)  # the graph now remembers what leads back to it
