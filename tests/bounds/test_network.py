"""Network: what a user hands in is called without being changed, compiled once, and never with old weights."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from compilations import compilations
from flax import linen, nnx

from sparsebounds import bounds
from sparsebounds.bounds.network import Network

X = np.random.default_rng(0).uniform(-1, 1, size=(40, 5, 5, 2)).astype(np.float32)
Y = np.arange(40) % 3


def everything(f) -> None:
    """All that is done with a network: it is read, measured, laid side by side and certified."""
    bounds.read_graph(f, X[:2])
    bounds.Sample.measure(f, X, Y, batch_size=16)
    bounds.table(f, X, Y, X[:8], Y[:8], names=["galanti", "occam"], batch_size=16)
    bounds.certificate(f, X, Y, batch_size=16)


# ---- one compilation per architecture ----------------------------------------------------------


class Conv(nnx.Module):
    def __init__(self, seed):
        rngs = nnx.Rngs(seed)
        self.conv, self.head = nnx.Conv(2, 3, (2, 2), rngs=rngs), nnx.Linear(75, 3, rngs=rngs)

    def __call__(self, x):
        return self.head(nnx.relu(self.conv(x)).reshape(len(x), -1))


class Listed(Conv):
    """Its definition cannot be hashed."""

    def __init__(self, seed):
        super().__init__(seed)
        self.sizes = [2, 3]


class Dense(linen.Module):
    @linen.compact
    def __call__(self, x):
        return linen.Dense(3)(linen.relu(linen.Dense(4)(x.reshape(len(x), -1))))


def closure(seed):
    held = Dense().init(jax.random.key(seed), X[:1])
    return lambda x: Dense().apply(held, x)


@pytest.mark.parametrize("make", [Conv, Listed, closure])
def test_other_weights_of_an_architecture_compile_nothing(make):
    first, second = make(0), make(1)
    everything(first)
    with compilations() as compiled:
        everything(second)
    assert compiled == []
    assert not np.allclose(first(X), second(X))  # they are two networks, and each has its own margins
    for f in (first, second):
        scores = np.asarray(f(X), np.float64)
        others = np.where(np.arange(3) == Y[:, None], -np.inf, scores).max(axis=1)
        expected = scores[np.arange(40), Y] - others
        np.testing.assert_allclose(bounds.Sample.measure(f, X, Y, batch_size=16).margins, expected, atol=1e-5)


@pytest.mark.parametrize("wrap", [lambda f: f, jax.jit], ids=["plain", "jitted"])
def test_a_function_that_comes_again_compiles_nothing(wrap):
    f = wrap(closure(0))
    everything(f)
    with compilations() as compiled:
        everything(f)
    assert compiled == []


def test_another_architecture_is_compiled():
    everything(Conv(0))
    with compilations() as compiled:
        bounds.Sample.measure(lambda x: 2.5 * x.reshape(len(x), -1)[:, :3] ** 2, X, Y)
    assert compiled


# ---- never with old weights --------------------------------------------------------------------


def test_a_function_whose_weights_were_changed_is_read_and_measured_anew():
    held = {"w": jnp.eye(50)[:, :3]}

    def f(x):
        return x.reshape(len(x), -1) @ held["w"]

    before = bounds.Sample.measure(f, X, Y)
    bounds.read_graph(f, X[:2])
    held["w"] = -2 * held["w"]
    after = bounds.Sample.measure(f, X, Y)
    flat = X.reshape(40, -1)[:, :3].astype(np.float64)
    expected = [-2 * s[r] - max(-2 * np.delete(s, r)) for s, r in zip(flat, Y, strict=True)]
    np.testing.assert_allclose(after.margins, expected, rtol=1e-6)
    assert not np.allclose(before.margins, after.margins)
    np.testing.assert_allclose(bounds.evaluate(bounds.read_graph(f, X[:2]), X), -2 * flat, rtol=1e-6)


def test_weights_changed_in_place_are_those_that_count():
    w = np.eye(50, dtype=np.float32)[:, :3]
    f = lambda x: x.reshape(len(x), -1) @ w  # noqa: E731
    before = bounds.Sample.measure(f, X, Y).margins
    w *= 4
    np.testing.assert_allclose(bounds.Sample.measure(f, X, Y).margins, 4 * before, rtol=1e-6)


def test_jitted_functions_of_one_architecture_are_told_apart():
    w = np.eye(50, dtype=np.float32)[:, :3]
    margins = [
        bounds.Sample.measure(jax.jit(lambda x, a=a: x.reshape(len(x), -1) @ jnp.asarray(a * w)), X, Y).margins
        for a in (1.0, 4.0)
    ]
    np.testing.assert_allclose(margins[1], 4 * margins[0], rtol=1e-6)


# ---- the user's module stays as it was ---------------------------------------------------------


class Counter(nnx.Module):
    """Counts its calls; its scores do not depend on that."""

    def __init__(self):
        self.calls, self.head = nnx.Variable(jnp.zeros((), jnp.int32)), nnx.Linear(50, 3, rngs=nnx.Rngs(0))

    def __call__(self, x):
        self.calls[...] += 1
        return self.head(x.reshape(len(x), -1))


def plain():
    return Conv(0)


class Training(nnx.Module):
    """Batch normalisation in training mode, or dropout."""

    def __init__(self, part):
        self.part, self.head = part, nnx.Linear(50, 3, rngs=nnx.Rngs(0))
        self.train()

    def __call__(self, x):
        return self.head(self.part(x).reshape(len(x), -1))


def normed():
    return Training(nnx.BatchNorm(2, rngs=nnx.Rngs(1)))


def dropped():
    return Training(nnx.Dropout(0.5, rngs=nnx.Rngs(1)))


def arrays(model) -> list[np.ndarray]:
    def data(leaf):
        return jax.random.key_data(leaf) if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key) else leaf

    return [np.asarray(data(leaf)).copy() for leaf in jax.tree.leaves(nnx.split(model)[1])]


def changed(before, model) -> bool:
    after = arrays(model)
    return len(before) != len(after) or not all(a.tobytes() == b.tobytes() for a, b in zip(before, after, strict=True))


STEPS = {
    "read_graph": lambda f: bounds.read_graph(f, X[:2]),
    "measure": lambda f: bounds.Sample.measure(f, X, Y),
    "table": lambda f: bounds.table(f, X, Y, X[:5], Y[:5], names=["galanti"]),
    "certificate": lambda f: bounds.certificate(f, X, Y),
}


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("make", [Counter, normed, dropped, plain])
def test_a_module_is_not_changed(make, step):
    model = make()
    before = arrays(model)
    if isinstance(model, Training) and step != "measure":
        with pytest.raises(bounds.ReadError):  # refused, because it mixes inputs or draws numbers; and not changed
            STEPS[step](model)
    else:
        STEPS[step](model)
    assert not changed(before, model)
    model(X[:2])
    assert isinstance(model, Conv) or changed(before, model)  # the user's own call does change it


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("make", [Counter, normed, dropped])
def test_a_function_that_changes_a_module_behind_it_is_refused(make, step):
    model = make()
    before = arrays(model)
    with pytest.raises(ValueError, match=r"module|traced"):
        STEPS[step](lambda x: model(x))
    assert not changed(before, model)


def test_a_network_has_the_weights_of_the_moment_it_was_made():
    model = Conv(0)
    network = Network.of(model)
    before = np.asarray(network.compiled(jnp.asarray(X)))
    model.head.kernel[...] = 2 * model.head.kernel[...]
    np.testing.assert_array_equal(network.compiled(jnp.asarray(X)), before)
    assert Network.of(network) is network and set(network.names) >= {"conv.kernel", "head.bias"}
    assert not np.allclose(Network.of(model).compiled(jnp.asarray(X)), before)


def test_what_cannot_be_called_is_refused():
    with pytest.raises(ValueError, match=r"the network is a list; a function of one batched input is needed"):
        bounds.read_graph([1.0], X[:2])


def test_calls_into_python_are_no_shared_program() -> None:
    """Their programs read alike, whatever they call."""

    def calling(scale: float):
        shape = jax.ShapeDtypeStruct((5, 2), jnp.float32)
        inner = jax.jit(lambda x: jax.pure_callback(lambda v: np.asarray(scale * v, np.float32), shape, x))
        return lambda x: inner(x) + 0.0

    x = jnp.ones((5, 2))
    assert [float(Network(calling(scale)).compiled(x)[0, 0]) for scale in (1.0, 5.0, -3.0)] == [1.0, 5.0, -3.0]


def test_rounded_networks_run_the_program_of_the_first() -> None:
    traced = []

    def f(params, x):
        traced.append(x.shape)
        return x @ params["w"].astype(jnp.float32)

    network, x = Network(f, {"w": np.eye(2, dtype=np.float32)}), jnp.ones((5, 2))
    network.compiled(x)
    before = len(traced)
    assert float(network.with_arrays(lambda w: 3 * w).compiled(x)[0, 0]) == 3.0 and len(traced) == before
    assert float(network.compiled(x)[0, 0]) == 1.0
    half = network.with_arrays(lambda w: jnp.asarray(w, jnp.bfloat16))
    assert half.compiled(x).dtype == jnp.float32 and len(traced) > before
