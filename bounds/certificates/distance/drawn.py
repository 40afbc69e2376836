"""The network that was drawn, with everything that a stranger needs to draw it again."""

from __future__ import annotations

import json
import os
import tempfile
import zipfile
import zlib
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Self

import numpy as np

from sparsebounds.bounds.certificates.distance.densities import LeafSums
from sparsebounds.bounds.certificates.distance.leaves import Leaves, fingerprint, matched, named_leaves, nested, rebuilt
from sparsebounds.bounds.certificates.distance.posterior import Posterior
from sparsebounds.bounds.certificates.distance.prior import Prior
from sparsebounds.bounds.certificates.distance.turns import Turns

FORMAT = 1
"""Of the file; to be raised when its content changes meaning."""
SIDES = ("left", "right")
ROUNDING = 1e-6
"""Nats, and share of them, that sums on another machine may differ by."""
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

        It is written beside its place and then renamed, so that an interrupt leaves no half of it.

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
        place = Path(path)
        place = place if place.suffix == ".npz" else place.with_name(f"{place.name}.npz")
        handle, part = tempfile.mkstemp(dir=place.parent, prefix=f".{place.name}-", suffix=".part")
        try:
            with os.fdopen(handle, "wb") as file:
                np.savez(file, allow_pickle=False, **arrays)
            os.chmod(part, 0o644)
            os.replace(part, place)
        finally:
            Path(part).unlink(missing_ok=True)

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
        """Read what `save` wrote, and draw it again from its seed.

        Args:
            path: of the file.
            like: a tree of the network's weights (its values are not used); None: nested dictionaries by name.

        Raises:
            ValueError: no such file of this format, weights that are not those that were drawn, or a log ratio that is
                not that of prior, posterior and seed.
        """
        try:
            with np.load(path, allow_pickle=False) as file:
                stated = json.loads(str(file["stated"]))
                arrays = {name: file[name] for name in file.files}
            if stated["format"] != FORMAT:
                raise ValueError(f"{path} has format {stated['format']}; this version reads {FORMAT}")
            found = cls._from(stated, arrays, like)
        except (zipfile.BadZipFile, zlib.error, EOFError, KeyError, TypeError, IndexError, AttributeError) as error:
            raise ValueError(f"{path} holds no whole draw ({error}); needed a file that Draw.save wrote") from error
        if not found.unchanged():
            raise ValueError(f"the weights in {path} are not those that were drawn: their fingerprint is another")
        found._check_again(path)
        return found

    @classmethod
    def _from(cls, stated: dict[str, Any], arrays: Leaves, like: Any) -> Self:
        found = {
            part: {n: arrays[f"{part}.{k}"] for k, n in enumerate(stated["names"]) if f"{part}.{k}" in arrays}
            for part in PARTS
        }
        if like is not None:
            matched(like, found["params"], "network")
        tree = nested if like is None else partial(rebuilt, like)
        own = stated["own_errors"]
        prior = Prior(
            tree(found["reference"]), tree(found["scales"]), factors=tuple(stated["factors"]), each=stated["each"],
            shaped_by=arrays.get("shaped_by"), saw=stated["saw"],
            own_errors=None if own is None else (own[0], own[1]),
            own_unused=stated["own_unused"], centre=stated["centre"],
        )  # fmt: skip
        layers = {name: LeafSums(*sums) for name, sums in stated["layers"].items()}
        return cls(
            tree(found["params"]), stated["log_ratio"], prior, int(stated["seed"], 16), stated["kind"], found["mean"],
            found["spread"], stated["nats"], stated["chosen"], layers, stated["replayed"], stated["fingerprint"],
            _turns(stated["names"], arrays),
        )  # fmt: skip

    def _check_again(self, path: str | Path) -> None:
        """The same weights and log ratio from prior, posterior and seed, up to rounding on another machine."""
        spread = self.spread or None
        params, log_ratio, _ = Posterior(self.prior, self.mean, spread, self.chosen, self.turns).drawn(
            self.seed, self.nats
        )
        if abs(log_ratio - self.log_ratio) > ROUNDING * (1.0 + abs(log_ratio)):
            raise ValueError(
                f"{path} states the log ratio {self.log_ratio:.6g}, and its prior, posterior and seed have "
                f"{log_ratio:.6g}; needed the file as Draw.save wrote it"
            )
        for name, leaf in named_leaves(self.params, "drawn weights").items():
            close = ROUNDING * float(np.abs(params[name]).max(initial=0.0))
            if not np.allclose(leaf, params[name], rtol=ROUNDING, atol=close, equal_nan=True):
                raise ValueError(
                    f"the leaf {name} in {path} is not what its seed draws; needed the file as it was saved"
                )


def _turns(names: list[str], arrays: Leaves) -> Turns:
    pairs = {name: (arrays.get(f"{SIDES[0]}.{k}"), arrays.get(f"{SIDES[1]}.{k}")) for k, name in enumerate(names)}
    return {name: pair for name, pair in pairs.items() if any(side is not None for side in pair)}
