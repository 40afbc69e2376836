"""Chase: dynamic sparsity with thresholds over all layers, which thins out whole channels and removes them."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np

from sparsebounds.nets.grow import ranks, regrowth
from sparsebounds.nets.grow.channel_scores import SCORES, by_channel
from sparsebounds.nets.grow.gradual import check_floor, check_floors, keep_largest
from sparsebounds.nets.grow.schedule import Plan, check_share, cosine, counts, cubic, due_at
from sparsebounds.nets.grow.transform import Change, Rule, View
from sparsebounds.nets.models.channels import Channels


@dataclass(frozen=True)
class Chase(Rule):
    """Every ΔT steps: drop the smallest |w| of all layers, grow the largest |gradient| of all layers.

    * Budget n: the active weights at the start. At each change the mask is pruned to n and grown to
      n(t) = n · (1 + extra · ½(1 + cos(π t/until))): the soft memory bound. At `until` n(t) = n. Of all weights that
      were not kept those with the largest |gradient| grow, from zero.
    * Channels: every ΔT_c steps those with the lowest score are removed until S_c(t) = S_c(1 − (1 − t/T_f)³) of
      the removable ones are gone; no layer goes below int(C(1 − S_c)β), nor below one, and others give more instead.
      What owns or reads a removed channel is masked for good, its bias too, and its weights grow elsewhere, at once:
      a step at which channels go prunes and grows as the others do.
    * At the end `nets.masks.removal.remove` cuts the channels out.

    Where fewer weights are left than would be grown, all of them are. Ties are broken at random.

    Args:
        every: ΔT, steps between two changes.
        until: step of the last change.
        seed: of the draws.
        extra: how far n(t) starts above n, 0.5 for 1.5 times.
        channel_share: S_c, share of the removable channels that goes; 0 removes none.
        channel_every: ΔT_c.
        channel_until: T_f, the step at which S_c is reached, at most `until`.
        floor_share: β.
        score: which channels are amenable: one of `nets.grow.SCORES`.
        floor: weights that every layer keeps at least, 1 or more; a layer that loses them with its channels grows them
            back first.
        dropped: "restart": a weight pruned at a step may grow back, from zero; "return": with its value;
            "stay_out": not at the same step.

    Raises:
        ValueError: on use: a setting out of range, dense masks, a network that declares no channels, or whose
            floors do not allow S_c; floors of weights above the masks'.

    Source: Yin et al., NeurIPS 2023, as in the authors' released code, with one difference in which channels go. Where
        k have to, that code takes all whose score is at most the (k + 1)-th lowest, k + 1 of them without ties, and
        removes of every layer's a random sample, so that one among the k lowest may stay; here the k lowest go.
    """

    extra: float = 0.5
    channel_share: float = 0.5
    channel_every: int = 200
    channel_until: int = 800
    floor_share: float = 0.5
    score: str = "mean"
    floor: int = 1
    dropped: str = "restart"

    def uses_channels(self) -> bool:
        """Unless S_c is 0."""
        return self.channel_share != 0

    def plan(self, masks: dict[str, np.ndarray], channels: tuple[Channels, ...]) -> Plan:
        """Three tables: weights after pruning, weights after growing, channels gone."""
        self._check(masks, channels)
        size, budget = sum(m.size for m in masks.values()), sum(int(m.sum()) for m in masks.values())
        grown = counts(budget * (1 + self.extra * cosine(self.until)))
        due = due_at(self.until, self.every, ends=True)
        gone = np.zeros(self.until + 1, np.int32)
        if channels:
            at = due_at(self.channel_until, self.channel_every, ends=True)
            due[: self.channel_until + 1] |= at
            total = sum(group.count for group in channels)
            wanted = counts(self.channel_share * total * cubic(self.channel_until))
            for step in np.flatnonzero(at):
                gone[step:] = wanted[step]
        values = {"kept": np.full(self.until + 1, budget, np.int32), "grown": np.minimum(grown, size), "gone": gone}
        return Plan(due, values)

    def _check(self, masks: dict[str, np.ndarray], channels: tuple[Channels, ...]) -> None:
        if all(mask.all() for mask in masks.values()):
            raise ValueError("every weight is active already, so there is nothing left to grow; give sparse masks")
        check_floor(self.floor)
        # A layer that falls below its floor grows up to it, so that all of them must fit in the budget.
        budget = sum(int(mask.sum()) for mask in masks.values())
        check_floors(self.floor, (mask.size for mask in masks.values()), budget, "the masks")
        regrowth.check_dropped(self.dropped)
        if not 0 <= self.extra < np.inf:
            raise ValueError(
                f"extra is {self.extra!r}; need a number of at least 0, as in 0.5 for 1.5 times the weights"
            )
        if self.score not in SCORES:
            raise ValueError(f"score is {self.score!r}; choose from {', '.join(SCORES)}")
        if not self.uses_channels():
            return
        check_share("channel_share", self.channel_share)
        if not 0 <= self.floor_share <= 1:
            raise ValueError(f"floor_share is {self.floor_share!r}; need a number from 0 to 1")
        if not 1 <= self.channel_until <= self.until:
            raise ValueError(f"channel_until is {self.channel_until}; need a step from 1 to until = {self.until}")
        if not channels:
            raise ValueError("every channel is held by a skip, so none can be removed; set channel_share to 0")
        free = sum(group.count - self.least(group) for group in channels)
        total = sum(group.count for group in channels)
        if (wanted := round(self.channel_share * total)) > free:
            raise ValueError(f"channel_share asks for {wanted} of {total} channels, the layers' floors leave {free}; "
                             "lower channel_share or floor_share")  # fmt: skip

    def least(self, group: Channels) -> int:
        """Channels that a layer keeps: int(C(1 − S_c)β), at least one.

        Example:
            >>> Chase(channel_share=0.5, floor_share=0.5).least(Channels("conv", 16, ("conv.v",)))
            4
        """
        return max(1, int(group.count * (1 - self.channel_share) * self.floor_share))

    def remove(self, view: View, alive: dict[str, jax.Array], channels: tuple[Channels, ...]) -> dict[str, jax.Array]:
        """The channels with the lowest scores go, over all layers, each layer's best staying as its floor."""
        if not channels:
            return alive
        groups = {group.layer: group for group in channels}
        score, keys, free = {}, ranks.keys(jax.random.fold_in(view.key, 2), alive), {}
        for layer, here in alive.items():  # in its order, which is JAX's and not that of the declaration
            path = groups[layer].own[0]
            size, mask = (by_channel(leaves[path], view.layouts[path]) for leaves in (view.size, view.masks))
            score[layer] = SCORES[self.score](size, mask)
            least = jnp.int32(self.least(groups[layer]))
            free[layer] = here & ~ranks.best(score[layer], here, least, keys[layer])
        there = ranks.joined(alive)
        count = view.numbers["gone"] - jnp.sum(~there, dtype=jnp.int32)
        gone = ranks.best(-ranks.joined(score), ranks.joined(free), count, jax.random.fold_in(view.key, 3))
        return ranks.parted(there & ~gone, alive)

    def change(self, view: View) -> Change:
        """Prune to the budget, then grow to the soft bound."""
        prunes, grows = jax.random.split(view.key)
        before = ranks.joined(view.masks)
        first = self._first(view)
        budget = view.numbers["kept"] - jnp.sum(first, dtype=jnp.int32)
        kept = ranks.joined(keep_largest(view.size, view.masks, budget, self.floor, prunes))
        count = view.numbers["grown"] - jnp.sum(kept, dtype=jnp.int32)
        free = ranks.joined(view.allowed) & regrowth.candidates(kept, before, self.dropped)
        worth = jnp.where(first, jnp.inf, ranks.joined(view.gradient))
        grown = ranks.best(worth, free, count, grows)
        stay = regrowth.staying(kept, grown, before, self.dropped)
        return Change(ranks.parted(kept | grown, view.masks), ranks.parted(stay, view.masks))

    def _first(self, view: View) -> jax.Array:
        """What grows before all else: channels that went may have left a layer with fewer weights than its floor."""
        keys, found = ranks.keys(jax.random.fold_in(view.key, 4), view.masks), {}
        for path, mask in view.masks.items():
            free = (view.allowed[path] & ~mask).ravel()
            lacks = self.floor - jnp.sum(mask, dtype=jnp.int32)
            found[path] = ranks.best(view.gradient[path].ravel(), free, lacks, keys[path])
        return ranks.joined(found)
