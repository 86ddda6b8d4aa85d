"""Carbon-aware dispatch ([X23], docs/model.md sections 1, 3, 5 and 7): an `Instance` to a bilevel Pyomo model."""

import time
from typing import Any

import numpy as np
import pyomo.environ as pyo

import bilevel
from bilevel.errors import BilevelError, UnknownNameError
from formulations import power_flow, tolerances
from formulations.carbon import checks, factor_rows
from formulations.carbon.outlook import Outlook
from formulations.case_parts import carbon_of
from formulations.followers import ev_user
from formulations.operator import network as network_part
from instances import Instance, Network

OBJECTIVES = ("variance", "bill")
LOSS_SHARE = 7e-5
"""What the leader pays for losses beside the bill, of the largest price: enough on the shipped cases that a loss that is no
physical one never pays."""


def carbon_dispatch(
    case: Instance,
    objective: str = "variance",
    flow: str = "distflow",
    *,
    variance_max_kw2: float | None = None,
    deviation_max_kw: float | None = None,
    bill_min: float | None = None,
    loss_price_per_kwh: float | None = None,
    factors_as_variables: bool = True,
) -> Any:
    """The leader dispatches generators for an even supply; EV users respond to the price of energy and of its carbon.

    Returns a `pyomo.ConcreteModel` that any row may be added to, with

    - `active_power[g, t]`: the generators' outputs (pu), the leader's decision, and the network of `formulations.power_flow`;
    - `factor[bus, t]` (kg/kWh): emission factors by proportional sharing at the stations' buses, wherever a response depends on
      them, with the bilinear rows of `formulations.carbon.factor_rows` for a solver that takes them (scip, gurobi);
    - `price[c, t]` == wholesale price + carbon price times factor (currency/kWh, [X23] (8) to (11)); `user[n]`, the followers,
      each of whom buys a session's energy at the least bill;
    - `supply_variance` (kW^2, over the periods), `ev_bill`, `electricity_cost`, `carbon_cost` (currency), `network_loss` (kWh).

    `objective` is "variance" ((6), minimised) or "bill", the users' bill plus `loss_price_per_kwh` (without, that of `loss_price`)
    times losses: of all dispatches whose variance is at most `variance_max_kw2`, or whose supply stays within `deviation_max_kw` of
    its mean, the one that is cheapest for users, with losses as they are.  `bill_min`, a proven bound
    (`studies.carbon.bill_floor`), becomes a row.

    Where prices decide a period whatever the factor, the row `decided[n, t]` says so, and no factor is modelled that no response
    depends on.  Without `factors_as_variables` none is, and prices have the middle of their ranges: for `bilevel.cooperative`,
    which asks what users could do and not what they want.  Checks of every certificate: AC replay, and the factors by an emission
    flow of their own.

    Raises `BilevelError` (no carbon factors, a limit that is no number of at least 0), `ModelError` (an approximate power flow),
    `UnknownNameError` (objective, power flow).
    """
    started = time.perf_counter()
    if objective not in OBJECTIVES:
        raise UnknownNameError("objective", objective, OBJECTIVES)
    flow_model, network = power_flow.find(flow), Network.of(case.feeder)
    power_flow.require_exact(flow, "emission factors")
    carbon_of(case)
    model = pyo.ConcreteModel(name=case.name)
    model.per_unit = network.per_unit
    model.T = pyo.RangeSet(0, case.horizon.periods - 1)
    _add_users(model, case, network)
    network_part.add(model, case, network, flow_model, _loads(model, case))
    outlook = Outlook(case, network)
    _bound_currents(model, outlook)
    wanted = outlook.wanted() if factors_as_variables else set()
    factor_rows.add(model, case, network, outlook.flows, outlook.factors, wanted)
    _set_prices(model, case, network, outlook)
    _add_decided(model, case, outlook)
    _add_variance(model, case, variance_max_kw2, deviation_max_kw)
    _add_bills(model, case)
    if bill_min is not None:
        model.bill_min = pyo.Constraint(expr=model.ev_bill >= float(bill_min))
    per_kwh = loss_price(case) if loss_price_per_kwh is None else loss_price_per_kwh
    model.objective = pyo.Objective(
        expr=model.supply_variance if objective == "variance" else model.ev_bill + per_kwh * model.network_loss
    )
    if factors_as_variables:
        bilevel.add_check(model, checks.emission_replay(case, network))
    model.build_seconds = time.perf_counter() - started
    return model


def loss_price(case: Instance) -> float:
    """`LOSS_SHARE` of the largest price that charging may have, currency/kWh."""
    carbon = carbon_of(case)
    units: tuple[Any, ...] = (*case.generators, *case.renewables)
    dirtiest = max(*carbon.grid_factor_kg_per_kwh, 0.0, *(unit.emission_kg_per_kwh for unit in units))
    return LOSS_SHARE * float(max(map(abs, case.wholesale_price_per_kwh)) + carbon.price_per_kg * dirtiest)


