"""An aggregator whose users move their charging for a concession in price: a convex quadratic follower (docs/model.md 3)."""

from typing import Any

import numpy as np
import pyomo.environ as pyo

from bilevel.errors import BilevelError
from formulations import tolerances
from formulations.aggregators import trading
from formulations.aggregators.exclusivity import Barred
from instances import Aggregator, Instance, Market, Network, PerUnit, uncontrolled_load_kw
from instances.records.market import SERIES

name = "elastic"
about = "what users take at a price"
several = False


def add(
    block: Any, case: Instance, market: Market, aggregator: Aggregator, price: Any, per_unit: PerUnit,
    patterns: tuple[Barred, ...],
) -> None:  # fmt: skip
    """Fill one `Follower` block: max base Delta sum paid_t ev_t - trading cost, the day's energy kept.

    At the posted price C users take d, the load of charging on arrival; for another load they pay C + B (ev - d), where B is the
    inverse of the elasticity matrix (kW per currency/kWh) (d_mean / c) (own on the diagonal, cross elsewhere), with d_mean the
    mean of d over the periods with vehicles and c the middle of the price limits.  It is negative definite, so the follower is
    convex.  `ev[t]` is at most the power of the vehicles plugged in; `energy` (17) keeps sum ev == sum d, so that of B (ev - d)
    what is left is beta (ev - d), beta the diagonal of B less its other entries: `paid[t]` == C_t + beta (ev_t - d_t).

    What users pay is the price of (15): `price_max` and `price_min` keep it between the case's limits.  Its mean is that of the
    posted prices, as the moves add up to 0, and with these within its cap (16).  ev == d is always possible.  `bill`: what users
    pay.  `over` and `under` (pu of load) let a price pass a limit at `excess_price`, twice what that can be worth, so that no
    optimum does (`trading.unused`): they give the rows' duals a limit.  They are 0 where trade leaves no such worth.

    Raises `BilevelError` where the elasticity matrix is not negative definite.
    """
    periods = range(case.horizon.periods)
    wanted = on_arrival(case, aggregator, per_unit)
    most = plugged_power(case, aggregator, per_unit)
    block.largest = trading.limits(case, aggregator, float(most.max()), per_unit)
    block.ev = pyo.Var(list(periods), bounds=lambda _b, t: (0.0, float(most[t])))
    block.energy = pyo.Constraint(expr=pyo.quicksum(block.ev[t] for t in periods) == float(wanted.sum()))
    # One pattern, and an empty one: open pairs are refused where `several` is false
    (barred,) = patterns
    trading.add(block, case, aggregator, block.ev, block.largest, per_unit, barred)
    # Where no vehicle is plugged in there is no demand that a price could move
    own, cross = inverse_demand(case, aggregator, wanted[most > 0]) if most.any() else (0.0, 0.0)
    moved = {t: block.ev[t] - float(wanted[t]) if most[t] > 0 else 0.0 for t in periods}
    block.paid = pyo.Expression(list(periods), rule=lambda _b, t: price[t] + (own - cross) * moved[t])
    plugged = [t for t in periods if most[t] > 0]
    _add_limits(block, case, plugged, cross - own)
    energy = per_unit.base_kva * case.horizon.period_hours
    block.bill = pyo.Expression(expr=energy * pyo.quicksum(block.paid[t] * block.ev[t] for t in plugged))
    block.trading_cost = pyo.Expression(expr=trading.cost(block, case, market, aggregator, per_unit))
    block.profit = pyo.Expression(expr=block.bill - block.trading_cost)
    excess = pyo.quicksum(block.over[t] + block.under[t] for t in plugged)
    fine = energy * excess_price(case, market, cross - own, float(most.max()))
    block.goal = pyo.Objective(expr=block.profit - fine * excess, sense=pyo.maximize)


def _add_limits(block: Any, case: Instance, plugged: list[int], slope: float) -> None:
    """Rows that keep `paid[t]` within the price limits in these periods, and what may pass them, a pu by `slope`."""
    low, high = case.price_limits.price_min_per_kwh, case.price_limits.price_max_per_kwh
    block.over = pyo.Var(plugged, bounds=(0.0, None))
    block.under = pyo.Var(plugged, bounds=(0.0, None))
    block.price_max = pyo.Constraint(plugged, rule=lambda b, t: b.paid[t] - slope * b.over[t] <= high)
    block.price_min = pyo.Constraint(plugged, rule=lambda b, t: b.paid[t] + slope * b.under[t] >= low)
    # What a limit can be worth follows from energy that can be bought, and thrown away, in every period
    if not (trading.positive(case) and block.supplied):
        block.over.fix(0.0)
        block.under.fix(0.0)


