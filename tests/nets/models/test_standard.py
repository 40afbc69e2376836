"""Architectures of other people: as many weights as published, evaluation mode, a function of one image."""

import jax
import numpy as np
import pytest
from flax import nnx
from standard_networks import SMALL, small

from sparsebounds.nets import standard

WEIGHTS = {
    "resnet50": 25_557_032,
    "vgg16": 138_357_544,
    "vit_s16": 22_050_664,
    "mobilenet_v2": 3_504_872,
    "densenet121": 7_978_856,
    "convnext_t": 28_589_128,
}
"""As torchvision and timm count them."""


@pytest.mark.parametrize("name", WEIGHTS)
def test_numbers_of_weights(name: str) -> None:
    shapes = nnx.eval_shape(lambda: getattr(standard, name)(rngs=nnx.Rngs(0)))
    assert sum(leaf.size for leaf in jax.tree.leaves(nnx.state(shapes, nnx.Param))) == WEIGHTS[name]


@pytest.mark.parametrize("name", SMALL)
def test_an_image_is_scored_by_itself(name: str) -> None:
    network, x = small(name)
    scores = np.asarray(network(x))
    assert scores.shape == (5, 5) and np.ptp(scores, axis=0).min() > 1e-4
    np.testing.assert_allclose(scores[3:4], network(x[3:4]), rtol=1e-4, atol=1e-5)


BAD = {
    "blocks is 0": lambda rngs: standard.BottleneckNet((), rngs=rngs),
    "at least 32": lambda rngs: standard.vgg16(in_shape=(16, 32, 3), rngs=rngs),
    "multiple of the heads": lambda rngs: standard.PatchTransformer(10, 1, 4, rngs=rngs),
    "multiples of the patch": lambda rngs: standard.vit_s16(in_shape=(40, 48, 3), rngs=rngs),
    "stages is 0": lambda rngs: standard.MobileNet(((1, 4, 0, 1),), rngs=rngs),
    "growth is 0": lambda rngs: standard.DenseNet(growth=0, rngs=rngs),
    "widths is 0": lambda rngs: standard.ConvNeXt((1,), (0,), rngs=rngs),
}


@pytest.mark.parametrize("said", BAD)
def test_sizes_that_do_not_fit_are_refused(said: str) -> None:
    with pytest.raises(ValueError, match=said):
        BAD[said](nnx.Rngs(0))
