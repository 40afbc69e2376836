"""The configuration space of `sparsebounds certify`: all that shapes a class of networks, with the price of each value.

One space for each statement (a data set and its classes), so that all certificates about it that were claimed in the
space, of any front end, form and seed, hold together with probability 1 − δ, and the best of them may be picked.

Free are the fields of a `Task` that choose a network inside a class, FREE: the certificate holds for every network of
the class at once. STATEMENT says what the number is about; statements about other data have another δ.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from sparsebounds.bounds.margin.codes import Code, Listed, Seeds, Trees, WholeNumbers
from sparsebounds.bounds.margin.space import Configuration, ConfigurationSpace, Field
from sparsebounds.experiments.certify.tasks import TREE, Task
from sparsebounds.experiments.certify.widths import WIDTHS

VERSION = 2
"""To be raised with every change of a list; then `python -m sparsebounds.experiments.certify.reprice`."""
FREE = frozenset({"batch_size", "steps", "pull"})
STATEMENT = frozenset({"name", "dataset", "digits"})
SMALL = frozenset({"digits"})
"""Data sets of few, small images: there every nat is dear, and what was settled on MNIST is no choice."""

ONE_TO_FIVE = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
WHOLE = WholeNumbers()
SHARES = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)


FLOORS = {"boxes": ["floor"], "centred": ["floor", "width"]}
"""The numbers of boxes; those of ellipsoids are two floors."""


@dataclass(frozen=True)
class Lists:
    """The values of every number: powers of two, 1-2-5 series, full ranges."""

    left_out: tuple[int, ...]
    front_ends: tuple[str, ...]
    clipped: tuple[float, ...] = (1.0, 0.99, 0.98, 0.95, 0.9, 0.8, 0.5)
    steps: tuple[int, ...] = tuple(range(100, 1001, 100))
    batches: tuple[int, ...] = (100, 200, 500, 1000, 2000, 5000)
    rates: tuple[float, ...] = tuple(k / 100 for k in range(1, 11))
    strengths: tuple[float, ...] = ONE_TO_FIVE
    copies: Code = WHOLE
    starts: tuple[int, ...] = tuple(range(1, 11))
    warm: tuple[int, ...] = tuple(range(0, 1001, 100))
    warm_strengths: tuple[float, ...] = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
    floors: tuple[float, ...] = SHARES
    widths: tuple[float, ...] = WIDTHS
    axis_floors: tuple[float, ...] = SHARES
    biases: tuple[float, ...] = (0.125, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
    growths: tuple[float, ...] = (0.0, 0.1, 0.2, 0.5, 1.0)
    guesses: tuple[float, ...] = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
    kernels: tuple[int, ...] = tuple(range(1, 9))
    channels: tuple[int, ...] = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64)
    """Powers of two, and half as many again."""
    layers: tuple[int, ...] = (1, 2, 3, 4)


LARGE_LISTS = Lists(
    left_out=(500, 1000, 2000, 5000, 10000, 20000), front_ends=("pixels", "filters", "convolutions", "patches")
)
BOX_LISTS = replace(
    LARGE_LISTS,
    steps=(100, 200, 400),
    batches=(1000,),
    rates=(0.03,),
    strengths=(1.0, 2.0),
    copies=Listed((0,)),
    starts=(1, 6),
    warm=(200,),
    warm_strengths=(0.02,),
    floors=(0.005,),
    kernels=(1, 2, 3),
    channels=(4, 8, 24),
    layers=(1, 2, 3),
)
"""Of convolutions in boxes and their rehearsals: written down with these forms, short because every nat counts."""
SMALL_LISTS = Lists(
    left_out=(100, 200, 300, 400, 500),
    front_ends=("pixels", "convolutions"),
    clipped=(0.98,),
    steps=(100, 200, 500, 1000),
    batches=(1000,),
    rates=(0.02,),
    strengths=(2.0,),
    copies=Listed((0,)),
    starts=(1, 2, 5),
    warm=(200,),
    warm_strengths=(0.02,),
    floors=(0.005,),
    axis_floors=(0.1,),
    biases=(0.25,),
    growths=(0.2,),
    guesses=(0.2,),
    kernels=(1, 2, 3, 4),
    channels=(2, 4, 8, 16),
    layers=(1, 2),
)


def space_of(task: Task) -> ConfigurationSpace:
    """The space of all configurations that make a statement about the task's data and classes.

    Example:
        >>> from sparsebounds.experiments.certify.tasks import find_task
        >>> space_of(find_task("mnist10-linear")) is space_of(find_task("mnist10-conv"))
        True
    """
    return _space(task.dataset, task.digits, task.classes)


def configuration(task: Task, form: str, seed: int) -> Configuration:
    """A task in one of its forms, with the seed of its rehearsal, as a priced point of its space.

    Raises:
        ValueError: a value outside the space.

    Example:
        >>> from sparsebounds.experiments.certify.tasks import find_task
        >>> linear = find_task("mnist01-linear")
        >>> round(configuration(linear, "boxes", 0).nats, 1), round(configuration(linear, "uniform", 5).nats, 1)
        (21.1, 12.2)
    """
    return space_of(task).configuration(_values(task, form, seed))


def declared(tasks: Iterable[Task]) -> tuple[tuple[str, int, str], ...]:
    """(name, version, hash) of the spaces of some tasks, each once: what a result file keeps."""
    return tuple(sorted({(space.name, space.version, space.hash) for space in map(space_of, tasks)}))


def _values(task: Task, form: str, seed: int) -> dict[str, Any]:
    found: dict[str, Any] = {"left_out": task.left_out, "clipped": task.clipped, "form": form, **_front_end(task)}
    if task.classes > 2 or task.tree is not None:
        found |= {"tree": "halves"} if task.tree is None else {"tree": "given", "tree.given": task.tree}
    if form == "uniform":
        return found | {"uniform_bias": task.uniform_bias, "growth": task.growth, "guess": task.guess}
    found |= {"rehearsal_steps.anneal": task.rehearsal_steps[0], "rehearsal_steps.ramp": task.rehearsal_steps[1]}
    names = ["rehearsal_batch", "rehearsal_rate", "strength", "copies"]
    names += FLOORS.get(form, ["weight_floor", "moment_floor"])
    names += ["starts", "warm", "warm_strength"] if task.convs else []
    return found | {name: getattr(task, name) for name in names} | {"seed": seed}


def _front_end(task: Task) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if task.convs:
        found |= {"front_end": "convolutions", **_convs(task.convs)}
    if task.patches is not None:
        found |= {"front_end": "patches", "patches.size": task.patches[0], "patches.stride": task.patches[1]}
    if task.filters is not None:
        filters = task.filters
        found |= {f"filters.{name}": getattr(filters, name) for name in ("orientations", "blur", "inhibition", "floor")}
        found |= {"front_end": "filters"} | _listed("filters.strides", filters.strides)
        found |= _listed("filters.second", filters.second)
        found |= {"filters.second_orientations": filters.second_orientations} if filters.second else {}
    return {"front_end": "pixels"} | found


def _convs(convs: tuple[tuple[int, int, int], ...]) -> dict[str, Any]:
    alike = len(set(convs)) == 1
    found: dict[str, Any] = {"convs.count": len(convs)} | ({"convs.alike": alike} if len(convs) > 1 else {})
    for i, conv in enumerate(convs[:1] if alike else convs):
        found |= {f"convs.{i}.{part}": v for part, v in zip(("kernel", "stride", "channels"), conv, strict=True)}
    return found


def _listed(name: str, numbers: tuple[int, ...]) -> dict[str, Any]:
    return {f"{name}.count": len(numbers)} | {f"{name}.{i}": number for i, number in enumerate(numbers)}


@cache
def _space(dataset: str, digits: tuple[int, ...] | None, classes: int) -> ConfigurationSpace:
    small = dataset in SMALL
    lists = SMALL_LISTS if small else LARGE_LISTS
    below = {
        "pixels": (_forms(lists, convs=False),),
        "filters": (*_filters(), _forms(lists, convs=False)),
        "convolutions": (_forms(lists, convs=True),),
        "patches": (*_patches(), _forms(lists, convs=True)),
    }
    fields = (
        Field("left_out", Listed(lists.left_out)),
        Field("clipped", Listed(lists.clipped)),
        *([_tree(classes, small)] if classes > 2 else []),
        Field("front_end", Listed(lists.front_ends), {name: below[name] for name in lists.front_ends}),
    )
    shown = "all classes" if digits is None else "classes " + ", ".join(map(str, digits))
    return ConfigurationSpace(f"certify: {dataset}, {shown}", VERSION, fields)


def _tree(classes: int, small: bool) -> Field:
    """Halves of consecutive classes, or any tree; on small data, the tree that was written down for MNIST."""
    given: Code = Listed((TREE,)) if small and classes == 10 else Trees(classes)
    return Field("tree", Listed(("halves", "given")), {"given": (Field("tree.given", given),)})


def _filters() -> tuple[Field, ...]:
    directions, strides = Listed((4, 8, 16)), Listed(tuple(range(1, 15)))  # up to half an image of 28 pixels

    def count(name: str, numbers: tuple[int, ...], *more: Field) -> Field:
        under = {n: (*(Field(f"{name}.{i}", strides) for i in range(n)), *(more if n else ())) for n in numbers}
        return Field(f"{name}.count", Listed(numbers), under)

    return (
        Field("filters.orientations", directions),
        Field("filters.blur", Listed((0.5, 0.7, 1.0, 1.4, 2.0))),
        Field("filters.inhibition", Listed(tuple(k / 10 for k in range(11)))),
        Field("filters.floor", Listed((1e-4, 1e-3, 1e-2, 1e-1))),
        count("filters.strides", (1, 2, 3)),
        count("filters.second", (0, 1, 2), Field("filters.second_orientations", directions)),
    )


def _patches() -> tuple[Field, ...]:
    sizes = tuple(range(2, 9))
    strides = {size: (Field("patches.stride", Listed(tuple(range(1, size + 1)))),) for size in sizes}
    return (Field("patches.size", Listed(sizes), strides),)


def _conv_fields(lists: Lists) -> Field:
    def one(i: int) -> tuple[Field, ...]:
        strides = {k: (Field(f"convs.{i}.stride", Listed(tuple(range(1, k + 1)))),) for k in lists.kernels}
        return (
            Field(f"convs.{i}.kernel", Listed(lists.kernels), strides),
            Field(f"convs.{i}.channels", Listed(lists.channels)),
        )

    def several(n: int) -> tuple[Field, ...]:
        each = tuple(field for i in range(n) for field in one(i))
        return one(0) if n == 1 else (Field("convs.alike", Listed((True, False)), {True: one(0), False: each}),)

    return Field("convs.count", Listed(lists.layers), {n: several(n) for n in lists.layers})


def _forms(lists: Lists, *, convs: bool) -> Field:
    rehearsal = _rehearsal(lists, convs)
    axes = (Field("weight_floor", Listed(lists.axis_floors)), Field("moment_floor", Listed(lists.axis_floors)))
    network = (_conv_fields(lists),) if convs else ()
    below = dict.fromkeys(("signed", "rehearsal"), (*network, *rehearsal, *axes))
    short = BOX_LISTS if convs and lists is not SMALL_LISTS else lists
    small = (_conv_fields(short),) if convs else ()
    boxes = (*small, *_rehearsal(short, convs), Field("floor", Listed(short.floors)))
    below |= {"boxes": boxes, "centred": (*boxes, Field("width", Listed(lists.widths)))}
    if not convs:
        below["uniform"] = (
            Field("uniform_bias", Listed(lists.biases)),
            Field("growth", Listed(lists.growths)),
            Field("guess", Listed(lists.guesses)),
        )
    return Field("form", Listed(tuple(below)), below)


def _rehearsal(lists: Lists, convs: bool) -> tuple[Field, ...]:
    fields = (
        Field("rehearsal_steps.anneal", Listed(lists.steps)),
        Field("rehearsal_steps.ramp", Listed(lists.steps)),
        Field("rehearsal_batch", Listed(lists.batches)),
        Field("rehearsal_rate", Listed(lists.rates)),
        Field("strength", Listed(lists.strengths)),
        Field("copies", lists.copies),
        Field("seed", Seeds()),
    )
    if not convs:
        return fields
    return (
        *fields,
        Field("starts", Listed(lists.starts)),
        Field("warm", Listed(lists.warm)),
        Field("warm_strength", Listed(lists.warm_strengths)),
    )
