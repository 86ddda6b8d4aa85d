"""Periods in which every best response charges the same, whatever the prices within their limits."""

from typing import Any

import numpy as np

from instances import Instance, Session

_EQUAL = 1e-9
"""Energies and prices that differ by less, over a period's energy and the largest price, are equal: rounding decides nothing."""


def decided(case: Instance, session: Session, low: Any, high: Any) -> dict[int, float]:
    """Share of full power by period of an EV user whose price in period t lies between `low[t]` and `high[t]`.

    The user fills its cheapest periods (docs/model.md section 3).  A period is idle if the periods that are cheaper for certain
    hold the energy; it is full if the energy fills it and every period that may be as cheap; and where every other period is
    cheaper or dearer for certain, it takes what the cheaper ones leave.  Periods of which none holds are not in the answer.
    """
    window = np.array(case.window(session))
    kwh = case.charging_efficiency * session.power_max_kw * case.horizon.period_hours
    needed = session.energy_kwh / kwh
    apart = _EQUAL * max(float(np.abs([low[window], high[window]]).max()), 1e-300)
    found: dict[int, float] = {}
    for t in window.tolist():
        # Doubt decides nothing: cheaper is what is so beyond rounding, a rival what may be as cheap but for rounding
        cheaper = int((high[window] < low[t] - apart).sum())
        rivals = int((low[window] <= high[t] + apart).sum())
        if needed <= cheaper * (1 + _EQUAL):
            found[t] = 0.0
        elif needed >= rivals * (1 - _EQUAL):
            found[t] = 1.0
        elif rivals == cheaper + 1:
            found[t] = needed - cheaper
    return found
