"""The market of an operator and aggregators ([YZ], docs/model.md sections 1, 3 and 5): an `Instance` to a bilevel model."""

import time
from collections.abc import Mapping
from typing import Any

import numpy as np
import pyomo.environ as pyo

import bilevel
from bilevel.errors import BilevelError
from formulations import options, parts, power_flow, tolerances
from formulations.aggregators import AGGREGATORS, AggregatorModel, exclusivity, trading
from formulations.case_parts import market_of
from formulations.operator import cost
from formulations.operator import network as network_part
from formulations.prices import credit, user_prices
from formulations.scenarios import uncertain
from formulations.tariffs import add_prices
from instances import Instance, Market, Network, Scenarios


def aggregator_market(
    case: Instance,
    demand: str = "scheduled",
    flow: str = "distflow",
    *,
    fee_per_kwh: Any = None,
    supply_weight: float = 1.0,
    loss_price_per_kwh: float | None = None,
    scenarios: Scenarios | None = None,
    risk: str | Mapping[str, float] | None = None,
    chance: str | Mapping[str, float] | None = None,
    **part_options: Any,
) -> Any:
    """The operator posts charging prices and dispatches; each aggregator responds with what it earns most by.

    Returns a `pyomo.ConcreteModel` that any row may be added to, with

    - `price[c, t]`: charging price at station c in period t, currency/kWh, the leader's decision within the case's limits and mean
      cap; `nodal_price[c, t]` == price - fee (an expression), `fee[c, t]` the service fee;
    - `aggregator[k]`: the followers, with `ev`, `contract`, `bought`, `sold`, `charge`, `discharge` (pu), `stored` (pu hours) by
      period, `paid` (currency/kWh, what users pay), and `profit` and `bill` (currency);
    - `dso_cost` == supply_weight * supply_cost (currency) + loss price * network_loss (kWh), the objective (1), minimised;
    - the network with generators, rows (2) to (12), and checks of exclusivity, of the prices paid and by AC replay in every
      certificate.

    `demand` is "scheduled" (the aggregator schedules each session: linear) or "elastic" (users move for a concession: quadratic).
    `fee_per_kwh` is a number or an array (stations, periods); by default the fees of the case's credit points
    (`formulations.credit.fees`), and 0 without any.  The default of `loss_price_per_kwh` is the market's.  `part_options` are those
    that the chosen demand and power flow declare (`formulations.options.declared(formulations.parts.MARKET)`).

    `scenarios`, `risk` and `chance` are those of `charging_pricing`: posted prices and fees are those of every day, aggregators and
    network stand in `scenario[name]`, and the operator minimises its expected cost, or its risk.  Fees by credit points are those
    of the case's own records.

    Raises `BilevelError` (no market, a station without aggregator, market prices that let somebody buy and sell at once, a bad
    option), and `UnknownNameError` for an unknown demand, power flow or option, each naming object, value and remedy.
    """
    started = time.perf_counter()
    flow_model = power_flow.find(flow, **part_options)
    kind = options.find("demand", demand, AGGREGATORS)
    options.require_taken(parts.MARKET, {"demand": [demand], "flow": [flow]}, part_options)
    exact = kind.values(part_options).get(exclusivity.OPTION.name) == exclusivity.EXACT
    kind = kind.with_options(part_options)
    loss_price = market_of(case).loss_price_per_kwh if loss_price_per_kwh is None else loss_price_per_kwh

    def add_day(model: Any, day: Instance, network: Network) -> tuple[Any, int]:
        """Aggregators and network of one day, and the operator's cost on it."""
        market = _market(day)
        _add_aggregators(model, day, market, kind, exact)
        network_part.add(model, day, network, flow_model, _loads(model, day, market))
        cost.add(model, supply_weight, loss_price)
        bilevel.add_check(model, exclusivity.products(day))
        bilevel.add_check(model, user_prices.paid_within_limits(day, kind))
        return model.dso_cost, 1

    model = pyo.ConcreteModel(name=case.name)
    model.per_unit = Network.of(case.feeder).per_unit
    model.T = pyo.RangeSet(0, case.horizon.periods - 1)
    add_prices(model, case)
    _add_fees(model, case, fee_per_kwh)
    uncertain.add(model, case, add_day, uncertain.Asked.of(scenarios, risk, chance))
    model.build_seconds = time.perf_counter() - started
    return model


