"""Steps of few numbers: the coordinates that are drawn, and the decoder that makes weights of them.

v is what is drawn and has a prior; F(v) = f(w0 + A v), or f(w0 + U V), is a decoder, which may be any map fixed without
the sample. So a subspace and an adapter need a prior over their own few numbers, and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from sparsebounds.bounds.certificates.distance.leaves import Leaves, matched, named_leaves, rebuilt

OUTSIDE = 1e-6
"""Share of a step that may lie outside a subspace, by rounding."""


@dataclass(frozen=True, eq=False)
class Subspace:
    """w = w0 + A v, A with few columns, fixed without the certified samples.

    Args:
        reference: w0, a tree.
        basis: leaf by leaf (*shape, r), the same tree: the columns of A.

    Example:
        >>> space = Subspace({"w": np.zeros(3, np.float32)}, {"w": np.eye(3, 2, dtype=np.float32)})
        >>> space.coordinates({"w": np.array([2.0, 3.0, 0.0])}).tolist()
        [2.0, 3.0]
    """

    reference: Any
    basis: Any

    def __post_init__(self) -> None:
        columns = named_leaves(self.basis, "basis")
        wide = {leaf.shape[-1] for leaf in columns.values() if leaf.ndim}
        if len(wide) != 1 or any(leaf.ndim == 0 for leaf in columns.values()):
            raise ValueError("the leaves of the basis have different last axes; needed one column number r for all")
        matched(rebuilt(self.basis, {n: leaf[..., 0] for n, leaf in columns.items()}), self._reference, "basis")

    @property
    def _reference(self) -> Leaves:
        return named_leaves(self.reference, "reference")

    def decode(self, v: Float[Any, " r"]) -> Any:
        """The weights w0 + A v."""
        columns = named_leaves(self.basis, "basis")
        moved = {n: jnp.asarray(leaf) + jnp.asarray(columns[n]) @ v for n, leaf in self._reference.items()}
        return rebuilt(self.reference, moved)

    def through(self, f: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
        """The network as a function of {"v": coordinates} and inputs, for `Prior({"v": zeros}, scales)`."""
        return lambda params, x: f(self.decode(params["v"]), x)

    def coordinates(self, mean: Any) -> Float[np.ndarray, " r"]:
        """v with w0 + A v = mean.

        Raises:
            ValueError: a mean outside the subspace: its posterior would have no density.
        """
        base, columns = self._reference, named_leaves(self.basis, "basis")
        given = matched(mean, base, "mean")
        step = np.concatenate([(given[n].astype(np.float64) - base[n]).reshape(-1) for n in base])
        flat = np.concatenate([columns[n].astype(np.float64).reshape(-1, columns[n].shape[-1]) for n in base])
        v = np.linalg.lstsq(flat, step, rcond=None)[0]
        left = float(np.linalg.norm(step - flat @ v))
        if left > OUTSIDE * float(np.linalg.norm(step)):
            raise ValueError(
                f"the mean lies outside the subspace, by {left:.3g}: its log ratio is infinite; take the nearest point "
                "in it, or a wider basis"
            )
        return np.asarray(v)


@dataclass(frozen=True, eq=False)
class LowRank:
    """W = W0 + U V for every leaf with two axes or more, the last one the columns; the other leaves move freely.

    Args:
        reference: W0, a tree.
        rank: of U V; leaves that are no larger than the factors move freely too.
        seed: of U's start, N(0, 1/rows), fixed in advance; V starts at 0.

    Example:
        >>> adapter = LowRank({"w": np.zeros((8, 6), np.float32), "b": np.zeros(6, np.float32)}, rank=2)
        >>> {name: part.shape for name, part in adapter.start["w"].items()}, adapter.start["b"].shape
        ({'left': (8, 2), 'right': (2, 6)}, (6,))
    """

    reference: Any
    rank: int
    seed: int = 0

    def __post_init__(self) -> None:
        if isinstance(self.rank, bool) or not isinstance(self.rank, int) or self.rank < 1:
            raise ValueError(f"rank is {self.rank!r}; needed a whole number of at least 1")

    @property
    def start(self) -> dict[str, Any]:
        """The coordinates of the reference itself, by leaf."""
        rng = np.random.default_rng(self.seed)
        found: dict[str, Any] = {}
        for name, leaf in named_leaves(self.reference, "reference").items():
            rows, columns = int(np.prod(leaf.shape[:-1])), leaf.shape[-1] if leaf.ndim else 1
            if leaf.ndim < 2 or self.rank * (rows + columns) >= leaf.size:
                found[name] = np.array(leaf)
                continue
            left = (rng.standard_normal((rows, self.rank)) / np.sqrt(rows)).astype(np.float32)
            found[name] = {"left": left, "right": np.zeros((self.rank, columns), np.float32)}
        return found

    def decode(self, params: Mapping[str, Any]) -> Any:
        """The weights."""
        base = named_leaves(self.reference, "reference")
        moved = {
            name: base[name] + jnp.reshape(part["left"] @ part["right"], base[name].shape)
            if isinstance(part, Mapping)
            else part
            for name, part in params.items()
        }
        return rebuilt(self.reference, moved)

    def through(self, f: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
        """The network as a function of these coordinates and inputs, for `Prior(adapter.start, scales)`."""
        return lambda params, x: f(self.decode(params), x)
