"""Carbon-aware dispatch solved: exactly, and by the paper's exchange of factors ([X23], docs/model.md section 7)."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyomo.environ as pyo

import bilevel
from bilevel import ProgressEvent, Solution
from bilevel.deadline import Deadline
from bilevel.errors import BilevelError
from bilevel.progress import Progress
from bilevel.solution import VALID
from bilevel.status import Status
from formulations.carbon import start
from formulations.carbon.states import Dispatched
from formulations.carbon.system import CarbonSystem, Settled
from formulations.carbon_dispatch import carbon_dispatch, loss_price
from instances import Instance
from studies import tolerances
from studies.carbon.bill_floor import bill_floor
from studies.carbon.search import cheapest_even, least_loss_even

_ROUNDS = 30


@dataclass(frozen=True, eq=False)
class CarbonResult:
    """A day of carbon-aware dispatch; T periods, G generators, S stations.

    - `status`: certified (variance and bill are proven within the gap, every check passes), feasible (a valid day, not all proven),
      rejected, or unknown (none found); of an exchange: converged, cycling or stopped; `reason` says why;
    - `variance_kw2` of the main grid's power ((6)) and its proven bound; `baseline_variance_kw2`, without optimisation (at least
      `tolerances.LEAST_VARIANCE`), is what gaps of the variance are relative to; `fitness` is their ratio, as the paper gives it;
    - `bill`, of all users, with `bill_bound`, a proven bound of every dispatch as even; `electricity_cost` and `carbon_cost`;
    - `loss_kwh`; `supply_kw` (T,), `output_kw` (T, G), `charging_kw` (T, S), `station_factor` (T, S) in kg/kWh; `reactive_kvar`
      (T, G), None where generators have that of `CarbonSystem`;
    - `solution`: the certified solve of the bilevel model (exact); `seconds` by phase; `trace`, one entry a round (exchange).
    """

    method: str
    status: str
    reason: str
    variance_kw2: float
    variance_bound_kw2: float
    baseline_variance_kw2: float
    bill: float
    bill_bound: float
    electricity_cost: float
    carbon_cost: float
    loss_kwh: float
    supply_kw: Any
    output_kw: Any
    charging_kw: Any
    station_factor: Any
    seconds: dict[str, float]
    solution: Solution | None = None
    trace: tuple[dict[str, float], ...] = field(default=())
    reactive_kvar: Any = None

    @property
    def fitness(self) -> float:
        """Variance over that without optimisation."""
        return self.variance_kw2 / self.baseline_variance_kw2

    @property
    def bill_gap(self) -> float:
        """(bill - bound) / bill."""
        return max(0.0, self.bill - self.bill_bound) / abs(self.bill)


def exact(
    case: Instance,
    gap: float = 1e-3,
    time_limit: float | None = None,
    progress: bool | Callable[[ProgressEvent], None] = True,
    solver: str = "scip",
    proof: bool = False,
) -> CarbonResult:
    """The most even supply, and of all dispatches as even the one that is cheapest for EV users, with proven bounds of both.

    First the least variance: a convex relaxation in which users cooperate bounds it, a search on the physical system attains it.
    Then the least bill at this variance: `studies.carbon.bill_floor` bounds it by interval branch and bound, and the bilevel model
    of `carbon_dispatch`, with factors as variables, is solved from the point found on a solver that takes bilinear rows.  `gap` is
    relative to the bill, and for the variance to the variance without optimisation.  Where the model has no valid point of its
    own, the one found by the search stands.  `time_limit` is of all of this together, in seconds; a Ctrl-C stops all, and keeps
    what was found.  `proof`: ask for a proof of the model's bound; the certificate's line `bound proof` says why there is none.
    Raises `BilevelError` for a case without carbon factors or generators, or without power flow on the day without optimisation,
    and what `bilevel.solve` raises.
    """
    if not case.generators:
        raise BilevelError(
            f"case {case.name!r} has no generator, so that nothing is dispatched: give it generators.csv"
        )
    limit = Deadline(time_limit)
    # A Ctrl-C in one part stops the later ones too
    with Progress(False) as whole:
        return _solved(case, gap, limit, progress, solver, proof, lambda: whole.stop() or limit.over())


def _solved(
    case: Instance, gap: float, limit: Deadline, progress: bool | Callable[[ProgressEvent], None], solver: str,
    proof: bool, stop: Callable[[], bool],
) -> CarbonResult:  # fmt: skip
    clock = [time.perf_counter()]
    system = CarbonSystem(case)
    scale = _scale(system)
    day = cheapest_even(system, tolerances.EVEN * scale, stop)
    clock.append(time.perf_counter())
    bound = variance_bound(case, limit.left()) if day is None or day.variance_kw2 > tolerances.EVEN * scale else 0.0
    clock.append(time.perf_counter())
    if day is None:
        return _nothing(bound, scale, dict(zip(("search", "relax"), np.diff(clock).tolist(), strict=True)))
    supply = day.settled.state.supply_kw
    even = float(np.abs(supply - supply.mean()).max()) <= np.sqrt(tolerances.EVEN * scale)
    most = day.variance_kw2 * (1 + tolerances.EVEN)
    deviation = float(np.sqrt(tolerances.EVEN * scale if even else len(supply) * most))
    floor = bill_floor(system, deviation, day.bill * (1 - tolerances.BILL_FLOOR_SHARE * gap), stop).bill
    clock.append(time.perf_counter())
    model = carbon_dispatch(
        case, "bill", bill_min=floor if np.isfinite(floor) else None,
        variance_max_kw2=None if even else most, deviation_max_kw=deviation if even else None,
    )  # fmt: skip
    start.put(model, system, day)
    solution = bilevel.solve(
        model, solver, gap=gap, time_limit=limit.left(), progress=progress, warm_start=True, proof=proof
    )
    clock.append(time.perf_counter())
    seconds = dict(zip(("search", "relax", "floor", "solve"), np.diff(clock).tolist(), strict=True))
    return _exact(system, model, day, solution, floor, bound, scale, gap, seconds)


def variance_bound(case: Instance, time_limit: float | None = None) -> float:
    """A proven bound of the variance in kW^2: users cooperate, and losses may be larger than they are; 0 where none is found."""
    model = carbon_dispatch(case, "variance", factors_as_variables=False)
    found = bilevel.cooperative(model, progress=False, solver="clarabel", time_limit=time_limit)
    return float(np.fmax(0.0, found.bound))


def _scale(system: CarbonSystem) -> float:
    """What variances are relative to, kW^2."""
    state = system.baseline().state
    if not state.converged:
        raise BilevelError(
            f"case {system.case.name!r} has no power flow on the day without optimisation, which gives variances their size: "
            "reduce its loads or outputs"
        )
    return max(float(state.variance_kw2), tolerances.LEAST_VARIANCE * float((state.supply_kw**2).mean()))


def _exact(
    system: CarbonSystem, model: Any, day: Dispatched, solution: Solution, floor: float, bound: float, scale: float, gap: float,
    seconds: dict[str, float],
) -> CarbonResult:  # fmt: skip
    status, reason = solution.status, solution.reason
    if status in VALID:
        output, reactive, charging = _decisions(system, model)
        state = system.state(output, charging, reactive)
        costs = system.costs(charging, state.station_factor)
        day = Dispatched(output, Settled(charging, state, costs, np.array(1)), reactive)
    else:
        start.put(model, system, day)
        recheck = bilevel.certify(model, solution.bound, gap)
        reason = f"the day that the search found stands, for the model's own point is {status} ({reason})"
        status = recheck.status
    variance_gap = (day.variance_kw2 - bound) / scale
    if status == Status.CERTIFIED and variance_gap > max(gap, tolerances.EVEN):
        status = Status.FEASIBLE
        reason = (
            f"the variance is proven within {variance_gap:.3g} of the variance without optimisation only, asked {gap:g}"
        )
    # The model's bound is of bill and losses
    most_loss = sum(model.r[i, j] * current.ub for (i, j, _), current in model.l.items())
    most_loss_kwh = model.per_unit.base_kva * system.case.horizon.period_hours * most_loss
    bill_bound = float(np.fmax(floor, solution.bound - loss_price(system.case) * most_loss_kwh))
    return _result("exact", status, reason, day, bound, scale, bill_bound, seconds, solution=solution)


def _decisions(system: CarbonSystem, model: Any) -> tuple[Any, Any, Any]:
    """Outputs in kW, reactive powers in kvar, (T, G), and charging in kW, (T, S), as they stand in the model."""
    case, kva = system.case, model.per_unit.base_kva

    def generated(power: Any) -> Any:
        return np.array([[kva * pyo.value(power[g.name, t]) for g in case.generators] for t in model.T])

    column = {station.name: k for k, station in enumerate(case.stations)}
    charging = np.zeros((case.horizon.periods, len(column)))
    for session in case.sessions:
        for t, power in model.user[session.name].p.items():
            charging[t, column[session.station]] += kva * max(pyo.value(power), 0.0)
    return generated(model.active_power), generated(model.reactive_power), charging


def exchange(case: Instance, rounds: int = _ROUNDS) -> CarbonResult:
    """The paper's scheme: the most even dispatch at the present charging, its factors, the users' response, and again.

    It starts from charging at average power.  Of dispatches that are equally even the one with the least losses is taken.  It ends
    as converged (the response is the charging), cycling (a charging comes back; `reason` has the period) or stopped.
    """
    started = time.perf_counter()
    system = CarbonSystem(case)
    scale = _scale(system)
    charging = system.average_charging_kw()
    seen: list[Any] = []
    trace: list[dict[str, float]] = []
    status, reason = "stopped", f"neither settled nor came back within {rounds} rounds"
    day = None
    for number in range(1, rounds + 1):
        output = least_loss_even(system, charging, tolerances.EVEN * scale)
        if output is None:
            reason = f"no dispatch keeps the network's limits in round {number}"
            break
        state = system.state(output, charging)
        day = Dispatched(output, Settled(charging, state, system.costs(charging, state.station_factor), np.array(1)))
        answer = system.respond(state.station_factor).charging_kw
        change = float(np.abs(answer - charging).max())
        trace.append({"round": number, "variance_kw2": day.variance_kw2, "bill": day.bill, "change_kw": change})
        if change <= tolerances.SAME_CHARGING_KW:
            status, reason = "converged", f"charging stays after {number} rounds"
            break
        back = [k for k, earlier in enumerate(seen) if np.abs(earlier - answer).max() <= tolerances.SAME_CHARGING_KW]
        if back:
            status, reason = "cycling", f"charging comes back after {len(seen) - back[-1]} rounds"
            break
        seen.append(answer)
        charging = answer
    seconds = {"exchange": time.perf_counter() - started}
    if day is None:
        return _nothing(0.0, scale, seconds, "exchange", reason)
    return _result("exchange", status, reason, day, np.nan, scale, np.nan, seconds, trace=tuple(trace))


def _result(
    method: str, status: str, reason: str, day: Dispatched, bound: float, scale: float, bill_bound: float,
    seconds: dict[str, float], **more: Any,
) -> CarbonResult:  # fmt: skip
    state, costs = day.settled.state, day.settled.costs
    return CarbonResult(
        method, status, reason, day.variance_kw2, bound, scale, day.bill, bill_bound, float(costs.electricity_cost),
        float(costs.carbon_cost), float(state.loss_kwh), state.supply_kw, day.output_kw, day.settled.charging_kw,
        state.station_factor, seconds, reactive_kvar=day.reactive_kvar, **more,
    )  # fmt: skip


def _nothing(
    bound: float, scale: float, seconds: dict[str, float], method: str = "exact",
    reason: str = "no dispatch was found that keeps the network's limits",
) -> CarbonResult:  # fmt: skip
    nan = float("nan")
    return CarbonResult(
        method, "unknown", reason, nan, bound, scale, nan, nan, nan, nan, nan, None, None, None, None, seconds
    )
