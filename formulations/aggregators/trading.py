"""What every aggregator does: buy by contract and in real time, sell, and store ([YZ] (18) to (21), docs/model.md section 3)."""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import pyomo.environ as pyo

from formulations.aggregators.exclusivity import OpenPair
from instances import Aggregator, Instance, Market, PerUnit
from instances.records.market import SERIES

VARIABLES = ("contract", "bought", "used", "sold", "charge", "stored")
RELIEF = 2.0
"""Price of relief over the most that a kWh in a storage is worth: the highest price over the charging efficiency."""
EXCESS = ("over", "under")
"""What an aggregator with elastic users has beside the trade: the load by which prices pass their limits."""
_ROOM = 1.01


def add(
    block: Any, case: Instance, aggregator: Aggregator, ev: Any, largest: Mapping[str, float], per_unit: PerUnit,
    barred: Collection[tuple[str, int]] = (), weight: Any = 1.0, pairs: Sequence[OpenPair] = (),
) -> None:  # fmt: skip
    """Add the trade of an aggregator whose charging power is `ev[t]` in pu; `largest` are the limits of `limits`.

    Variables over the periods T (pu; `stored` in pu hours at the end of a period): `contract` and `bought` (in real time),
    `charge`, what is discharged, in two parts, `used` by the aggregator and `sold` in real time, which keeps (19), E- <= r-;
    `stored`, and `relief`; those `barred` (name, period) are 0.  `discharge[t]` == used + sold.  Rows:

    - `balance[t]` (20): ev + charge <= contract + bought + used;
    - `rating[t]` (21): used + sold <= the largest discharge;
    - `storage[t]`: stored_t <= stored_(t-1) + Delta (eta+ charge - discharge / eta- + relief); `cycle`: stored at the end as at
      the start.

    Inequalities and `relief`, energy from nowhere at twice what it can be worth, change no optimum as long as prices are
    positive: nobody throws energy away that is paid for, and a kWh that a storage lacks can be had by charging more or discharging
    less in some period.  They give the duals signs and limits, on which the exact solution's speed depends; `unused` gives what
    has to be 0.  Where a price is not positive, the rows are equalities; there, and where the markets do not sell all that can be
    needed in any period (a kWh may then be worth more, or keep a schedule possible), there is no relief.  Without a storage that
    can move energy there are no storage rows, as nothing would limit their duals.

    `weight` scales every limit and constant, for one of several copies of the trade.  `pairs` are kept by binaries.
    """
    block.T = pyo.Set(initialize=range(case.horizon.periods), ordered=True)
    _add_variables(block, largest, barred, weight)
    row = _row(case)
    block.balance = pyo.Constraint(
        block.T, rule=lambda b, t: row(b.contract[t] + b.bought[t] + b.used[t] - ev[t] - b.charge[t])
    )
    block.rating = pyo.Constraint(block.T, rule=lambda b, t: b.used[t] + b.sold[t] <= largest["discharge"] * weight)
    start = float(per_unit.power(aggregator.storage_initial_kwh)) * weight
    stores = largest["charge"] > 0
    _add_storage(block, case, aggregator, start, stores)
    add_binaries(block, largest, pairs)
    # What a binary may bar is not there for certain
    block.supplied = _supplied(largest, [*barred, *((pair.first, pair.period) for pair in pairs)])
    if not (stores and positive(case) and block.supplied):
        block.relief.fix(0.0)


def _add_variables(block: Any, largest: Mapping[str, float], barred: Collection[tuple[str, int]], weight: Any) -> None:
    """Variables within their limits, those barred at 0, and `discharge`."""
    for name in (*VARIABLES, "relief"):
        setattr(block, name, pyo.Var(block.T, bounds=(0.0, largest[name])))
    if not isinstance(weight, float):
        block.limit = pyo.Constraint(
            VARIABLES, block.T, rule=lambda b, name, t: getattr(b, name)[t] <= largest[name] * weight
        )
    for name, t in barred:
        # The discharge is no variable, but the sum of these two
        for part in ("used", "sold") if name == "discharge" else (name,):
            getattr(block, part)[t].fix(0.0)
    block.discharge = pyo.Expression(block.T, rule=lambda b, t: b.used[t] + b.sold[t])


def _add_storage(block: Any, case: Instance, aggregator: Aggregator, start: Any, stores: bool) -> None:
    """The rows `storage` and `cycle` of a storage that begins with `start`, pu hours; without one its content is held."""
    hours, row = case.horizon.period_hours, _row(case)
    up, down = hours * aggregator.charge_efficiency, hours / aggregator.discharge_efficiency

    def storage(b: Any, t: int) -> Any:
        before = b.stored[t - 1] if t else start
        return row(before + up * b.charge[t] - down * (b.used[t] + b.sold[t]) + hours * b.relief[t] - b.stored[t])

    block.storage = pyo.Constraint(block.T if stores else [], rule=storage)
    last = block.stored[case.horizon.periods - 1]
    block.cycle = pyo.Constraint(expr=last == start if stores else pyo.Constraint.Skip)
    if not stores:
        block.stored.fix(start)


