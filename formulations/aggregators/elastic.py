"""An aggregator whose users move their charging for a concession in price: a convex quadratic follower (docs/model.md 3)."""

from typing import Any

import numpy as np
import pyomo.environ as pyo

from bilevel.errors import BilevelError
from formulations.aggregators import trading
from formulations.exclusivity import Barred
from instances import Aggregator, Instance, Market, PerUnit, uncontrolled_load_kw

name = "elastic"
several = False


def add(
    block: Any, case: Instance, market: Market, aggregator: Aggregator, price: Any, per_unit: PerUnit,
    patterns: tuple[Barred, ...],
) -> None:  # fmt: skip
    """Fill one `Follower` block: max base Delta sum (C_t + B (ev - d))_t ev_t - trading cost, the day's energy kept.

    At the posted price C users take d, the load of charging on arrival; for another load they pay C + B (ev - d), where B is the
    inverse of the elasticity matrix (kW per currency/kWh) (d_mean / c) (own on the diagonal, cross elsewhere), with d_mean the
    mean of d over the periods with vehicles and c the middle of the price limits.  It is negative definite, so the follower is
    convex.  `ev[t]` is at most the power of the vehicles plugged in; `energy` (17) keeps sum ev == sum d.  `bill`: what users pay.

    Raises `BilevelError` where the elasticity matrix is not negative definite.
    """
    periods = range(case.horizon.periods)
    station = [s.name for s in case.stations].index(aggregator.station)
    wanted = np.asarray(per_unit.power(uncontrolled_load_kw(case)[station]))
    most = plugged_power(case, aggregator, per_unit)
    block.largest = trading.limits(case, aggregator, float(most.max()), per_unit)
    block.ev = pyo.Var(list(periods), bounds=lambda _b, t: (0.0, float(most[t])))
    block.energy = pyo.Constraint(expr=pyo.quicksum(block.ev[t] for t in periods) == float(wanted.sum()))
    (barred,) = patterns
    trading.add(block, case, aggregator, block.ev, block.largest, per_unit, barred)
    own, cross = inverse_demand(case, aggregator, wanted[most > 0]) if most.any() else (0.0, 0.0)
    energy = per_unit.base_kva * case.horizon.period_hours
    moved = {t: block.ev[t] - float(wanted[t]) for t in periods if most[t] > 0}
    everywhere = pyo.quicksum(moved.values())
    concession = pyo.quicksum(((own - cross) * moved[t] + cross * everywhere) * block.ev[t] for t in moved)
    posted = pyo.quicksum(price[t] * block.ev[t] for t in moved)
    block.bill = pyo.Expression(expr=energy * (posted + concession))
    block.trading_cost = pyo.Expression(expr=trading.cost(block, case, market, aggregator, per_unit))
    block.profit = pyo.Expression(expr=block.bill - block.trading_cost)
    block.goal = pyo.Objective(expr=block.profit, sense=pyo.maximize)


def plugged_power(case: Instance, aggregator: Aggregator, per_unit: PerUnit) -> np.ndarray:
    """Power of all vehicles plugged in at the aggregator's station, pu, shape (periods,)."""
    most = np.zeros(case.horizon.periods)
    for session in case.sessions:
        if session.station == aggregator.station:
            most[list(case.window(session))] += float(per_unit.power(session.count * session.power_max_kw))
    return most


def inverse_demand(case: Instance, aggregator: Aggregator, wanted: np.ndarray) -> tuple[float, float]:
    """Diagonal and other entries of B, currency/kWh per pu, for the loads d of the periods with vehicles.

    The elasticity matrix is (d_mean / c) ((own - cross) I + cross 1 1'), whose inverse has the same form.
    """
    own, cross, count = aggregator.elasticity_own, aggregator.elasticity_cross, len(wanted)
    least = own + (count - 1) * cross
    if least >= 0:
        raise BilevelError(
            f"aggregator {aggregator.name!r} has elasticity_own {own:g} and elasticity_cross {cross:g}, which over {count} periods "
            f"are not negative definite: lower elasticity_cross below {-own / max(count - 1, 1):.3g}"
        )
    limits = case.price_limits
    price = max(abs(limits.price_min_per_kwh + limits.price_max_per_kwh) / 2, 1e-6)
    unit = price / float(wanted.mean())
    other = -unit * cross / ((own - cross) * least)
    return unit / (own - cross) + other, other
