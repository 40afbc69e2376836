"""The network that was drawn, with everything that a stranger needs to draw it again."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Self

import numpy as np

from sparsebounds.bounds.certificates.distance.densities import LeafSums
from sparsebounds.bounds.certificates.distance.leaves import Leaves, fingerprint, matched, named_leaves, nested, rebuilt
from sparsebounds.bounds.certificates.distance.prior import Prior
from sparsebounds.bounds.certificates.distance.turns import Turns

FORMAT = 1
"""Of the file; to be raised when its content changes meaning."""
SIDES = ("left", "right")
PARTS = ("reference", "scales", "mean", "spread", "params")


@dataclass(frozen=True, eq=False)
class Draw:
    """One network drawn from a posterior; `bounds.draw` makes it, or `Draw.load`.

    Args:
        params: the weights that are handed out, the tree of the reference in float32.
        log_ratio: log dQ/dP at the weights that were drawn, in float64, every factor paid.
        prior: what was fixed without the sample.
        seed: 128 bits that the operating system gave after the posterior was settled.
        kind: "gaussian", "half-space" or "own spreads".
        mean: of the posterior, by leaf.
        spread: its standard deviations, by leaf; empty where they are those of the prior.
        nats: the constant log ratio of a half-space, or None.
        chosen: factor of every group that the posterior was made for.
        layers: sums by leaf.
        replayed: whether the seed was given: such a draw earns no certificate.
        turns: orthogonal coordinates of the spread, by leaf.
    """

    params: Any = field(repr=False)
    log_ratio: float
    prior: Prior = field(repr=False)
    seed: int
    kind: str
    mean: Leaves = field(repr=False)
    spread: Leaves = field(repr=False)
    nats: float | None
    chosen: dict[str, float]
    layers: dict[str, LeafSums] = field(repr=False)
    replayed: bool
    fingerprint: str
    turns: Turns = field(default_factory=dict, repr=False)

    @property
    def nats_of_prior(self) -> float:
        """What the choice of factors costs at most; contained in `log_ratio`."""
        return self.prior.nats

    @property
    def reference(self) -> Any:
        """Weights of the reference, as the network takes them."""
        return self.prior.reference

    def unchanged(self) -> bool:
        """Whether the weights are those that were drawn, to the last bit."""
        return fingerprint(named_leaves(self.params, "drawn weights")) == self.fingerprint

    def save(self, path: str | Path) -> None:
        """Write one npz file with prior, posterior, seed and weights; nothing in it is pickled.

        Raises:
            ValueError: the weights changed since the draw.

        Example:
            >>> import tempfile
            >>> from sparsebounds import bounds
            >>> prior = bounds.Prior({"w": np.zeros(2, np.float32)}, 1.0)
            >>> drawn = bounds.draw(prior, {"w": np.ones(2)})
            >>> with tempfile.TemporaryDirectory() as folder:
            ...     drawn.save(f"{folder}/draw.npz")
            ...     again = Draw.load(f"{folder}/draw.npz")
            >>> again.fingerprint == drawn.fingerprint, again.log_ratio == drawn.log_ratio
            (True, True)
        """
        if not self.unchanged():
            raise ValueError("the weights changed since the draw; only those that were drawn are covered")
        params = named_leaves(self.params, "drawn weights")
        parts = dict(zip(PARTS, (self.prior.leaves, self.prior.spreads, self.mean, self.spread, params), strict=True))
        names = list(self.prior.leaves)
        arrays = {
            f"{part}.{k}": leaves[name]
            for part, leaves in parts.items()
            for k, name in enumerate(names)
            if name in leaves
        }
        for name, pair in self.turns.items():
            found = zip(SIDES, pair, strict=True)
            arrays |= {f"{side}.{names.index(name)}": turn for side, turn in found if turn is not None}
        if self.prior.shaped_by is not None:
            arrays["shaped_by"] = self.prior.shaped_by
        arrays["stated"] = np.array(json.dumps(self._stated(names)))
        np.savez(path, allow_pickle=False, **arrays)

    def _stated(self, names: list[str]) -> dict[str, Any]:
        prior = self.prior
        return {
            "format": FORMAT,
            "names": names,
            "seed": f"{self.seed:032x}",
            "kind": self.kind,
            "nats": self.nats,
            "chosen": self.chosen,
            "factors": list(prior.factors),
            "each": prior.each,
            "saw": prior.saw,
            "own_errors": prior.own_errors,
            "own_unused": prior.own_unused,
            "centre": prior.centre,
            "log_ratio": self.log_ratio,
            "replayed": self.replayed,
            "fingerprint": self.fingerprint,
            "layers": {name: [s.moving, s.ratio, s.distance, s.mean] for name, s in self.layers.items()},
        }

    @classmethod
    def load(cls, path: str | Path, *, like: Any = None) -> Self:
        """Read what `save` wrote.

        Args:
            path: of the file.
            like: a tree of the network's weights (its values are not used); None: nested dictionaries by name.

        Raises:
            ValueError: another format, or weights that are not those that were drawn.
        """
        with np.load(path, allow_pickle=False) as file:
            stated = json.loads(str(file["stated"]))
            if stated["format"] != FORMAT:
                raise ValueError(f"{path} has format {stated['format']}; this version reads {FORMAT}")
            found = {
                part: {n: file[f"{part}.{k}"] for k, n in enumerate(stated["names"]) if f"{part}.{k}" in file}
                for part in PARTS
            }
            names = stated["names"]
            pairs = [(file.get(f"{SIDES[0]}.{k}"), file.get(f"{SIDES[1]}.{k}")) for k in range(len(names))]
            shaped_by = file["shaped_by"] if "shaped_by" in file else None
        if like is not None:
            matched(like, found["params"], "network")
        tree = nested if like is None else partial(rebuilt, like)
        own = stated["own_errors"]
        prior = Prior(
            tree(found["reference"]), tree(found["scales"]), factors=tuple(stated["factors"]), each=stated["each"],
            shaped_by=shaped_by, saw=stated["saw"], own_errors=None if own is None else (own[0], own[1]),
            own_unused=stated["own_unused"], centre=stated["centre"],
        )  # fmt: skip
        layers = {name: LeafSums(*sums) for name, sums in stated["layers"].items()}
        drawn = cls(
            tree(found["params"]), stated["log_ratio"], prior, int(stated["seed"], 16), stated["kind"], found["mean"],
            found["spread"], stated["nats"], stated["chosen"], layers, stated["replayed"], stated["fingerprint"],
            {name: pair for name, pair in zip(names, pairs, strict=True) if any(side is not None for side in pair)},
        )  # fmt: skip
        if not drawn.unchanged():
            raise ValueError(f"the weights in {path} are not those that were drawn: their fingerprint is another")
        return drawn