def add_binaries(block: Any, largest: Mapping[str, float], pairs: Sequence[OpenPair]) -> None:
    """Binaries `z[t]` (bought or sold) and `u[t]` (charged or discharged) for these pairs, [YZ] (18), (19), (21).

    E+ <= M z, E- <= M (1 - z), r+ <= M u, r- <= M (1 - u), M being the largest of each; nothing without pairs.
    """
    for name, first in (("z", "bought"), ("u", "charge")):
        mine = {pair.period: pair for pair in pairs if pair.first == first}
        if not mine:
            continue
        binary = pyo.Var(list(mine), within=pyo.Binary)
        setattr(block, name, binary)

        def at_first(b: Any, t: int, mine: Any = mine, binary: Any = binary) -> Any:
            return getattr(b, mine[t].first)[t] <= largest[mine[t].first] * binary[t]

        def at_second(b: Any, t: int, mine: Any = mine, binary: Any = binary) -> Any:
            return getattr(b, mine[t].second)[t] <= largest[mine[t].second] * (1 - binary[t])

        setattr(block, f"{name}_first", pyo.Constraint(list(mine), rule=at_first))
        setattr(block, f"{name}_second", pyo.Constraint(list(mine), rule=at_second))


def _supplied(largest: Mapping[str, float], barred: Collection[tuple[str, int]]) -> bool:
    """Whether the markets that are not barred sell all that can be needed in any period."""
    least = largest["contract"] + (0.0 if any(name == "bought" for name, _ in barred) else largest["bought"])
    return least >= largest["needed"]


def positive(case: Instance) -> bool:
    """Whether every price of both markets is above 0."""
    return bool(min(min(getattr(case.market, series)) for series in SERIES) > 0)


def _row(case: Instance) -> Callable[[Any], Any]:
    return (lambda surplus: surplus >= 0) if positive(case) else (lambda surplus: surplus == 0)


def unused(block: Any) -> list[Any]:
    """What is 0 in every optimum: energy thrown away, relief, excess (pu); nothing where the rows are equalities."""
    found: list[Any] = []
    for part in [block] if block.component("part") is None else block.part.values():
        rows = [row for kind in (part.balance, part.storage) for row in kind.values() if not row.equality]
        # Rows say that a surplus is at least 0, and the surplus is what is thrown away
        found += [row.body - (row.lower or 0.0) for row in rows]
        extra = [part.relief, *(part.component(name) for name in EXCESS if part.component(name) is not None)]
        found += [variable for kind in extra for variable in kind.values() if not variable.fixed]
    return found


def limits(case: Instance, aggregator: Aggregator, ev_max: float, per_unit: PerUnit) -> dict[str, float]:
    """Largest value of every variable of the trade, of `discharge` and of what is `needed`, pu and pu hours.

    Where the data give no limit it is a hundredth above what can be of use (the paper's M is the power of all equipment), so
    that it never binds.  Without energy a storage has no power.
    """
    power = per_unit.power
    stores = min(aggregator.storage_energy_kwh, aggregator.charge_max_kw, aggregator.discharge_max_kw) > 0
    charge, discharge = (float(power(x)) * stores for x in (aggregator.charge_max_kw, aggregator.discharge_max_kw))
    needed, stored = ev_max + charge, float(power(aggregator.storage_energy_kwh))
    contract, real_time = (float(power(x)) for x in (aggregator.contract_max_kw, aggregator.real_time_max_kw))
    down = 1.0 / aggregator.discharge_efficiency
    # What can never bind is moved out of reach, so that it has no multiplier
    return {
        "contract": contract if contract < needed else _ROOM * needed,
        "bought": real_time if real_time < needed else _ROOM * needed,
        "used": _ROOM * discharge,
        "sold": real_time if real_time < discharge else _ROOM * discharge,
        "charge": charge,
        "discharge": discharge,
        "stored": stored,
        "needed": needed,
        # What fills an empty storage while both parts of the discharge are at their limits
        "relief": _ROOM * (stored / case.horizon.period_hours + 2 * _ROOM * down * discharge),
    }


def cost(block: Any, case: Instance, market: Market, aggregator: Aggregator, per_unit: PerUnit) -> Any:
    """Contract and real-time purchases less sales (and relief), currency over the horizon."""
    prices = zip(*(getattr(market, series) for series in SERIES), strict=True)
    highest = max(max(getattr(market, series)) for series in SERIES)
    relief = RELIEF * highest / aggregator.charge_efficiency
    return (
        per_unit.base_kva
        * case.horizon.period_hours
        * pyo.quicksum(
            contract * block.contract[t] + buy * block.bought[t] - sell * block.sold[t] + relief * block.relief[t]
            for t, (contract, buy, sell) in enumerate(prices)
        )
    )
