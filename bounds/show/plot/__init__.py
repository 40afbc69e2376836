"""Pictures by matplotlib (extra [report]): axes in, axes out, or a figure of their own."""

from sparsebounds.bounds.show.plot.bars import factors, side_by_side
from sparsebounds.bounds.show.plot.layers import energies, gains
from sparsebounds.bounds.show.plot.margins import margins_and_ramp

__all__ = ["margins_and_ramp", "side_by_side", "factors", "energies", "gains"]
