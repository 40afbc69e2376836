"""Gradual magnitude pruning: a density that falls along a cubic while the network trains."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from sparsebounds.nets.grow import ranks
from sparsebounds.nets.grow.schedule import Plan, check_share, cubic, due_at
from sparsebounds.nets.grow.transform import Change, Leaves, Rule, View
from sparsebounds.nets.models.channels import Channels


@dataclass(frozen=True)
class Gradual(Rule):
    """Every ΔT steps the smallest |w| go, until the density is reached: d_t = d + (d_0 − d)(1 − t/until)³.

    d_0 is the density of the masks at the start. Pruned weights do not come back.

    Args:
        every: ΔT, steps between two prunings.
        until: the step of the last one.
        seed: for ties.
        density: d, share of all weights at the end.
        scope: "global" (one threshold) or "layer" (each layer to the same share of its start).
        floor: weights that every layer keeps at least, 1 or more; "layer" adds them to the density.

    Raises:
        ValueError: on use: a setting out of range, masks sparser than the density, floors above it.

    Example:
        >>> import optax
        >>> params = {"kernel": jnp.array([[5.0, -3.0], [1.0, 0.5]])}
        >>> rule = Gradual(every=1, until=1, density=0.5)
        >>> tx = rule.around(optax.sgd(0.1), {"kernel": jnp.ones((2, 2), bool)})
        >>> tx.update({"kernel": jnp.ones((2, 2))}, tx.init(params), params)[1].masks["kernel"].tolist()
        [[True, True], [False, False]]

    Source: Zhu, Gupta, 2017.
    """

    density: float = 0.1
    scope: str = "global"
    floor: int = 1

    def plan(self, masks: dict[str, np.ndarray], channels: tuple[Channels, ...]) -> Plan:
        """At every multiple of ΔT, and at `until`; per step the share of the start that is left."""
        check_share("density", self.density)
        if self.scope not in ("global", "layer"):
            raise ValueError(f'scope is {self.scope!r}; choose "global" or "layer"')
        check_floor(self.floor)
        total, start = sum(m.size for m in masks.values()), sum(int(m.sum()) for m in masks.values())
        goal = round(self.density * total)
        if goal > start:
            raise ValueError(
                f"density is {self.density} and the masks keep {start / total:.4g}; pruning only lowers it"
            )
        check_floors(self.floor, (int(m.sum()) for m in masks.values()), goal, "the density")
        lower = cubic(self.until)
        due = due_at(self.until, self.every, ends=True)
        each = [(int(m.sum()), max(goal / start * m.sum(), min(self.floor, int(m.sum())))) for m in masks.values()]
        parts = {"global": [(start, goal)], "layer": each}
        table = np.stack([a + (b - a) * lower for a, b in parts[self.scope]], axis=1)
        return Plan(due, {"count": np.round(table).astype(np.int32)})

    def change(self, view: View) -> Change:
        """Drop what is above the count of this step."""
        kept = self._kept(view)
        return Change(kept, kept)

    def _kept(self, view: View) -> Leaves:
        if self.scope == "global":
            return keep_largest(view.size, view.masks, view.numbers["count"][0], self.floor, view.key)
        keys = ranks.keys(view.key, view.masks)
        return {
            path: keep_largest({path: view.size[path]}, {path: mask}, count, self.floor, keys[path])[path]
            for (path, mask), count in zip(view.masks.items(), view.numbers["count"], strict=True)
        }


def keep_largest(size: Leaves, masks: Leaves, count: jax.Array, floor: int, key: jax.Array) -> Leaves:
    """The `count` largest active weights of all layers, the `floor` largest of every layer among them.

    Example:
        >>> size = {"a": jnp.array([3.0, 2.0]), "b": jnp.array([1.0, 0.5])}
        >>> masks = {path: jnp.ones(2, bool) for path in size}
        >>> kept = keep_largest(size, masks, jnp.int32(2), 1, jax.random.key(0))
        >>> kept["a"].tolist(), kept["b"].tolist()
        ([True, False], [True, False])
    """
    keys = ranks.keys(jax.random.fold_in(key, 1), masks)
    least = {p: ranks.best(size[p].ravel(), masks[p].ravel(), jnp.int32(floor), keys[p]) for p in masks}
    certain = ranks.joined(least)
    score = jnp.where(certain, jnp.inf, ranks.joined(size))
    return ranks.parted(ranks.best(score, ranks.joined(masks), count, key), masks)


def check_floor(floor: Any) -> None:
    """At least one weight per layer, or a ValueError."""
    if isinstance(floor, bool) or not isinstance(floor, int) or floor < 1:
        raise ValueError(f"floor is {floor!r}; need at least 1 weight per layer, since training goes on")


def check_floors(floor: int, weights: Iterable[int], most: int, what: str) -> None:
    """The floors of all layers together keep no more weights than there may be.

    Args:
        floor: of every layer, or all its weights where these are fewer.
        weights: of every layer.
        most: how many there may be, and `what` says so.

    Raises:
        ValueError: they keep more.
    """
    if (least := sum(min(floor, count) for count in weights)) > most:
        raise ValueError(f"the floors keep {least} weights and {what} {most}; lower the floor")