def _market(case: Instance) -> Market:
    """The case's market, whose aggregators run every station that has sessions."""
    market = market_of(case)
    run = {aggregator.station for aggregator in market.aggregators}
    for session in case.sessions:
        if session.station not in run:
            raise BilevelError(
                f"station {session.station!r} of session {session.name!r} has no aggregator: add one in aggregators.csv"
            )
    return market


def _add_fees(model: Any, case: Instance, fee_per_kwh: Any) -> None:
    shape = (len(case.stations), case.horizon.periods)
    if fee_per_kwh is None:
        fee_per_kwh = credit.fees(case) if case.credit is not None else 0.0
    given = np.asarray(fee_per_kwh, dtype=float)
    if given.shape not in ((), shape) or not np.isfinite(given).all():
        raise BilevelError(
            f"fee_per_kwh has shape {given.shape}: give a finite number, or an array of {shape[0]} stations x {shape[1]} periods"
        )
    largest, most = float(np.abs(given).max(initial=0.0)), tolerances.LARGEST_FEE_PER_KWH
    if largest > most:
        raise BilevelError(
            f"fee_per_kwh is {largest:g} in size: give one of at most {most:g} per kWh, or another currency"
        )
    fee = np.broadcast_to(given, shape)
    row = {station.name: k for k, station in enumerate(case.stations)}
    model.fee = pyo.Param(model.C, model.T, initialize=lambda _m, c, t: float(fee[row[c], t]), within=pyo.Reals)
    model.nodal_price = pyo.Expression(model.C, model.T, rule=lambda m, c, t: m.price[c, t] - m.fee[c, t])


def _add_aggregators(model: Any, case: Instance, market: Market, kind: AggregatorModel, exact: bool) -> None:
    model.aggregator = bilevel.Follower([aggregator.name for aggregator in market.aggregators])
    chosen: list[tuple[str, int]] = []
    for aggregator in market.aggregators:
        found = exclusivity.patterns(case, aggregator, kind.several, exact)
        price = {t: model.price[aggregator.station, t] for t in model.T}
        kind.add(model.aggregator[aggregator.name], case, market, aggregator, price, model.per_unit, found)
        chosen += [(aggregator.name, k) for k in range(len(found))] if len(found) > 1 else []
    # Every optimum of a follower has these at 0, which no relaxation knows
    waste = {name: trading.unused(block) for name, block in model.aggregator.items()}
    places = [(name, n) for name, unused in waste.items() for n in range(len(unused))]
    model.no_waste = pyo.Constraint(places, rule=lambda _m, name, n: waste[name][n] == 0)
    if chosen:
        # Binaries of the leader, as a follower with integers has no optimality conditions
        model.pattern = pyo.Var(chosen, within=pyo.Binary)
        model.chosen = pyo.Constraint(chosen, rule=lambda m, k, p: m.pattern[k, p] == m.aggregator[k].share[p])


def _loads(model: Any, case: Instance, market: Market) -> dict[tuple[str, int], list[Any]]:
    """What each aggregator draws from its bus: charging, and the storage's charge less its discharge, pu."""
    loads: dict[tuple[str, int], list[Any]] = {}
    for aggregator in market.aggregators:
        block, bus = model.aggregator[aggregator.name], case.station_bus[aggregator.station]
        for t in model.T:
            loads.setdefault((bus, t), []).append(block.ev[t] + block.charge[t] - block.discharge[t])
    return loads
