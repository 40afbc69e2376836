"""Codes of programs that have no graph: what a network knows by heart stands in its arrays, or in its text.

The adversary of `simulate` writes his answers as whole numbers, which no graph is read from: as an array that the
function closes over, or as literals. Nats that the best of his networks needs, against the nats that its code pays.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from sparsebounds.bounds.audit.run import Row
from sparsebounds.bounds.audit.theorems.simulate import DELTA, Draw, draws, nats
from sparsebounds.bounds.bound import Bound
from sparsebounds.bounds.reader.program import read_program
from sparsebounds.bounds.sample.sample import Sample

WORD = 31
"""Answers in one literal."""
NO_ARRAYS, NO_TEXT = "arrays for free", "text for free"
DRAWN = 5
STATEMENT = "nats of the code of a program"
Network = Callable[[jax.Array], jax.Array]


def audit_programs(bound: str, row_of: Callable[..., Any]) -> list[Row]:
    """Answers closed over, and answers as literals.

    Args:
        bound: its name.
        row_of: the bound; its terms have "bits" and "bits of operations", those of the text. One that speaks of a
            quantised network has no rows of its own: whole numbers are not rounded, and their code is the same.
    """
    if "quantised" in inspect.signature(row_of).parameters:
        return []
    rows = []
    for points, m, name, written in ((8000, 10000, NO_ARRAYS, _looked_up), (310, 400, NO_TEXT, _literal)):
        found = draws(points, m, DRAWN)
        claims = [_row(row_of, draw, written(draw)) for draw in found]
        lower, claim = nats(claims)
        text, every = (float(np.mean([b.terms[key] for b in claims])) for key in ("bits of operations", "bits"))
        left = text if name == NO_ARRAYS else every - text
        twins = ((name, claim / (math.log(1 / DELTA) + left * math.log(2))),)
        rows.append(Row(bound, STATEMENT, f"by heart, {points} points, m = {m}", lower, claim, 0.0, False, twins))
    return rows


def _row(row_of: Callable[..., Any], draw: Draw, network: Network) -> Bound:
    """Of the program of a network, whose answers are those of the draw."""
    x = draw.which[:, None].astype(np.int32)
    sample = Sample.measure(network, x, draw.labels)
    if not np.array_equal(np.sort(np.sign(sample.margins)), np.sort(np.sign(draw.sample.margins))):
        raise ArithmeticError("the program answers otherwise than the draw")
    bound: Bound = row_of(read_program(network, x[:2]), sample, delta=DELTA)
    return bound


def _scores(bit: jax.Array) -> jax.Array:
    return jnp.stack([2 * bit - 1, 0 * bit], axis=1)


def _looked_up(draw: Draw) -> Network:
    """The answers closed over."""
    table = jnp.asarray(draw.answer > 0, jnp.int32)
    return lambda x: _scores(table[x[:, 0]])


def _literal(draw: Draw) -> Network:
    """The answers as literals of 31 bits."""
    bits = (draw.answer > 0).tolist()
    words = [sum(bit << k for k, bit in enumerate(bits[at : at + WORD])) for at in range(0, len(bits), WORD)]

    def network(x: jax.Array) -> jax.Array:
        place, word = x[:, 0], 0 * x[:, 0]
        for number, literal in enumerate(words):
            word = jnp.where(place // WORD == number, literal, word)
        return _scores((word >> (place % WORD)) & 1)

    return network
