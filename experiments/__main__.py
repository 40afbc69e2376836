"""`python -m experiments` is the same as `sparsebounds`."""

from .cli import main

main()
