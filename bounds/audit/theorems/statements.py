"""What each bound says about its class, in a form that a search can contradict; and broken twins of it.

A bound is audited by one `Statement` or more in `STATEMENTS`. For a new theorem: name the norm of its hidden layers (a
projection in `architectures`), the ball of its last layer (`families`), its complexity as a function of a network and
of the inputs' energies, and the cases to search (`cases`).
"""

from __future__ import annotations

import math
from functools import partial

import numpy as np

from sparsebounds.bounds.audit.search.families import EACH_ROW, EACH_ROW_L1, FROBENIUS, ROWS, ROWS_L1
from sparsebounds.bounds.audit.theorems import cases
from sparsebounds.bounds.audit.theorems.layer_statements import LAYER_STATEMENTS
from sparsebounds.bounds.audit.theorems.statement import Claim, Statement, twins, value_of
from sparsebounds.bounds.graph.graph import PARTITIONS, Graph, Partition
from sparsebounds.bounds.margin.classes import ClassSize
from sparsebounds.bounds.moments import Columns, forward, own_numbers, read_plan
from sparsebounds.bounds.norms import log_path_norm, row_norms
from sparsebounds.bounds.theorems.chains import sparse as sparse_chain
from sparsebounds.bounds.theorems.chains import sparse_forms
from sparsebounds.bounds.theorems.chains.stages import read_stages
from sparsebounds.bounds.theorems.passes.gains import Way, run_pass
from sparsebounds.bounds.theorems.rademacher.golowich import (
    sharp_complexities,
    theorem_1_complexity,
    theorem_1_factor,
)
from sparsebounds.bounds.theorems.rademacher.golowich_l1 import theorem_2_complexity
from sparsebounds.bounds.theorems.rademacher.gonon import constant_of
from sparsebounds.bounds.theorems.rademacher.neyshabur import frobenius_complexity, l1_complexity
from sparsebounds.bounds.theorems.rademacher.neyshabur_two_layer import unit_complexity
from sparsebounds.bounds.theorems.rademacher.node_forms import summed
from sparsebounds.bounds.theorems.rademacher.path_norm import dag_complexities, layered_complexity


def _root_classes(graph: Graph, energies: np.ndarray, m: int) -> float:
    return math.sqrt(graph.classes)


def _classes(graph: Graph, energies: np.ndarray, m: int) -> float:
    return float(graph.classes)


def _activations(graph: Graph, energies: np.ndarray, m: int) -> float:
    return 2.0 ** sum(getattr(layer, "activated", False) for layer in graph.layers)


def _largest_read(graph: Graph) -> int:
    """Predecessors of a class of the last layer, at most."""
    return int(max(sparse_chain.read_chain(graph).layers[-1].counts(False)))


def _root_last(graph: Graph, energies: np.ndarray, m: int) -> float:
    return math.sqrt(_largest_read(graph))


def _logarithms(graph: Graph, energies: np.ndarray, m: int) -> float:
    """1 + √(2 logs) of the shared form of `galanti`."""
    return 1 + math.sqrt(2 * float(_shared_form(graph, energies, m).terms["logs"]))


def _shared_form(graph: Graph, energies: np.ndarray, m: int) -> ClassSize:
    chain = sparse_chain.read_chain(graph)
    return sparse_forms.shared(chain, graph.node_sums(0, energies), m, structural=False)


def _paths(graph: Graph, energies: np.ndarray, m: int) -> float:
    """1 + √(2 log N) of the node pass on scalar nodes."""
    return 1 + math.sqrt(2 * float(_scalar_form(graph, energies, m).terms["logs"]))


def _scalar_form(graph: Graph, energies: np.ndarray, m: int) -> ClassSize:
    return summed(run_pass(graph.partition("scalar"), energies, m, Way()))


def _depth(graph: Graph, energies: np.ndarray, m: int) -> float:
    return theorem_1_factor(int(theorem_1_complexity(graph, energies, m).terms["L"]))


