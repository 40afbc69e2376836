"""Dense chains for the product-norm bounds: exact suprema, classes to search, augmented matrices written out."""

import jax
import jax.numpy as jnp
import numpy as np
import reference as ref
import witness

import bounds


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
    return bounds.read_graph(network(matrices, biases), np.ones((2, matrices[0].shape[1]), np.float32))


def sample_of(energies, m, classes, preprocessing="fixed"):
    counts = np.full(classes, m // classes)
    counts[0] += m - counts.sum()
    parts = np.stack([energies / classes] * classes)
    return bounds.Sample(m, classes, energies, parts, np.linspace(-1, 3, m), counts, preprocessing)


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


def family(widths, ball):
    """ReLU chains below the last layer; every matrix scaled to ‖A‖_F = 1, or every row to ‖·‖₁ = 1."""

    def draw(key):
        pairs = list(zip(widths[1:], widths, strict=False))
        return [jax.random.normal(k, pair) for k, pair in zip(jax.random.split(key, len(pairs)), pairs, strict=True)]

    def project(weights):
        if ball == "frobenius":
            return [w / jnp.sqrt(jnp.sum(w**2) + 1e-30) for w in weights]
        return [w / (jnp.sum(jnp.abs(w), axis=1, keepdims=True) + 1e-30) for w in weights]

    def hidden(weights, x):
        for w in weights:
            x = jax.nn.relu(x @ w.T)
        return x

    return witness.Family(draw, project, hidden)


def on_the_boundary(widths, ball, classes, top):
    """A network of the class: weights drawn and projected, the last layer with equal rows and `top`(rows) = 1."""
    searched = family(widths, ball)
    weights = [np.asarray(w, np.float64) for w in searched.project(searched.draw(jax.random.key(1)))]
    rows = np.ones((classes, widths[-1]))
    return [*weights, rows / top(rows)]


def sign_patterns(m):
    """All ±1 columns of length m up to their sign: (m, 2^(m−1)). max_j |Σ_i ξ_i x_ij| = m for every ξ."""
    return np.vstack([np.ones(2 ** (m - 1), np.float32), witness.all_signs(m - 1)[:, :, 0].T])
