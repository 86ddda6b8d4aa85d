"""An EV user who prefers slow charging: payment plus a strictly convex discomfort (docs/model.md section 3)."""

from typing import Any

import pyomo.environ as pyo

from formulations.followers.ev_user import add_payment
from formulations.options import Option
from instances import Instance, PerUnit, Session

name, about = "elastic", "they also mind fast charging, so that their response is unique"
options = (
    Option(
        name="discomfort_per_kwh",
        help="by so much must an hour at full power be cheaper than an idle one",
        example="0.05",
        default=0.05,
        unit="currency/kWh",
        above=0.0,
        flag="discomfort",
        metavar="PRICE",
    ),
)


def add(
    block: Any, case: Instance, session: Session, price: Any, per_unit: PerUnit, *, discomfort_per_kwh: float
) -> None:
    """Fill one `Follower` block with a session's user whose response to prices is unique.

    min payment + discomfort   subject to   eta * Delta * sum p_t = E (`energy`),   0 <= p_t <= P,

    with the variable, the `payment` and the rows of "ev_user" and

    discomfort = base * Delta * sum kappa / (2 P) p_t^2,   currency,

    where kappa = `discomfort_per_kwh` > 0 is the marginal discomfort at full power in currency/kWh: by so much must an hour at
    full power be cheaper than an idle one.  Both are named expressions.
    """
    limit = add_payment(block, case, session, price, per_unit)
    rate = per_unit.base_kva * case.horizon.period_hours * discomfort_per_kwh / (2 * limit)
    block.discomfort = pyo.Expression(expr=pyo.quicksum(rate * block.p[t] ** 2 for t in block.W))
    block.cost = pyo.Objective(expr=block.payment + block.discomfort)