def _add_users(model: Any, case: Instance, network: Network) -> None:
    # Users need prices and prices factors, which need the users' powers: the values are set when these stand
    model.price = pyo.Expression([station.name for station in case.stations], model.T, initialize=0.0)
    model.user = bilevel.Follower([session.name for session in case.sessions])
    for session in case.sessions:
        ev_user.add(model.user[session.name], case, session, model.price, network.per_unit)


def _bound_currents(model: Any, outlook: Outlook) -> None:
    # No power flow of the case has more current, but the relaxed law could, by losses that it invents
    for k, (i, j) in enumerate(model.L, start=1):
        for t in model.T:
            model.l[i, j, t].setub(float(outlook.flows.current_squared[1][t, k]))


def _set_prices(model: Any, case: Instance, network: Network, outlook: Outlook) -> None:
    """Where no response depends on it, the factor in a price is the middle of its range."""
    per_kg = carbon_of(case).price_per_kg
    known = set(model.factor)
    for station in case.stations:
        k = network.index[station.bus]
        for t in model.T:
            middle = float(
                np.nan_to_num((outlook.factors[0][t, k] + outlook.factors[1][t, k]) / 2, posinf=0.0, neginf=0.0)
            )
            factor = model.factor[station.bus, t] if (station.bus, t) in known else middle
            model.price[station.name, t].set_value(case.wholesale_price_per_kwh[t] + per_kg * factor)


def _add_decided(model: Any, case: Instance, outlook: Outlook) -> None:
    model.decided = pyo.Constraint(pyo.Any)
    for session in case.sessions:
        power = model.user[session.name].p
        for t, share in outlook.share[session.name].items():
            model.decided[session.name, t] = power[t] == share * power[t].ub


def _add_variance(model: Any, case: Instance, variance_max_kw2: float | None, deviation_max_kw: float | None) -> None:
    """Mean and deviations of what the main grid feeds in, pu; the variance (6) in kW^2, and limits of either."""
    kva, periods = model.per_unit.base_kva, case.horizon.periods
    # Columns of their own: the mean is a sum over all periods, and would stand in each of the squares
    model.mean_supply = pyo.Var(initialize=0.0)
    model.deviation = pyo.Var(model.T, initialize=0.0)
    model.mean_row = pyo.Constraint(
        expr=pyo.quicksum(model.supply_power[t] for t in model.T) == periods * model.mean_supply
    )
    model.deviation_row = pyo.Constraint(model.T, rule=lambda m, t: m.deviation[t] == m.supply_power[t] - m.mean_supply)
    model.supply_variance = pyo.Expression(
        expr=pyo.quicksum((kva * model.deviation[t]) ** 2 / periods for t in model.T)
    )
    if deviation_max_kw is not None:
        _require_limit("deviation_max_kw", deviation_max_kw, "kW")
        model.deviation.setlb(-deviation_max_kw / kva)
        model.deviation.setub(deviation_max_kw / kva)
    if variance_max_kw2 is not None:
        _require_limit("variance_max_kw2", variance_max_kw2, "kW^2")
        # In units of the deviation allowed, so that the row is of numbers near 1
        size = max(float(np.sqrt(variance_max_kw2)), tolerances.LEAST_DEVIATION_KW) / kva
        squares = pyo.quicksum((model.deviation[t] / size) ** 2 for t in model.T)
        model.variance_max = pyo.Constraint(expr=squares <= periods * variance_max_kw2 / (kva * size) ** 2)


def _require_limit(name: str, value: float, unit: str) -> None:
    if not (np.isfinite(value) and value >= 0):
        raise BilevelError(f"{name} is {value!r}: give a number of {unit} that is at least 0")


def _add_bills(model: Any, case: Instance) -> None:
    energy = model.per_unit.base_kva * case.horizon.period_hours
    wholesale = case.wholesale_price_per_kwh
    model.electricity_cost = pyo.Expression(
        expr=pyo.quicksum(energy * wholesale[t] * power for user in model.user.values() for t, power in user.p.items())
    )
    model.ev_bill = pyo.Expression(expr=pyo.quicksum(user.payment for user in model.user.values()))
    model.carbon_cost = pyo.Expression(expr=model.ev_bill - model.electricity_cost)


def _loads(model: Any, case: Instance) -> dict[tuple[str, int], list[Any]]:
    """Charging power in pu by bus and period."""
    charging: dict[tuple[str, int], list[Any]] = {}
    for session in case.sessions:
        for t, power in model.user[session.name].p.items():
            charging.setdefault((case.station_bus[session.station], t), []).append(power)
    return charging
