"""What a message tells one to do works."""

import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from sparsebounds import bounds

X = np.random.default_rng(0).normal(size=(50, 3)).astype(np.float32)
Y = np.arange(50) % 2
W = np.random.default_rng(1).normal(size=(3, 2)).astype(np.float32)


class Net(nnx.Module):
    def __init__(self, rngs):
        self.last = nnx.Linear(3, 2, rngs=rngs)

    def __call__(self, x):
        return self.last(x)


def table(f, y=Y):
    return bounds.table(f, X, y, names=["galanti"])


@pytest.mark.parametrize(
    "use",
    [table, lambda f: bounds.read_graph(f, X), lambda f: bounds.Sample.measure(f, X, Y)],
    ids=["table", "read_graph", "measure"],
)
def test_a_class_in_place_of_a_network(use):
    with pytest.raises(ValueError, match=r"the network is the class Net; an instance is needed.*Net\(rngs=nnx\.Rngs"):
        use(Net)
    use(Net(rngs=nnx.Rngs(0)))


@pytest.mark.parametrize("f", [lambda x: x @ W[:, :1], lambda x: x @ W[:, 0]], ids=["column", "vector"])
def test_one_score(f):
    same = table(lambda x: jnp.stack([jnp.zeros(len(x)), f(x).reshape(len(x))], axis=-1))
    assert same.value.notna().all() and table(f).value.equals(same.value)
    assert table(f, 2 * Y - 1).value.equals(same.value)


def test_labels_of_two_classes_and_scores_of_three():
    with pytest.raises(ValueError, match="the labels -1 and 1 of the sample name two classes; the network returns 3"):
        bounds.Sample.measure(lambda x: jnp.concatenate([x, x[:, :1]], axis=1)[:, :3], X, 2 * Y - 1)


@pytest.mark.parametrize("dtype", [str, object])
def test_labels_as_text(dtype):
    y = np.array(["cat", "dog"], dtype=dtype)[Y]
    with pytest.raises(ValueError, match=r"text or objects.*np\.unique\(y, return_inverse=True\)\[1\]"):
        table(lambda x: x @ W, y)
    remedied = np.unique(y, return_inverse=True)[1]
    assert table(lambda x: x @ W, remedied).value.tolist() == table(lambda x: x @ W).value.tolist()


@pytest.mark.parametrize("dtype", [float, bool])
def test_labels_as_other_numbers(dtype):
    y = Y.astype(dtype)
    with pytest.raises(ValueError, match=r"integers 0\.\.C-1 .*y\.astype\(int\)"):
        table(lambda x: x @ W, y)
    assert table(lambda x: x @ W, y.astype(int)).value.notna().all()


def test_a_network_in_half_precision():
    """Near enough to what the reader saw; the sample's two inputs are held to the same tolerance."""
    assert table(lambda x: x.astype(jnp.float16) @ jnp.asarray(W, jnp.float16)).value.notna().all()


def test_what_a_function_returns():
    """A dictionary or a list of one: the message says what to take of it."""
    for wrapped, remedy in ((lambda x: {"logits": x @ W}, "logits"), (lambda x: (x @ W,), 0), (lambda x: [x @ W], 0)):
        with pytest.raises(bounds.ReadError, match=rf"needed one array of scores .* f\(x\)\[{remedy!r}\]"):
            table(wrapped)
        assert table(lambda x, f=wrapped, key=remedy: f(x)[key]).value.notna().all()


def test_an_error_in_the_function_names_its_line():
    def branching(x):
        return x @ W if x.sum() > 0 else x

    line = branching.__code__.co_firstlineno + 1
    with pytest.raises(bounds.ReadError, match=rf"could not be traced .* at test_remedies\.py:{line}: "):
        table(branching)


@pytest.mark.parametrize("delta", ["0.1", None, 0, 1.0, float("nan")])
def test_a_delta_that_is_none(delta):
    graph, sample = bounds.read_graph(lambda x: x @ W, X), bounds.Sample.measure(lambda x: x @ W, X, Y)
    for use in (
        lambda: bounds.table(lambda x: x @ W, X, Y, delta=delta),
        lambda: bounds.galanti(graph, sample, delta=delta),
        lambda: bounds.certificate(lambda x: x @ W, X, Y, delta=delta),
    ):
        with pytest.raises(ValueError, match="needed a probability strictly between 0 and 1"):
            use()


def test_a_flag_that_is_none():
    graph, sample = bounds.read_graph(lambda x: x @ W, X), bounds.Sample.measure(lambda x: x @ W, X, Y)
    for use in (
        lambda: bounds.table(lambda x: x @ W, X, Y, mask_fixed="no"),
        lambda: bounds.galanti(graph, sample, delta=0.1, mask_fixed="no"),
        lambda: bounds.certificate(lambda x: x @ W, X, Y, mask_fixed=1),
    ):
        with pytest.raises(ValueError, match=r"mask_fixed is .*; needed True or False"):
            use()


def test_masked_arrays():
    for x, y, kind in ((X, np.ma.array(Y, mask=Y == 1), "labels"), (np.ma.array(X, mask=X > 1), Y, "inputs")):
        with pytest.raises(ValueError, match=f"some {kind} of the sample are masked; leave these samples out"):
            bounds.Sample.measure(lambda x: x @ W, x, y)
    assert bounds.Sample.measure(lambda x: x @ W, np.ma.array(X), np.ma.array(Y)).m == 50
