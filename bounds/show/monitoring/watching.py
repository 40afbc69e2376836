"""`monitor`: bounds and measures of the network as it trains, logged in the user's own loop."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Any

import jax
import numpy as np
import pandas as pd
from flax import nnx

from sparsebounds.bounds.arguments import check_delta
from sparsebounds.bounds.bound import Theorem
from sparsebounds.bounds.graph.graph import Graph
from sparsebounds.bounds.graph.reference import Reference
from sparsebounds.bounds.measures import MEASURES
from sparsebounds.bounds.measuring import measures
from sparsebounds.bounds.network import Network
from sparsebounds.bounds.reader import read_graph
from sparsebounds.bounds.registry import BOUNDS, capacity_of, evaluations
from sparsebounds.bounds.sample.checks import check_sample
from sparsebounds.bounds.sample.parts import check_several
from sparsebounds.bounds.sample.sample import Sample
from sparsebounds.bounds.show.monitoring.logs import COLUMNS, Row, writers_of
from sparsebounds.bounds.show.monitoring.thinning import Thinning
from sparsebounds.bounds.table_arguments import checked_options

GUARANTEE = "measure"
"""Of every row: no bound at all."""
NO_CERTIFICATE = "one look of many, at some of the samples: no certificate of a network that is picked by it"


def monitor(
    x: Any,
    y: Any,
    names: Iterable[str],
    *,
    share: float = 0.01,
    samples: int | None = 512,
    seed: int = 0,
    to: Any = None,
    delta: float = 1e-3,
    reference: Graph | Reference | None = None,
    options: Mapping[str, Any] | None = None,
) -> Monitor:
    """Follow bounds and measures of a network while your own loop trains it, within a share of the loop's time.

    Make it right before the loop, call it as often as you like: `watch(f, step)`. A call looks at the network only if
    that keeps the time of all looks at most `share` of the time since the start; otherwise it returns at once. The
    first look waits until its guessed cost (2 s of compiling) is within the share, 200 s at 1 %; one that costs more
    is paid back before the next. `watch(f, step, now=True)` looks whatever it costs.

    **Nothing that is logged is a certificate**: the guarantee of every row is "measure". The numbers are of a subset,
    and a network that is picked by them, an epoch for instance, was picked after many looks, of which no row pays for
    more than one. For a certificate take `bounds.table` of the network in the end, on all samples that trained it; if
    the log picked it, with `delta` divided by the largest number of looks that there could have been, a number fixed
    before training (such as that of epochs), so that all that was looked at is paid for. Test samples must not come
    here: whoever stops by them has no held-out bound from them.

    Args:
        x, y: the training samples, as the network receives them.
        names: of bounds (`bounds.BOUNDS`) and of measures (`bounds.MEASURES`), mixed as you like.
        share: of the time since this call, above 0 and at most 1.
        samples: how many of the m samples are looked at, drawn once by `seed` and the same in every look; None: all.
        seed: of that draw.
        to: where rows go beside `watch.frame()`: the path of a CSV file (rows are added; one of an earlier run is gone
            on with), a SummaryWriter of TensorBoard (of PyTorch, tensorboardX or Flax; nothing is imported), a
            function of a row, or a list of these.
        delta: of the bounds.
        reference: the network before training, for distances from it.
        options: further keywords of the bounds, such as {"gamma": 1.0}.

    Returns:
        Monitor, called as `watch(f, step)`: f is a function of a batch or a Flax NNX module in evaluation mode; with
        `params=` a function of (params, x).

    Raises:
        ValueError: bad data, an unknown name or option, a share or number of samples out of range, a file that is no
            such log. What goes wrong in the loop is a row with the reason and one warning: it never stops a training.

    Example:
        >>> from sparsebounds import bounds
        >>> x = np.random.default_rng(0).normal(size=(60, 3)).astype(np.float32)
        >>> watch = bounds.monitor(x, (x[:, 1] > 0).astype(int), ["golowich", "params"], samples=40)
        >>> w = np.eye(3, dtype=np.float32)[:, :2]
        >>> watch(lambda x: x @ w, 0), watch(lambda x: x @ w, 1, now=True)
        (False, True)
        >>> watch.frame()[["step", "name", "guarantee", "m"]].to_numpy().tolist()
        [[1, 'golowich', 'measure', 40], [1, 'params', 'measure', 40]]
    """
    return Monitor(x, y, names, share, samples, seed, to, delta, reference, options)


class Monitor:
    """Made by `monitor`; `rows` has all that was logged, `looks` and `passed_over` count the calls."""

    def __init__(
        self,
        x: Any,
        y: Any,
        names: Iterable[str],
        share: float,
        samples: int | None,
        seed: int,
        to: Any,
        delta: float,
        reference: Graph | Reference | None,
        options: Mapping[str, Any] | None,
    ) -> None:
        check_delta(delta)
        self._bounds, self._measures = _chosen(names)
        if isinstance(share, bool) or not 0 < share <= 1:
            raise ValueError(f"share is {share!r}; needed a share of the time, above 0 and at most 1, such as 0.01")
        self._x, self._y = _subset(x, y, samples, seed)
        self._options = checked_options(options, self._bounds, None, None) | {"delta": delta, "reference": reference}
        self._reference = reference
        self._writers = writers_of(to)
        self._warned: set[str] = set()
        self.rows: list[Row] = []
        self.passed_over = 0
        self._thinning = Thinning(share)

    @property
    def looks(self) -> int:
        """How many calls looked at the network."""
        return self._thinning.looks

    @property
    def share(self) -> float:
        """What the looks took of the time since the start, so far."""
        return self._thinning.spent / max(self._thinning.elapsed, 1e-9)

    def __call__(self, f: Any, step: int, *, params: Any = None, now: bool = False) -> bool:
        """Look at the network, if there is time for it.

        Args:
            f: a function of a batch, or a Flax NNX module in evaluation mode; it is called, never changed.
            step: of the row, such as the epoch.
            params: if given, f is a function of (params, x).
            now: look whatever it costs, at the end for instance.

        Returns:
            Whether it looked.
        """
        if not (now or self._thinning.due):
            self.passed_over += 1
            return False
        with suppress(Exception):  # what was asked of the device before is the training's time; its troubles come below
            jax.block_until_ready(nnx.state(f) if isinstance(f, nnx.Module) else params)
        seconds = self._thinning.elapsed
        with self._thinning.looking():
            about = {"step": step, "seconds": round(seconds, 3), "guarantee": GUARANTEE, "m": len(self._y)}
            rows = [about | row for row in self._seen(f, params)]
            self.rows += rows
            for write in self._writers:
                try:
                    write(rows)
                except Exception as error:  # a full disk must not end a training
                    self._warn(f"a writer failed: {type(error).__name__}: {error}")
        return True

    def frame(self) -> pd.DataFrame:
        """All rows: step, seconds since the start, name, value, capacity (of bounds), guarantee, m, note."""
        return pd.DataFrame(self.rows, columns=list(COLUMNS))

    def __repr__(self) -> str:
        return (
            f"<Monitor: {self.looks} looks in {100 * self.share:.2g} % of {self._thinning.elapsed:.0f} s, "
            f"{self.passed_over} calls passed over, m = {len(self._y)}>"
        )

    def _seen(self, f: Any, params: Any) -> list[Row]:
        """Rows of one look; what cannot be read is a row for each name, with the reason."""
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of a network half trained: no better than chance, for instance
                return list(self._evaluated(Network.of(f, params)))
        except Exception as error:
            reason = f"{type(error).__name__}: {error}"
            self._warn(reason)
            empty = {"value": math.nan, "capacity": math.nan, "note": reason}
            return [{"name": name} | empty for name in (*self._bounds, *self._measures)]

    def _evaluated(self, network: Network) -> Iterator[Row]:
        graph = read_graph(network, self._x[:2])
        if self._bounds:
            sample = Sample.measure(network, self._x, self._y)
            for name, found, _ in evaluations(self._bounds, graph, sample, self._options):
                capacity = capacity_of(self._bounds[name], graph, sample, self._options, found)
                note = "; ".join(part for part in (NO_CERTIFICATE if found.covered else "", found.note) if part)
                yield {"name": name, "value": found.value, "capacity": capacity, "note": note}
        if self._measures:
            frame = measures(network, self._x, self._y, self._reference, names=self._measures, graph=graph)
            for row in frame.to_dict(orient="records"):
                yield {"name": row["measure"], "value": row["value"], "capacity": math.nan, "note": row["note"]}

    def _warn(self, reason: str) -> None:
        if reason not in self._warned:
            self._warned.add(reason)
            warnings.warn(f"bounds.monitor: {reason}", stacklevel=3)


def _chosen(names: Iterable[str]) -> tuple[dict[str, Theorem[...]], list[str]]:
    if isinstance(names, str):
        raise ValueError(f"names is the text {names!r}; a list of names is needed: [{names!r}]")
    wanted = list(dict.fromkeys(names))
    unknown = [name for name in wanted if name not in BOUNDS and name not in MEASURES]
    if unknown or not wanted:
        what = f"unknown name {unknown[0]!r}" if unknown else "no name came"
        raise ValueError(f"{what}; the bounds are {', '.join(BOUNDS)}, the measures {', '.join(MEASURES)}")
    return {name: BOUNDS[name] for name in wanted if name in BOUNDS}, [name for name in wanted if name not in BOUNDS]


def _subset(x: Any, y: Any, samples: int | None, seed: int) -> tuple[np.ndarray, np.ndarray]:
    x, labels = check_sample(x, y)
    if samples is not None and not (isinstance(samples, int) and samples >= 2):
        raise ValueError(f"samples is {samples!r}; needed how many of the {len(labels)} are looked at, or None for all")
    count = len(labels) if samples is None else min(samples, len(labels))
    which = np.sort(np.random.default_rng(seed).choice(len(labels), count, replace=False))
    check_several(count, np.unique(labels[which]))
    return np.asarray(x[which]), np.asarray(labels[which])
