"""Numbers for people: few digits, and what is an upper bound is never rounded below itself."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from decimal import ROUND_CEILING, ROUND_HALF_EVEN, Decimal
from typing import Any

import numpy as np

DASH = "–"
"""Where there is no number."""
UPWARDS = frozenset({"value", "complexity", "margin_error", "confidence", "ratio", "value now", "complexity now"})
"""Columns of upper bounds and of their parts: rounded up wherever they are printed."""


def upwards(value: float, digits: int = 4) -> str:
    """A number in so many significant digits, rounded up: read back, it is never below.

    Example:
        >>> upwards(0.0522901), upwards(1.0), upwards(1532.2, 3), upwards(float("nan")), upwards(float("inf"))
        ('0.0523', '1', '1540', '–', '∞')
    """
    return _decimal(value, digits, ROUND_CEILING)


def nearest(value: float, digits: int = 4) -> str:
    """A number in so many significant digits.

    Example:
        >>> nearest(0.018214), nearest(1234567.0), nearest(37.907782), nearest(-2.0)
        ('0.01821', '1.235e+06', '37.91', '-2')
    """
    return _decimal(value, digits, ROUND_HALF_EVEN)


def in_column(name: str, value: float, digits: int = 4) -> str:
    """A number of a table of bounds, in so many significant digits: rounded up where the column is one of `UPWARDS`.

    Example:
        >>> in_column("value", 0.10001), in_column("test_error", 0.10001)
        ('0.1001', '0.1')
    """
    return upwards(value, digits) if name in UPWARDS else nearest(value, digits)


def readable(value: Any, digits: int = 4) -> str:
    """Whatever stands in the terms of a bound, in one line.

    Example:
        >>> readable({"1: conv": 1.25}), readable((3, 0.5)), readable(None), readable(True), readable("best")
        ('1: conv: 1.25', '3 · 0.5', '–', 'yes', 'best')
    """
    if value is None:
        return DASH
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    if isinstance(value, str):
        return value
    if isinstance(value, Mapping):
        return ", ".join(f"{key}: {readable(item, digits)}" for key, item in value.items())
    if isinstance(value, Sequence | np.ndarray):
        return " · ".join(readable(item, digits) for item in value) or "none"
    if isinstance(value, int | np.integer):
        return str(value)
    return nearest(float(value), digits) if isinstance(value, float | np.floating) else str(value)


def percent(value: float, digits: int = 3) -> str:
    """A share as a percentage, rounded up.

    Example:
        >>> percent(0.05229), percent(0.5)
        ('5.23 %', '50 %')
    """
    return f"{_decimal(value, digits, ROUND_CEILING, shift=2)} %"


def sure(delta: float) -> str:
    """1 − δ in per cent, δ in ten significant digits.

    Example:
        >>> sure(0.001), sure(0.021), sure(1e-9), sure(0.0126)
        ('99.9 %', '97.9 %', '99.9999999 %', '98.74 %')
    """
    return f"{(1 - Decimal(f'{delta:.9e}')) * 100:f}".rstrip("0").rstrip(".") + " %"


def _decimal(value: float, digits: int, rounding: str, shift: int = 0) -> str:
    if math.isnan(value):
        return DASH
    if math.isinf(value):
        return "∞" if value > 0 else "-∞"
    exact = Decimal(repr(float(value))).scaleb(shift)  # the shortest decimal that reads back as this float
    if not exact:
        return "0"
    rounded = exact.quantize(Decimal((0, (1,), exact.adjusted() - digits + 1)), rounding=rounding)
    if -5 <= rounded.adjusted() < 6:
        text = f"{rounded:f}"
        return text.rstrip("0").rstrip(".") if "." in text else text
    mantissa = f"{rounded.scaleb(-rounded.adjusted()):f}"
    return f"{mantissa.rstrip('0').rstrip('.') if '.' in mantissa else mantissa}e{rounded.adjusted():+03d}"
