"""How wide a box around a rehearsal may be: the list that is paid for."""

WIDTHS = (1.0, 0.5, 0.25, 0.1, 0.03, 0.01)
"""h beside the rehearsal's weights: halves and thirds, roughly."""
