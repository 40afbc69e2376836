"""N networks that toss coins, and a draw that picks one: a distribution known exactly, for certificates of one draw.

Labels are fair coins, and so is every prediction: each network errs on half of all new data, whatever was picked. A
vector v ∈ R^N is decoded as the network of its largest coordinate. The posterior sees the sample: it moves v towards
the network with the fewest errors there, by as much as it likes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float64

from sparsebounds.bounds.certificates.distance.drawing import draw
from sparsebounds.bounds.certificates.distance.drawn import Draw
from sparsebounds.bounds.certificates.distance.forms import Counts, direct, excess
from sparsebounds.bounds.certificates.distance.prices import Prices, prices
from sparsebounds.bounds.certificates.distance.prior import Prior

NETWORKS, SAMPLES = 2000, 400
TRUTH = 0.5
LOG_DELTA = math.log(0.05)
STEPS = (2.0, 3.0, 4.0)
"""How far a posterior may move, tried one after the other."""
BUDGETS: tuple[float | str, ...] = (0.0, 2.0, 5.0, 10.0, "kl")
FREE = prices(None, (), 1)


@dataclass(frozen=True, eq=False)
class Lottery:
    """One sample."""

    wrong: Bool[np.ndarray, "N m"]
    rng: np.random.Generator
    """Of everything that the posterior uses, and of seeds that it never sees."""

    @property
    def errors(self) -> Any:
        """Of every network, (N,)."""
        return self.wrong.sum(axis=1)

    @property
    def best(self) -> int:
        """The network with the fewest errors on the sample."""
        return int(self.errors.argmin())

    def seed(self) -> int:
        """As fresh as one of the operating system, and the same in every run."""
        return int.from_bytes(self.rng.bytes(16), "little")

    def towards(self, network: int, step: float) -> Float64[np.ndarray, " N"]:
        """A mean."""
        mean = np.zeros(len(self.wrong))
        mean[network] = step
        return mean

    def counts(self, network: int) -> Counts:
        """Of this network; the reference is the first."""
        none = np.zeros(self.wrong.shape[1], dtype=bool)
        return Counts.of(self.wrong[network], self.wrong[0], none)

    def value(
        self, drawn: Draw, budgets: tuple[float | str, ...] = BUDGETS, *, paid: Prices = FREE,
        log_ratio: float | None = None, decoded: int | None = None,
    ) -> float:  # fmt: skip
        """The direct form; ratio and network may be replaced by a slip."""
        network = decode(drawn) if decoded is None else decoded
        ratio = drawn.log_ratio if log_ratio is None else log_ratio
        return direct(self.counts(network), ratio, LOG_DELTA, paid, budgets).value


def lotteries(draws: int, seed: int) -> Iterator[Lottery]:
    """So many samples."""
    rng = np.random.default_rng(seed)
    for _ in range(draws):
        bits = np.frombuffer(rng.bytes(NETWORKS * SAMPLES // 8), dtype=np.uint8)
        yield Lottery(np.unpackbits(bits).reshape(NETWORKS, SAMPLES).astype(bool), rng)


def decode(drawn: Draw) -> int:
    """The network of the largest coordinate."""
    parts = drawn.params.values()
    return int(np.concatenate([np.asarray(part) for part in parts]).argmax())


PLAIN = Prior({"v": np.zeros(NETWORKS, np.float32)}, 1.0)
LAYERS = Prior(
    {"a": np.zeros(NETWORKS // 2, np.float32), "b": np.zeros(NETWORKS // 2, np.float32)}, 1.0, factors=(0.5, 1.0),
    each=True,
)  # fmt: skip
Attempt = Callable[[Lottery], float]


def tuned(found: Lottery) -> float:
    """The step that did best in three trials with seeds of their own, then a fresh draw."""
    means = [found.towards(found.best, step) for step in STEPS]
    trials = [found.value(draw(PLAIN, {"v": mean}, seed=found.seed())) for mean in means]
    return found.value(draw(PLAIN, {"v": means[int(np.argmin(trials))]}, seed=found.seed()))


def half_space(found: Lottery) -> float:
    """One declared budget, used up."""
    drawn = draw(PLAIN, {"v": found.towards(found.best, 1.0)}, nats=5.0, seed=found.seed())
    return found.value(drawn, (5.0,))


def layers(found: Lottery) -> float:
    """The layer that holds the best network keeps its scale, the other is halved: chosen with the sample."""
    mean, half = found.towards(found.best, 3.0), NETWORKS // 2
    chosen = {"a": 1.0, "b": 0.5} if found.best < half else {"a": 0.5, "b": 1.0}
    drawn = draw(LAYERS, {"a": mean[:half], "b": mean[half:]}, factor=chosen, seed=found.seed())
    return found.value(drawn, (*BUDGETS[:-1], "tail"))


def both_forms(found: Lottery) -> float:
    """Direct and excess at δ/2 each, the smaller."""
    drawn = draw(PLAIN, {"v": found.towards(found.best, 3.0)}, seed=found.seed())
    counts, half = found.counts(decode(drawn)), LOG_DELTA - math.log(2.0)
    values = direct(counts, drawn.log_ratio, half, FREE, BUDGETS), excess(counts, drawn.log_ratio, half, FREE)
    return min(one.value for one in values)


def excess_alone(found: Lottery) -> float:
    """The excess form at δ."""
    drawn = draw(PLAIN, {"v": found.towards(found.best, 3.0)}, seed=found.seed())
    return excess(found.counts(decode(drawn)), drawn.log_ratio, LOG_DELTA, FREE).value


def _ten(found: Lottery, budget: float, paid: Prices) -> float:
    drawn = [draw(PLAIN, {"v": np.zeros(NETWORKS)}, seed=found.seed()) for _ in range(10)]
    return min(found.value(one, (budget,), paid=paid) for one in drawn)


def ten_paid(found: Lottery) -> float:
    """The best of ten draws, ten declared before the first."""
    return _ten(found, math.log(10.0), prices(None, (), 10))


def ten_unpaid(found: Lottery) -> float:
    """A slip: the best of ten draws for the price of one."""
    return _ten(found, 0.0, FREE)


def ratio_of_the_mean(found: Lottery) -> float:
    """A slip: K = ½|u|² for the ratio of what was drawn."""
    drawn = draw(PLAIN, {"v": found.towards(found.best, 2.6)}, seed=found.seed())
    return found.value(drawn, (3.38,), log_ratio=3.38)


def known_key(found: Lottery) -> float:
    """A slip: whoever knows ε takes u = v − ε for any v."""
    seed = found.seed()
    mean = found.towards(found.best, 0.01) - np.random.default_rng(seed).standard_normal(NETWORKS)
    return found.value(draw(PLAIN, {"v": mean}, seed=seed))


def one_key(found: Lottery) -> float:
    """A slip: a search from one coordinate to the next, all with one key; the length of the search is paid."""
    seed = found.seed()
    noise = np.random.default_rng(seed).standard_normal(NETWORKS)
    mean = -np.maximum(noise, 0.0)  # each that leads is lowered to 0, one look after the other: the ratio falls, too
    mean[found.best] = 0.01 - noise[found.best]
    paid = prices({"looks": NETWORKS}, (), 1)
    return found.value(draw(PLAIN, {"v": mean}, seed=seed), paid=paid)


def scales_of_the_posterior(found: Lottery) -> float:
    """A slip: scales that saw the sample make a prior which prefers its best network."""
    scales = np.ones(NETWORKS)
    scales[found.best] = 10.0
    prior = Prior({"v": np.zeros(NETWORKS, np.float32)}, {"v": scales})
    return found.value(draw(prior, {"v": np.zeros(NETWORKS)}, seed=found.seed()))


def reference_that_saw(found: Lottery) -> float:
    """A slip: the reference was chosen on half of the certified samples."""
    seen = int(found.wrong[:, : SAMPLES // 2].sum(axis=1).argmin())
    reference = {"v": found.towards(seen, 10.0).astype(np.float32)}
    return found.value(draw(Prior(reference, 0.1), reference, seed=found.seed()))


def redone_afterwards(found: Lottery) -> float:
    """A slip: statistics of the network are made again on the sample after the draw, and lift its best network."""
    drawn = draw(PLAIN, {"v": np.zeros(NETWORKS)}, seed=found.seed())
    lifted = np.asarray(drawn.params["v"]) + found.towards(found.best, 10.0)
    return found.value(drawn, decoded=int(lifted.argmax()))


HONEST: dict[str, Attempt] = {
    "step tuned with other draws, then a fresh one": tuned,
    "half-space, one budget": half_space,
    "a factor for each layer": layers,
    "direct and excess at δ/2": both_forms,
    "excess": excess_alone,
    "best of ten draws, paid": ten_paid,
}
SLIPS: dict[str, Attempt] = {
    "log ratio of the mean": ratio_of_the_mean,
    "best of ten draws, unpaid": ten_unpaid,
    "a key known to the posterior": known_key,
    "one key through a search, its length paid": one_key,
    "scales taken from the posterior": scales_of_the_posterior,
    "a reference that saw part of the sample": reference_that_saw,
    "statistics redone after the draw": redone_afterwards,
}
