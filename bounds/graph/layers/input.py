"""The input of a network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Float64, Int32, Shaped

from sparsebounds.bounds.graph.layers.shared import NoTerms
from sparsebounds.bounds.graph.terms import Table


@dataclass(frozen=True)
class Input(NoTerms):
    """The coordinates of one input, as the function received them; of tokens, one for each word of the vocabulary."""

    shape: tuple[int, ...]
    positions: int
    channels: int
    node: Int32[np.ndarray, " size"] | None = None
    """The caller's own grouping of the coordinates into nodes, for every partition but "scalar"."""
    name: str = "input"
    where: str = ""
    groups: int = 1
    vocabulary: int | None = None
    """Inputs are integers 0 … vocabulary − 1, in the shape `shape`: coordinate (position, v) is 1 where v stands."""

    role: ClassVar[str] = "input"
    kind: ClassVar[str] = "input"
    elements_read: ClassVar[tuple[np.ndarray, ...]] = ()

    @property
    def coordinates(self) -> tuple[int, ...]:
        """The shape of its coordinates: energies have it."""
        return self.shape if self.vocabulary is None else (*self.shape, self.vocabulary)

    def values(self, x: Shaped[np.ndarray, "B ..."]) -> Float64[np.ndarray, "B size"]:
        """Its coordinates for a batch of inputs; of tokens, or of tokens written as coordinates.

        Raises:
            ValueError: inputs of another shape, or tokens outside the vocabulary.
        """
        if x.shape[1:] == self.coordinates:
            return np.asarray(x, dtype=np.float64).reshape(len(x), -1)
        if x.shape[1:] != self.shape or self.vocabulary is None:
            raise ValueError(f"inputs of shape {x.shape[1:]}; the graph was read from inputs of shape {self.shape}")
        return one_hot(x, self.vocabulary).reshape(len(x), -1)

    @property
    def grid(self) -> tuple[int, ...] | None:
        """The shape of its positions, where the function says so."""
        if self.vocabulary is not None:
            return self.shape
        return self.shape[:-1] if len(self.shape) > 1 else None

    @property
    def structure(self) -> dict[str, tuple[Any, ...]]:
        return {"shape": (self.shape,), "vocabulary": (self.vocabulary,)}

    def renumbered(self, renumber: Table) -> Input:
        return self


def one_hot(tokens: Shaped[np.ndarray, "B ..."], vocabulary: int) -> Float64[np.ndarray, "B ... V"]:
    """Tokens as vectors of ones and zeros.

    Raises:
        ValueError: a token outside the vocabulary.

    Example:
        >>> one_hot(np.array([[0, 2]]), 3).tolist()
        [[[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]]
    """
    check_tokens(tokens, vocabulary)
    places = np.asarray(tokens).astype(np.int64)[..., None]
    values = np.zeros((*places.shape[:-1], vocabulary))
    np.put_along_axis(values, places, 1.0, axis=-1)
    return values


def check_tokens(x: Shaped[np.ndarray, "B ..."], vocabulary: int) -> None:
    """Raise ValueError where a token lies outside 0 … vocabulary − 1.

    Example:
        >>> check_tokens(np.array([[0, 7]]), 5)  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        ...
        ValueError: token 7 at position (0, 1) is outside the vocabulary, 0..4: the smallest table has 5 rows; ...
    """
    tokens = np.asarray(x)
    outside = (tokens < 0) | (tokens >= vocabulary) | (tokens != np.floor(tokens))
    if outside.any():
        place = tuple(int(i) for i in np.argwhere(outside)[0])
        raise ValueError(
            f"token {tokens[place]} at position {place} is outside the vocabulary, 0..{vocabulary - 1}: the smallest "
            f"table has {vocabulary} rows; inputs that are numbers and no tokens are converted first, as in "
            "x.astype(jnp.float32)"
        )