def _log_classes(graph: Graph, energies: np.ndarray, m: int) -> float:
    """What log C does in the form of `golowich_sharp` that adds up rows."""
    logs = float(sharp_complexities(graph, energies, m)[0].terms["nats of activations"])
    return (1 + math.sqrt(2 * (logs + math.log(graph.classes)))) / (1 + math.sqrt(2 * logs))


def _unit_classes(graph: Graph, energies: np.ndarray, m: int) -> float:
    """2√(2C) + 2 against the same with C = 1."""
    return (2 * math.sqrt(2 * graph.classes) + 2) / (2 * math.sqrt(2) + 2)


def _stages(graph: Graph, energies: np.ndarray, m: int) -> float:
    """√(2 logs) of the path norm bounds."""
    return math.sqrt(2 * float(layered_complexity(graph, energies, m).terms["logs"]))


def _form(name: str) -> Claim:
    """One form of `golowich_sharp`; with one output the first one."""

    def claim(graph: Graph, energies: np.ndarray, m: int) -> float:
        found = sharp_complexities(graph, energies, m)  # those of chains come first
        return next((c.value for c in found if c.terms["form"] == name), found[0].value)

    return claim


def _partitioned(partitions: tuple[Partition, ...]) -> Claim:
    def claim(graph: Graph, energies: np.ndarray, m: int) -> float:
        return min(_shared_form(graph.partition(p), energies, m).value for p in partitions)

    return claim


def _printed(graph: Graph, energies: np.ndarray, m: int) -> float:
    """ρΛ of the printed bound."""
    parts = sparse_forms.printed(sparse_chain.read_chain(graph), graph.node_sums(0, energies), "neurips")
    return float(parts["rho"] * parts["Lambda"])


def _frobenius_for_rows(graph: Graph, energies: np.ndarray, m: int) -> float:
    """A twin of `galanti`: ‖W_L‖_F in place of Σ_r ‖w_r‖."""
    rows = sparse_chain.read_chain(graph).layers[-1].total_norms
    return _shared_form(graph, energies, m).value * float(np.linalg.norm(rows) / rows.sum())


def _gonon(graph: Graph, energies: np.ndarray, m: int) -> float:
    """√2 σ r · constant: twice √2 of symmetrisation and the loss stand before it in the theorem."""
    stages = read_stages(graph)
    depth = 1 + stages.activations + len(stages.windows)
    constant = constant_of(depth, stages.windows, energies.size, graph.classes)
    sigma = math.sqrt(max(m, float(energies.max())))
    return math.sqrt(2) * sigma * math.exp(log_path_norm(graph)) * constant


def _dag(max_pool: str) -> Claim:
    def claim(graph: Graph, energies: np.ndarray, m: int) -> float:
        found = dag_complexities(graph, energies, m)
        return next((c for c in found if c.terms.get("max pool as") == max_pool), found[0]).value

    return claim


def _moment(p: float) -> Claim:
    """Theorem 1 of docs/theory.md: the p-th moment at one score, ‖w‖ √(Σ_i q_i²) over the nodes below it."""

    def claim(graph: Graph, energies: np.ndarray, m: int) -> float:
        plan, last = read_plan(graph), len(graph.layers) - 1
        numbers = own_numbers(plan)
        columns = Columns.of_moments(graph.node_sums(0, energies), m, np.array([p]))
        nodes = slice(*graph.node_offsets[last - 1 : last + 1].tolist())
        below = float(np.linalg.norm(forward(plan, numbers, columns)[nodes])) * math.exp(-numbers.log_scales[last - 1])
        return float(np.linalg.norm(row_norms(graph, last))) * below

    return claim


def _units(graph: Graph, energies: np.ndarray, m: int) -> float:
    """The theorem bounds ramp losses; its proof, twice the complexity of the scores."""
    value = unit_complexity(graph, energies, m).value
    return value if graph.classes == 1 else value / 2  # of one output it is not twice the sum


chain, nodes = cases.chain_cases, cases.node_cases
_PRED = {"without 1 + √(2 logs)": _logarithms, "without √|pred| of the last layer": _root_last}
_NO_C = twins({"without C": _classes})
_NO_LOG_C = twins({"without log C": _log_classes})
_NO_ROOT_C = twins({"without √C": _root_classes})
_SUM, _MAX = partial(cases.dag_cases, max_pool="sum"), partial(cases.dag_cases, max_pool="max")

