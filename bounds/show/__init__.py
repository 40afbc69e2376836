"""How bounds are shown: explained factor by factor, as CSV and LaTeX, on a page, as pictures, during training."""

from sparsebounds.bounds.show import plot
from sparsebounds.bounds.show.explaining import Explanation, explain
from sparsebounds.bounds.show.monitoring import Monitor, monitor
from sparsebounds.bounds.show.pages import page
from sparsebounds.bounds.show.writers import to_csv, to_latex

__all__ = ["Explanation", "Monitor", "explain", "monitor", "page", "plot", "to_csv", "to_latex"]
