"""A page worth sending: one HTML file with the verdict, the table, every factor, the layers, and what was assumed."""

from sparsebounds.bounds.show.pages.writing import page

__all__ = ["page"]
