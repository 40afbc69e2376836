"""A stranger's recomputation of a certificate of one draw, from released files alone: NumPy and the decoder.

    python experiments/certify/recompute.py draw.npz data.npz decoder.py --delta 0.001 --budgets 10 --value 0.0132

Reads what `Draw.save` wrote, and the certified samples (arrays x and y). `decoder.py` has f(params, x) -> scores, and
if its weights are no nested dictionaries a function weights(named) that makes them of {name: array}. Nothing of this
library is imported, and no formula is shared with it: densities are those of normal distributions, binomial tails are
summed term by term, every root is found by halving. The prices of choices are nats that the certificate names.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import math
import sys
from collections.abc import Callable, Mapping, Sequence
from statistics import NormalDist
from typing import Any

import numpy as np

Arrays = dict[str, np.ndarray]
STAKES = (1.0, 0.7, 0.5, 0.35, 0.25, 0.18, 0.12, 0.09)


def read(path: str) -> tuple[dict[str, Any], dict[str, Arrays]]:
    """What is stated, and reference, scales, mean, spread and params by name."""
    with np.load(path, allow_pickle=False) as file:
        stated = json.loads(str(file["stated"]))
        parts = {
            part: {name: file[f"{part}.{k}"] for k, name in enumerate(stated["names"]) if f"{part}.{k}" in file}
            for part in ("reference", "scales", "mean", "spread", "params", "left", "right")
        }
    return stated, parts


def turned(step: np.ndarray, name: str, parts: Mapping[str, Arrays], *, back: bool) -> np.ndarray:
    """Uᵀ step V, or back again, of a leaf as a matrix of its last axis; the leaf itself where it is not turned."""
    shape, columns = step.shape, step.shape[-1] if step.ndim > 1 else 1
    left, right = parts["left"].get(name), parts["right"].get(name)
    found = step.reshape(-1, columns)
    found = found if left is None else (left if back else left.T) @ found
    return (found if right is None else found @ (right.T if back else right)).reshape(shape)


def groups(stated: Mapping[str, Any], scales: Arrays) -> dict[str, list[str]]:
    """Leaves that share a factor."""
    moving = [name for name in stated["names"] if scales[name].size and (scales[name] > 0).any()]
    return {name: [name] for name in moving} if stated["each"] else {"all": moving} if moving else {}


def drawn_again(stated: Mapping[str, Any], parts: Mapping[str, Arrays]) -> Arrays:
    """The weights in float64, from the seed: mean + spread · ε, or the point of the half-space."""
    rng = np.random.default_rng(int(stated["seed"], 16))
    chosen = {n: stated["chosen"][g] for g, names in groups(stated, parts["scales"]).items() for n in names}
    full = {n: np.broadcast_to(parts["scales"][n], parts["reference"][n].shape).astype(float) for n in chosen}
    scale = {n: chosen[n] * full[n] for n in chosen if chosen[n] > 0}
    where = {n: scale[n] > 0 for n in scale}
    away = {n: parts["mean"][n].astype(float) - parts["reference"][n].astype(float) for n in scale}
    u = {n: turned(step, n, parts, back=False)[where[n]] for n, step in away.items()}
    u = {n: u[n] / scale[n][where[n]] for n in scale}
    if stated["kind"] == "half-space":
        share = 1.0 - rng.random()
        left = stated["nats"] - len(groups(stated, parts["scales"])) * math.log(len(stated["factors"]))
        along = upper_quantile(left - math.log(share))
        noise = {n: rng.standard_normal(u[n].size) for n in u}
        length = math.sqrt(sum(float(np.sum(one * one)) for one in u.values()))
        inside = sum(float(np.sum(u[n] * noise[n])) for n in u) / length
        v = {n: noise[n] + (along - inside) * u[n] / length for n in u}
    else:
        spread = {
            n: np.broadcast_to(parts["spread"].get(n, scale[n]), scale[n].shape)[where[n]] / scale[n][where[n]]
            for n in u
        }
        v = {n: u[n] + spread[n] * rng.standard_normal(u[n].size) for n in u}
    weights = {n: leaf.astype(float) for n, leaf in parts["reference"].items()}
    for n in v:
        step = np.zeros(weights[n].shape)
        step[where[n]] = scale[n][where[n]] * v[n]
        weights[n] += turned(step, n, parts, back=True)
    return weights


def log_ratio(stated: Mapping[str, Any], parts: Mapping[str, Arrays], w: Arrays) -> float:
    """log of the posterior's density over the mixture's, group by group; that of a half-space is stated."""
    if stated["kind"] == "half-space":
        return float(stated["nats"])
    total = 0.0
    for group, names in groups(stated, parts["scales"]).items():
        chosen, factors = stated["chosen"][group], stated["factors"]
        if chosen == 0.0:
            total += math.log(len(factors))
            continue
        own, priors = 0.0, dict.fromkeys([c for c in factors if c > 0], 0.0)
        for n in names:
            scale = np.broadcast_to(parts["scales"][n], w[n].shape).astype(float)
            where = scale > 0
            t = np.broadcast_to(parts["spread"].get(n, chosen * scale), w[n].shape)[where]
            near = turned(w[n] - parts["mean"][n].astype(float), n, parts, back=False)
            own += log_normal(near[where], t)
            for c in priors:
                priors[c] += log_normal(w[n][where] - parts["reference"][n].astype(float)[where], c * scale[where])
        largest = max(priors.values())
        mixed = largest + math.log(sum(math.exp(one - largest) for one in priors.values()) / len(factors))
        total += own - mixed
    return total


def log_normal(x: np.ndarray, t: np.ndarray) -> float:
    """Σ of log densities of N(0, t²), without the constant that cancels."""
    return float(np.sum(-0.5 * (x / t) ** 2 - np.log(t)))


def upper_quantile(nats: float) -> float:
    """t with P(N(0,1) > t) = e^(−nats), by halving; the tail by erfc, or its series beyond 30."""
    low, high = -40.0, math.sqrt(2 * nats + 40) + 1
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if log_tail(middle) > -nats else (low, middle)
    return (low + high) / 2


def log_tail(t: float) -> float:
    """log P(N(0,1) > t)."""
    if t < 30:
        return math.log(math.erfc(t / math.sqrt(2)) / 2) if t > -5 else math.log(NormalDist().cdf(-t))
    return -t * t / 2 - math.log(t * math.sqrt(2 * math.pi)) + math.log1p(-1 / t**2 + 3 / t**4 - 15 / t**6)


def largest(allowed: Callable[[float], bool], low: float, high: float = 1.0) -> float:
    """The largest number that is allowed, by halving from above."""
    if allowed(high):
        return high
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if allowed(middle) else (low, middle)
    return high


def binomial_limit(k: int, m: int, log_q: float) -> float:
    """The largest p with P(Bin(m, p) ≤ k) ≥ q."""
    if k == m:
        return 1.0
    i = np.arange(k + 1)
    logs = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, m + 1)))])
    choose = logs[m] - logs[i] - logs[m - i]

    def allowed(p: float) -> bool:
        terms = choose + i * math.log(p) + (m - i) * math.log1p(-p)
        return float(terms.max() + np.log(np.exp(terms - terms.max()).sum())) >= log_q

    return largest(allowed, k / m, 1 - 1e-15)


def kl_limit(k: int, m: int, nats: float) -> float:
    """The largest p with m kl(k/m‖p) ≤ nats + log Σ_{j ≤ mp} P(Bin(m, j/m) = j)."""
    j = np.arange(m + 1, dtype=float)
    logs = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, m + 1)))])
    g = logs[m] - logs - logs[::-1] + j * np.log(np.maximum(j, 1) / m) + (m - j) * np.log(np.maximum(m - j, 1) / m)
    sums, share, p = np.log(np.cumsum(np.exp(g))), k / m, 1.0
    for _ in range(m + 2):
        right = max(nats + float(sums[min(int(m * p), m)]), 0.0)
        new = largest(lambda p, right=right: m * divergence(share, p) <= right, share, 1 - 1e-15)  # type: ignore[misc]
        if new >= p - 1e-13:
            return new
        p = new
    return p


def divergence(q: float, p: float) -> float:
    """kl(q‖p)."""
    first = q * math.log(q / p) if q > 0 else 0.0
    return first + ((1 - q) * math.log((1 - q) / (1 - p)) if q < 1 else 0.0)


def tail_limit(k: int, m: int, nats: float) -> float:
    """The binomial limit at q with 2/(q log²(1/q)) = e^nats, q ≤ e^−2."""
    length = -largest(lambda minus: -minus + math.log(2) - 2 * math.log(-minus) >= nats, -(abs(nats) * 2 + 100), -2.0)
    return binomial_limit(k, m, -length)


def excess_limit(worse: int, better: int, m: int, nats: float) -> float:
    """The largest D at which the mean of the eight products is at most e^nats."""

    def allowed(d: float) -> bool:
        logs = []
        for stake in STAKES:
            cut = stake if d >= 1 else min(stake, 1 / (1 - d))
            pairs = ((worse, 1 + cut * (d - 1)), (better, 1 + cut * (d + 1)), (m - worse - better, 1 + cut * d))
            logs.append(sum(n * math.log(max(one, 1e-300)) for n, one in pairs if n))
        top = max(logs)
        return top + math.log(sum(math.exp(one - top) for one in logs) / len(STAKES)) <= nats

    return largest(allowed, -1 + 1e-12)


def wrong(f: Callable[[Any, Any], Any], params: Any, x: np.ndarray, y: np.ndarray, batch: int) -> np.ndarray:
    """Whether the label's score is not above all others."""
    found = []
    for start in range(0, len(y), batch):
        scores = np.asarray(f(params, x[start : start + batch]), dtype=np.float64)
        label = y[start : start + batch]
        own = np.take_along_axis(scores, label[:, None], 1)[:, 0]
        np.put_along_axis(scores, label[:, None], -np.inf, 1)
        found.append(~(own > scores.max(axis=1)))
    return np.concatenate(found)


