"""Trees of lists, tuples, named tuples and dataclasses: the same paths everywhere."""

from typing import Any, NamedTuple

import jax
import numpy as np
import pytest
from flax import nnx, struct

from sparsebounds.nets import masks, prune, topology


class Layer(NamedTuple):
    """As many write their parameters."""

    kernel: Any
    bias: Any


@struct.dataclass
class Record:
    """A dataclass that JAX knows."""

    kernel: Any
    bias: Any


def arrays(*shape: int) -> tuple[np.ndarray, np.ndarray]:
    return np.arange(1.0, 1 + np.prod(shape)).reshape(shape), np.ones(shape[-1])


def test_fields_are_names() -> None:
    tree = {"Conv_0": Layer(*arrays(3, 3, 2, 4)), "Dense_0": Record(*arrays(6, 5))}
    assert list(masks.leaves(tree)) == ["Conv_0.kernel", "Conv_0.bias", "Dense_0.kernel", "Dense_0.bias"]
    assert masks.kernels(tree)["Conv_0.kernel"].axes == ("window", "window", "in", "out")
    mask = prune.magnitude(tree, 0.5, scope="layer")
    assert isinstance(mask["Conv_0"], Layer) and int(mask["Dense_0"].kernel.sum()) == 15


def test_topology_of_a_list_of_tuples() -> None:
    tree, said = [arrays(6, 5), arrays(5, 6)], {"0.0": "in out", "1.0": "in out"}
    found = topology.network_topology(prune.random(tree, 1.0, layout=said), tree, layout=said)
    assert [(layer.path, layer.left, layer.right) for layer in found] == [("0.0", 6, 5), ("1.0", 5, 6)]


@pytest.mark.parametrize("tree", [Layer(*arrays(3, 2)), Record(*arrays(3, 2)), nnx.State({"kernel": np.ones((3, 2))})])
def test_rewinding_gives_a_tree_of_the_same_kind(tree: Any) -> None:
    mask = prune.random(tree, 0.5)
    found = prune.rewind(jax.tree.map(lambda w: 7 * w, tree), tree, mask)
    assert type(found) is type(tree)
    wanted = masks.apply(tree, mask)
    jax.tree.map(np.testing.assert_array_equal, found, wanted)


def test_a_lottery_ticket_needs_what_can_be_rewound_in_place() -> None:
    with pytest.raises(ValueError, match=r"the model is a dict; need an nnx\.Module"):
        prune.lottery_ticket({"kernel": np.ones((3, 2))}, lambda model, mask: None, 0.5)
