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
