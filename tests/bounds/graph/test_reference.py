"""References: the network itself is none, unless it is declared; and a graph never shares arrays with a module."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from sparsebounds import bounds
from sparsebounds.bounds.graph.reference import fixed_weights

X = np.random.default_rng(0).normal(size=(200, 6)).astype(np.float32)
Y = np.arange(200) % 2
TAKE_ONE = ["bartlett", "bartlett_dudley", "graf_norms", "graf_params", "graf_dudley", "ledent", "long_sedghi"]


class Net(nnx.Module):
    def __init__(self):
        self.hidden = nnx.Linear(6, 8, use_bias=False, rngs=nnx.Rngs(0))
        self.last = nnx.Linear(8, 2, use_bias=False, rngs=nnx.Rngs(1))

    def __call__(self, x):
        return self.last(jax.nn.relu(self.hidden(x)))


def trained(net, *layers):
    for layer in layers:
        layer.kernel[...] = layer.kernel[...] + 0.1 * jnp.ones_like(layer.kernel[...])
    return net


def rows(net, reference, **options):
    options |= {"names": TAKE_ONE, "options": {"pixel_range": (-6.0, 6.0)}}
    return bounds.table(net, X, Y, reference=reference, **options).set_index("bound")


def test_an_alias_read_after_training_is_refused():
    net = Net()
    start = net  # no copy
    trained(net, net.hidden, net.last)
    found = rows(net, bounds.read_graph(start, X[:2]))
    assert found.value.isna().all()
    assert found.note.str.contains(
        "weights of the network itself in every learned layer; read it before training"
    ).all()


def test_the_remedies_work():
    net = Net()
    before = bounds.read_graph(net, X[:2])
    trained(net, net.hidden, net.last)
    graph = bounds.read_graph(net, X[:2])
    assert rows(net, before).value.notna().all()
    declared = rows(net, bounds.Reference(graph, fixed="before training"))
    assert declared.value.notna().all() and (declared.complexity < rows(net, before).complexity).all()
    again = rows(net, bounds.Reference(before, fixed="before training"))
    assert again.value.tolist() == rows(net, before).value.tolist()


def test_layers_that_were_never_trained_are_no_alias():
    net = Net()
    before = bounds.read_graph(net, X[:2])
    trained(net, net.last)
    assert rows(net, before).value.notna().all()


NEARLY = {
    "one number by one rounding": lambda w: np.where(np.arange(w.size).reshape(w.shape) == 3, np.nextafter(w, 9), w),
    "rounded": lambda w: w * np.float32(3) / np.float32(3),
    "half precision": lambda w: w.astype(np.float16).astype(np.float32),
    "bfloat16": lambda w: np.asarray(jnp.asarray(w).astype(jnp.bfloat16).astype(jnp.float32)),
    "late checkpoint": lambda w: w * (1 + 1e-3 * np.random.default_rng(2).normal(size=w.shape)),
}


@pytest.mark.parametrize("name", NEARLY)
@pytest.mark.parametrize("layers", [("hidden", "last"), ("last",)])
def test_nearly_the_network_itself_is_refused(name, layers):
    """Also where the other layers have moved far, or not at all."""
    for others in (0.0, 1.0):
        net = Net()
        graph = bounds.read_graph(net, X[:2])
        for layer in ("hidden", "last"):
            kernel = getattr(net, layer).kernel
            w = np.asarray(kernel[...])
            kernel[...] = jnp.asarray(NEARLY[name](w) if layer in layers else w + others, jnp.float32)
        trained_net = rows(net, graph)
        assert trained_net.value.isna().all()
        assert trained_net.note.str.contains("nearly the weights of the network itself: in layer").all()
        assert rows(net, bounds.Reference(graph, fixed="before training")).value.notna().all()  # as the message says


@pytest.mark.parametrize(("share", "passes"), [(0.009, False), (0.011, True)])
def test_how_near(share, passes):
    net = Net()
    before = bounds.read_graph(net, X[:2])
    for layer in (net.hidden, net.last):
        layer.kernel[...] = layer.kernel[...] * np.float32(1 + share)
    assert rows(net, before).value.notna().all() == passes


@pytest.mark.parametrize("nodes", ["position", "scalar"])
def test_in_every_partition(nodes):
    net = Net()
    graph = bounds.read_graph(net, X[:2])
    found = rows(net, graph.partition(nodes), nodes="scalar")
    assert found.value.isna().all()


def test_what_is_no_reference():
    graph = bounds.read_graph(Net(), X[:2])
    with pytest.raises(ValueError, match="fixed is 'after'; a reference must have been fixed 'before training'"):
        bounds.Reference(graph, fixed="after")
    for wrong in (Net(), 3.0):
        with pytest.raises(ValueError, match=r"needed a Graph: bounds\.read_graph"):
            bounds.Reference(wrong, fixed="before training")
        with pytest.raises(ValueError, match=r"needed a Graph: bounds\.read_graph"):
            fixed_weights(wrong)
    assert fixed_weights(None) is None and fixed_weights(bounds.Reference(graph, fixed="before training")) is graph


def weights(graph):
    return [term.strengths for layer in graph.layers for term in layer.terms if term.learned]


def test_a_graph_keeps_the_weights_of_the_moment_it_was_read():
    """Arrays of a module that is trained in place, and NumPy arrays that are written to, are not those of the graph."""
    net, w = Net(), np.random.default_rng(1).normal(size=(6, 2)).astype(np.float32)
    graphs = [bounds.read_graph(net, X[:2]), bounds.read_graph(lambda x: x @ w, X[:2])]
    copies = [[a.copy() for a in weights(graph)] for graph in graphs]
    trained(net, net.hidden, net.last)
    w *= 3
    for graph, kept in zip(graphs, copies, strict=True):
        assert kept and all(np.array_equal(a, b) for a, b in zip(weights(graph), kept, strict=True))
