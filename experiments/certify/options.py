"""What `sparsebounds certify` depends on, apart from where the data lie. Nothing heavy is imported here."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from sparsebounds.experiments.certify.widths import WIDTHS
from sparsebounds.experiments.shared.distance.lists import LEFT_OUT, RANKS
from sparsebounds.experiments.shared.problems import Problem, check_delta, unknown
from sparsebounds.experiments.shared.targets import is_onnx
from sparsebounds.experiments.shared.values import TASKS, one_of

PRESETS = ("quick", "cpu")
PREPROCESSING, REPETITIONS = ("fixed", "sample", "stated"), ("counted", "natural")


@dataclass(frozen=True)
class CertifyOptions:
    """What is run: a built-in task, or a network of one's own.

    Args:
        task: see `experiments.certify.tasks.TASKS` and `experiments.certify.distance.tasks.TASKS`.
        form: what fixes the class, see `experiments.certify.forms.FORMS`, or "distance" or "data-free"; None: the
            task's first.
        preset: "quick" (fewer steps, fewer filters) or "cpu".
        seed: of the training. Where it shapes the class or a reference its price is that of a number of its length, so
            that the best of several seeds is paid for; in the forms "uniform" and "data-free" it is free.
        delta: probability that the certificate fails.
        target: `module.py:build`, a network of one's own, or an ONNX file, of which the architecture is taken.
        data: its samples.
        left_out: share of the samples, or their number, that the reference may see; None: the task's, or a half.
        data_free: nothing is left out, the reference is zero.
        layers: which weights move away from the reference: "all", "last" or "lora:RANK".
        reference: weights to begin with instead of a training on the samples left out.
        reference_saw: "none", or an .npy file with the numbers of the samples that these weights were trained on.
        shape: of one input, where the ONNX file that is the target leaves it open.
        tried: how many certificates came before on the same samples: other networks, seeds, presets, or further draws
            of the same.
        preprocessing, repetitions: as in `bounds.Sample.measure`, for samples of one's own.
        width: of the box around a rehearsal, beside its weights; the form "centred" alone. None: the task's.
        resume: certify the draw that an interrupted run has left behind.

    Raises:
        Problem: an unknown preset, δ outside (0, 1), a seed that is none, or options that contradict each other.
    """

    task: Annotated[str | None, Option(help=f"A built-in one: {one_of(TASKS)}.", show_default=False)] = None
    form: Annotated[
        str | None,
        Option(
            help="What fixes the class: distance (from a reference), data-free, boxes or signed (a rehearsal and its "
            "signs), centred (around a rehearsal), rehearsal (signs free), or uniform: no label of the images left out "
            "is used.",
            show_default="the task's first",
        ),
    ] = None
    preset: Annotated[str, Option(help="quick (fewer steps and filters) or cpu.")] = "cpu"
    seed: Annotated[int, Option(help="Of the training; where it shapes the class, a longer number costs more.")] = 0
    delta: Annotated[float, Option(help="Probability that the certificate fails.")] = 1e-3
    target: Annotated[
        str | None,
        Argument(
            metavar="[module.py:build|model.onnx]",
            help="build(rngs) makes your Flax module, or (f, params); of an ONNX file the architecture.",
        ),
    ] = None
    data: Annotated[
        Path | None, Option(help=".npz with x, y or x_train, y_train, x_test, y_test.", show_default=False)
    ] = None
    left_out: Annotated[
        float | None,
        Option(
            help=f"Share or number of samples that train the reference: {one_of(tuple(f'{s:g}' for s in LEFT_OUT))}.",
            show_default="0.5",
        ),
    ] = None
    data_free: Annotated[bool, Option("--data-free", help="Leave nothing out: the reference is zero.")] = False
    layers: Annotated[
        str,
        Option(help=f"What moves away from the reference: all, last or lora:RANK, {one_of(tuple(map(str, RANKS)))}."),
    ] = "all"
    reference: Annotated[
        Path | None, Option(help="Weights to begin with: .safetensors, .npz, .onnx or Orbax.", show_default=False)
    ] = None
    reference_saw: Annotated[
        str | None,
        Option(help="none, or an .npy file: numbers of the samples they were trained on.", show_default=False),
    ] = None
    shape: Annotated[str | None, Option(metavar="C,H,W", help="Of one input, where an ONNX file leaves it open.")] = (
        None
    )
    tried: Annotated[
        int, Option(help="How many certificates (other networks or draws) these samples gave before; it is paid for.")
    ] = 0
    preprocessing: Annotated[
        str, Option(help="fixed, sample (the data's statistics), or stated: fixed, if it looks otherwise.")
    ] = "fixed"
    repetitions: Annotated[str, Option(help="counted, or natural: the distribution itself repeats inputs.")] = "counted"
    width: Annotated[
        float | None,
        Option(
            help=f"Half the box around a rehearsal beside its weights: {one_of(tuple(map(str, WIDTHS)))}.",
            show_default="0.1",
        ),
    ] = None
    resume: Annotated[bool, Option("--resume", help="Certify the draw that an interrupted run left behind.")] = False

    def __post_init__(self) -> None:
        check_delta(self.delta)
        if self.preset not in PRESETS:
            raise unknown("preset", self.preset, PRESETS)
        if not 0 <= self.seed < 2**32:
            raise Problem(f"--seed {self.seed}: needed an integer from 0 to 2**32 - 1")
        self._check_what()
        if self.width is not None and (self.form != "centred" or self.width not in WIDTHS):
            listed = ", ".join(f"{w:g}" for w in WIDTHS)
            raise Problem(f"--width {self.width:g}: goes with --form centred, and is one of {listed}")
        if self.left_out is not None and self.left_out not in LEFT_OUT:
            raise Problem(f"--left-out {self.left_out:g}: choose one of {', '.join(f'{s:g}' for s in LEFT_OUT)}")
        for option, known in (("preprocessing", PREPROCESSING), ("repetitions", REPETITIONS)):
            if getattr(self, option) not in known:
                raise unknown(option, getattr(self, option), known)
        if self.tried < 0:
            raise Problem(f"--tried {self.tried}: needed how many other networks were tried before, 0 or more")
        self.rank()

    def rank(self) -> int | None:
        """Of low-rank steps; None without them.

        Raises:
            Problem: `layers` is no word that is known.
        """
        if self.layers in ("all", "last"):
            return None
        kind, _, rank = self.layers.partition(":")
        if kind != "lora" or rank not in map(str, RANKS):
            known = ", ".join(f"lora:{r}" for r in RANKS)
            raise Problem(f"--layers {self.layers}: choose all, last, or one of {known}")
        return int(rank)

    def _check_what(self) -> None:
        if (self.task is None) == (self.target is None):
            raise Problem(
                "say what to certify: module.py:build or model.onnx with --data FILE.npz, or --task NAME, and not both"
            )
        if self.target is not None and self.data is None:
            raise Problem(f"--data is missing: the .npz file with the samples that {self.target} is trained on")
        if self.target is not None and self.form not in (None, "distance", "data-free"):
            raise Problem(f"--form {self.form} is for built-in tasks: a network of your own has distance or data-free")
        if self.task is not None and (self.data or self.reference or self.reference_saw):
            raise Problem(f"--task {self.task} brings its own data: --data and --reference go with module.py:build")
        if self.shape is not None and not is_onnx(self.target):
            raise Problem(f"--shape is for ONNX files, and {self.target or self.task} is none: drop it")
        if self.reference is not None and self.reference_saw is None:
            raise Problem(
                f"what did {self.reference} see? add --reference-saw none if none of these samples, or "
                "--reference-saw IDS.npy with the numbers of those it was trained, tuned or chosen on"
            )
        if self.reference is None and self.reference_saw is not None:
            raise Problem("--reference-saw speaks of --reference: give the weights too")
        self._check_data_free()

    def _check_data_free(self) -> None:
        if self.data_free and self.form not in (None, "data-free"):
            raise Problem(f"--data-free and --form {self.form} contradict each other: drop one of them")
        if not (self.data_free or self.form == "data-free"):
            return
        if self.left_out is not None:
            raise Problem("--data-free leaves nothing out: drop --left-out or --data-free")
        if self.reference is not None:
            raise Problem("--data-free has no reference: drop --reference or --data-free")
        if self.layers != "all":
            raise Problem(f"--data-free moves all layers: drop --layers {self.layers} or --data-free")