STATEMENTS: tuple[Statement, ...] = (
    Statement(
        "galanti_published", "as printed: ‖W_L‖_F, no last predecessors", "nodes", FROBENIUS, _printed, nodes,
        refuted=True,
    ),
    Statement(
        "galanti", "shared form, nodes are positions", "nodes", ROWS, _partitioned(("position",)), nodes,
        twins(_PRED),
    ),
    Statement("galanti", "a twin without √C: ‖W_L‖_F for Σ_r ‖w_r‖", "nodes", FROBENIUS, _frobenius_for_rows, nodes,
              refuted=True),
    Statement("galanti", "shared form, nodes are scalars", "nodes", ROWS, _partitioned(("scalar",)), nodes, twins()),
    Statement("galanti", "gains and paths of scalars, chains", "path", ROWS_L1, value_of(_scalar_form), chain,
              twins({"without 1 + √(2 log N)": _paths})),
    Statement("galanti", "gains and paths of scalars, skips and max pools", "path", ROWS_L1, value_of(_scalar_form),
              _MAX, twins({"without 1 + √(2 log N)": _paths})),
    Statement("galanti_best", "best partition", "nodes", ROWS, _partitioned(PARTITIONS), nodes, twins()),
    Statement("peeling", "second moment", "nodes", FROBENIUS, _moment(2.0), cases.single_cases, twins(), moment=2.0),
    Statement("peeling", "fourth moment", "nodes", FROBENIUS, _moment(4.0), cases.single_cases, twins(), moment=4.0),
    Statement(
        "neyshabur_frobenius", "‖W_L‖_F", "frobenius", FROBENIUS, value_of(frobenius_complexity), chain,
        twins({"without √C": _root_classes, "without 2 per activation": _activations}),
    ),
    Statement(
        "neyshabur_l1", "rows added", "l1", ROWS_L1, value_of(l1_complexity), chain,
        twins({"without 2 per activation": _activations}),
    ),
    Statement(
        "neyshabur_two_layer", "twice the scores", "frobenius", FROBENIUS, _units, cases.unit_cases,
        twins({"without √C": _unit_classes}),
    ),
    Statement(
        "golowich", "largest row", "frobenius", EACH_ROW, value_of(theorem_1_complexity), chain,
        twins({"without C": _classes, "without 1 + √(2 L log 2)": _depth}),
    ),
    Statement("golowich_sharp", "largest row", "frobenius", EACH_ROW, _form("one by one"), chain, _NO_C),
    Statement("golowich_sharp", "rows added", "frobenius", ROWS, _form("rows"), chain, _NO_LOG_C),
    Statement("golowich_sharp", "‖W_L‖_F", "frobenius", FROBENIUS, _form("frobenius"), chain, _NO_ROOT_C),
    Statement(
        "golowich_l1", "largest row", "l1", EACH_ROW_L1, value_of(theorem_2_complexity), chain,
        _NO_C,
    ),
    Statement(
        "path_norm_layered", "chains", "path", ROWS_L1, value_of(layered_complexity), chain,
        twins({"without √(2 logs)": _stages}),
    ),
    Statement(
        "path_norm_layered", "chains, not homogeneous", "l1", ROWS_L1, value_of(layered_complexity), cases.smooth_cases,
        twins({"without √(2 logs)": _stages}),
    ),
    Statement("path_norm", "chains", "path", ROWS_L1, _dag("sum"), chain, twins()),
    Statement("path_norm", "max pool as a sum", "path", ROWS_L1, _dag("sum"), _SUM, twins()),
    Statement("path_norm", "max pool as K · max", "path", ROWS_L1, _dag("max"), _MAX, twins()),
    Statement("gonon", "chains", "path", ROWS_L1, _gonon, chain, twins()),
    Statement("gonon", "max pool as a sum", "path", ROWS_L1, _gonon, _SUM, twins()),
    *LAYER_STATEMENTS,
)  # fmt: skip
