"""How bounds are shown: explained factor by factor, as tables for CSV and LaTeX, on a page."""

from sparsebounds.bounds.show.explaining import Explanation, explain
from sparsebounds.bounds.show.pages import page
from sparsebounds.bounds.show.writers import to_csv, to_latex

__all__ = ["Explanation", "explain", "page", "to_csv", "to_latex"]
