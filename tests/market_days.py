"""A part of the shipped market's day that is solved three ways in seconds."""

from __future__ import annotations

from dataclasses import replace

import instances
from instances import Instance
from instances.records.market import SERIES


def afternoon(first: int = 11, last: int = 18) -> Instance:
    """`ieee33_aggregator` from `first` to `last` o'clock with the sessions that lie within, and a flat service fee."""
    case = instances.load("ieee33_aggregator")
    assert case.market is not None
    hours = slice(first, last)
    return replace(
        case,
        name="afternoon",
        horizon=replace(case.horizon, periods=last - first, start=f"2019-09-27T{first:02d}:00:00"),
        load_factor=case.load_factor[hours],
        wholesale_price_per_kwh=case.wholesale_price_per_kwh[hours],
        market=replace(case.market, **{name: getattr(case.market, name)[hours] for name in SERIES}),
        sessions=tuple(
            replace(s, arrival_period=s.arrival_period - first, departure_period=s.departure_period - first)
            for s in case.sessions
            if s.arrival_period >= first and s.departure_period <= last
        ),
        credit=None,
    )
