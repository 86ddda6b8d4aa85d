"""What whole numbers can make of a row: multiples of a common step, in exact arithmetic."""

import math
from collections.abc import Iterable
from fractions import Fraction

from bilevel import tolerances

MOST_DIGITS = 10**6
"""Denominators up to which a coefficient counts as a fraction that somebody wrote: with larger ones every number is some."""


def written(value: float) -> Fraction | None:
    """The fraction that a number was written as, 1/10 for 0.1; None for one with more digits than anybody writes."""
    found = Fraction(value).limit_denominator(MOST_DIGITS)
    return found if abs(float(found) - value) <= tolerances.COEFFICIENT_ROUNDING * abs(value) else None


def common_step(coefficients: Iterable[float]) -> Fraction | None:
    """The largest number of which every one of these is a multiple; None where there is none, or no number (1 without any).

    A sum of whole numbers with these coefficients is a multiple of it.
    """
    known = [value for value in coefficients if value]
    fractions = [written(value) for value in known]
    if all(fractions):
        return _common([each for each in fractions if each])
    # Numbers that nobody wrote as fractions may still be multiples of one of them, as those of another unit are
    least = min(known, key=abs)
    ratios = [written(value / least) for value in known]
    return _common([each for each in ratios if each]) * abs(Fraction(least)) if all(ratios) else None


def _common(known: list[Fraction]) -> Fraction:
    if not known:
        return Fraction(1)
    below = math.lcm(*(each.denominator for each in known))
    return Fraction(math.gcd(*(int(each * below) for each in known)), below)


def next_below(limit: Fraction, step: Fraction) -> Fraction:
    """The largest multiple of the step that is less than the limit."""
    return (math.ceil(limit / step) - 1) * step
