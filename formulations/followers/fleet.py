"""Sessions behind the followers of a pricing model: which vehicles stand for them, and each one's own schedule."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pyomo.environ as pyo
import scipy.sparse as sp
from scipy.optimize import linprog

from bilevel import Check, tolerances
from instances import Group, Instance, Session, aggregate

_NAME = "individual schedules"


def groups(case: Instance, aggregated: bool) -> tuple[Group, ...]:
    """The sessions in groups, each with the vehicles that stand for it: as few as there are exactly, or the sessions themselves."""
    if aggregated:
        return aggregate(case)
    return tuple(Group((session,), (session,)) for session in case.sessions)


def schedule_kw(model: Any, case: Instance) -> Any:
    """What every session draws in the model, kW at the grid, (sessions, periods), in the order of the case.

    Where vehicles stand for a group, its power is shared out among the members: a linear program that always has an answer, as the
    members can draw exactly what the vehicles can.
    """
    row = {session.name: k for k, session in enumerate(case.sessions)}
    power = np.zeros((len(row), case.horizon.periods))
    for group in model.fleet:
        drawn = _drawn(model, case, group.vehicles)
        shares = _shared(case, group.members, drawn.sum(axis=0)) if group.added_up else drawn
        for session, share in zip(group.members, shares, strict=True):
            power[row[session.name]] = share
    return power


def _drawn(model: Any, case: Instance, vehicles: tuple[Session, ...]) -> Any:
    power = np.zeros((len(vehicles), case.horizon.periods))
    for k, vehicle in enumerate(vehicles):
        for t, value in model.user[vehicle.name].p.items():
            power[k, t] = model.per_unit.kw(pyo.value(value))
    return power


def _shared(case: Instance, members: tuple[Session, ...], total: Any) -> Any:
    """Powers (members, periods) with every member's energy within its limits, nearest to `total` in sum."""
    window = list(case.window(members[0]))
    count, periods = len(members), len(window)
    kwh = case.charging_efficiency * case.horizon.period_hours
    most = np.array([session.count * session.power_max_kw for session in members])
    energy = np.array([session.count * session.energy_kwh for session in members]) / kwh
    # Columns: powers by member and period, then what is missing and what is too much in each period
    own = sp.kron(sp.eye_array(count), np.ones((1, periods)))
    both = sp.kron(np.ones((1, count)), sp.eye_array(periods))
    rows = sp.block_array([[own, None, None], [both, sp.eye_array(periods), -sp.eye_array(periods)]], format="csr")
    # A difference costs, and is not forbidden: powers that the members miss by rounding still have an answer
    cost = np.concatenate([np.zeros(count * periods), np.ones(2 * periods)])
    upper = np.concatenate([np.repeat(np.minimum(most, energy), periods), np.full(2 * periods, np.inf)])
    limits = np.column_stack([np.zeros(len(upper)), upper])
    solve: Any = linprog
    right = np.concatenate([energy, total[window]])
    found = solve(cost, A_eq=rows, b_eq=right, bounds=limits, method="highs")
    power = np.full((count, case.horizon.periods), np.nan)
    if found.x is not None:
        power[:] = 0.0
        power[:, window] = found.x[: count * periods].reshape(count, periods)
    return power


def individual(case: Instance) -> Callable[[Any], list[Check]]:
    """A checker for `bilevel.add_check`: every session's own schedule, recovered from the vehicles that stand for its group.

    The worst of: a group's power that its members do not draw, over the group's largest power; and what a session pays more than
    its least bill at these prices, over its largest bill.
    """

    def check(model: Any) -> list[Check]:
        shared = [group for group in model.fleet if group.added_up]
        if not shared:
            return []
        power = schedule_kw(model, case)
        row = {session.name: k for k, session in enumerate(case.sessions)}
        worst, where = 0.0, ""
        for group in shared:
            mine = [row[session.name] for session in group.members]
            total = _drawn(model, case, group.vehicles).sum(axis=0)
            largest = sum(session.count * session.power_max_kw for session in group.members)
            missing = float(np.abs(power[mine].sum(axis=0) - total).max()) / largest
            dearer, name = _dearest(model, case, group.members, power[mine])
            for value, place in ((missing, group.vehicles[0].name), (dearer, name)):
                # Written so that NaN counts as the worst
                if not value <= worst:
                    worst, where = (np.inf if np.isnan(value) else value), place
        members = sum(len(group.members) for group in shared)
        detail = f"{members} sessions behind {sum(len(group.vehicles) for group in shared)} vehicles"
        return [Check(_NAME, worst, tolerances.FOLLOWER, "relative", where, detail)]

    return check


def _dearest(model: Any, case: Instance, members: tuple[Session, ...], power: Any) -> tuple[float, str]:
    """The largest (bill - least bill) / largest bill of a group's members, and whose it is."""
    window = list(case.window(members[0]))
    price = np.array([pyo.value(model.price[members[0].station, t]) for t in window])
    order = np.sort(price)
    kwh = case.charging_efficiency * case.horizon.period_hours
    most = np.array([session.count * session.power_max_kw for session in members])
    needed = np.array([session.count * session.energy_kwh for session in members]) / kwh
    # The least bill: full power in the cheapest periods, and the rest in the next one
    full = np.clip(needed[:, None] / most[:, None] - np.arange(len(window)), 0.0, 1.0) * most[:, None]
    excess = power[:, window] @ price - full @ order
    scale = np.maximum(needed * np.abs(price).max(), tolerances.NOT_ZERO)
    at = int(np.argmax(np.where(np.isnan(excess), np.inf, excess / scale)))
    return float(excess[at] / scale[at]), members[at].name
