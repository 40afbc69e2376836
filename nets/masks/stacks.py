"""Where `nnx.vmap` or a scan has put the axis of a stack: what is left without it is what the layer made."""

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations, product

Sizes = tuple[int | None, ...]
Places = tuple[int, ...]


def places_of_stacks(name: str, made: Mapping[str, Sizes], shapes: Mapping[str, tuple[int, ...]]) -> list[Places]:
    """Every choice of added axes of one array that agrees with all arrays of its layer.

    A vmap adds its axis at the same place of all of them, counted from the front, or at the end of each.

    Args:
        name: of the array.
        made: the sizes the layer made, by name; None where any will do.
        shapes: what the arrays have now, the same names.

    Example:
        >>> places_of_stacks("kernel", {"kernel": (4, 8)}, {"kernel": (4, 4, 8)})
        [(0,), (1,)]
        >>> places_of_stacks("kernel", {"kernel": (4, 8), "bias": (8,)}, {"kernel": (4, 4, 8), "bias": (4, 8)})
        [(0,)]
    """
    extra = len(shapes[name]) - len(made[name])
    if extra < 0 or any(len(shapes[other]) - len(made[other]) != extra for other in made):
        return []
    found = _fitting(extra, made[name], shapes[name])
    return [places for places in found if all(_agrees(places, name, other, made, shapes) for other in made)]


def _fitting(extra: int, made: Sizes, shape: tuple[int, ...]) -> Iterator[Places]:
    if math.comb(len(shape), extra) > 1000:
        return
    yield from (added for added in combinations(range(len(shape)), extra) if _fits(added, made, shape))


def _fits(added: Sequence[int], made: Sizes, shape: tuple[int, ...]) -> bool:
    rest = [size for axis, size in enumerate(shape) if axis not in added]
    return all(known is None or known == size for known, size in zip(made, rest, strict=True))


def _agrees(
    places: Places, name: str, other: str, made: Mapping[str, Sizes], shapes: Mapping[str, tuple[int, ...]]
) -> bool:
    here, there = shapes[name], shapes[other]
    sizes = [here[axis] for axis in places]
    # The last axis may be meant as the last one of every array, all others are counted from the front.
    choices = [{axis, len(there) - 1} if axis == len(here) - 1 else {axis} for axis in places]
    return any(
        max(axes, default=-1) < len(there)
        and len(set(axes)) == len(axes)
        and [there[axis] for axis in axes] == sizes
        and _fits(axes, made[other], there)
        for axes in product(*choices)
    )
