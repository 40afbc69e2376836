"""Peeling by moments: one forward pass bounds how well a class of networks can follow random signs, node by node.

The quantity is E sup ‖Σ_i ξ_i z_j(x_i)‖ᵖ; letters: docs/theory.md, "Setting".
"""

from sparsebounds.bounds.moments.columns import Columns
from sparsebounds.bounds.moments.constants import P_GRID, contraction, khintchine, window
from sparsebounds.bounds.moments.forward_pass import forward
from sparsebounds.bounds.moments.numbers import Numbers, own_numbers
from sparsebounds.bounds.moments.plan import Plan, read_plan

__all__ = [
    "P_GRID",
    "Columns",
    "Numbers",
    "Plan",
    "contraction",
    "forward",
    "khintchine",
    "own_numbers",
    "read_plan",
    "window",
]
