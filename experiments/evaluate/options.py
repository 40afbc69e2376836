"""What `sparsebounds evaluate` depends on: its options. Nothing heavy is imported here."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from sparsebounds.experiments.shared.values import BOUNDS


@dataclass(frozen=True)
class EvaluateConfig:
    """What to evaluate, on what, and how."""

    target: Annotated[str, Argument(metavar="module.py:function|model.onnx", help="x → scores, or builds that.")]
    data: Annotated[Path, Option(help=".npz with x, y or x_train, y_train, x_test, y_test.")]
    checkpoint: Annotated[
        Path | None,
        Option(help=".safetensors, .npz or an Orbax folder for what the function builds, or passed to it."),
    ] = None
    step: Annotated[int | None, Option(help="Step of an Orbax folder.", show_default="the latest")] = None
    shape: Annotated[str | None, Option(metavar="C,H,W", help="Of one input, where an ONNX file leaves it open.")] = (
        None
    )
    names: Annotated[tuple[str, ...], Option("--bound", help=f"Only this bound; repeatable: {', '.join(BOUNDS)}.")] = ()
    delta: Annotated[float, Option(help="Probability that a certificate fails.")] = 1e-3
    gamma: Annotated[
        str | None,
        Option(
            help="Margin of all rows: a number, best, or percentile:P of the training margins (0 < P < 100).",
            show_default="what each bound says",
        ),
    ] = None
    nodes: Annotated[str, Option(help="position, group or scalar.")] = "position"
    mask_fixed: Annotated[bool, Option("--mask-fixed", help="Zero weights were fixed before seeing the data.")] = False
    selections_fixed: Annotated[
        bool, Option("--selections-fixed", help="Lists of what the network reads were fixed before seeing the data.")
    ] = False
    preprocessing: Annotated[
        str, Option(help="fixed, sample (the data's statistics), or stated: fixed, if it looks otherwise.")
    ] = "fixed"
    repetitions: Annotated[str, Option(help="counted, or natural: the distribution itself repeats inputs.")] = "counted"
    simultaneous: Annotated[
        bool, Option("--simultaneous", help="All certificates together fail with probability delta.")
    ] = False
    pixel_range: Annotated[
        tuple[float, float] | None, Option(metavar="LOW HIGH", help="Lowest and highest input that can occur.")
    ] = None
    what_if: Annotated[
        tuple[str, ...],
        Option(help="samples=M, LAYER=DENSITY (pruned) or LAYER=dense: each bound then; may be repeated."),
    ] = ()
