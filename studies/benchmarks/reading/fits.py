"""Power laws by least squares on logarithms: seconds = factor * size^exponent."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from bilevel.errors import BilevelError

LEVEL = 0.95
"""Probability that the range of an exponent covers it, if errors are normal in logarithms."""


@dataclass(frozen=True)
class PowerLaw:
    """y = factor * x^exponent over x in [x_min, x_max], fitted to `points` of different x.

    `low` and `high` end the range of the exponent (Student's t, `LEVEL`); with two points of x there is none and both are NaN.
    """

    exponent: float
    factor: float
    low: float
    high: float
    points: int
    x_min: float
    x_max: float

    def at(self, x: float) -> float:
        """The law's y."""
        return float(self.factor * x**self.exponent)


def power_law(x: Sequence[float], y: Sequence[float]) -> PowerLaw:
    """Fit a power law; raises `BilevelError` where x or y is not positive, or x has one value only."""
    size, value = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
    if len(size) != len(value) or not (np.isfinite([*size, *value]).all() and (size > 0).all() and (value > 0).all()):
        raise BilevelError("a power law needs as many positive sizes as positive values: leave the others out")
    if len(np.unique(size)) < 2:
        raise BilevelError(f"a power law needs two sizes at least, and there is {len(np.unique(size))}: measure more")
    fitted = stats.linregress(np.log(size), np.log(value))
    freedom = len(size) - 2
    half = float(stats.t.ppf((1 + LEVEL) / 2, freedom) * fitted.stderr) if freedom else float("nan")
    exponent = float(fitted.slope)
    return PowerLaw(
        exponent, float(np.exp(fitted.intercept)), exponent - half, exponent + half, len(size), float(size.min()),
        float(size.max()),
    )  # fmt: skip
