"""Which test sees a broken twin that lies inside the slack of the audit.

A search sees a mistake only where it is larger than the slack of the bound. For every other one there is a test with
numbers worked out independently that fails for it.
"""

from collections.abc import Iterable

from sparsebounds.bounds.audit import Row, closest
from sparsebounds.bounds.audit.theorems.statement import HALF

HALF_COMPLEXITY, NO_UNION, HALF_BITS = "half the complexity", "without the union", "half the bits"

_THEOREMS, _RADEMACHER, _COVERING = (
    f"tests/bounds/{f}" for f in ("theorems", "theorems/rademacher", "theorems/covering")
)
_CONSTANTS = "tests/bounds/moments/test_peeling.py::test_constants_by_hand"
_HANDS = f"{_THEOREMS}/test_whole_rows.py::test_two_layers_by_hand"
_COVERS = f"{_THEOREMS}/test_whole_rows.py::test_one_layer_of_covers_by_hand"
_FACTORS = "test_every_factor_is_in_the_terms"

_ROWS = {
    "peeling": "tests/bounds/certificates/test_certificate.py::test_a_linear_network_by_hand",
    "neyshabur_frobenius": f"{_RADEMACHER}/test_neyshabur.py::test_the_whole_row",
    **dict.fromkeys(
        ("galanti", "galanti_best", "neyshabur_l1", "golowich", "golowich_sharp", "path_norm_layered", "path_norm"),
        _HANDS,
    ),
    "bartlett": f"{_COVERING}/test_bartlett.py::test_by_hand",
    **dict.fromkeys(("bartlett_dudley", "graf_dudley"), _COVERS),
    **dict.fromkeys(("graf_norms", "graf_params"), f"{_COVERING}/test_graf.py::{_FACTORS}"),
    "long_sedghi": f"{_COVERING}/test_long_sedghi.py::{_FACTORS}",
    "pac_bayes": f"{_THEOREMS}/test_pac_bayes.py::test_literal_twin",
}
"""The test that works out whole rows of a bound, every factor and every price."""

SEEN_BY: dict[tuple[str, str], str] = {
    **{(bound, HALF_COMPLEXITY): test for bound, test in _ROWS.items()},
    **{(bound, NO_UNION): test for bound, test in _ROWS.items() if bound != "pac_bayes"},
    **{(bound, HALF): _ROWS[bound] for bound in ("peeling", "galanti", "neyshabur_frobenius", "golowich_sharp")},
    **{(bound, HALF): _ROWS[bound] for bound in ("path_norm_layered", "bartlett", "bartlett_dudley")},
    **{(bound, HALF): _ROWS[bound] for bound in ("graf_norms", "graf_params", "graf_dudley")},
    ("ledent", HALF): f"{_COVERING}/test_ledent.py::{_FACTORS}",
    ("neyshabur_two_layer", HALF): f"{_RADEMACHER}/test_neyshabur.py::test_two_layers_by_hand",
    ("golowich", HALF): f"{_RADEMACHER}/test_golowich.py::test_literal",
    ("golowich", "without 1 + √(2 L log 2)"): f"{_RADEMACHER}/test_golowich.py::test_literal",
    **{
        (
            f"neyshabur_{norm}",
            "without 2 per activation",
        ): f"{_RADEMACHER}/test_neyshabur.py::test_{norm}_is_the_literal_one"
        for norm in ("frobenius", "l1")
    },
    ("peeling", "s → 1"): _CONSTANTS,
    ("peeling", "B dropped"): _CONSTANTS,
    ("occam", HALF_BITS): f"{_THEOREMS}/description/test_occam.py::test_literal_twin_on_networks",
    ("occam_quantised", HALF_BITS): f"{_THEOREMS}/description/test_quantised.py::test_literal_twin",
    ("parameter_count", HALF_BITS): f"{_THEOREMS}/description/test_occam.py::test_hand_worked",
}


def without_a_test(rows: Iterable[Row]) -> set[tuple[str, str]]:
    """(Bound, twin) that no case of its statement refutes and that no test is named for."""
    return {(c.bound, name) for c in closest(list(rows)) for name, _ in c.inside} - set(SEEN_BY)