def excess_price(case: Instance, market: Market, slope: float, most: float) -> float:
    """Price of a load of which users pay outside the limits, currency/kWh: twice what a limit can be worth.

    A limit is one of ev_t, as the posted price is given.  With ev in the box that all limits make and its sum given, multipliers
    exist that are at most what marginal profits differ by between periods.  A marginal profit is C_t + beta (2 ev_t - d_t) - c_t,
    with 0 <= c_t <= the highest market price, as energy can be thrown away, and bought in any period; `slope` == -beta.
    """
    limits = case.price_limits
    spread = limits.price_max_per_kwh - limits.price_min_per_kwh
    highest = float(max(max(getattr(market, series)) for series in SERIES))
    return trading.RELIEF * (spread + highest + 2 * slope * most)


def paid_per_kwh(case: Instance, aggregator: Aggregator, posted_per_kwh: np.ndarray, ev_kw: np.ndarray) -> np.ndarray:
    """What users pay for charging by `ev_kw` at these posted prices, (periods,): by the elasticity matrix, not by rows."""
    per_unit = Network.of(case.feeder).per_unit
    plugged = plugged_power(case, aggregator, per_unit) > 0
    paid = np.array(posted_per_kwh, dtype=float)
    if not plugged.any():
        return paid
    wanted_kw = np.asarray(per_unit.kw(on_arrival(case, aggregator, per_unit)))[plugged]
    slope = elasticity_matrix(case, aggregator, wanted_kw)
    paid[plugged] += np.linalg.solve(slope, ev_kw[plugged] - wanted_kw)
    return paid


def elasticity_matrix(case: Instance, aggregator: Aggregator, wanted: np.ndarray) -> np.ndarray:
    """Change of demand by price, unit of `wanted` per currency/kWh, for the loads d of the periods with vehicles."""
    own, cross, count = aggregator.elasticity_own, aggregator.elasticity_cross, len(wanted)
    return np.asarray(float(wanted.mean()) / _middle(case) * ((own - cross) * np.eye(count) + cross))


def on_arrival(case: Instance, aggregator: Aggregator, per_unit: PerUnit) -> np.ndarray:
    """The load d of charging on arrival at the aggregator's station, pu, shape (periods,)."""
    station = [s.name for s in case.stations].index(aggregator.station)
    return np.asarray(per_unit.power(uncontrolled_load_kw(case)[station]))


def plugged_power(case: Instance, aggregator: Aggregator, per_unit: PerUnit) -> np.ndarray:
    """Power of all vehicles plugged in at the aggregator's station that want energy, pu, shape (periods,)."""
    most = np.zeros(case.horizon.periods)
    for session in case.sessions:
        # A vehicle that wants nothing brings no demand that a price could move
        if session.station == aggregator.station and session.energy_kwh > 0:
            most[list(case.window(session))] += float(per_unit.power(session.count * session.power_max_kw))
    return most


def inverse_demand(case: Instance, aggregator: Aggregator, wanted: np.ndarray) -> tuple[float, float]:
    """Diagonal and other entries of B, currency/kWh per pu, for the loads d of the periods with vehicles.

    The elasticity matrix is (d_mean / c) ((own - cross) I + cross 1 1'), whose inverse has the same form.
    """
    own, cross, count = aggregator.elasticity_own, aggregator.elasticity_cross, len(wanted)
    # The eigenvalues are this one and own - cross, which the data keep below 0
    least = own + (count - 1) * cross
    if least >= 0:
        raise BilevelError(
            f"aggregator {aggregator.name!r} has elasticity_own {own:g} and elasticity_cross {cross:g}, which over {count} periods "
            f"are not negative definite: lower elasticity_cross below {-own / max(count - 1, 1):.3g}"
        )
    unit = _middle(case) / float(wanted.mean())
    other = -unit * cross / ((own - cross) * least)
    return unit / (own - cross) + other, other


def _middle(case: Instance) -> float:
    """The middle of the price limits, at which elasticities hold, currency/kWh."""
    limits = case.price_limits
    # Limits around 0 have a middle that nothing can be relative to
    middle = abs(limits.price_min_per_kwh + limits.price_max_per_kwh) / 2
    return max(middle, tolerances.LEAST_MIDDLE_PRICE_PER_KWH)
