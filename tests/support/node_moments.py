"""The pass of Theorem 1 over a graph, as one array."""

import numpy as np

from sparsebounds.bounds.moments import Columns, forward, own_numbers, read_plan
from sparsebounds.bounds.moments.peeling import COVERS


def moments(graph, energies, m, p=2.0, tap=False, mask_fixed=False):
    """q of all nodes below the scores, in the network's own scale: (nodes,)."""
    plan = read_plan(graph, mask_fixed, COVERS)
    numbers = own_numbers(plan, tap)
    q = forward(plan, numbers, Columns.of_moments(graph.node_sums(0, energies), m, np.array([p])))[:-1, 0]
    layer = np.searchsorted(graph.node_offsets, np.arange(len(q)), side="right") - 1
    return q / np.exp(numbers.log_scales[layer])


def top(graph, q):
    """q of the nodes that the last layer reads."""
    last = graph.sources(len(graph.layers) - 1)[-1]
    return q[graph.node_offsets[last] : graph.node_offsets[last + 1]]
