"""Roles of axes against the layer's own derivative: which input a weight meets, and which output it enters."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from sparsebounds.nets import masks

R = nnx.Rngs(0)
CASES = [
    (nnx.Linear(3, 2, rngs=R), (1, 3)),
    (nnx.LinearGeneral(3, (2, 4), rngs=R), (1, 3)),
    (nnx.LinearGeneral((2, 3), (2, 2), axis=(-2, -1), rngs=R), (1, 2, 3)),
    (nnx.LinearGeneral(3, 2, batch_axis={0: 4}, rngs=R), (4, 3)),
    (nnx.Einsum("nta,hab->nthb", (4, 3, 2), rngs=R), (1, 1, 3)),
    (nnx.Einsum("nhta,hab->nhtb", (4, 3, 2), rngs=R), (1, 4, 1, 3)),
    (nnx.Einsum("nq,wq->nw", (4, 3), rngs=R), (1, 3)),
    (nnx.Einsum("nij,okij->nok", (2, 3, 2, 2), rngs=R), (1, 2, 2)),
    (nnx.Conv(3, 4, (2, 2), rngs=R), (1, 3, 3, 3)),
    (nnx.Conv(4, 6, (2,), feature_group_count=2, rngs=R), (1, 3, 4)),
    (nnx.ConvTranspose(3, 4, (2,), rngs=R), (1, 3, 3)),
    (nnx.ConvTranspose(3, 4, (2,), transpose_kernel=True, rngs=R), (1, 3, 3)),
    (nnx.ConvTranspose(3, 3, (2, 2), transpose_kernel=True, rngs=R), (1, 2, 2, 3)),
]


@pytest.mark.parametrize(("layer", "shape"), CASES, ids=lambda case: type(case).__name__)
def test_roles_are_what_the_layer_does(layer: nnx.Module, shape: tuple[int, ...]) -> None:
    """Two weights with the same place on the axes that are read, and in the same group, meet the same inputs; with
    the same place on those that are written, the same outputs; and only they. Positions of images do not count."""
    kernel, graph = layer.kernel[...], nnx.graphdef(layer)
    state = nnx.state(layer)

    def scores(weights: jax.Array, x: jax.Array) -> jax.Array:
        state["kernel"] = nnx.Param(weights)
        return nnx.merge(graph, state)(x)

    mixed = np.asarray(jax.jacfwd(jax.jacfwd(scores), argnums=1)(kernel, jnp.ones(shape))) != 0
    outputs = mixed.shape[: mixed.ndim - kernel.ndim - len(shape)]
    spatial = isinstance(layer, nnx.Conv | nnx.ConvTranspose)  # whose units are channels, at every place
    y, x = ((np.prod(axes[:-1]), axes[-1]) if spatial else (1, np.prod(axes)) for axes in (outputs, shape))
    table = mixed.reshape([int(size) for size in (*y, kernel.size, *x)]).any(axis=(0, 3))  # (output, weight, input)
    roles = masks.kernels(layer)["kernel"]
    index = np.stack(np.unravel_index(np.arange(kernel.size), kernel.shape))
    group = index[list(roles.along("group"))]
    if roles.groups > 1:  # outputs of a grouped convolution read the channels of their group
        group = index[list(roles.along("out"))] // (kernel.shape[-1] // roles.groups)
    for axes, touched in (("in", table.any(axis=0)), ("out", table.any(axis=2).T)):
        place = np.concatenate([group, index[list(roles.along(axes))]]).T
        same_place = (place[:, None] == place[None]).all(axis=2)
        same_units = (touched[:, None] == touched[None]).all(axis=2)
        np.testing.assert_array_equal(same_place, same_units)
        assert (touched.sum(axis=1) == 1).all()
