"""Dense chains for the product-norm bounds, augmented matrices written out."""

import jax
import numpy as np
import reference as ref

from sparsebounds import bounds
from sparsebounds.bounds.graph.score_difference import score_difference


def network(matrices, biases=None):
    """f(x) = A_L σ(… σ(A_1 x + b_1)) + b_L, the matrices (out, in)."""
    biases = [None] * len(matrices) if biases is None else biases

    def f(x):
        x = x.reshape(x.shape[0], -1)
        for k, (a, b) in enumerate(zip(matrices, biases, strict=True)):
            x = x @ np.asarray(a, np.float32).T
            x = x if b is None else x + np.asarray(b, np.float32)
            x = jax.nn.relu(x) if k < len(matrices) - 1 else x
        return x

    return f


def graph_of(matrices, biases=None):
    """Read from the function; with one row in the last matrix, of that one output."""
    graph = bounds.read_graph(network(matrices, biases), np.ones((2, matrices[0].shape[1]), np.float32))
    return score_difference(graph) if len(matrices[-1]) == 1 else graph


def augmented(net: ref.Net, carried):
    """[[W, b/c_{l−1}], [0, c_l/c_{l−1}]], for the last layer [W, b/c_{L−1}]; carried = c_0, …, c_{L−1}."""
    found = []
    for k, layer in enumerate(net.layers):
        matrix = np.hstack([layer.matrix, layer.bias[:, None] / carried[k]])
        if k + 1 < net.depth:
            matrix = np.vstack([matrix, np.eye(1, matrix.shape[1], matrix.shape[1] - 1) * carried[k + 1] / carried[k]])
        found.append(matrix)
    return found


def run(matrices, x, slopes):
    for a, slope in zip(matrices[:-1], slopes, strict=True):
        x = x @ a.T
        x = np.where(x > 0, x, slope * x)
    return x @ matrices[-1].T
