"""Performance profiles: E. D. Dolan and J. J. More, Benchmarking optimization software with performance profiles, 2002,
doi 10.1007/s101070100263."""

from typing import Any

import numpy as np
import pandas as pd

from bilevel.errors import BilevelError


def performance_ratios(seconds: pd.DataFrame) -> pd.DataFrame:
    """r[p, s] = seconds[p, s] over the least of the problem p (rows), by configuration s (columns); inf where NaN: not solved.

    A problem that none solves keeps its row, which is inf.  Raises `BilevelError` for a time that is not positive.
    """
    values = seconds.to_numpy(dtype=float)
    if (values <= 0).any():
        raise BilevelError("a performance profile needs positive seconds: leave out runs without any")
    filled = np.where(np.isnan(values), np.inf, values)
    best = filled.min(axis=1, keepdims=True)
    ratios = np.divide(filled, best, out=np.full_like(filled, np.inf), where=np.isfinite(filled))
    return pd.DataFrame(ratios, index=seconds.index, columns=seconds.columns)


def fraction_solved(ratios: Any, tau: Any) -> Any:
    """rho(tau): the share of all problems whose ratio is at most tau, for one configuration and each tau."""
    ordered = np.sort(np.asarray(ratios, dtype=float))
    return np.searchsorted(ordered, np.asarray(tau, dtype=float), side="right") / len(ordered)
