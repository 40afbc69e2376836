"""How every figure looks, its legend, and how it is saved."""

import io
from pathlib import Path
from typing import Any

from matplotlib.artist import Artist
from matplotlib.figure import Figure

from sparsebounds.experiments.shared.files import write_files


def one_legend(figure: Figure, columns: int = 3, fontsize: float | None = 8) -> None:
    """One legend below all panels; what stands in several of them is named once."""
    handles: dict[str, Artist] = {}
    for axis in figure.axes:
        for handle, label in zip(*axis.get_legend_handles_labels(), strict=True):
            handles.setdefault(label, handle)
    figure.legend(
        list(handles.values()),
        list(handles),
        loc="outside lower center",
        ncols=columns,
        frameon=False,
        fontsize=fontsize,
    )


LOOK: Any = {"font.size": 9, "axes.spines.top": False, "axes.spines.right": False}
"""For `matplotlib.rc_context` around the making of a figure."""


def png(figure: Figure, dpi: int = 150) -> bytes:
    """The picture as the bytes of a PNG file that depends on nothing but the picture."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi, metadata={"Software": None})
    return buffer.getvalue()


def save(figure: Figure, path: Path, dpi: int = 150) -> None:
    """Write a PNG file, whole or not at all."""
    write_files(path.parent, {path.name: png(figure, dpi)})
