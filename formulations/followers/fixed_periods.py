"""Periods in which every best response charges the same, whatever the prices within their limits."""

from typing import Any

import numpy as np

from bilevel import tolerances
from formulations import tolerances as formulation_tolerances
from instances import Instance, Session


def decided(case: Instance, session: Session, low: Any, high: Any) -> dict[int, float]:
    """Share of full power by period of an EV user whose price in period t lies between `low[t]` and `high[t]`.

    The user fills its cheapest periods (docs/model.md section 3).  A period is idle if the periods that are cheaper for certain
    hold the energy; it is full if the energy fills it and every period that may be as cheap; and where every other period is
    cheaper or dearer for certain, it takes what the cheaper ones leave.  Periods of which none holds are not in the answer.
    """
    window = np.array(case.window(session))
    kwh = case.charging_efficiency * session.power_max_kw * case.horizon.period_hours
    needed = session.energy_kwh / kwh
    largest = max(float(np.abs([low[window], high[window]]).max()), tolerances.NOT_ZERO)
    apart, fits = formulation_tolerances.PRICE_APART * largest, formulation_tolerances.ENERGY_FITS
    found: dict[int, float] = {}
    for t in window.tolist():
        # Doubt decides nothing: cheaper is what is so beyond rounding, a rival what may be as cheap but for rounding
        cheaper = int((high[window] < low[t] - apart).sum())
        rivals = int((low[window] <= high[t] + apart).sum())
        if needed <= cheaper * (1 + fits):
            found[t] = 0.0
        elif needed >= rivals * (1 - fits):
            found[t] = 1.0
        elif rivals == cheaper + 1:
            found[t] = needed - cheaper
    return found
