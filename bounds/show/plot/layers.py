"""What the layers of a network show of themselves: energies as heat maps, and which layer to shrink."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sparsebounds.bounds.bound import NotCovered
from sparsebounds.bounds.graph.graph import Graph
from sparsebounds.bounds.sample.sample import Sample
from sparsebounds.bounds.show.layers import DENSITY, energy_maps, shrinking_gains
from sparsebounds.bounds.show.pictures import BLUE
from sparsebounds.bounds.show.plot.axes import Axes, axes_or_new, grid_of_axes, plain_text

COLUMNS = 5
"""Heat maps beside each other."""


def energies(graph: Graph, x: np.ndarray, *, axes: Sequence[Axes] | None = None) -> list[Axes]:
    """A heat map for each layer, the input first: the mean square of its values over some inputs.

    Args:
        graph: the network, from `bounds.read_graph`.
        x: (n, …) inputs, a few dozen.
        axes: one for each layer of the graph; None: a figure of their own.

    Returns:
        The axes. A cell is a position, the squares of its channels added up, or a channel where a layer has one
        position; of more than 32 rows or columns the means of blocks.

    Raises:
        ValueError: fewer or more axes than layers.
        ModuleNotFoundError: axes is None, and the extra [report] is not installed.

    Example:
        >>> from sparsebounds import bounds
        >>> [axes.get_title() for axes in bounds.plot.energies(graph, np.ones((2, 2), np.float32))]
        ['input', 'dot 1', 'dot 2']
    """
    maps = energy_maps(graph, x)
    given = grid_of_axes(len(maps), COLUMNS) if axes is None else list(np.ravel(np.asarray(axes, dtype=object)))
    if len(given) != len(maps):
        raise ValueError(f"came {len(given)} axes for {len(maps)} layers; one for each is needed")
    for place, heat in zip(given, maps, strict=True):
        image = place.imshow(
            heat.values, cmap="viridis", vmin=0.0, aspect="auto" if 1 in heat.values.shape else "equal"
        )
        place.set_title(plain_text(heat.layer), fontsize="small")
        place.set_xlabel(f"by {heat.of}", fontsize="small")
        place.set_xticks([])
        place.set_yticks([])
        place.figure.colorbar(image, ax=place, shrink=0.7)
    return given


def gains(graph: Graph, sample: Sample, *, density: float = DENSITY, axes: Axes | None = None) -> Axes:
    """Layers ranked by how much smaller the complexity of `galanti` is without the smallest half of their weights.

    A ranking, no bound: the margins are left as they are; `bounds.what_if_pruned` gives the bound after pruning.

    Args:
        graph: the network.
        sample: its energies.
        density: share of a layer's weights that stays, above 0 and at most 1.
        axes: where to draw; None: a figure of its own.

    Returns:
        The axes, the largest gain on top, in percent of the complexity as it is.

    Raises:
        ValueError: a network that `galanti` does not cover, a density out of range.
        ModuleNotFoundError: axes is None, and the extra [report] is not installed.

    Example:
        >>> from sparsebounds import bounds
        >>> sorted(label.get_text() for label in bounds.plot.gains(graph, sample).get_yticklabels())
        ['dot 1', 'dot 2']
    """
    try:
        found = shrinking_gains(graph, sample, density)
    except NotCovered as reason:
        raise ValueError(f"layers are ranked by galanti, which does not cover this network: {reason}") from reason
    axes = axes_or_new(axes, height=0.26 * len(found) + 1.0)
    shares = [100 * gain for gain in found.values()]
    drawn = axes.barh(range(len(found)), shares, 0.7, color=BLUE)
    axes.bar_label(drawn, [f"{share:.1f} %" for share in shares], padding=3, fontsize="small")
    axes.set_yticks(range(len(found)), [plain_text(name) for name in found])
    axes.set_ylim(len(found) - 0.4, -0.6)
    axes.set_xlim(min(0.0, *shares), 1.2 * max(*shares, 1e-9))
    axes.set_xlabel(f"taken off the complexity of galanti, % ({density:g} of the layer's weights stay)")
    return axes
