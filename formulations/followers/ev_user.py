"""The EV user of [Z19]: buy the session's energy at the least bill (docs/model.md section 3)."""

from typing import Any

import pyomo.environ as pyo

from instances import Instance, PerUnit, Session

name, about = "ev_user", "the least bill"


def add(block: Any, case: Instance, session: Session, price: Any, per_unit: PerUnit) -> None:
    """Fill one `Follower` block with a session's user.

    min bill = base * Delta * sum price_t p_t   subject to   eta * Delta * sum p_t = E (`energy`),   0 <= p_t <= P,

    over the periods in which the vehicle is plugged in.  `price` is the leader's variable [station, period] in
    currency/kWh; `p` is the charging power of all `count` vehicles in per unit; the bill is in currency, and equal to the
    named expression `payment`, which every follower of this package has.
    """
    add_payment(block, case, session, price, per_unit)
    block.bill = pyo.Objective(expr=block.payment)


def add_payment(block: Any, case: Instance, session: Session, price: Any, per_unit: PerUnit) -> float:
    """Everything of the user but its objective: periods `W`, power `p` (pu), row `energy`, expression `payment` (currency).

    Gives P, the largest power of all `count` vehicles in per unit.
    """
    hours, efficiency = case.horizon.period_hours, case.charging_efficiency
    limit = float(per_unit.power(session.count * session.power_max_kw))
    energy = float(per_unit.power(session.count * session.energy_kwh))
    block.W = pyo.Set(initialize=list(case.window(session)), ordered=True)
    block.p = pyo.Var(block.W, bounds=(0.0, limit))
    block.payment = pyo.Expression(
        expr=pyo.quicksum(per_unit.base_kva * hours * price[session.station, t] * block.p[t] for t in block.W)
    )
    block.energy = pyo.Constraint(expr=pyo.quicksum(efficiency * hours * block.p[t] for t in block.W) == energy)
    return limit
