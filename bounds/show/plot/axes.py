"""Where a picture is drawn, and texts of a user in it."""

from __future__ import annotations

from typing import Any

Axes = Any
"""`matplotlib.axes.Axes`; only the extra [report] brings it."""


def axes_or_new(axes: Axes | None, *, height: float = 3.2, width: float = 6.4) -> Axes:
    """The axes that were given, or those of a new figure.

    Args:
        axes: of the caller, or None.
        height, width: of the new figure, in inches.

    Raises:
        ModuleNotFoundError: axes are needed, and matplotlib is not there.
    """
    if axes is not None:
        return axes
    return _pyplot().subplots(figsize=(width, height), layout="constrained")[1]


def grid_of_axes(count: int, columns: int) -> list[Axes]:
    """So many axes of a new figure, row by row; none is empty."""
    shown = min(count, columns)
    rows = -(-count // shown)
    figure = _pyplot().figure(figsize=(2.1 * shown, 2.1 * rows), layout="constrained")
    return [figure.add_subplot(rows, shown, place + 1) for place in range(count)]


def plain_text(name: str) -> str:
    r"""A name of a user, so that a dollar in it starts no formula.

    Example:
        >>> print(plain_text("cost_$"))
        cost_\$
    """
    return str(name).replace("$", r"\$")


def _pyplot() -> Any:
    try:
        from matplotlib import pyplot
    except ModuleNotFoundError as missing:
        raise ModuleNotFoundError(
            "a picture needs matplotlib, which is not installed: pip install 'sparsebounds[report]'", name="matplotlib"
        ) from missing
    return pyplot
