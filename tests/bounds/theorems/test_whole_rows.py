"""Rows of the table worked by hand, every factor and every price: a row that is half as large, or that forgets the
union over its grid, fails here."""

import itertools
import math

import chains
import numpy as np
import pytest
from samples import sample_of

from sparsebounds import bounds

ROOT = math.sqrt(2)
UP8, DOWN44 = 1.1**8, 1.1**-44
LOG2 = math.log(2)


def weight(j):
    """1/(prior weight) of grid point j."""
    return 2 * (abs(j) + 1) * (abs(j) + 2)


@pytest.mark.parametrize(
    ("name", "c", "j", "unit"),
    [
        # Of the row (−√2, √2) ‖w‖ = 2 is rounded up to 1.1⁸; L = 2 layers.
        ("golowich", UP8, 8, (1 + math.sqrt(4 * LOG2)) * 10 / 2),
        # A factor √2 for the activation under the root.
        ("golowich_sharp", UP8, 8, (1 + math.sqrt(LOG2)) * 10 / 2),
        # Gains 1/√2 of the hidden units, 2 of the output → 1.1⁸; N = 2√2 from two input nodes of energy 50.
        ("galanti", UP8, 8, (1 + math.sqrt(3 * LOG2)) * math.sqrt(50) / 2),
        # Path norm 2 → 1.1⁸; two inputs; the largest coordinate has energy 50.
        ("neyshabur_l1", UP8, 8, 2 * math.sqrt(2 * math.log(2 * 2)) * math.sqrt(50) / 2),
        ("path_norm_layered", UP8, 8, math.sqrt(2 * (LOG2 / 2 + math.log(4))) * math.sqrt(50) / 2),
        ("path_norm", UP8, 8, math.sqrt(2 * math.log(4 * (ROOT + 1))) * math.sqrt(50) / 2),
        # ℓ1 norms 1/√2 and, of the difference of the rows, 2√2.
        ("golowich_l1", UP8, 8, 2 * math.sqrt(3 + LOG2) * math.sqrt(50) / 2),
    ],
)
def test_two_layers_by_hand(name, c, j, unit):
    """I/√2 and I·√2, one activation between them, ‖X‖_F = 10, m = 100, δ = 0.01.

    Two classes are the one output f_1 − f_0, of whose complexity 2/m stands in the bound: half of the 4/m of scores.
    """
    graph = chains.graph_of([np.eye(2) / ROOT, np.eye(2) * ROOT])
    sample = sample_of(np.full(2, 50.0), 100, 2)
    b = bounds.BOUNDS[name](graph, sample, delta=0.01)
    assert b.terms["complexity uncapped"] == pytest.approx(4 / 100 * c * unit, rel=3e-6)
    assert b.confidence == pytest.approx(2 * math.sqrt(math.log(weight(j) / 0.01) / 200), rel=1e-9)
    assert b.value == pytest.approx(sample.ramp(1.0) + b.complexity + b.confidence, rel=1e-12)


@pytest.mark.parametrize("name", ["bartlett_dudley", "graf_dudley"])
def test_one_layer_of_covers_by_hand(name):
    """The identity of 2×2, γ = 100, ‖X‖²_F = m. The difference of the two scores has the row (−1, 1) of norm √2:

    c = √2/100 → 1.1^−44, ‖·‖_{2,1}/s = 1, 2·2 signed weights, and margins are 1-Lipschitz in it.
    """
    m, delta = 1000, 0.01
    sample = sample_of(np.full(2, m / 2), m, 2)
    b = bounds.BOUNDS[name](chains.graph_of([np.eye(2)]), sample, delta=delta, gamma=100.0)
    radius = 2 * DOWN44
    edges = [1e-4 * 5000 ** (i / 1500) for i in range(1501)]
    best, tail = 2.0, 0.0
    for fine, coarse in reversed(list(itertools.pairwise(edges))):
        k = 0 if radius <= fine else math.ceil((radius / fine) ** 2)
        tail += (coarse - fine) * math.sqrt(math.log(math.comb(3 + k, k)))
        best = min(best, 4 * fine + 12 / math.sqrt(m) * tail)
    assert best < 0.1
    assert b.complexity == pytest.approx(2 * best, rel=0.01)
    assert b.confidence == pytest.approx(2 * math.sqrt(math.log(weight(44) * weight(0) / delta) / (2 * m)), rel=1e-6)
