"""One compiled program under many masks: it trains as `nets.train` does, keeps zeros, and says when it diverges."""

import dataclasses
from functools import partial

import numpy as np
import optax
import pytest
from flax import nnx
from training import small

from sparsebounds import nets
from sparsebounds.nets import masks as masking
from sparsebounds.nets.models.functional import pure
from sparsebounds.nets.models.strided import StridedNet
from sparsebounds.nets.training import MaskedTrainer
from sparsebounds.nets.training.step import batches, make_error

CONFIG = nets.TrainConfig(
    epochs=2, batch_size=8, learning_rate=0.1, weight_decay=5e-4, milestones=(1,), loss="cross_entropy"
)
DATA = small()


def net() -> StridedNet:
    return StridedNet((3,), in_shape=(2, 2, 1), classes=3, use_bias=False, rngs=nnx.Rngs(0))


def trainer(config: nets.TrainConfig) -> MaskedTrainer:
    return MaskedTrainer(pure(net())[1], config.optimizer(3), config.loss, DATA.x_train, DATA.y_train)


def test_one_compiled_step_trains_as_nets_train_does_under_every_mask() -> None:
    one, model = trainer(CONFIG), net()
    one.fit(masking.parameters(model), masking.random_mask(model, 1.0), partial(batches, 20, 8, 0), CONFIG.epochs)
    masks = masking.random_mask(model, 0.5, 5)
    found = masking.leaves(one.fit(masking.parameters(model), masks, partial(batches, 20, 8, 5), CONFIG.epochs))
    nets.train(model, DATA, dataclasses.replace(CONFIG, seed=5), masks=masks, progress=False)
    for path, leaf in masking.leaves(masking.parameters(model)).items():
        np.testing.assert_allclose(found[path], leaf, rtol=1e-5, atol=1e-6)
        assert not np.asarray(found[path])[~np.asarray(masking.leaves(masks)[path])].any()
    assert one.advance._cache_size() <= 1  # type: ignore[attr-defined]  # JAX drops programs when it has many


def test_a_diverging_training_says_so() -> None:
    model = net()
    one = trainer(dataclasses.replace(CONFIG, learning_rate=1e30))
    with pytest.raises(nets.Diverged, match="lower the learning rate"):
        one.fit(masking.parameters(model), masking.random_mask(model, 1.0), partial(batches, 20, 8, 0), 2)


def test_it_learns_with_adam_on_the_visits_it_is_given() -> None:
    params, apply = pure(nets.MLP((5, 8, 2), rngs=nnx.Rngs(0)))
    rng = np.random.default_rng(0)
    x = rng.normal(size=(64, 5)).astype(np.float32)
    y = (x[:, 0] > 0).astype(np.int32)
    masks = nets.prune.random(params, 0.5, seed=0)
    index = rng.integers(0, 64, (150, 16)).astype(np.int32)
    one = MaskedTrainer(apply, optax.adam(optax.cosine_decay_schedule(0.03, 150)), "cross_entropy", x, y)
    trained = one.fit(params, masks, lambda _: (index, np.ones(index.shape, np.float32)))
    assert all(
        not np.asarray(leaf)[~np.asarray(masking.leaves(masks)[path])].any()
        for path, leaf in masking.leaves(trained).items()
    )
    error = make_error(apply)
    assert error(trained, x, y) < 0.1 < error(params, x, y)
