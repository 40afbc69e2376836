"""A program of its own: imports the bounds with their arrays checked, walks them over small networks, prints JSON."""

import json
from typing import Any

import numpy as np
from jaxtyping import TypeCheckError, install_import_hook

with install_import_hook("sparsebounds.bounds", "array_check.checked"):
    import networks

    from sparsebounds import bounds
    from sparsebounds.bounds import norms
    from sparsebounds.bounds.certificates import Tree, certify_family, measure_energies, tree_form
    from sparsebounds.bounds.certificates.ellipsoids import rehearsal_ellipsoids
    from sparsebounds.bounds.graph.joining import joined
    from sparsebounds.bounds.moments.columns import Columns

ZOO = ("native_biased", "grouped", "residual_pre_activation", "max_pooled", "mlp_flat")
M = 60


def sample_and_graph(name: str) -> tuple[bounds.Graph, bounds.Sample]:
    net = networks.network(name)
    x = np.random.default_rng(0).uniform(-1, 1, size=(M, *net.x.shape[1:])).astype(np.float32)
    sample = bounds.Sample.measure(net.f, x, np.arange(M) % networks.CLASSES)
    return bounds.read_graph(net.f, x[:2], group_size=2), sample


def walk(name: str) -> list[str]:
    """Every norm and every bound of one network; the bounds that cover it."""
    graph, sample = sample_and_graph(name)
    for index, _ in graph.linear_layers():
        norms.spectral_upper(graph, index), norms.two_one_norm(graph, index), norms.one_inf_norm(graph, index)
    norms.log_path_norm(graph), bounds.evaluate(graph, np.zeros((2, *graph.input.shape)))
    covered = []
    for nodes in ("position", "scalar"):
        for bound, theorem in bounds.BOUNDS.items():
            try:
                theorem(graph.partition(nodes), sample, delta=0.05)
                covered.append(bound)
            except bounds.NotCovered:
                pass
    bounds.certified(graph, sample, delta=0.05, pixel_range=(-1.0, 1.0))
    return covered


def certificate() -> str:
    """In the ellipsoids of a rehearsal, with two layers and biases."""
    rng = np.random.default_rng(1)
    x, y = rng.uniform(-1, 1, size=(200, 3)).astype(np.float32), np.arange(200) % 2
    first, second = rng.normal(size=(3, 4)).astype(np.float32), rng.normal(size=(4, 2)).astype(np.float32)

    def f(z: Any) -> Any:
        return np.float32(0.5) + networks.jax.nn.relu(z @ first + np.float32(0.1)) @ second

    graph, form = bounds.read_graph(f, x[:2]), tree_form(Tree.balanced(2), 2)
    family = rehearsal_ellipsoids(graph, form, np.full((2, 4), 0.5), shaped_by=None)
    weights = family.energy_weights(graph)
    energies = measure_energies(weights, form, x, y, weights.limits(np.ones(3)))
    return certify_family(graph, bounds.Sample.measure(f, x, y), family, energies, delta=0.05).guarantee


def refused() -> list[str]:
    """Which wrong arrays are refused: a field of another length, of another type, an argument with an axis too few."""
    one, two = np.ones((3, 2)), np.ones(2)
    Columns(one, two, two)
    joined(one, np.zeros(3, dtype=np.int64), 1, 0)
    wrong = {
        "length": lambda: Columns(one, np.ones(3), two),
        "type": lambda: Columns(one, two.astype(np.float32), two),
        "axes": lambda: joined(one, np.zeros((3, 1), dtype=np.int64), 1, 0),
    }
    found = []
    for name, attempt in wrong.items():
        try:
            attempt()
        except TypeCheckError:
            found.append(name)
    return found


if __name__ == "__main__":
    seen = sorted({bound for name in ZOO for bound in walk(name)})
    print(json.dumps({"bounds": seen, "certificate": certificate(), "refused": refused()}))
