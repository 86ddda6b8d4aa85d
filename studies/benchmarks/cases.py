"""The instance of a spec, and the smallest one for a first solve."""

from dataclasses import replace

import instances
from bilevel.errors import BilevelError
from instances import Horizon, Instance, Session, Station
from studies.benchmarks.spec import Spec

WARM_UP_SECONDS = 5.0
_CASE = "ieee33"


def load(spec: Spec) -> Instance:
    """A fleet of `spec.evs` sessions by `spec.seed`: drawn from a case's own, or generated on a feeder.

    Raises `BilevelError` where a case has other periods, and `InstanceError` for numbers out of range.
    """
    if spec.feeder not in instances.list_cases():
        return instances.generate(spec.feeder, evs=spec.evs, periods=spec.periods, seed=spec.seed)
    case = instances.load(spec.feeder)
    if case.horizon.periods != spec.periods:
        feeders = ", ".join(instances.list_feeders())
        raise BilevelError(
            f"case {spec.feeder!r} has {case.horizon.periods} periods, not {spec.periods}: give one of the feeders {feeders}"
        )
    return instances.scale(case, spec.evs, spec.seed)


def smallest() -> Instance:
    """One vehicle at the first two buses of a shipped feeder, in two periods of one hour."""
    case = instances.load(_CASE)
    feeder = case.feeder
    branch = feeder.branches[0]
    ends = {branch.from_bus, branch.to_bus}
    two = replace(feeder, buses=tuple(bus for bus in feeder.buses if bus.name in ends), branches=(branch,))
    bus = next(bus.name for bus in two.buses if bus.name != two.substation)
    return Instance(
        "warm-up", case.currency, two, Horizon(2, 1.0, case.horizon.start), (Station("station", bus),),
        (Session("vehicle", "station", 0, 2, 5.0, 7.0),), case.load_factor[:2], case.wholesale_price_per_kwh[:2],
        case.price_limits, case.charging_efficiency, case.sources,
    )  # fmt: skip
