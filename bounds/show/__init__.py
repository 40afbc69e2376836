"""How bounds are shown: numbers rounded towards the safe side, tables for CSV and LaTeX."""

from sparsebounds.bounds.show.writers import to_csv, to_latex

__all__ = ["to_csv", "to_latex"]