def direct_value(k: int, m: int, ratio: float, log_delta: float, budgets: Sequence[str]) -> float:
    """Equal shares for the list of numbers and every word; the smallest limit."""
    numbers = [float(one) for one in budgets if one not in ("kl", "tail")]
    words = [one for one in budgets if one in ("kl", "tail")]
    shared = log_delta - math.log(len(words) + bool(numbers))
    values = [kl_limit(k, m, ratio - shared) if word == "kl" else tail_limit(k, m, ratio - shared) for word in words]
    enough = [budget for budget in numbers if ratio <= budget + 1e-9]
    if enough:
        values.append(binomial_limit(k, m, shared - math.log(len(numbers)) - enough[0]))
    return min([*values, 1.0])


def recompute(
    path: str, decoder: Any, x: np.ndarray, y: np.ndarray, *, delta: float, budgets: Sequence[str], nats: float = 0.0,
    reference_nats: float = 0.0, form: str = "direct", batch: int = 1000,
) -> dict[str, Any]:  # fmt: skip
    """Weights, ratio, errors and value again; nats: all prices, reference_nats: those that chose the reference too."""
    stated, parts = read(path)
    again = drawn_again(stated, parts)
    same = all(np.allclose(again[n], leaf, rtol=2.0**-23, atol=1e-9) for n, leaf in parts["params"].items())
    make = getattr(decoder, "weights", nested)
    errors, base = (wrong(decoder.f, make(parts[part]), x, y, batch) for part in ("params", "reference"))
    m, k, k0 = len(y), int(errors.sum()), int(base.sum())
    ratio = log_ratio(stated, parts, again)
    log_delta = math.log(delta / (2 if form == "both" else 1))
    values = []
    if form != "excess":
        values.append(direct_value(k, m, ratio + nats, log_delta, budgets))
    if form != "direct":
        more = excess_limit(int((errors & ~base).sum()), int((base & ~errors).sum()), m,
                            ratio + nats - log_delta - math.log(0.2))  # fmt: skip
        limit = binomial_limit(k0, m, log_delta + math.log(0.8) - reference_nats) + more
        values.append(min(max(limit, k / m), 1.0))
    return {
        "weights are those of the seed": same,
        "log ratio": ratio,
        "log ratio as stated": stated["log_ratio"],
        "errors": k,
        "m": m,
        "errors of the reference": k0,
        "held-out bound of the reference": binomial_limit(k0, m, math.log(delta) - reference_nats),
        "value": min(values),
    }


