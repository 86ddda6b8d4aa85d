"""Outcomes of policies in few numbers, each with its confidence interval: mean, CVaR, and how often limits break."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from bilevel.errors import BilevelError
from formulations.scenarios.risk import conditional_value_at_risk

FloatArray = NDArray[np.float64]

RESAMPLES = 2000
"""Of a bootstrap."""
LEAST_DAYS = 10
"""Fewer say nothing of how far off they are: the intervals are NaN."""
NUMBERS = ("mean", "cvar", "gain", "violation_rate")
COLUMNS = ("policy", "days", *(f"{name}{end}" for name in NUMBERS for end in ("", "_low", "_high")))
"""Of `summarise`'s table, in order."""


def cvar(values: FloatArray, probability: FloatArray, level: float, sense: int = 1) -> float:
    """CVaR of values (n,): the mean of the worst 1 - `level` of them, large ones being bad where `sense` is 1, small ones at -1.

    Equal to the least over eta of eta + sum p max(0, f - eta) / (1 - level) for f = sense * values (docs/model.md section 14);
    the value is told in its own sense.  NaN where a value is.
    """
    if not 0 <= level < 1:
        raise BilevelError(f"level is {level!r}: give a number from 0 to below 1, such as 0.9")
    if not np.isfinite(values).all():
        return math.nan
    return sense * conditional_value_at_risk(sense * values, probability, level)


def summarise(
    outcomes: pd.DataFrame, sense: int, level: float = 0.9, confidence: float = 0.95, seed: int = 0
) -> pd.DataFrame:
    """One row a policy of the table of `studies.uncertainty.out_of_sample.evaluate`, in its order; the columns are `COLUMNS`.

    `mean` and `cvar` (at `level`) of the objective; `gain`, what the mean is better by than that of the first policy, day by day;
    `violation_rate`, the share of days on which a limit breaks.  `_low` and `_high` are the ends of confidence intervals: by
    bootstrap (BCa, `RESAMPLES`) for the first three, Wilson's for the rate.  They are NaN where days are not equally likely, or
    fewer than `LEAST_DAYS`, as these are no sample.  Days without a power flow count as violations and in no mean.
    """
    first: FloatArray | None = None
    rows = []
    for policy, part in outcomes.groupby("policy", sort=False):
        values = part["objective"].to_numpy(dtype=np.float64)
        weight = part["probability"].to_numpy(dtype=np.float64)
        first = values if first is None else first
        rows.append((policy, len(part), *_row(values, first, weight, part["limits_broken"].to_numpy(dtype=bool),
                                              (sense, level, confidence, seed))))  # fmt: skip
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _row(
    values: FloatArray, first: FloatArray, weight: FloatArray, broken: NDArray[np.bool_],
    asked: tuple[int, float, float, int],
) -> list[float]:  # fmt: skip
    sense, level, confidence, seed = asked
    known = np.isfinite(values) & np.isfinite(first)
    better = sense * (first - values)

    def interval(told: FloatArray, statistic: Callable[[FloatArray], float]) -> tuple[float, float]:
        return _bootstrap(told[known], statistic, confidence, seed) if _sampled(weight) else (math.nan, math.nan)

    def worst(sample: FloatArray) -> float:
        return cvar(sample, np.full(len(sample), 1 / len(sample)), level, sense)

    share = weight[known] / weight[known].sum() if known.any() else weight[known]
    found = []
    for told, value, statistic in (
        (values, _mean(values[known], share), np.mean),
        (values, cvar(values[known], share, level, sense) if known.any() else math.nan, worst),
        (better, _mean(better[known], share), np.mean),
    ):
        found += [value, *interval(told, statistic)]
    rate = float(weight[broken].sum() / weight.sum())
    return [
        *found,
        rate,
        *(_wilson(int(broken.sum()), len(broken), confidence) if _sampled(weight) else 2 * (math.nan,)),
    ]


def _mean(values: FloatArray, share: FloatArray) -> float:
    return float(values @ share) if len(values) else math.nan


def _sampled(weight: FloatArray) -> bool:
    """Whether the days may be a sample: equally likely, and enough of them."""
    return len(weight) >= LEAST_DAYS and bool(np.allclose(weight, weight[0]))


def _bootstrap(
    sample: FloatArray, statistic: Callable[[FloatArray], float], confidence: float, seed: int
) -> tuple[float, float]:
    if len(sample) < LEAST_DAYS:
        return math.nan, math.nan
    if np.ptp(sample) == 0:
        return float(sample[0]), float(sample[0])
    found = stats.bootstrap(
        (sample,), statistic, n_resamples=RESAMPLES, confidence_level=confidence, vectorized=False,
        random_state=np.random.default_rng(seed),
    )  # fmt: skip
    return float(found.confidence_interval.low), float(found.confidence_interval.high)


def _wilson(broken: int, days: int, confidence: float) -> tuple[float, float]:
    found = stats.binomtest(broken, days).proportion_ci(confidence, method="wilson")
    return float(found.low), float(found.high)
