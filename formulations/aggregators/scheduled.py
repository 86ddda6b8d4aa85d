"""An aggregator that schedules every session's energy ([YZ] (14) and (17), docs/model.md section 3): a linear follower."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyomo.environ as pyo

from formulations.aggregators import exclusivity as kept
from formulations.aggregators import trading
from formulations.aggregators.exclusivity import Barred
from instances import Aggregator, Instance, Market, PerUnit, Session

name = "scheduled"
about = "each vehicle's energy in its window"
several = True
options = (kept.OPTION,)


def add(
    block: Any, case: Instance, market: Market, aggregator: Aggregator, price: Any, per_unit: PerUnit,
    patterns: tuple[Barred, ...], *, exclusivity: str = kept.HULL,
) -> None:  # fmt: skip
    """Fill one `Follower` block: max base Delta sum C_t ev_t - trading cost, every session charged by its energy in its window.

    `p[n, t]` is the charging power of all vehicles of session n in pu, with eta Delta sum_t p == E (`energy[n]`), and `ev[t]` their
    sum.  `price[t]` is the leader's, in currency/kWh.  Users pay the price: `bill`.

    With several `patterns` there is one copy of all this for each, in `part[k]`, whose constants are multiplied by `share[k]` >= 0;
    the shares add up to 1, and every quantity is the sum of its copies: the convex hull of the union of the patterns.

    With `exclusivity` "exact" there is one copy, in which binaries `z[t]` and `u[t]` of the follower keep the pairs that prices
    leave open (`trading.add_binaries`); where there are none, it is the model of the hull.
    """
    sessions = [s for s in case.sessions if s.station == aggregator.station]
    block.largest = trading.limits(case, aggregator, _most(case, sessions, per_unit), per_unit)
    # The share of a single pattern is 1, so that bounds are limits enough
    if len(patterns) == 1:
        pairs = kept.open_pairs(case, aggregator) if exclusivity == kept.EXACT else []
        _add_part(block, case, aggregator, sessions, per_unit, patterns[0], 1.0, block.largest, pairs)
    else:
        _add_parts(block, case, aggregator, sessions, per_unit, patterns)
    block.paid = pyo.Expression(list(range(case.horizon.periods)), rule=lambda _b, t: price[t])
    energy = per_unit.base_kva * case.horizon.period_hours
    block.bill = pyo.Expression(expr=energy * pyo.quicksum(price[t] * block.ev[t] for t in block.ev))
    block.trading_cost = pyo.Expression(expr=trading.cost(block, case, market, aggregator, per_unit))
    block.profit = pyo.Expression(expr=block.bill - block.trading_cost)
    block.goal = pyo.Objective(expr=block.profit, sense=pyo.maximize)


def paid_per_kwh(
    _case: Instance, _aggregator: Aggregator, posted_per_kwh: np.ndarray, _ev_kw: np.ndarray
) -> np.ndarray:
    """What users pay: the posted price, (periods,)."""
    return posted_per_kwh


def _most(case: Instance, sessions: list[Session], per_unit: PerUnit) -> float:
    """Largest charging power over the periods, pu."""
    powers = (
        sum(s.count * s.power_max_kw for s in sessions if t in case.window(s)) for t in range(case.horizon.periods)
    )
    return float(per_unit.power(max(powers)))


def _add_parts(
    block: Any,
    case: Instance,
    aggregator: Aggregator,
    sessions: list[Session],
    per_unit: PerUnit,
    patterns: tuple[Barred, ...],
) -> None:
    block.K = pyo.RangeSet(0, len(patterns) - 1)
    block.share = pyo.Var(block.K, bounds=(0.0, 1.0))
    block.one = pyo.Constraint(expr=pyo.quicksum(block.share[k] for k in block.K) == 1)
    block.part = pyo.Block(block.K)
    for k, barred in enumerate(patterns):
        _add_part(block.part[k], case, aggregator, sessions, per_unit, barred, block.share[k], block.largest)
    periods = list(block.part[0].T)
    for name in ("ev", *trading.VARIABLES, "discharge", "relief"):
        copies = [getattr(block.part[k], name) for k in block.K]
        setattr(
            block, name, pyo.Expression(periods, rule=lambda _b, t, copies=copies: pyo.quicksum(c[t] for c in copies))
        )


def _add_part(
    block: Any, case: Instance, aggregator: Aggregator, sessions: list[Session], per_unit: PerUnit, barred: Barred, weight: Any,
    largest: dict[str, float], pairs: Sequence[kept.OpenPair] = (),
) -> None:  # fmt: skip
    """One copy of schedule and trade, its constants multiplied by `weight`; binaries keep the `pairs`."""
    hours = case.horizon.period_hours
    plugged = [(s.name, t) for s in sessions for t in case.window(s)]
    limit = {s.name: float(per_unit.power(s.count * s.power_max_kw)) for s in sessions}
    block.S = pyo.Set(initialize=list(limit), ordered=True)
    block.W = pyo.Set(initialize=plugged, dimen=2, ordered=True)
    block.p = pyo.Var(block.W, bounds=lambda _b, n, _t: (0.0, limit[n]))
    # The bound is that of the whole; a copy has its share of it
    if not isinstance(weight, float):
        block.power = pyo.Constraint(block.W, rule=lambda b, n, t: b.p[n, t] <= limit[n] * weight)
    window = {s.name: case.window(s) for s in sessions}
    wanted = {s.name: float(per_unit.power(s.count * s.energy_kwh)) for s in sessions}
    block.energy = pyo.Constraint(
        block.S,
        rule=lambda b, n: (
            case.charging_efficiency * hours * pyo.quicksum(b.p[n, t] for t in window[n]) == wanted[n] * weight
        ),
    )
    at: dict[int, list[str]] = {t: [] for t in range(case.horizon.periods)}
    for n, t in plugged:
        at[t].append(n)
    block.ev = pyo.Expression(list(at), rule=lambda b, t: pyo.quicksum(b.p[n, t] for n in at[t]))
    trading.add(block, case, aggregator, block.ev, largest, per_unit, barred, weight, pairs)