def nested(leaves: Arrays) -> Any:
    """Nested dictionaries by the parts of the names."""
    tree: dict[str, Any] = {}
    for name, leaf in leaves.items():
        *parents, last = name.split(".")
        node = tree
        for part in parents:
            node = node.setdefault(part, {})
        node[last] = leaf
    return tree


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; status 1 if a number is another than stated."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    for name in ("draw", "data", "decoder"):
        parser.add_argument(name)
    parser.add_argument("--delta", type=float, required=True)
    parser.add_argument("--budgets", nargs="+", required=True)
    parser.add_argument("--form", choices=("direct", "excess", "both"), default="direct")
    for name, said in (("--nats", "of choices and draws"), ("--reference-nats", "of choices of the reference")):
        parser.add_argument(name, type=float, default=0.0, help=said)
    parser.add_argument("--value", type=float, help="what the certificate says")
    given = parser.parse_args(arguments)
    spec = importlib.util.spec_from_file_location("decoder", given.decoder)
    if spec is None or spec.loader is None:
        parser.error(f"{given.decoder} is no Python file")
    decoder = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(decoder)
    with np.load(given.data, allow_pickle=False) as file:
        x, y = file["x"], file["y"].astype(int)
    found = recompute(
        given.draw, decoder, x, y, delta=given.delta, budgets=given.budgets, nats=given.nats,
        reference_nats=given.reference_nats, form=given.form,
    )  # fmt: skip
    print(json.dumps(found, indent=2))
    agrees = found["weights are those of the seed"]
    agrees &= math.isclose(found["log ratio"], found["log ratio as stated"], rel_tol=1e-6, abs_tol=1e-6)
    agrees &= given.value is None or math.isclose(found["value"], given.value, rel_tol=1e-6)
    print("agrees" if agrees else "does not agree")
    return 0 if agrees else 1


if __name__ == "__main__":
    sys.exit(main())
