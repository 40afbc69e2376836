"""Networks that end in softmax, log-softmax or sigmoid: one function for graph and sample, the same predictions."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen, nnx
from jax.scipy.special import logsumexp
from networks import draw

from sparsebounds import bounds
from sparsebounds.bounds.endings import KNOWN
from sparsebounds.bounds.network import Network
from sparsebounds.bounds.sample import Margins

RNG = np.random.default_rng(0)
X = RNG.normal(size=(300, 12)).astype(np.float32)
W1, W2 = draw(1, 12, 8), draw(2, 8, 3)


def logits(x):
    return jax.nn.relu(x @ W1) @ W2


Y = np.asarray(logits(X)).argmax(axis=1)
BELOW = bounds.Sample.measure(logits, X, Y)


class Mlp(linen.Module):
    @linen.compact
    def __call__(self, x):
        return linen.softmax(linen.Dense(3, name="last")(linen.relu(linen.Dense(8, name="first")(x))))


LINEN = Mlp()
HELD = LINEN.init(jax.random.key(0), X[:1])
RNGS = nnx.Rngs(0)
NNX = nnx.Sequential(nnx.Linear(12, 8, rngs=RNGS), nnx.relu, nnx.Linear(8, 3, rngs=RNGS), nnx.log_softmax)


def written(end):
    return lambda x: end(logits(x))


def shifted_exponentials(z):
    e = jnp.exp(z - z.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


ENDS = {
    "softmax": (written(jax.nn.softmax), ("softmax",)),
    "axis 1": (written(lambda z: jax.nn.softmax(z, axis=1)), ("softmax",)),
    "log-softmax": (written(jax.nn.log_softmax), ("log-softmax",)),
    "sigmoid": (written(jax.nn.sigmoid), ("sigmoid",)),
    "logsumexp": (written(lambda z: z - logsumexp(z, axis=-1, keepdims=True)), ("log-softmax",)),
    "log of softmax": (written(lambda z: jnp.log(jax.nn.softmax(z))), ("log-softmax",)),
    "log of the sum": (written(lambda z: z - jnp.log(jnp.exp(z).sum(axis=-1))[:, None]), ("log-softmax",)),
    "exponentials": (written(shifted_exponentials), ("softmax",)),
    "1/(1+exp)": (written(lambda z: 1 / (1 + jnp.exp(-z))), ("sigmoid",)),
    "tanh": (written(lambda z: 0.5 * (1 + jnp.tanh(z / 2))), ("sigmoid",)),
    "twice": (written(lambda z: jax.nn.softmax(jax.nn.softmax(z))), ("softmax", "softmax")),
    "two": (written(lambda z: jax.nn.sigmoid(jax.nn.log_softmax(z))), ("sigmoid", "log-softmax")),
    "jit": (jax.jit(written(jax.nn.softmax)), ("softmax",)),
    "jit of jit": (jax.jit(lambda x: jax.jit(written(jax.nn.log_softmax))(x)), ("log-softmax",)),
    "remat": (jax.checkpoint(written(jax.nn.softmax)), ("softmax",)),
    "vmap": (jax.vmap(lambda v: jax.nn.softmax(jax.nn.relu(v @ W1) @ W2)), ("softmax",)),
}


@pytest.mark.parametrize("name", ENDS)
def test_graph_and_sample_are_of_the_scores_below(name):
    f, ends = ENDS[name]
    graph, sample = bounds.read_graph(f, X[:2]), bounds.Sample.measure(f, X, Y, batch_size=64)
    assert graph.ends == ends
    np.testing.assert_allclose(bounds.evaluate(graph, X[:9]), logits(X[:9]), rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(sample.margins, BELOW.margins, rtol=1e-5, atol=1e-5)
    plain = bounds.occam(bounds.read_graph(logits, X[:2]), BELOW, delta=0.01)
    for measured in (sample, BELOW):  # whether f was measured with its end or without
        row = bounds.occam(graph, measured, delta=0.01)
        assert row.value == pytest.approx(plain.value, rel=1e-6)
        assert row.note.endswith(f"margins are measured below the {' and the '.join(ends)} at the end, "
                                 "with the same predictions")  # fmt: skip
        assert "the end" not in plain.note
    bounds.occam(bounds.read_graph(logits, X[:2]), sample, delta=0.01)


@pytest.mark.parametrize("f", [NNX, lambda x: LINEN.apply(HELD, x)], ids=["nnx", "linen"])
def test_modules(f):
    graph = bounds.read_graph(f, X[:2])
    assert len(graph.ends) == 1
    assert graph.layers[-1].name in {"layers.2", "Mlp/last", "last"}
    above = np.asarray(f(X))
    np.testing.assert_allclose(KNOWN[graph.ends[0]](bounds.evaluate(graph, X)), above, rtol=1e-4, atol=1e-6)
    assert f"{graph.ends[0]} above the scores" in graph.describe()
    sample = bounds.Sample.measure(f, X, above.argmax(axis=1))
    assert sample.train_error <= 0.01  # where no unit of the hidden layer is on, all scores are the biases
    found = bounds.certificate(f, X, above.argmax(axis=1), delta=0.01)
    assert found.covered
    assert "margins are measured below" in found.note


def test_nnx_module_is_left_as_it_was():
    before = [np.array(leaf) for leaf in jax.tree.leaves(nnx.state(NNX))]
    bounds.Sample.measure(NNX, X, Y)
    assert all(np.array_equal(a, b) for a, b in zip(before, jax.tree.leaves(nnx.state(NNX)), strict=True))


def test_table_is_that_of_the_scores():
    names = ["galanti", "peeling", "bartlett", "occam", "held_out"]
    rows = [
        bounds.table(f, X[:200], Y[:200], X[200:], Y[200:], names=names)
        for f in (logits, written(jax.nn.softmax), written(jax.nn.sigmoid))
    ]
    for other in rows[1:]:
        for column in ("value", "test_error", "margin_error", "complexity"):
            np.testing.assert_allclose(other[column], rows[0][column], rtol=1e-5)
        assert list(other.guarantee) == list(rows[0].guarantee)
        assert all("margins are measured below" in note for note in other.note)


def test_held_out_with_a_measured_test_sample():
    f = written(jax.nn.softmax)
    graph, sample = bounds.read_graph(f, X[:2]), bounds.Sample.measure(f, X[:200], Y[:200])
    for end in (f, logits):
        test = bounds.Sample.measure(end, X[200:], Y[200:])
        assert bounds.held_out(graph, sample, delta=0.01, test=test).guarantee == "certificate"


def test_saturated_probabilities_do_not_tie():
    def f(x):
        return jax.nn.softmax(1e4 * logits(x))

    assert np.mean(np.asarray(f(X)) == 1.0) > 0.3
    rest = Y.copy()
    rest[::2] = (rest[::2] + 1) % 3
    margins = bounds.Sample.measure(f, X, rest).margins
    np.testing.assert_allclose(margins, 1e4 * bounds.Sample.measure(logits, X, rest).margins, rtol=1e-3, atol=1e-2)
    assert not (margins == 0.0).any()


INSIDE = {
    "cut off below": lambda z: jnp.maximum(z, -50.0),
    "quadratic": lambda z: z * z,
    "a class each": lambda z: z * jnp.array([1.0, -2.0, 3.0]),
    "rounded": lambda z: z.astype(jnp.bfloat16).astype(jnp.float32),
}


@pytest.mark.parametrize("name", INSIDE)
def test_what_stands_before_the_end_stays(name):
    network = Network(written(lambda z: jax.nn.softmax(INSIDE[name](z))))
    np.testing.assert_allclose(network(jnp.asarray(X[:5])), INSIDE[name](logits(X[:5])), rtol=1e-5)
    assert network.ends == ("softmax",)


@pytest.mark.parametrize("kind", [jnp.bfloat16, jnp.float16])
@pytest.mark.parametrize("end", [jax.nn.softmax, jax.nn.log_softmax, jax.nn.sigmoid])
def test_ends_in_half_precision(kind, end):
    network = Network(written(lambda z: end(z.astype(kind)).astype(jnp.float32)))
    np.testing.assert_array_equal(network(jnp.asarray(X[:5])), logits(X[:5]).astype(kind))
    turned = Network(written(lambda z: end(-z.astype(kind))))
    np.testing.assert_array_equal(turned(jnp.asarray(X[:5])), -logits(X[:5]).astype(kind))
    assert len(network.ends) == len(turned.ends) == 1


def test_a_temperature_below_zero_turns_the_order():
    graph = bounds.read_graph(lambda x: jax.nn.softmax(logits(x) / -2.0), X[:2])
    assert graph.ends == ("softmax",)
    np.testing.assert_allclose(bounds.evaluate(graph, X[:5]), logits(X[:5]) / -2.0, rtol=1e-5, atol=1e-5)


KEPT = {
    "other axis": lambda z: jax.nn.softmax(z, axis=0),
    "whole batch": lambda z: jax.nn.softmax(z, axis=None),
    "rounded after": lambda z: jax.nn.softmax(z).astype(jnp.bfloat16),
    "less the batch": lambda z: z - logsumexp(z),
    "a part": lambda z: z.at[:, 0].set(jax.nn.sigmoid(z[:, 0])),
    "half of the classes": lambda z: jnp.concatenate([jax.nn.softmax(z[:, :2]), z[:, 2:]], axis=1),
    "turned": lambda z: 1 - jax.nn.sigmoid(z),
    "a class each": lambda z: jax.nn.sigmoid(z) * jnp.array([1.0, 2.0, 3.0]),
    "cut off": lambda z: jnp.clip(jax.nn.softmax(z), 1e-3, 1.0),
    "bias": lambda z: jax.nn.softmax(z) + jnp.array([0.0, 1.0, 0.0]),
    "two arrays": lambda z: (jax.nn.softmax(z), z),
}


@pytest.mark.parametrize("name", KEPT)
def test_what_may_change_predictions_stays(name):
    network = Network(written(KEPT[name]))
    for n in (1, 5):
        shown, plain = network(jnp.asarray(X[:n])), written(KEPT[name])(X[:n])
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6), shown, plain)
    try:
        graph = bounds.read_graph(written(KEPT[name]), X[:2])
    except bounds.ReadError:
        return
    assert graph.ends == ()
    found, expected = bounds.evaluate(graph, X[:5]), np.asarray(written(KEPT[name])(X[:5]), dtype=np.float64)
    # What all scores of an input have in common is no part of a margin.
    differences = [scores - scores.mean(axis=1, keepdims=True) for scores in (found, expected)]
    np.testing.assert_allclose(*differences, rtol=1e-2, atol=1e-3)


@pytest.mark.parametrize("n", [1, 4])
def test_an_end_for_some_numbers_of_inputs_is_refused(n):
    network = Network(lambda x: jax.nn.softmax(logits(x)) if len(x) == n else logits(x))
    if n == 1:  # two inputs do not confirm it
        network.traced(X[:n])
        assert network.ends == ()
        return
    network.traced(X[:n])
    with pytest.raises(ValueError, match="ends in softmax for some numbers of inputs and not for 3"):
        network(X[:3])


def test_one_logit_is_two_scores():
    def flat(x):
        return jax.nn.sigmoid(logits(x)[:, 0])

    def below(x):
        return jnp.stack([jnp.zeros(len(x)), logits(x)[:, 0]], axis=-1)

    column = lambda x: jax.nn.sigmoid(logits(x)[:, :1])[:, 0]  # noqa: E731 the axis goes after the end
    for f in (flat, lambda x: flat(x)[:, None], column):
        graph = bounds.read_graph(f, X[:2])
        assert graph.ends == ("sigmoid",) and graph.classes == 2
        np.testing.assert_allclose(bounds.evaluate(graph, X), below(X), rtol=1e-4, atol=1e-6)
        labels = np.minimum(Y, 1)
        assert np.array_equal(bounds.Sample.measure(f, X, labels).margins,
                              bounds.Sample.measure(below, X, labels).margins)  # fmt: skip


def by_hand(margins, scores, **probes):
    fields = {name: getattr(BELOW, name) for name in ("m", "classes", "energies", "class_energies", "class_counts")}
    shown = {"probe_inputs": X[[0, 1]], "probe_scores": scores} if probes["probes"] else {}
    return bounds.Sample(**fields, margins=margins, **shown)


@pytest.mark.parametrize("name", KNOWN)
def test_a_sample_of_probabilities_by_hand_is_told_what_to_do(name):
    end = KNOWN[name]
    graph = bounds.read_graph(written({"softmax": jax.nn.softmax, "log-softmax": jax.nn.log_softmax,
                                       "sigmoid": jax.nn.sigmoid}[name]), X[:2])  # fmt: skip
    sample = by_hand(BELOW.margins, end(np.asarray(logits(X[:2]), dtype=np.float64)), probes=True)
    if name == "log-softmax":  # its margins are those below it
        assert bounds.occam(graph, sample, delta=0.01).covered
        return
    with pytest.raises(ValueError, match=rf"from above the {name} .*Sample\.measure.*or give scores and margins"):
        bounds.occam(graph, sample, delta=0.01)
    other = by_hand(BELOW.margins, np.ones((2, 3)), probes=True)
    with pytest.raises(ValueError, match="another network than the graph"):
        bounds.occam(graph, other, delta=0.01)


@pytest.mark.parametrize("name", KNOWN)
def test_margins_of_probabilities_are_never_better(name):
    """A sample made by hand without probes cannot be checked: where its margins are probabilities, it only loses."""
    scores = RNG.normal(size=(4000, 3)) * RNG.choice([0.1, 1.0, 10.0], size=(4000, 1))
    labels = RNG.integers(0, 3, size=4000)
    below = bounds.sample.margins.margins_of(scores, labels)
    above = bounds.sample.margins.margins_of(KNOWN[name](scores), labels)
    assert (np.sign(above) == np.sign(below)).mean() > 0.999
    positive = below > 0
    assert (above[positive] <= below[positive] + 1e-12).all()
    assert (above[~positive] <= 1e-12).all()


def test_margins_made_by_hand_serve_held_out():
    f = written(jax.nn.softmax)
    graph, sample = bounds.read_graph(f, X[:2]), bounds.Sample.measure(f, X[:200], Y[:200])
    probabilities = KNOWN["softmax"](np.asarray(logits(X[200:]), dtype=np.float64))
    test = Margins(bounds.sample.margins.margins_of(probabilities, Y[200:]))
    assert bounds.held_out(graph, sample, delta=0.01, test=test).margin_error == 0.0
