"""On which line a constant is moved: one without ends, on which equal steps are equally large changes, and that stays where the constant
may be. Needs neither torch nor numpy.

    declared (value, low, high)   x = low + (high - low) s(z); where high >= 10 low > 0, the same of logarithms
    discounts, lambdas, decays    x = s(z): near 1 a step is a factor of the distance to 1
    other positive numbers        x = exp(z); negative ones x = -exp(z)
    zero                          x = sinh(z) / 100, of either sign

with the logistic function s(z) = 1 / (1 + exp(-z)).
"""

from __future__ import annotations

import math
from typing import Final, Literal

from sandbox.records import Constant, Record

FRACTIONS: Final = ("discount", "gamma", "lambda", "decay", "horizon")
"""A constant with one of these in its name, between 0 and 1, is a fraction that is mostly close to 1."""

REACH: Final = 7.0
"""How far from where it began a constant may go on its line: a factor of a thousand."""

EDGE: Final = 1e-4  # of a bounded line: no closer to its ends
ZERO: Final = 0.01
DIGITS: Final = 3


class Scale(Record):
    """The line of one constant: `z` is a place on it, `value` the constant's own number."""

    name: str
    kind: Literal["linear", "logarithmic", "positive", "negative", "zero"]
    low: float = 0.0
    high: float = 1.0
    start: float  # the place of the declared value

    def value(self, z: float) -> float:
        """The constant at a place."""
        z = min(max(z, self.start - REACH), self.start + REACH)
        if self.kind == "zero":
            return ZERO * math.sinh(z)
        if self.kind in ("positive", "negative"):
            return math.copysign(math.exp(z), 1 if self.kind == "positive" else -1)
        share = min(max(_logistic(z), EDGE), 1 - EDGE)
        if self.kind == "linear":
            return self.low + (self.high - self.low) * share
        return self.low * math.exp(share * math.log(self.high / self.low))

    def slope(self, z: float) -> float:
        """Change of the constant for a step along the line; that at the nearest place where the constant may be."""
        value = self.value(z)
        if self.kind == "zero":
            return math.hypot(ZERO, value)
        if self.kind in ("positive", "negative"):
            return value
        share = min(max(_logistic(z), EDGE), 1 - EDGE)
        if self.kind == "linear":
            return (self.high - self.low) * share * (1 - share)
        return value * math.log(self.high / self.low) * share * (1 - share)

    def rounded(self, z: float) -> float:
        """The constant as a number that a person can read: three digits that count, of the distance to 1 where it is between 0.9 and 1."""
        value = self.value(z)
        if 0.9 < value < 1:
            return round(1 - _digits(1 - value), 12)
        return min(max(_digits(value), self.low), self.high) if self.kind in ("linear", "logarithmic") else _digits(value)


def scale_of(constant: Constant) -> Scale:
    """The line for a constant, from its declared bounds, its name and its value."""
    value = float(constant.value)
    if constant.low is not None and constant.high is not None:
        low, high = float(constant.low), float(constant.high)
        if low > 0 and high >= 10 * low:
            share = math.log(value / low) / math.log(high / low)
            return Scale(name=constant.name, kind="logarithmic", low=low, high=high, start=_logit(share))
        return Scale(name=constant.name, kind="linear", low=low, high=high, start=_logit((value - low) / (high - low)))
    if 0 < value <= 1 and any(word in constant.name for word in FRACTIONS):
        return Scale(name=constant.name, kind="linear", start=_logit(value))
    if value == 0:
        return Scale(name=constant.name, kind="zero", start=0.0)
    return Scale(name=constant.name, kind="positive" if value > 0 else "negative", start=math.log(abs(value)))


def _logistic(z: float) -> float:
    return 0.5 * (1 + math.tanh(z / 2))


def _logit(share: float) -> float:
    share = min(max(share, EDGE), 1 - EDGE)
    return math.log(share / (1 - share))


def _digits(value: float) -> float:
    return float(f"{value:.{DIGITS}g}")
