"""From one score per weight to a mask: the best are kept, layer by layer or over all layers, with a floor per layer."""

import warnings
from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from sparsebounds.nets.masks import Layers

Scope = Literal["global", "layer"]
Scores = Mapping[str, npt.NDArray[Any]]
Keep = dict[str, npt.NDArray[np.bool_]]


class FloorApplied(UserWarning):
    """Layers kept weights that their scores alone would not have kept."""


def check_density(density: float) -> None:
    """A density in (0, 1], or a ValueError.

    Example:
        >>> check_density(0.0)
        Traceback (most recent call last):
            ...
        ValueError: density is 0.0; need a number above 0 and at most 1
    """
    if isinstance(density, bool) or not 0 < density <= 1:
        raise ValueError(f"density is {density}; need a number above 0 and at most 1")


def values(layers: Layers, tree: Any) -> dict[str, npt.NDArray[np.float64]]:
    """A real number for every weight, by layer and in float64.

    Example:
        >>> model = {"kernel": np.array([[1.0, 2.0]]), "bias": np.zeros(2)}
        >>> values(Layers.of(model), model)["kernel"].tolist()
        [[1.0, 2.0]]
    """
    return {name: np.asarray(leaf, np.float64) for name, leaf in layers.parts(tree).items()}


def sizes(layers: Layers, tree: Any) -> dict[str, npt.NDArray[np.float64]]:
    """|w| of every weight, complex ones too, by layer and in float64.

    Example:
        >>> model = {"kernel": np.array([[3 + 4j, -2]])}
        >>> sizes(Layers.of(model), model)["kernel"].tolist()
        [[5.0, 2.0]]
    """
    return {name: np.abs(np.asarray(leaf)).astype(np.float64) for name, leaf in layers.parts(tree).items()}


def best(scores: Scores, density: float, *, scope: Scope = "global", floor: int = 0, tell: bool = True) -> Keep:
    """Keep the weights with the highest scores.

    Of all layers together, or of each, exactly round(density · size) entries are kept, of equal scores the first.
    Every layer keeps its `floor` best; "global" takes that from the other layers, "layer" adds it.

    Args:
        scores: path → one score per weight; −inf for weights that must not come back: they never do.
        density: share kept, above 0 and at most 1.
        scope: "global" or "layer".
        floor: weights that every layer keeps at least, or all it has.
        tell: warn (`FloorApplied`) of the layers that the floor lifted.

    Raises:
        ValueError: a density or scope outside its range, NaN among the scores, a layer that would keep nothing, or
            floors that together exceed the density; the message names the layer.

    Example:
        >>> kept = best({"a": np.array([3.0, 1.0]), "b": np.array([2.0, 0.5])}, 0.5)
        >>> kept["a"].tolist(), kept["b"].tolist()
        ([True, False], [True, False])
    """
    check_density(density)
    check_finite(scores)
    if scope not in ("global", "layer"):
        raise ValueError(f'scope is {scope!r}; choose "global" or "layer"')
    if scope == "layer":
        free = {path: round(density * leaf.size) for path, leaf in scores.items()}
        return top(scores, lifted(scores, free, floor, tell=tell))
    total = round(density * sum(leaf.size for leaf in scores.values()))
    free = _global_counts(scores, total, dict.fromkeys(scores, 0))
    lifted(scores, free, floor, tell=tell)
    return top(scores, _global_counts(scores, total, _floors(scores, floor)))


def lifted(scores: Scores, counts: Mapping[str, int], floor: int, *, tell: bool = True) -> dict[str, int]:
    """Counts of weights per layer, those below the floor lifted to it, with a warning that names them.

    Raises:
        ValueError: a layer with a count of zero, and no floor; a negative floor.
    """
    if isinstance(floor, bool) or not isinstance(floor, int) or floor < 0:
        raise ValueError(f"floor is {floor!r}; need a whole number of weights, 0 to refuse empty layers")
    least = _floors(scores, floor)
    result = {path: max(counts[path], least[path]) for path in scores}
    for path, count in result.items():
        if count == 0:
            raise ValueError(f"{path} would keep none of its {scores[path].size} weights; raise the density, or ask "
                             "for a floor of weights per layer")  # fmt: skip
    if tell and (names := [path for path in scores if counts[path] < result[path]]):
        warnings.warn(f"the floor of {floor} weights per layer lifted {', '.join(names)}", FloorApplied, stacklevel=4)
    return result


def _floors(scores: Scores, floor: int) -> dict[str, int]:
    """The floor of every layer, or all the weights that may be kept where these are fewer."""
    return {path: min(floor, int((leaf > -np.inf).sum())) for path, leaf in scores.items()}


def _global_counts(scores: Scores, total: int, floors: Mapping[str, int]) -> dict[str, int]:
    """How many weights each layer keeps of the `total` best of all, its floor first."""
    if sum(floors.values()) > total:
        raise ValueError(f"the floors keep {sum(floors.values())} weights and the density {total}; lower the floor")
    # A layer's own best come first in its sorted scores: those under its floor are certain, the rest compete.
    ordered = {path: np.sort(leaf.ravel())[::-1][floors[path] :] for path, leaf in scores.items()}
    order = np.argsort(-np.concatenate(list(ordered.values())), kind="stable")[: total - sum(floors.values())]
    layer = np.repeat(np.arange(len(ordered)), [leaf.size for leaf in ordered.values()])[order]
    won = np.bincount(layer, minlength=len(ordered))
    return {path: floors[path] + int(more) for path, more in zip(scores, won, strict=True)}


def top(scores: Scores, counts: Mapping[str, int]) -> Keep:
    """Keep the counts[path] highest scores of every layer, of equal ones the first."""
    return {path: _highest(leaf.ravel(), counts[path]).reshape(leaf.shape) for path, leaf in scores.items()}


def check_finite(scores: Scores) -> None:
    """No NaN and no +inf among the scores, or a ValueError that names the first such layer."""
    for path, leaf in scores.items():
        if np.isnan(leaf).any() or np.isposinf(leaf).any():
            raise ValueError(f"the scores of {path} are not finite; the network's weights or loss overflow")


def _highest(scores: npt.NDArray[Any], count: int) -> npt.NDArray[np.bool_]:
    keep = np.zeros(scores.size, bool)
    keep[np.argsort(-scores, kind="stable")[:count]] = True
    return keep & (scores > -np.inf)
