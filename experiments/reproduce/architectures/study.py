"""Which row says something of which architecture: networks as people write them, a number or a reason for each bound.

Command: sparsebounds reproduce architectures [--preset quick|cpu]; CPU, quick about two minutes, cpu eight.
Expected: a matrix of networks and rows in rows.csv and matrix.md; in a checkout with ONNX files of networks of the same
kinds, theirs too. A row counts where its complexity, before it is capped, is a number, and that number or the best
margin changes when the weights of the last layer are doubled (one weight may move a norm by less than a step of its
grid); rows that speak of the numbers of the program or of held-out samples count where they have a value. Networks are
untrained and labels random: what counts is whether there is a number, not how large it is. To shrink: fewer `networks`
in the config.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from flax import nnx
from rich.console import Console

from sparsebounds import bounds
from sparsebounds.bounds.registry import evaluations
from sparsebounds.bounds.sample import Margins
from sparsebounds.experiments.reproduce.architectures.figure import draw_matrix
from sparsebounds.experiments.reproduce.architectures.from_onnx import from_file, there
from sparsebounds.experiments.reproduce.architectures.matrix import ONNX, counts, matrix
from sparsebounds.experiments.reproduce.architectures.others import FEATURES, LENGTH, ONE_LOGIT, TOKENS, VECTORS, WORDS
from sparsebounds.experiments.reproduce.architectures.vision import CLASSES, SHAPE, VISION
from sparsebounds.experiments.reproduce.registry import Experiment
from sparsebounds.experiments.shared.files import write_files
from sparsebounds.experiments.shared.rows import Row, RowFile

NETWORKS = {**VISION, **VECTORS, **ONE_LOGIT, **TOKENS}
RANGE = (-6.0, 6.0)
"""Of a coordinate, known in advance."""
UNCAPPED = "complexity uncapped"
WITHOUT_WEIGHTS = ("occam", "occam_quantised", "parameter_count", "held_out")
"""Rows whose complexity is no norm of the weights."""
COLUMNS = ("network", "bound", "guarantee", "counts", "complexity", "doubled", "note")


@dataclass(frozen=True)
class ArchitecturesConfig:
    """What is asked.

    Args:
        networks: keys of `NETWORKS`.
        samples, test: sizes of the samples.
        delta: probability that a certificate fails.
        seed: of weights, inputs and labels.
    """

    networks: tuple[str, ...] = tuple(NETWORKS)
    samples: int = 200
    test: int = 100
    delta: float = 0.01
    seed: int = 0


def inputs(name: str, count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Random inputs and labels of the kind that a network takes."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2 if name in ONE_LOGIT else CLASSES, count)
    if name in TOKENS:
        return rng.integers(0, WORDS, (count, LENGTH)).astype(np.int32), labels
    shape = SHAPE if name in VISION else (FEATURES,)
    return rng.uniform(*RANGE, (count, *shape)).astype(np.float32), labels


def of_a_file(name: str, count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """The same for the network of an ONNX file."""
    network, rng = from_file(name), np.random.default_rng(seed)
    labels = rng.integers(0, network(np.zeros((1, *network.shape), np.float32)).shape[1], count)
    return rng.uniform(*RANGE, (count, *network.shape)).astype(np.float32), labels


def made(name: str, seed: int) -> Any:
    """A network with random weights, in evaluation mode."""
    network = NETWORKS[name](nnx.Rngs(seed))
    if isinstance(network, nnx.Module):
        network.eval()
    return network


def rows_of(name: str, config: ArchitecturesConfig) -> list[Row]:
    """One row for each bound: a number, or the reason why there is none."""
    network, drawn = (from_file(name), of_a_file) if name.startswith(ONNX) else (made(name, config.seed), inputs)
    x, y = drawn(name, config.samples, config.seed + 1)
    test = Margins.measure(network, *drawn(name, config.test, config.seed + 2))
    graph = bounds.read_graph(network, x[:8])
    words = graph.input.vocabulary
    measured = {"test": test, "quantised": bounds.quantised(network, x, y)}
    first = complexities(graph, bounds.Sample.measure(network, x, y, vocabulary=words), config, measured)
    other = doubled(graph)
    sample = bounds.Sample.measure(lambda z: bounds.evaluate(other, np.asarray(z)), x, y, vocabulary=words)
    second = complexities(other, sample, config, {})
    return [_row(name, bound, first[bound], second[bound]) for bound in first]


def complexities(graph: Any, sample: Any, config: ArchitecturesConfig, measured: Mapping[str, Any]) -> dict[str, Any]:
    """Every bound of one network; `measured` has what some of them take besides."""
    options: Mapping[str, Any] = {"delta": config.delta, "pixel_range": RANGE, **measured}
    return {name: found for name, found, _ in evaluations(bounds.BOUNDS, graph, sample, options)}


def doubled(graph: Any) -> Any:
    """The same network, the weights of its last learned layer doubled."""
    index = max(i for i, layer in enumerate(graph.layers) if layer.dots)
    layer = graph.layers[index]
    terms = tuple(term.with_strengths(2.0 * term.strengths) if term.learned else term for term in layer.terms)
    layers = (*graph.layers[:index], replace(layer, terms=terms), *graph.layers[index + 1 :])
    return replace(graph, layers=layers)


def uncapped(found: Any) -> float:
    return float(found.terms.get(UNCAPPED, found.complexity))


def _row(network: str, bound: str, first: Any, second: Any) -> Row:
    own, other = uncapped(first), uncapped(second)
    number = first.covered and math.isfinite(own)
    moves = (own, first.gamma) != (other, second.gamma)
    yes = number and (bound in WITHOUT_WEIGHTS or moves)
    note = "" if first.covered else first.note
    return {
        "network": network,
        "bound": bound,
        "guarantee": first.guarantee if first.covered else "",
        "counts": int(yes),
        "complexity": own,
        "doubled": other,
        "note": note,
    }


def run(
    config: ArchitecturesConfig, folder: Path, *, resume: bool, progress: bool, data_dir: Path | None
) -> dict[str, Any]:
    """Ask every bound about every network; rows are written after every network."""
    rows = RowFile(folder / "rows.csv", ("network",), keep=resume, columns=COLUMNS)
    todo = [(name,) for name in (*config.networks, *there(config.networks))]
    frame = rows.measure(todo, lambda network: rows_of(network, config), progress=progress)
    write_files(folder, {"matrix.md": matrix(frame)})
    return {"counts": counts(frame), "rows": len(bounds.BOUNDS)}


def show_counts(console: Console, found: dict[str, Any]) -> None:
    """The number of rows for each network."""
    for name, number in found["counts"].items():
        console.print(f"{name:<42} {number:>3} of {found['rows']} rows", highlight=False)


def plan(config: ArchitecturesConfig) -> list[str]:
    names = (*config.networks, *there(config.networks))
    return [f"{name}: {len(bounds.BOUNDS)} bounds, nothing is trained" for name in names]


QUICK = ArchitecturesConfig(networks=("LeNet, max pooling, biases", "perceptron", "perceptron, tanh"))
ARCHITECTURES = Experiment(
    name="architectures", presets={"quick": QUICK, "cpu": ArchitecturesConfig()}, minutes={"quick": 2.0, "cpu": 8.0},
    summary="which bound has a number for which architecture, on networks as people write them",
    run=run, plan=plan, figure=draw_matrix, show=show_counts,
)  # fmt: skip
