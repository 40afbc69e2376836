"""How bounds are shown: explained factor by factor, and as tables for CSV and LaTeX."""

from sparsebounds.bounds.show.explaining import Explanation, explain
from sparsebounds.bounds.show.writers import to_csv, to_latex

__all__ = ["Explanation", "explain", "to_csv", "to_latex"]
