"""Small carbon-aware cases whose flows, factors and responses are known in closed form."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from oracles import tiny_case

from instances import Branch, Bus, Carbon, Feeder, Generator, Horizon, Instance, Renewable, Session, Station

GRID, LOAD_KW, CAR_KW, MOST_KW = 0.5, 200.0, 100.0, 150.0
"""Of `two_periods`: the main grid's factor, base load, the vehicle's power and the generator's largest output."""


def two_periods(factor: float = 0.0, load_factor: tuple[float, float] = (1.0, 1.0), **generator: Any) -> Instance:
    """A line without losses; at its end a load, a generator, and a vehicle that needs one of two periods at full power.

    Electricity costs the same in both, so that the user goes where the emission factor is lower.
    """
    limits: dict[str, Any] = {
        "active_min_kw": 0.0, "active_max_kw": MOST_KW, "reactive_min_kvar": 0.0, "reactive_max_kvar": 0.0,
        "cost_per_kwh": 0.05, "emission_kg_per_kwh": factor,
    }  # fmt: skip
    return replace(
        tiny_case(efficiency=1.0),
        name="two periods",
        feeder=Feeder(10.0, "a", 1.0, (Bus("a", 0.0, 0.0), Bus("b", LOAD_KW, 0.0)), (Branch("a", "b", 0.0, 1.0),)),
        horizon=Horizon(2, 1.0, "2024-01-01T00:00:00"),
        stations=(Station("s", "b"),),
        sessions=(Session("car", "s", 0, 2, CAR_KW, CAR_KW),),
        load_factor=load_factor,
        wholesale_price_per_kwh=(0.1, 0.1),
        generators=(Generator("gas", "b", **(limits | generator)),),
        carbon=Carbon(1.0, (GRID, GRID)),
    )


def bus_factor(output_kw: float, charging_kw: float, factor: float = 0.0, load_kw: float = LOAD_KW) -> float:
    """The factor at the end of the line, where the generator feeds in no more than is drawn."""
    drawn = load_kw + charging_kw
    return (factor * output_kw + GRID * (drawn - output_kw)) / drawn


def weak_line(**branch: float) -> Instance:
    """4 + 3i ohm at 10 kV with 800 kW at the end and a vehicle of 4.9 MW, which it carries only beside a generator of 4 MW."""
    buses = (Bus("a", 0.0, 0.0), Bus("b", 800.0, 300.0, voltage_min_pu=0.9, voltage_max_pu=1.1))
    return replace(
        two_periods(active_max_kw=4000.0),
        feeder=Feeder(10.0, "a", 1.0, buses, (Branch("a", "b", 4.0, 3.0, **branch),)),
        sessions=(Session("car", "s", 0, 2, 4900.0, 4900.0),),
        load_factor=(0.1, 1.0),
        wholesale_price_per_kwh=(0.3, 0.1),
    )


def tiny_carbon(price_per_kg: float = 0.2) -> Instance:
    """`tiny_case` in half hours with a dirty and a clean generator, wind at the first station, and a second vehicle there."""
    case = tiny_case()
    generators = (
        Generator("gas", "c", 0.0, 120.0, 0.0, 0.0, 0.12, emission_kg_per_kwh=0.6),
        Generator("hydro", "b", 20.0, 90.0, 0.0, 0.0, 0.02),
    )
    sessions = (*case.sessions, Session("ev3", "s", 0, 2, 30.0, 50.0, count=2.5))
    sessions = tuple(replace(session, energy_kwh=session.energy_kwh / 2) for session in sessions)
    return replace(
        case, name="tiny carbon", horizon=Horizon(3, 0.5, "2024-01-01T00:00:00"), sessions=sessions, generators=generators,
        renewables=(Renewable("wind", "b", (100.0, 0.0, 400.0), 0.01),), carbon=Carbon(price_per_kg, (0.4, 0.3, 0.5)),
    )  # fmt: skip


def lossy_day(price_per_kg: float = 0.05) -> Instance:
    """`tiny_carbon` with generators that can hold the supply even; carbon is cheap enough that prices decide every charging."""
    case = tiny_carbon(price_per_kg)
    gas, hydro = case.generators
    wind = Renewable("wind", "b", (100.0, 0.0, 150.0), 0.01)
    generators = (replace(gas, active_max_kw=500.0), replace(hydro, active_min_kw=0.0, active_max_kw=400.0))
    return replace(case, name="lossy day", generators=generators, renewables=(wind,))


def scaled(case: Instance, price: float = 1.0, power: float = 1.0) -> Instance:
    """The same case with other units of currency and of power; impedances keep it the same per unit of its loads."""
    feeder, carbon = case.feeder, case.carbon
    assert carbon is not None
    buses = (replace(bus, load_kw=bus.load_kw * power, load_kvar=bus.load_kvar * power) for bus in feeder.buses)
    branches = (
        replace(
            line, resistance_ohm=line.resistance_ohm / power, reactance_ohm=line.reactance_ohm / power,
            current_max_a=line.current_max_a * power, power_max_kva=line.power_max_kva * power,
        )
        for line in feeder.branches
    )  # fmt: skip
    limits = ("active_min_kw", "active_max_kw", "reactive_min_kvar", "reactive_max_kvar", "apparent_max_kva")
    return replace(
        case,
        feeder=replace(feeder, buses=tuple(buses), branches=tuple(branches)),
        generators=tuple(
            replace(g, cost_per_kwh=g.cost_per_kwh * price, **{name: getattr(g, name) * power for name in limits})
            for g in case.generators
        ),
        renewables=tuple(replace(r, power_kw=tuple(kw * power for kw in r.power_kw)) for r in case.renewables),
        sessions=tuple(
            replace(s, energy_kwh=s.energy_kwh * power, power_max_kw=s.power_max_kw * power) for s in case.sessions
        ),
        wholesale_price_per_kwh=tuple(p * price for p in case.wholesale_price_per_kwh),
        carbon=replace(carbon, price_per_kg=carbon.price_per_kg * price),
    )
