"""`python -m sparsebounds` is the same as `sparsebounds`."""

from sparsebounds.experiments.cli import entry

entry()
