"""Architectures that people use, at small sizes, against the dense matrices of their layers."""

import norms_oracle
import numpy as np
import pytest
from standard_networks import SMALL, small

from sparsebounds import bounds
from sparsebounds.bounds.graph.layers import Linear
from sparsebounds.bounds.norms import frobenius_norm, spectral_upper


@pytest.mark.parametrize("name", SMALL)
def test_the_graph_is_the_network_and_its_norms_are_those_of_dense_matrices(name: str) -> None:
    network, x = small(name)
    graph = bounds.read_graph(network, x[:1])
    np.testing.assert_allclose(bounds.evaluate(graph, x), network(x), rtol=2e-4, atol=2e-5)
    checked = 0
    for index, layer in enumerate(graph.layers):
        if not isinstance(layer, Linear):
            continue
        dense = norms_oracle.matrix(graph, index)
        largest = np.linalg.svd(dense, compute_uv=False)[0]
        assert largest * (1 - 1e-9) <= spectral_upper(graph, index) <= 3 * largest, layer.name  # mostly border
        assert frobenius_norm(graph, index) == pytest.approx(np.linalg.norm(dense), rel=1e-9), layer.name
        checked += 1
    assert checked >= 4


@pytest.mark.parametrize("name", SMALL)
def test_predecessors_are_those_of_the_dense_matrices(name: str) -> None:
    network, x = small(name)
    graph = bounds.read_graph(network, x[:1])
    node = graph.node_of
    for index, counts in graph.pred_counts().items():
        dense = norms_oracle.matrix(graph, index)
        seen = np.zeros((graph.node_counts[index], int(graph.node_offsets[-1])), dtype=bool)
        rows, columns = np.nonzero(dense)
        seen[graph.local_nodes(index)[rows], node[columns]] = True
        np.testing.assert_array_equal(counts, seen.sum(axis=1), err_msg=graph.layers[index].name)
