"""A case on any radial feeder by one rule and a seed: real sessions, prices and load shape of ``ieee33`` on other buses.

docs/feeders.md states the rule.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike

from instances.files.catalogue import feeder_sources, load, load_feeder
from instances.fleet.fit import fit_limits
from instances.fleet.placement import spread_buses
from instances.fleet.scale import PERCENT, scale, uncontrolled_load_kw
from instances.grid.network import Network
from instances.records import checks
from instances.records.errors import InstanceError
from instances.records.feeder import Feeder
from instances.records.schema import Horizon, Instance, Session, Source, Station

__all__ = ["generate", "refine"]

DONOR = "ieee33"
DAY_HOURS = 24
OWN_LICENCE = "MIT"
GIVEN = "as given to instances.generate"


def generate(
    feeder: Feeder | str,
    stations: int = 4,
    evs: int = 50,
    periods: int = 24,
    seed: int = 0,
    *,
    share: float = 0.20,
    widen_limits: bool = True,
    name: str | None = None,
    sources: Sequence[Source] = (),
) -> Instance:
    """Return a case of one day on ``feeder``, or on the shipped feeder of that name; the same arguments give the same case.

    ``stations`` are at buses of `instances.fleet.placement.spread_buses`. ``evs`` sessions are drawn from those of ``ieee33`` as by
    `instances.scale` and dealt out to the stations evenly, by lot. ``periods`` is a multiple of 24: windows, energies and
    the day's prices and loads stay what they are in hours (`refine`). Every session gets one count, so that the fleet's
    uncontrolled peak is ``share`` of the peak of the loads (those that feed in do not count). Price limits, efficiency and currency
    are those of ``ieee33``.

    Where uncontrolled charging breaks limits of the feeder, they are widened to what it needs, and ``sources`` says so; with
    ``widen_limits`` false they are not, and the case is refused. Uncontrolled charging is then a feasible point of the pricing
    problem, because vehicles are indifferent between schedules at a flat price. Limits of the supply are kept as they are, and
    a base load that alone needs more is refused.

    ``name`` is by default that of the shipped feeder, or "feeder"; ``sources`` tell where the buses and branches of a feeder of
    your own come from. Raises `InstanceError` for numbers out of range, for feeders on which nothing draws power, and where
    the power flow does not converge.
    """
    if isinstance(feeder, str):
        sources = sources or feeder_sources(feeder)
        name, feeder = name or feeder, load_feeder(feeder)
    _check(stations, evs, periods, share)
    donor = scale(load(DONOR), evs, seed, share=None)
    fine = periods // DAY_HOURS
    load_factor = refine(donor.load_factor, fine)
    share_kw = share * _drawn_kw(feeder)
    generator = np.random.default_rng(seed)
    buses = spread_buses(Network.of(feeder), stations, share_kw / stations, generator)
    places = tuple(Station(f"station_{number}", bus) for number, bus in enumerate(buses, start=1))
    lot = generator.permutation(np.arange(evs) % stations).tolist()
    case = replace(
        donor,
        name=name or "feeder",
        feeder=feeder,
        horizon=Horizon(periods, donor.horizon.period_hours / fine, donor.horizon.start),
        stations=places,
        sessions=_dealt(donor.sessions, [places[row].name for row in lot], fine),
        load_factor=load_factor,
        wholesale_price_per_kwh=refine(donor.wholesale_price_per_kwh, fine),
        sources=_sources(donor, sources, fine, seed, share),
    )
    return fit_limits(_weighted(case, share_kw * max(load_factor)), widen_limits)


def refine(means: ArrayLike, fine: int) -> tuple[float, ...]:
    """Return values for ``fine`` equal parts of each period that have the given means over the periods, which repeat day by day.

    Within a period a parabola runs from the average with the period before to the average with the one after,

        q(s) = e₀ (1 - s) + e₁ s + 6 s (1 - s) (mean - (e₀ + e₁)/2),    0 <= s <= 1,

    whose mean is ``mean``; each part gets the mean of q over it.
    """
    mean = np.asarray(means, dtype=np.float64)
    if fine == 1:
        return tuple(mean.tolist())
    before, after = (mean + np.roll(mean, 1)) / 2, (mean + np.roll(mean, -1)) / 2
    s = np.linspace(0.0, 1.0, fine + 1)
    linear = np.outer(before, s - s**2 / 2) + np.outer(after, s**2 / 2)
    integral = linear + np.outer(mean - (before + after) / 2, 3 * s**2 - 2 * s**3)
    return tuple((np.diff(integral, axis=1) * fine).ravel().tolist())


def _check(stations: int, evs: int, periods: int, share: float) -> None:
    """Refuse numbers out of range."""
    checks.integer("the case", "stations", stations, at_least=1)
    checks.integer("the case", "evs", evs, at_least=1)
    checks.integer("the case", "periods", periods, at_least=DAY_HOURS)
    checks.number("the fleet", "share", share, above=0)
    if periods % DAY_HOURS:
        raise InstanceError(f"the case has periods {periods}; give a multiple of {DAY_HOURS}, such as 24 or 96")
    if evs < stations:
        raise InstanceError(
            f"the case has evs {evs} but stations {stations}; give at least one session to each station"
        )


def _drawn_kw(feeder: Feeder) -> float:
    """Return the total of the loads that draw power, or refuse a feeder without any."""
    drawn_kw = math.fsum(max(bus.load_kw, 0.0) for bus in feeder.buses)
    if drawn_kw <= 0:
        raise InstanceError("no bus of the feeder draws power; give one a positive load_kw")
    return drawn_kw


def _dealt(sessions: Iterable[Session], stations: Iterable[str], fine: int) -> tuple[Session, ...]:
    """Return the sessions at their stations, one vehicle each, with windows in finer periods."""
    return tuple(
        Session(s.name, station, s.arrival_period * fine, s.departure_period * fine, s.energy_kwh, s.power_max_kw)
        for s, station in zip(sessions, stations, strict=True)
    )


def _weighted(case: Instance, fleet_kw: float) -> Instance:
    """Give every session the count at which the uncontrolled peak is ``fleet_kw``."""
    count = fleet_kw / float(uncontrolled_load_kw(case).sum(axis=0).max())
    return replace(case, sessions=tuple(replace(session, count=count) for session in case.sessions))


def _sources(donor: Instance, given: Sequence[Source], fine: int, seed: int, share: float) -> tuple[Source, ...]:
    """Return where everything comes from: the feeder's sources, and those of the donor with what was done to them."""
    rule = f"instances.generate with seed {seed}"
    minutes = f"{60 // fine} min" if 60 % fine == 0 else f"{60 / fine:g} min"
    parts = "" if fine == 1 else f"; parts of {minutes} by parabolas with the same hourly means"
    notes = {
        "sessions": f"; dealt out to the stations by {rule}"
        + ("" if fine == 1 else f"; windows in periods of {minutes}"),
        "load_factor": parts,
        "wholesale_price_per_kwh": parts,
    }
    own = {
        "stations": f"{rule}: buses that can take a station, far from each other",
        "fleet": f"{len(donor.sessions)} sessions drawn from those of {DONOR} by {rule}",
        "count": f"{rule}: uncontrolled peak {PERCENT * share:g} % of the peak of the loads",
    }
    kept = [s for s in donor.sources if s.item not in {"buses", "branches", *own}]
    items = {source.item for source in given}
    missing = [Source(item, GIVEN, GIVEN) for item in ("buses", "branches") if item not in items]
    changed = [Source(s.item, s.source + notes.get(s.item, ""), s.licence) for s in kept]
    return (*given, *missing, *(Source(item, text, OWN_LICENCE) for item, text in own.items()), *changed)
