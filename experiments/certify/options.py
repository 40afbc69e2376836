"""What `sparsebounds certify` depends on, apart from where the data lie. Nothing heavy is imported here."""

from dataclasses import dataclass
from typing import Annotated

from typer import Option

from sparsebounds.experiments.shared.problems import Problem, check_delta, unknown

PRESETS = ("quick", "cpu")


@dataclass(frozen=True)
class CertifyOptions:
    """What is run.

    Args:
        task: see `experiments.certify.tasks.TASKS`.
        form: what fixes the class, see `experiments.certify.forms.FORMS`: "boxes", "signed", "rehearsal" or "uniform";
            None: boxes for networks without hidden layers, signed for all others.
        preset: "quick" (fewer steps, fewer filters) or "cpu".
        seed: of the rehearsal, which shapes the class, and of the training. Its price is that of a number of its
            length, so that the best of several seeds is paid for; with "uniform" it is free.
        delta: probability that the certificate fails.

    Raises:
        Problem: an unknown preset, δ outside (0, 1), or a seed that is none.
    """

    task: Annotated[str, Option(help="mnist01-linear, mnist10-filters, …; an unknown name lists them all.")]
    form: Annotated[
        str | None,
        Option(
            help="What fixes the class: boxes or signed (a rehearsal and its signs), rehearsal (signs free), or "
            "uniform: no label of the images left out is used.",
            show_default="boxes, or signed where layers are hidden",
        ),
    ] = None
    preset: Annotated[str, Option(help="quick (fewer steps and filters) or cpu.")] = "cpu"
    seed: Annotated[int, Option(help="Of rehearsal and training; a longer number costs more.")] = 0
    delta: Annotated[float, Option(help="Probability that the certificate fails.")] = 1e-3

    def __post_init__(self) -> None:
        check_delta(self.delta)
        if self.preset not in PRESETS:
            raise unknown("preset", self.preset, PRESETS)
        if not 0 <= self.seed < 2**32:
            raise Problem(f"--seed {self.seed}: needed an integer from 0 to 2**32 - 1")
