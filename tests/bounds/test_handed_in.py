"""What is no network yet is refused with a sentence that helps, and the sentence works."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx
from flax.training.train_state import TrainState

from sparsebounds import bounds

X = np.random.default_rng(0).normal(size=(4, 5)).astype(np.float32)
LINEN = nn.Sequential([nn.Dense(4), nn.relu, nn.Dense(3)])
WEIGHTS = LINEN.init(jax.random.key(0), X)
MODEL = nnx.Linear(5, 3, rngs=nnx.Rngs(0))
GRAPH, STATE = nnx.split(MODEL)
TRAINED = TrainState.create(apply_fn=LINEN.apply, params=WEIGHTS["params"], tx=optax.sgd(0.1))
SHAPES = nnx.eval_shape(lambda: nnx.Linear(5, 3, rngs=nnx.Rngs(0)))


def of_library(library, name):
    """An object whose class claims to come from a library that is not installed."""
    base = type(name, (), {"__module__": f"{library}._src.module", "__call__": lambda self, x: x})
    return type("Mine", (base,), {"__module__": "my_networks"})()


def filled():
    nnx.update(SHAPES, STATE)
    return SHAPES


CASES = {
    "Linen": (LINEN, r"model\.apply\(variables, x\)", lambda: lambda x: LINEN.apply(WEIGHTS, x)),
    "its weights": (WEIGHTS, r"model\.apply\(weights, x\)", lambda: lambda x: LINEN.apply(WEIGHTS, x)),
    "a state": (STATE, r"nnx\.merge\(graphdef, state\)", lambda: nnx.merge(GRAPH, STATE)),
    "a split module": ((GRAPH, STATE), r"nnx\.merge\(graphdef, state\)", lambda: nnx.merge(GRAPH, STATE)),
    "a training run": (
        TRAINED,
        r'lambda x: state\.apply_fn\(\{"params": state\.params\}, x\)',
        lambda: lambda x: TRAINED.apply_fn({"params": TRAINED.params}, x),
    ),
    "shapes": (SHAPES, r"nnx\.update\(model, state\)", filled),
}


@pytest.mark.parametrize("name", CASES)
def test_the_remedy_works(name):
    wrong, message, right = CASES[name]
    with pytest.raises(ValueError, match=message):
        bounds.read_graph(wrong, X)
    assert bounds.read_graph(right(), X).classes == 3


@pytest.mark.parametrize(
    ("library", "name", "message"),
    [("haiku", "Transformed", r"net\.apply\(params, None, x\)"), ("equinox", "Module", r"jax\.vmap\(model\)")],
)
def test_other_libraries_are_known_by_name(library, name, message):
    with pytest.raises(ValueError, match=message):
        bounds.read_graph(of_library(library, name), X)


def test_a_bound_linen_module_is_a_function():
    assert bounds.read_graph(LINEN.bind(WEIGHTS), X).classes == 3
    assert jnp.isfinite(bounds.evaluate(bounds.read_graph(LINEN.bind(WEIGHTS), X), X)).all()
