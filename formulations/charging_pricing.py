"""Charging-station pricing ([Z19], docs/model.md sections 1, 3 and 5): an `Instance` to a bilevel Pyomo model."""

import time
from collections.abc import Iterable, Mapping
from typing import Any

import pyomo.environ as pyo

import bilevel
from formulations import objectives, options, parts, power_flow
from formulations.followers import FOLLOWERS, ev_user, fleet
from formulations.objectives import OBJECTIVES
from formulations.operator import network as network_part
from formulations.options import Part
from formulations.power_flow import FlowModel
from formulations.scenarios import uncertain
from formulations.tariffs import TARIFFS
from instances import Instance, Network, Scenarios, Session


def charging_pricing(
    case: Instance,
    objective: str | Mapping[str, float] = "loss",
    follower: str = "ev_user",
    flow: str = "distflow",
    tariff: str = "free",
    *,
    aggregate: bool = True,
    scenarios: Scenarios | None = None,
    risk: str | Mapping[str, float] | None = None,
    chance: str | Mapping[str, float] | None = None,
    **part_options: Any,
) -> Any:
    """The leader prices charging at its stations; every EV user responds with the schedule that costs it least.

    Returns a `pyomo.ConcreteModel` that any row may be added to, with

    - `price[c, t]`: price at station c in period t, currency/kWh, the leader's decision;
    - `user[n].p[t]`: charging power of session n in per unit of `per_unit.base_kva`, the followers' decision (see `aggregate`);
    - `network_loss` (kWh), `station_profit`, `ev_bill` and `supply_cost` (currency) over the horizon, named expressions;
    - the network of `formulations.power_flow`, the case's generators (`formulations.operator.generators`), and an AC replay
      registered as a check of every certificate.

    `objective` is "loss", "profit", "bill", "cost", or weights such as {"loss": 1, "profit": 0.5} (kWh and currency add up with
    the weights as they are): losses, bills and the cost of supply are minimised, profit is maximised.

    `follower` is "ev_user" (the least bill) or "elastic" (bill and a strictly convex discomfort, so that the response is unique).
    `tariff` says which prices the leader may set: "free" (any for each period), "blocks" (one for each block of periods),
    "levels" (one of a few for each period) or "block_levels" (one of a few for each block).

    `part_options` are the options that the chosen parts declare, each with a default, which also stands for None: `blocks`, the
    periods of each block, such as {"night": range(7), "day": range(7, 24)} or "night=0-6,day=7-23"; `levels`, prices in
    currency/kWh, such as [0.15, 0.25, 0.45] or "0.15,0.25,0.45"; `discomfort_per_kwh`, the marginal discomfort of an elastic user
    at full power in currency/kWh.  docs/command-line.md has them all, `formulations.options.declared(formulations.parts.PRICING)`
    too.  Bills and profit count what users pay, not their discomfort.

    With `aggregate`, EV users with one station and one window are added up, exactly and with all their ties, wherever fewer
    vehicles can stand for them (`instances.aggregate`): `user` is then of these vehicles, `fleet` says who stands for whom, and
    `formulations.followers.fleet.schedule_kw(model, case)` gives every session's own schedule, which a check of the certificate
    recovers and holds against its least bill.  Elastic users are never added up.

    `scenarios` are days that may come (docs/uncertain-days.md): the prices are those of all, users, network and limits stand in
    `scenario[name]` for each that differs (`instances.merged`), a block that has what the model has without scenarios.  The root's
    expressions are expected values.  With `risk`, such as "cvar=0.9,weight=0.5" or {"cvar": 0.9}, the leader's objective is
    (1 - weight) times the expectation and weight (by default 1) times its mean over the worst share 1 - cvar of days
    (`formulations.scenarios.risk`).  `chance`, such as "voltage=0.95", lets a limit be broken on some days
    (`formulations.scenarios.chance`).

    Raises `UnknownNameError` for an unknown objective, follower, power flow, tariff or option, `BilevelError` for options with bad
    values and for those that the chosen parts do not take, and `InstanceError` for bad data.
    """
    started = time.perf_counter()
    weights = objectives.parse(objective)
    users, prices = options.find("follower", follower, FOLLOWERS), options.find("tariff", tariff, TARIFFS)
    flow_model = power_flow.find(flow, **part_options)
    chosen = {"objective": weights, "follower": [follower], "flow": [flow], "tariff": [tariff]}
    # Each part takes its own options only, so that a stray one would pass unseen
    options.require_taken(parts.PRICING, chosen, part_options)
    users, prices = users.with_options(part_options), prices.with_options(part_options)
    terms = {name: OBJECTIVES[name].with_options(part_options) for name in weights}
    # Responses to a bill add up exactly, those to a discomfort that is strictly convex do not
    together = aggregate and follower == ev_user.name

    def add_day(model: Any, day: Instance, network: Network) -> tuple[Any, int]:
        """Users and network of one day, and the leader's objective on it with its sense."""
        _add_day(model, day, network, users, flow_model, together)
        return objectives.combine(objectives.expressions(model, day, terms), weights)

    model = pyo.ConcreteModel(name=case.name)
    network = Network.of(case.feeder)
    model.per_unit = network.per_unit
    model.T = pyo.RangeSet(0, case.horizon.periods - 1)
    prices.add(model, case)
    uncertain.add(model, case, add_day, uncertain.Asked.of(scenarios, risk, chance))
    model.build_seconds = time.perf_counter() - started
    return model


def _add_day(model: Any, case: Instance, network: Network, users: Part, flow: FlowModel, together: bool) -> None:
    """The users of a day and the network that feeds them, in a model or a block of one that has prices and periods."""
    model.fleet = fleet.groups(case, together)
    vehicles = [vehicle for group in model.fleet for vehicle in group.vehicles]
    model.user = bilevel.Follower([vehicle.name for vehicle in vehicles])
    for vehicle in vehicles:
        users.add(model.user[vehicle.name], case, vehicle, model.price, model.per_unit)
    network_part.add(model, case, network, flow, _loads(model, case, vehicles))
    bilevel.add_check(model, fleet.individual(case))
    # Every answer tells both, whatever is optimised; profit is written by means of the bill
    for term in (OBJECTIVES["bill"], OBJECTIVES["profit"]):
        term.add(model, case)


def _loads(model: Any, case: Instance, vehicles: Iterable[Session]) -> dict[tuple[str, int], list[Any]]:
    """Charging power in pu by bus and period."""
    charging: dict[tuple[str, int], list[Any]] = {}
    for vehicle in vehicles:
        for t, power in model.user[vehicle.name].p.items():
            charging.setdefault((case.station_bus[vehicle.station], t), []).append(power)
    return charging
