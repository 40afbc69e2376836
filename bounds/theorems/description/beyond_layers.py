"""What a code needs beside linear layers: texts of programs, and the numbers inside of layers of other kinds."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

import numpy as np
from jaxtyping import Shaped

from sparsebounds.bounds.bound import NotCovered
from sparsebounds.bounds.graph.layers import Activation, Attention, Layer, Normalise, Unknown, label

WINDOW = -15
"""Of zlib: a raw stream of the deflate format."""


def text_bits(text: str) -> int:
    """Bits of a text: deflated, or as it is, and how many bytes that are (Elias' γ code).

    What inflates it is fixed in advance, so that every text has one code, and no code begins another.

    Example:
        >>> text_bits(""), text_bits("add[]1 2"), text_bits("add[]1 2" * 100) < 300
        (2, 72, True)
    """
    plain = text.encode()
    squeezed = zlib.compressobj(9, zlib.DEFLATED, WINDOW)
    count = min(len(plain), len(squeezed.compress(plain) + squeezed.flush()))
    return 1 + 2 * ((count + 1).bit_length() - 1) + 1 + 8 * count


def other_bits(layer: Layer) -> int:
    """Of a layer that is no linear one, besides its parts: nothing for input and maxima, whose windows are fixed.

    Raises:
        NotCovered: an operation that could not be written down.
    """
    if isinstance(layer, Unknown):
        if not layer.text:
            raise NotCovered(f"{label(layer)} is {layer.operation}, whose program could not be written down")
        return text_bits(layer.text)
    return 8 if isinstance(layer, Activation | Normalise | Attention) else 0


def other_parts(layer: Layer) -> Iterator[tuple[str, Shaped[np.ndarray, " ..."]]]:
    """Name and numbers of what such a layer holds."""
    if isinstance(layer, Activation) and layer.function.numbers:
        yield f"{layer.name} numbers", np.array(layer.function.numbers)
    elif isinstance(layer, Normalise):
        yield f"{layer.name} epsilon", np.array([layer.epsilon])
    elif isinstance(layer, Attention):
        yield f"{layer.name} scale", np.array([layer.scale])
        if layer.mask is not None:
            yield f"{layer.name} mask", _mask(layer.mask)
    elif isinstance(layer, Unknown):
        for number, array in enumerate(layer.constants):
            yield f"{layer.name} constant{number or ''}", flat_numbers(array)


def flat_numbers(array: Shaped[np.ndarray, " ..."]) -> Shaped[np.ndarray, " ..."]:
    """The numbers of an array one after the other; where some are infinite or NaN, as masks have them, their bits."""
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        return np.ascontiguousarray(array).view(f"u{array.itemsize}").ravel()
    return array.ravel()


def _mask(mask: Shaped[np.ndarray, "T S"]) -> Shaped[np.ndarray, " ..."]:
    """A causal mask needs no list of its places: one number says that it is one."""
    return np.ones(1, dtype=bool) if np.array_equal(mask, np.tri(*mask.shape, dtype=bool)) else mask.ravel()
