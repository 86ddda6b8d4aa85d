"""A case as it is in a scenario."""

from __future__ import annotations

import math
from dataclasses import replace

from instances.fleet.willingness import charge_on_arrival
from instances.records.carbon import Renewable
from instances.records.errors import InstanceError
from instances.records.scenarios import Scenario, Scenarios
from instances.records.schema import Instance

__all__ = ["merged", "realise"]


def realise(instance: Instance, scenario: Scenario) -> Instance:
    """Return the case as it is in the scenario, under the case's name; raises `InstanceError` where the two do not fit together.

    Credit records of sessions that the scenario does not have are left out.
    """
    given = ("sessions", "load_factor", "wholesale_price_per_kwh")
    changes = {field: getattr(scenario, field) for field in given if getattr(scenario, field) is not None}
    if instance.credit is not None and scenario.sessions is not None:
        there = {session.name for session in scenario.sessions}
        changes["credit"] = replace(
            instance.credit,
            reservations=tuple(item for item in instance.credit.reservations if item.session in there),
            distances=tuple(item for item in instance.credit.distances if item.session in there),
        )
    shares = {item.session: item.willing_share for item in scenario.willing}
    try:
        if scenario.renewable_factor is not None:
            changes["renewables"] = _scaled(instance, scenario.renewable_factor)
        day = replace(instance, **changes)
        return charge_on_arrival(day, {s.name: scenario.willing_share for s in day.sessions} | shares)
    except InstanceError as error:
        raise InstanceError(f"scenario {scenario.name}: {error}") from error


def _scaled(instance: Instance, factor: tuple[float, ...]) -> tuple[Renewable, ...]:
    if len(factor) != instance.horizon.periods:
        raise InstanceError(
            f"renewable_factor has {len(factor)} values but the horizon has {instance.horizon.periods} periods; "
            "give one value per period"
        )
    return tuple(
        replace(item, power_kw=tuple(f * kw for f, kw in zip(factor, item.power_kw, strict=True)))
        for item in instance.renewables
    )


def merged(instance: Instance, scenarios: Scenarios) -> tuple[tuple[Scenario, Instance], ...]:
    """Return each scenario with the case as it is in it; days that are equal stand once, with their probabilities added up."""
    found: dict[Instance, list[Scenario]] = {}
    for scenario in scenarios.scenarios:
        found.setdefault(realise(instance, scenario), []).append(scenario)
    return tuple(
        (replace(group[0], probability=math.fsum(scenario.probability for scenario in group)), day)
        for day, group in found.items()
    )
