"""`python -m experiments` is the same as `sparsebounds`."""

from .cli import entry

entry()
