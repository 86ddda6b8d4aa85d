"""A day of 24 hours in the periods of a case."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import ArrayLike

from instances.fleet.generate import refine
from instances.records.errors import InstanceError
from instances.records.schema import Horizon
from instances.scenarios.days import HOURS

__all__ = ["Clock"]


@dataclass(frozen=True, slots=True)
class Clock:
    """A horizon of one day: so many periods of ``period_hours`` from ``start_hour`` o'clock on."""

    periods: int
    period_hours: float
    start_hour: int

    @classmethod
    def of(cls, horizon: Horizon) -> Clock:
        """Return the clock of a horizon; raises `InstanceError` where real days do not fit it.

        It has to be of 24 hours from a full hour on, in periods that hours are made of, or that are made of hours.
        """
        hours = horizon.periods * horizon.period_hours
        start = datetime.fromisoformat(horizon.start)
        if not math.isclose(hours, HOURS):
            raise InstanceError(
                f"the horizon has {hours:g} hours, but real days have {HOURS}; take a case of one day, or scenarios of your own"
            )
        if horizon.periods % HOURS and HOURS % horizon.periods:
            raise InstanceError(
                f"the horizon has {horizon.periods} periods, but real days come by hours; take a multiple or a part of {HOURS}, "
                "such as 96 or 12"
            )
        if start != start.replace(minute=0, second=0, microsecond=0):
            raise InstanceError(
                f"the horizon has start {horizon.start}, but real days come by hours; begin it at a full hour"
            )
        return cls(horizon.periods, HOURS / horizon.periods, start.hour)

    def series(self, hours: ArrayLike) -> tuple[float, ...]:
        """Return 24 hourly means from midnight on as one value a period, with the same means: by `refine`, or averages of hours.

        Hours before ``start_hour`` are put behind the others, as if the day came again.
        """
        day = np.roll(np.asarray(hours, dtype=np.float64), -self.start_hour)
        if self.periods >= HOURS:
            return refine(day, self.periods // HOURS)
        return tuple(day.reshape(self.periods, -1).mean(axis=1).tolist())

    def window(self, arrival_hour: float, departure_hour: float) -> tuple[int, int]:
        """Return the first period of a stay and the one after its last, both rounded to the nearest.

        Who comes before ``start_hour`` comes on the next morning of the horizon. The window may be empty, or reach beyond the
        horizon.
        """
        first, last = (round((hour - self.start_hour) / self.period_hours) for hour in (arrival_hour, departure_hour))
        later = self.periods if first < 0 else 0
        return first + later, last + later
