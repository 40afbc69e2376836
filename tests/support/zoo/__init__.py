"""Networks by how they are written; whoever imports this has them all on the list."""

from zoo import convolutions, five_forms, flax_networks, joins, programs

__all__ = ["convolutions", "five_forms", "flax_networks", "joins", "programs"]
