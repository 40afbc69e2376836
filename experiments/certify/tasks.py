"""The tasks of `sparsebounds certify`: which classes, which front end, which class of networks is fixed in advance."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from sparsebounds.experiments.shared.problems import unknown
from sparsebounds.nets.data.filters import EdgeFilters

TREE: Any = ((((4, 9), 7), ((3, 5), 8)), ((0, 6), (2, 1)))
"""Of the ten digits, written down in advance: digits that look alike are separated last."""


@dataclass(frozen=True)
class Task:
    """What is certified. All that shapes the class of networks, the front end or which images are left out is priced
    by `experiments.certify.space`; what only trains a network inside the class (batch_size, steps, pull) is free.

    Args:
        name: of the command line.
        dataset: of `nets.data.datasets`.
        digits: the classes, renumbered in this order; None: all of them.
        filters: the fixed front end of oriented edges; None: the network reads pixels.
        patches: (size, stride): the network's first convolution reads its patches in cosine coordinates.
        convs: (kernel size, stride, channels) of the learned convolutions; none: the network is linear.
        left_out: so many first training images shape the front end and the class, and are not certified.
        clipped: inputs whose weighted energy exceeds this quantile of the images left out are shrunk: a short range
            is cheap.
        tree: over the classes; None: halves of consecutive classes.
        batch_size, steps: of training, annealed and with the ramp alone.
        pull: what stands before the complexity in training; 1 minimises the certificate, less the error at any.
        rehearsal_steps, rehearsal_batch, rehearsal_rate: steps of the rehearsal, annealed and with the ramp alone, its
            batch size, its learning rate.
        strength: how many times the certificate's complexity the rehearsal pays: its own sample is small.
        copies: jittered copies of every image left out that the rehearsal sees too.
        starts: of the rehearsal of convolutions; the best on its own images is kept.
        warm, warm_strength: steps of normal training before a rehearsal of convolutions, and how much of `strength`
            they pay.
        floor: share of a row's mean weight and mean size that every side of a box gets.
        width: half a side of a box around a rehearsal, beside its weight.
        weight_floor, moment_floor: of the axes of a rehearsal, see `rehearsal_ellipsoids`.
        uniform_bias: τ of a bias beside axes of 1, where no rehearsal gives one.
        growth: how much longer uniform axes are one level further down the tree: classes that look alike need larger
            weights.
        guess: about how large the complexity will be, the centre of the grid of radii where there is no rehearsal.
    """

    name: str
    dataset: str = "mnist"
    digits: tuple[int, ...] | None = None
    filters: EdgeFilters | None = None
    patches: tuple[int, int] | None = None
    convs: tuple[tuple[int, int, int], ...] = ()
    left_out: int = 2000
    clipped: float = 0.98
    tree: Any = None
    batch_size: int = 4000
    steps: tuple[int, int] = (600, 400)
    pull: float = 1.0
    rehearsal_steps: tuple[int, int] = (600, 200)
    rehearsal_batch: int = 1000
    rehearsal_rate: float = 0.02
    strength: float = 2.0
    copies: int = 0
    starts: int = 1
    warm: int = 200
    warm_strength: float = 0.02
    floor: float = 0.005
    width: float = 0.1
    weight_floor: float = 0.1
    moment_floor: float = 0.1
    uniform_bias: float = 0.25
    growth: float = 0.2
    guess: float = 0.2

    @property
    def classes(self) -> int:
        return 10 if self.digits is None else len(self.digits)


EDGES = EdgeFilters(orientations=8, strides=(5,), second=(8,), second_orientations=8)

TASKS = {
    task.name: task
    for task in (
        Task("mnist01-linear", digits=(0, 1), guess=0.05, batch_size=2000),
        Task("mnist10-linear", tree=TREE),
        Task("mnist10-filters", tree=TREE, filters=EDGES, left_out=5000),
        Task(
            "mnist01",
            digits=(0, 1),
            convs=((2, 2, 4),) * 3,
            batch_size=1000,
            steps=(200, 200),
            rehearsal_steps=(400, 200),
            rehearsal_rate=0.03,
            strength=1.0,
            starts=6,
        ),
        Task(
            "mnist10-conv",
            tree=TREE,
            patches=(6, 3),
            convs=((1, 1, 24),),
            batch_size=1000,
            steps=(300, 300),
            rehearsal_rate=0.03,
        ),
        Task(
            "digits-linear",
            dataset="digits",
            left_out=300,
            tree=TREE,
            batch_size=500,
            steps=(200, 200),
            rehearsal_steps=(500, 200),
        ),
    )
}


OF_FORM: dict[tuple[str, str], dict[str, Any]] = {
    ("mnist01", "boxes"): {"left_out": 5000},
    ("mnist10-conv", "boxes"): {"left_out": 5000, "rehearsal_steps": (400, 200)},
    ("mnist10-linear", "centred"): {"left_out": 5000, "strength": 1.0},
    ("mnist01", "centred"): {"left_out": 5000},
    ("mnist10-conv", "centred"): {"left_out": 5000, "rehearsal_steps": (400, 200), "strength": 1.0},
}
"""What a task has otherwise in one of its forms: around a rehearsal more images are left out for it."""


def find_task(name: str, form: str | None = None) -> Task:
    """The task of a name, in its usual numbers or those of a form.

    Raises:
        Problem: no such task; the message lists those there are.
    """
    if name not in TASKS:
        raise unknown("task", name, TASKS)
    return replace(TASKS[name], **OF_FORM.get((name, form or ""), {}))
