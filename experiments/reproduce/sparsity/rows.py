"""The rows of one network of the `sparsity` experiment: errors, topology, and its bounds in three partitions."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from sparsebounds import bounds
from sparsebounds.bounds.graph.graph import PARTITIONS
from sparsebounds.bounds.registry import evaluated
from sparsebounds.bounds.sample.margins import Margins
from sparsebounds.experiments.shared.layers import layer_means
from sparsebounds.experiments.shared.rows import Row, errors_row
from sparsebounds.nets.data.datasets import Dataset
from sparsebounds.nets.topology import defined_share, network_score, network_topology

Tree = Any
BATCH = 500
"""Images at once; a divisor of the usual sample sizes, since every other size is compiled anew."""

BY_NODES = ("galanti", "galanti_published", "peeling")
"""Bounds whose value depends on what a node is: one row per partition, all at γ = 1."""
AGAINST_M = ("galanti_best", "path_norm")
"""Bounds of which it is asked from how many samples on they are below 1."""
QUANTISED = "occam_quantised"
TOPOLOGY = ("ramanujan_gap", "imdb", "spectral_gap", "imsg")
COLUMNS = (
    "dataset", "method", "density", "seed", "mask_fixed", "weights", "kept", "kept_per_layer", "train_error",
    "test_error", "test_error_se", "gap", *TOPOLOGY, "full_spectrum", "defined", "bound", "nodes", "value",
    "complexity", "margin_error", "confidence", "gamma", "mask_nats", "samples_needed", "guarantee", "note",
)  # fmt: skip


def topology_row(model: Any, masks: Tree) -> Row:
    """Means over the layers where a score is defined, and the share of layers where the Ramanujan gap is."""
    layers = network_topology(masks, model)
    spectrum, defined = network_score(layers), defined_share(layers)["ramanujan_gap"]
    return {**layer_means(layers, TOPOLOGY), "full_spectrum": spectrum, "defined": defined}


def bound_rows(model: Any, data: Dataset, *, delta: float, mask_fixed: bool, bits: int) -> list[Row]:
    """Errors and every bound of a trained network.

    Args:
        model: the network.
        data: what it was trained and is tested on.
        delta: probability that a certificate fails.
        mask_fixed: its mask was drawn without looking at the training sample; otherwise the mask is paid for.
        bits: of the codebook in the row `QUANTISED`: the Occam bound of the network rounded to 2^bits values per
            layer, and of that network's own training errors.

    Returns:
        One row per bound and partition, all with γ = 1 where a bound leaves γ to the caller: their complexities then
        compare. `galanti_best` has the best margin of the best partition.
    """
    graph = bounds.read_graph(model, data.x_train[:2])
    sample = bounds.Sample.measure(model, data.x_train, data.y_train, preprocessing=data.preprocessing)
    test = Margins.measure(model, data.x_test, data.y_test, batch_size=BATCH)
    errors = errors_row(sample.train_error, test.error, len(test.margins))
    options: Row = {"delta": delta, "mask_fixed": mask_fixed, "gamma": 1.0}
    options |= {"pixel_range": data.pixel_range, "test": test}
    rows = [*_table(graph, sample, options), _quantised(graph, sample, data, options, bits)]
    return [{**row, **errors} for row in rows]


def _table(graph: bounds.Graph, sample: bounds.Sample, options: Mapping[str, Any]) -> Iterator[Row]:
    for name, bound in bounds.BOUNDS.items():
        if name == QUANTISED:  # of the network with a codebook, see `_quantised`
            continue
        for nodes in PARTITIONS if name in BY_NODES else PARTITIONS[:1]:
            gamma = {"gamma": "best"} if name == "galanti_best" else {}
            found = evaluated(bound, graph.partition(nodes), sample, {**options, **gamma})
            needed: float = math.nan
            if name in AGAINST_M and found.covered:
                wanted: Row = {"mask_fixed": options["mask_fixed"]} if name == "galanti_best" else {}
                wanted |= {"gamma": "best", "delta": options["delta"], "tolerance": 0.05}
                samples = bounds.samples_needed(bound, graph, sample, **wanted)
                needed = math.nan if samples is None else float(samples)
            shown = "best" if name == "galanti_best" else nodes if name in BY_NODES else ""
            yield _row(name, shown, found) | {"samples_needed": needed}


def _quantised(graph: bounds.Graph, sample: bounds.Sample, data: Dataset, options: Mapping[str, Any], bits: int) -> Row:
    """The Occam bound of another network, the one with fewer values: the inputs are the same, its margins are not."""
    small = bounds.quantise(graph, bits)
    own = Margins.measure(lambda x: bounds.evaluate(small, np.asarray(x)), data.x_train, data.y_train, batch_size=BATCH)
    found = evaluated(bounds.BOUNDS[QUANTISED], graph, sample, {**options, "quantised": bounds.Quantised(small, own)})
    return _row(QUANTISED, "", found) | {"samples_needed": math.nan}


def _row(name: str, nodes: str, bound: bounds.Bound) -> Row:
    columns = ("value", "complexity", "margin_error", "confidence", "gamma", "guarantee", "note")
    nats = bound.terms.get("nats for the mask", math.nan)
    return {"bound": name, "nodes": nodes, "mask_nats": nats} | {name: getattr(bound, name) for name in columns}
