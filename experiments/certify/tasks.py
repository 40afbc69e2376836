"""The tasks of `sparsebounds certify`: which classes, which front end, which class of networks is fixed in advance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sparsebounds.experiments.shared.problems import unknown
from sparsebounds.nets.data.filters import EdgeFilters

TREE: Any = ((((4, 9), 7), ((3, 5), 8)), ((0, 6), (2, 1)))
"""Of the ten digits, written down in advance: digits that look alike are separated last."""


@dataclass(frozen=True)
class Task:
    """What is certified.

    Args:
        name: of the command line.
        dataset: of `nets.data.datasets`.
        digits: the classes, renumbered in this order; None: all of them.
        filters: the fixed front end of oriented edges; None: the network reads pixels.
        patches: (size, stride): the network's first convolution reads its patches in cosine coordinates.
        convs: (kernel size, stride, channels) of the learned convolutions; none: the network is linear.
        left_out: so many first training images shape the front end and the class, and are not certified.
        tried: upper limit on the configurations (front ends, floors, numbers left out, widths) that were looked at
            with the certified images at hand before the present one was settled; the certificate pays for it.
        tree: over the classes; None: halves of consecutive classes.
        batch_size, steps: of training, annealed and with the ramp alone.
        rehearsal_steps: of the rehearsal, the same two.
        strength: how many times the certificate's complexity the rehearsal pays: its own sample is small.
        copies: jittered copies of every image left out that the rehearsal sees too.
        starts: of the rehearsal of convolutions; the best on its own images is kept.
        pull: the same for the certified network; 1 minimises the certificate, less the error at any certificate.
        guess: about how large the complexity will be, the centre of the grid of radii where there is no rehearsal.
    """

    name: str
    dataset: str = "mnist"
    digits: tuple[int, ...] | None = None
    filters: EdgeFilters | None = None
    patches: tuple[int, int] | None = None
    convs: tuple[tuple[int, int, int], ...] = ()
    left_out: int = 2000
    tried: int = 32
    tree: Any = None
    batch_size: int = 4000
    steps: tuple[int, int] = (600, 400)
    rehearsal_steps: tuple[int, int] = (600, 200)
    strength: float = 2.0
    copies: int = 0
    starts: int = 1
    pull: float = 1.0
    guess: float = 0.2

    @property
    def classes(self) -> int:
        return 10 if self.digits is None else len(self.digits)


EDGES = EdgeFilters(orientations=8, strides=(5,), second=(8,), second_orientations=8)

TASKS = {
    task.name: task
    for task in (
        Task("mnist01-linear", digits=(0, 1), guess=0.05, tried=64, batch_size=2000),
        Task("mnist10-linear", tree=TREE, tried=128),
        Task("mnist10-filters", tree=TREE, filters=EDGES, left_out=5000, tried=512),
        Task(
            "mnist01",
            digits=(0, 1),
            convs=((2, 2, 4),) * 3,
            tried=64,
            batch_size=1000,
            steps=(200, 200),
            rehearsal_steps=(400, 200),
            strength=1.0,
            starts=6,
        ),
        Task(
            "mnist10-conv", tree=TREE, patches=(6, 3), convs=((1, 1, 24),), tried=128, batch_size=1000, steps=(300, 300)
        ),
        Task("digits-linear", dataset="digits", left_out=300, tried=1, tree=TREE, batch_size=500, steps=(200, 200)),
    )
}


def find_task(name: str) -> Task:
    """The task of a name.

    Raises:
        Problem: no such task; the message lists those there are.
    """
    if name not in TASKS:
        raise unknown("task", name, TASKS)
    return TASKS[name]
