"""The iterative scheme against equilibria known by hand: how it ends, what it refuses, what it keeps."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from typing import Any

import numpy as np
import pyomo.environ as pyo
import pytest
import scipy.sparse as sp
from pyomo.common.collections import ComponentMap

import bilevel
import formulations
import instances
from bilevel import BilevelError, PriceRule
from bilevel.equilibrium import feasible_prices
from bilevel.equilibrium.iteration import repeats
from bilevel.program.cones import Cones
from bilevel.program.rows import Rows
from bilevel.program.solver_program import SolverProgram
from bilevel.progress import Quiet
from bilevel.solvers import SOLVERS
from bilevel.solvers.scaling.scaled import Scaled


def two_nodes(slope: float = 0.5, demand: float = 2.0, cap: float = 50.0) -> Any:
    """Supply at 1 + slope g per unit meets the demand and one user, to whom a unit is worth 8 - 2 y."""
    model = pyo.ConcreteModel(name="two nodes")
    model.g = pyo.Var(bounds=(0, 100))
    model.price = pyo.Var(bounds=(0, cap))
    model.user = bilevel.Follower()
    model.user.y = pyo.Var(bounds=(0, 10))
    model.user.cost = pyo.Objective(expr=model.price * model.user.y - 8 * model.user.y + model.user.y**2)
    model.balance = pyo.Constraint(expr=model.g - model.user.y == demand)
    model.cost = pyo.Objective(expr=model.g + slope / 2 * model.g**2)
    return model


def bang_bang() -> Any:
    """A unit of load in one of two hours, at a supply that costs 10 g² / 2 an hour: at the equilibrium it is halved."""
    model = pyo.ConcreteModel(name="bang-bang")
    model.T = pyo.RangeSet(0, 1)
    model.g = pyo.Var(model.T, bounds=(0, 5))
    model.price = pyo.Var(model.T, bounds=(0, 100))
    model.user = bilevel.Follower()
    model.user.y = pyo.Var(model.T, bounds=(0, 1))
    model.user.cost = pyo.Objective(expr=sum(model.price[t] * model.user.y[t] for t in model.T))
    model.user.energy = pyo.Constraint(expr=sum(model.user.y[t] for t in model.T) == 1)
    model.balance = pyo.Constraint(model.T, rule=lambda m, t: m.g[t] - m.user.y[t] == 0.1 * t)
    model.cost = pyo.Objective(expr=5 * sum(model.g[t] ** 2 for t in model.T))
    return model


def rules(*pairs: tuple[Any, Any]) -> Any:
    return ComponentMap(pairs)


def hourly(model: Any) -> Any:
    return rules(*((model.price[t], model.balance[t]) for t in model.T))


def run(model: Any, prices: Any, **settings: Any) -> bilevel.EquilibriumTrace:
    return bilevel.equilibrium(model, prices, progress=False, **settings)


@pytest.mark.parametrize("damping", [0.3, 0.7])
def test_two_nodes_meet_where_supply_and_demand_cross(damping: float) -> None:
    model = two_nodes()
    trace = run(model, rules((model.price, model.balance)), damping=damping)
    # 8 - 2 y = price = 1 + 0.5 (2 + y), so y = 2.4 and price = 3.2
    assert trace.status == "converged" and trace.period is None and "tolerance" in trace.reason
    assert trace.prices == {"price": pytest.approx(3.2, rel=1e-3)}
    assert trace.response["user.y"] == pytest.approx(2.4, rel=1e-3)
    assert trace.loads["user.y"] == pytest.approx(trace.response["user.y"], abs=1e-3)
    assert trace.solution.status == "certified" and trace.values["user.y"] == pytest.approx(2.4, rel=1e-3)
    assert pyo.value(model.g) == pytest.approx(4.4, rel=1e-3) and not model.price.fixed
    assert trace.values["price"] == trace.prices["price"] == model.price.value
    frame = trace.to_frame()
    # The map y -> response has slope -1/4, so every iteration leaves 1 - 5/4 damping of the residual
    ratio = frame["residual"].to_numpy()[1:4] / frame["residual"].to_numpy()[:3]
    assert ratio == pytest.approx(abs(1 - 1.25 * damping), rel=0.02)
    assert list(frame["iteration"]) == list(range(1, len(frame) + 1)) and (frame["seconds"] > 0).all()
    assert frame["residual"].iloc[-1] <= 1e-4 < frame["residual"].iloc[-2]
    assert (frame["cost_excess"].iloc[-1], frame["clipped_prices"].iloc[-1]) == (pytest.approx(0, abs=1e-3), 0)
    assert frame["objective"].iloc[-1] == pytest.approx(4.4 + 0.25 * 4.4**2, rel=1e-3)


def test_linear_supply_has_its_cost_as_price_and_rules_scale_it() -> None:
    model = two_nodes(slope=0.0)
    trace = run(model, rules((model.price, PriceRule(model.balance, factor=2.0, fee=0.5))))
    assert trace.prices["price"] == pytest.approx(2.5, abs=1e-9)
    assert trace.values["user.y"] == pytest.approx((8 - 2.5) / 2, rel=1e-6)


def test_a_row_written_the_other_way_and_a_leader_that_maximises() -> None:
    model = two_nodes(slope=0.0)
    model.balance.deactivate()
    model.turned = pyo.Constraint(expr=model.user.y - model.g <= -2)
    trace = run(model, rules((model.price, PriceRule(model.turned, factor=-1.0))))
    assert trace.prices["price"] == pytest.approx(1.0, abs=1e-9)
    model.cost.deactivate()
    model.gain = pyo.Objective(expr=-model.g, sense=pyo.maximize)
    trace = run(model, rules((model.price, PriceRule(model.turned, factor=-1.0))))
    assert trace.prices["price"] == pytest.approx(1.0, abs=1e-9)
    assert trace.to_frame()["objective"].iloc[-1] == pytest.approx(-(2 + 3.5), rel=1e-3)


def test_prices_stop_at_their_bounds_and_are_counted() -> None:
    model = two_nodes(cap=3.0)
    trace = run(model, rules((model.price, model.balance)))
    assert trace.status == "converged" and trace.prices["price"] == 3.0
    assert trace.values["user.y"] == pytest.approx(2.5, rel=1e-4)
    assert trace.to_frame()["clipped_prices"].iloc[-1] == 1 and "1 of 1 last prices are at a bound" in trace.reason


def test_all_or_nothing_followers_cycle_undamped() -> None:
    model = bang_bang()
    trace = run(model, hourly(model), damping=1.0)
    assert (trace.status, trace.period) == ("cycling", 2) and "every 2 iterations" in trace.reason
    assert len(trace.iterations) == 6 and trace.iterations[-1].residual == pytest.approx(1.0)
    assert sorted(trace.response.values()) == pytest.approx([0.0, 1.0])
    assert trace.solution.certificate.valid


def test_small_damping_stays_nearer_to_the_split() -> None:
    model = bang_bang()
    trace = run(model, hourly(model), damping=0.05, max_iterations=60)
    assert trace.status in ("stopped", "cycling")
    # Equal prices at 10 y0 = 10 (y1 + 0.1), y0 + y1 = 1; loads stay within a step of it
    assert trace.loads["user.y[0]"] == pytest.approx(0.55, abs=0.06)
    assert trace.iterations[-1].cost_excess < 0.2 * trace.iterations[0].cost_excess
    fresh = bang_bang()
    short = run(fresh, hourly(fresh), damping=0.02, max_iterations=5)
    assert short.status == "stopped" and len(short.iterations) == 5 and "limit of iterations" in short.reason


@pytest.mark.parametrize("curve", [1e-4, 1e-3, 1.0, 100.0])
def test_quadratic_followers_answer_exactly_whatever_their_curvature(curve: float) -> None:
    model = bang_bang()
    user = model.user
    user.cost.deactivate()
    user.smooth = pyo.Objective(expr=user.cost.expr + curve / 2 * sum(user.y[t] ** 2 for t in model.T))
    model.price[0].set_value(1.0)
    model.price[1].set_value(1.0 + curve / 4)
    # p0 + curve y0 = p1 + curve y1 and y0 + y1 = 1
    first = run(model, hourly(model), max_iterations=1)
    assert list(first.loads.values()) == pytest.approx([0.625, 0.375], abs=1e-6)


def test_repeats_tell_cycles_from_slow_convergence() -> None:
    t = np.arange(30.0)
    assert repeats(np.stack([t % 3, 0 * t], axis=1), 1e-4) == 3
    assert repeats(np.tile(np.arange(60.0), 4)[:, None], 1e-4) is None
    assert repeats((t % 2)[:5, None], 1e-4) is None
    assert repeats((t % 2)[:6, None], 1e-4) == 2
    assert repeats(np.exp(-1e-6 * t)[:, None], 1e-4) is None
    assert repeats(((-0.99) ** t)[:, None], 1e-4) is None
    assert repeats(np.ones((30, 2)), 1e-4) is None


def test_the_start_is_the_value_that_stands_in_the_price() -> None:
    model = two_nodes()
    model.price.set_value(3.2)
    assert run(model, rules((model.price, model.balance))).iterations[0].residual == pytest.approx(0, abs=1e-4)
    model.price.set_value(8.0)
    assert run(model, rules((model.price, model.balance))).iterations[0].residual == pytest.approx(0.3, rel=1e-3)


def test_broken_rows_on_prices_are_told_and_earlier_prices_taken() -> None:
    model = two_nodes()
    model.price_cap = pyo.Constraint(expr=model.price <= 3.0)
    trace = run(model, rules((model.price, model.balance)))
    assert trace.status == "converged" and trace.prices["price"] == pytest.approx(3.2, rel=1e-3)
    assert "'price_cap'" in trace.reason and f"those of iteration {trace.solution_iteration}" in trace.reason
    assert trace.solution.status == "certified" and trace.solution_tick == 0
    taken = trace.price_history[trace.solution_iteration - 1]["price"]
    assert trace.values["price"] == model.price.value == taken <= 3.0
    assert all(prices["price"] > 3.0 for prices in trace.price_history[trace.solution_iteration :])
    assert model.price_cap.active and pyo.value(model.user.y) == pytest.approx((8 - taken) / 2, rel=1e-3)
    model.price_cap.set_value(model.price <= 4.0)
    wide = run(model, rules((model.price, model.balance)))
    assert wide.solution.status == "certified" and wide.solution_iteration == len(wide.iterations)


def test_rows_that_all_prices_break_reject_the_point() -> None:
    model = two_nodes()
    # Without any load a unit costs 1 + 0.5 * 2
    model.price_cap = pyo.Constraint(expr=model.price <= 1.5)
    trace = run(model, rules((model.price, model.balance)))
    assert trace.solution.status == "rejected" and "price_cap" in trace.solution.reason
    assert trace.solution.certificate["rows on prices"].value == pytest.approx(1.7 / 3.2, rel=1e-2)
    assert "neither the last prices nor earlier ones" in trace.reason
    assert trace.solution_iteration == len(trace.iterations) and trace.values["price"] == trace.prices["price"]


def test_revenue_of_the_leader_counts_at_the_given_prices() -> None:
    model = two_nodes()
    model.profit = pyo.Objective(expr=model.cost.expr - model.price * model.user.y)
    model.cost.deactivate()
    trace = run(model, rules((model.price, model.balance)))
    assert trace.prices["price"] == pytest.approx(3.2, rel=1e-3)
    assert trace.to_frame()["objective"].iloc[-1] == pytest.approx(4.4 + 0.25 * 4.4**2 - 3.2 * 2.4, rel=1e-3)


def refused(model: Any, prices: Any, match: str, **settings: Any) -> None:
    with pytest.raises(BilevelError, match=match):
        run(model, prices, **settings)


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        ({"damping": 0.0}, "damping is 0.0: give"),
        ({"damping": 1.5}, "damping is 1.5: give"),
        ({"tolerance": -1.0}, "tolerance is -1.0: give"),
        ({"max_iterations": 0}, "max_iterations is 0: give"),
    ],
)
def test_settings_are_checked(settings: dict[str, Any], match: str) -> None:
    model = two_nodes()
    refused(model, rules((model.price, model.balance)), match, **settings)


def test_prices_and_rows_are_checked() -> None:
    model = two_nodes()
    model.capacity = pyo.Constraint(expr=model.user.y <= 9)
    model.curved = pyo.Constraint(expr=model.g**2 <= 1e4)
    model.user.limit = pyo.Constraint(expr=model.user.y <= 9)
    model.off = pyo.Constraint(expr=model.g <= 90)
    model.off.deactivate()
    refused(model, rules(), "prices is empty")
    refused(model, rules((model.g, model.balance)), "'g' multiplies no follower")
    refused(model, rules((model.user.y, model.balance)), "'user.y' is a follower's")
    refused(model, rules((model.price, model.capacity)), "'capacity' .* holds loads and prices only")
    refused(model, rules((model.price, PriceRule(model.balance, factor=float("nan")))), "'price' has factor nan")
    for row in (model.curved, model.user.limit, model.off, two_nodes().balance):
        refused(model, rules((model.price, row)), f"'{row.name}' .* is no active linear row of the leader")
    model.price.fix(3.0)
    refused(model, rules((model.price, model.balance)), "'price' is fixed")
    loose = two_nodes()
    loose.price.setub(None)
    refused(loose, rules((loose.price, loose.balance)), "'price' has neither a value nor two bounds")
    hours = bang_bang()
    refused(hours, rules((hours.price, hours.balance[0])), "'price' is no single variable")
    refused(hours, rules((hours.price[0], hours.balance[0])), r"followers see leader variable 'price\[1\]'")


def test_leaders_without_duals_are_refused() -> None:
    whole = two_nodes()
    whole.on = pyo.Var(domain=pyo.Binary)
    whole.switch = pyo.Constraint(expr=whole.g <= 100 * whole.on)
    refused(whole, rules((whole.price, whole.balance)), "'on' is integer, .* fix it")
    tied = two_nodes()
    tied.share = pyo.Var(bounds=(0, 1))
    tied.block = pyo.Constraint(expr=tied.price == 5 * tied.share)
    refused(tied, rules((tied.price, tied.balance)), "row 'block' ties prices to leader variable 'share'")
    product = two_nodes()
    product.k = pyo.Var(bounds=(0, 1))
    product.mix = pyo.Constraint(expr=product.k * product.user.y + product.g <= 90)
    refused(product, rules((product.price, product.balance)), "'k' multiplies another variable")
    seen = two_nodes()
    seen.user.limit = pyo.Constraint(expr=seen.user.y <= seen.g)
    refused(seen, rules((seen.price, seen.balance)), "followers see leader variable 'g'")
    curved = two_nodes()
    curved.user.limit = pyo.Constraint(expr=curved.user.y**2 <= 50)
    refused(curved, rules((curved.price, curved.balance)), "follower 'user' has quadratic rows")
    read = two_nodes()
    read.user.limit = pyo.Constraint(expr=read.user.y <= 9)
    read.reads = pyo.Constraint(expr=read.user.dual(read.user.limit) + read.g >= 0)
    refused(read, rules((read.price, read.balance)), "multiplier")


@pytest.mark.parametrize("limit", ["bound", "row", "cone"])
def test_broken_limits_cost_their_scarcity_price(limit: str) -> None:
    model = two_nodes()
    if limit == "bound":
        model.g.setub(4.0)
    elif limit == "row":
        model.limit = pyo.Constraint(expr=(-4.0, -model.g, 0.0))
    else:
        model.limit = pyo.Constraint(expr=model.g**2 <= 16.0)
    model.price.set_value(8.0)
    # No load at first; at price 1 + 0.5 * 2 the user wants 3, and 2 + 3 breaks the 4; at the highest price it wants none
    trace = run(model, rules((model.price, model.balance)), damping=1.0)
    assert (trace.status, trace.period) == ("cycling", 2)
    worst = {"bound": ("g", 1 / 4), "row": ("limit", 1 / 100), "cone": ("limit", 9 / 16)}[limit]
    assert trace.iterations[1].worst_limit == worst[0]
    assert trace.iterations[1].worst_violation == pytest.approx(worst[1], rel=1e-5)
    frame = trace.to_frame()
    assert list(frame["limits_broken"]) == [0, 1, 0, 1, 0, 1]
    assert [prices["price"] for prices in trace.price_history[:2]] == [pytest.approx(2.0), 50.0]
    # Rounding may take 9 / 16 to either side
    shares = {f"{worst[1] * side:.3g}" for side in (1 - 1e-6, 1 + 1e-6)}
    assert "3 of 6 iterations break limits" in trace.reason and any(
        f"'{worst[0]}' by {s}" in trace.reason for s in shares
    )
    assert trace.solution.status == "certified" and pyo.value(model.user.y) == pytest.approx(0, abs=1e-6)
    # Stopped at a price that calls for too much, the point is at the one before
    model.price.set_value(8.0)
    short = run(model, rules((model.price, model.balance)), damping=1.0, max_iterations=3)
    assert short.prices["price"] == pytest.approx(2.0) and short.solution_iteration == 2
    assert "at those of iteration 2" in short.reason and short.values["price"] == 50.0
    assert short.solution.status == "certified"


def test_prices_that_only_seem_to_admit_a_point_are_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feasible_prices, "_admits", lambda *_: True)
    model = two_nodes()
    model.g.setub(4.0)
    model.price.set_value(8.0)
    trace = run(model, rules((model.price, model.balance)), damping=1.0, max_iterations=3)
    assert trace.solution_iteration == 2 and trace.solution.status == "certified"


def test_equality_rows_that_contradict_the_loads_are_refused() -> None:
    model = two_nodes()
    model.fixed = pyo.Constraint(expr=model.g == 2.0)
    model.price.set_value(8.0)
    match = "loads of iteration 2 is infeasible: no matter how far its limits give way"
    refused(model, rules((model.price, PriceRule(model.balance, factor=0.0, fee=1.0))), match, damping=1.0)


def test_averaging_settles_at_the_split() -> None:
    model = bang_bang()
    trace = run(model, hourly(model), damping="averaging", max_iterations=60)
    # Loads are the mean of 60 responses of which each is all or nothing
    assert trace.loads["user.y[0]"] == pytest.approx(0.55, abs=1 / 60)
    assert trace.loads["user.y[0]"] * 60 == pytest.approx(round(trace.loads["user.y[0]"] * 60), abs=1e-6)


def test_followers_without_an_answer_are_named() -> None:
    model = two_nodes()
    model.user.never = pyo.Constraint(expr=model.user.y >= 20)
    refused(model, rules((model.price, model.balance)), "follower 'user' is infeasible at the prices of iteration 0")


def test_a_loose_cone_gives_no_prices() -> None:
    model = two_nodes()
    model.p, model.l, model.v = pyo.Var(bounds=(-9, 9)), pyo.Var(bounds=(0, 50)), pyo.Var(bounds=(1, 2))
    model.line = pyo.Constraint(expr=model.p == model.g)
    # Nobody pays for the current l, and its floor leaves the cone loose
    model.floor = pyo.Constraint(expr=model.l >= 40)
    model.cone = pyo.Constraint(expr=model.p**2 <= model.v * model.l)
    bilevel.relaxes_equality(model, model.cone)
    refused(model, rules((model.price, model.balance)), r"cone 'cone' has the gap .* iteration 1")


def test_duals_of_rows_are_in_the_programs_own_units() -> None:
    """min 300 a + 1e-3 b over 1e3 a + 4e-3 b >= 6, -2 b >= -2000: b costs 0.25 a unit of the first row, a 0.3."""
    rows = Rows(sp.csr_array(np.array([[1e3, 4e-3], [0.0, -2.0]])), np.array([6.0, -2000.0]), np.full(2, np.inf))
    opened = Scaled(SOLVERS["highs"].open())
    opened.load(
        SolverProgram(
            np.array([300.0, 1e-3]), 7.0, np.zeros(2), np.full(2, np.inf), np.zeros(2, dtype=bool), rows, Cones.none(2), (),
            np.array([1e-3, 1e3]),
        )
    )  # fmt: skip
    outcome = opened.solve(False, 0.0, 10.0, False, Quiet())
    assert outcome.row_dual is not None
    # b gives 4 of the 6 and a the rest; half a unit less of b saves 5e-4 and costs 2e-3 of the first row at 0.3
    assert outcome.row_dual == pytest.approx([0.3, 1e-4])


INTERRUPTED = """
import json
import bilevel, pyomo.environ as pyo
from pyomo.common.collections import ComponentMap
model = pyo.ConcreteModel()
model.g, model.price = pyo.Var(bounds=(0, 100)), pyo.Var(bounds=(0, 50))
model.user = bilevel.Follower()
model.user.y = pyo.Var(bounds=(0, 10))
model.user.cost = pyo.Objective(expr=model.price * model.user.y - 8 * model.user.y + model.user.y**2)
model.balance = pyo.Constraint(expr=model.g - model.user.y == 2)
model.cost = pyo.Objective(expr=model.g + model.g**2 / 4)
prices = ComponentMap([(model.price, model.balance)])
trace = bilevel.equilibrium(model, prices, damping=1e-3, tolerance=1e-9, max_iterations=100000)
print(json.dumps([trace.status, trace.reason, len(trace.to_frame()), trace.solution.certificate.valid]))
"""


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX systems")
def test_ctrl_c_ends_the_loop_and_keeps_the_trace() -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", INTERRUPTED], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith("iteration 3"):
                break
        else:
            pytest.fail("the iteration ended by itself")
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=60)
    finally:
        process.kill()
        process.communicate()
    assert process.returncode == 0
    status, reason, count, valid = json.loads(out)
    assert status == "stopped" and "Ctrl-C" in reason and 3 <= count < 10000 and valid


@pytest.fixture(scope="module")
def exact() -> bilevel.Solution:
    model = formulations.charging_pricing(instances.scale(instances.load("ieee33"), 5), "cost")
    return bilevel.solve(model, progress=False)


@pytest.mark.parametrize("damping", [0.5, 1.0])
def test_ieee33_is_no_better_than_the_exact_optimum(damping: float, exact: bilevel.Solution) -> None:
    case = instances.scale(instances.load("ieee33"), 5)
    model = formulations.charging_pricing(case, "cost")
    trace = run(model, formulations.nodal_prices(model, case), damping=damping, max_iterations=12)
    assert trace.status in ("converged", "cycling", "stopped")
    assert trace.solution.status == "certified", trace.solution.reason
    assert trace.solution.objective >= exact.bound - 1e-6 * abs(exact.bound)
    # Waiting for cheap hours saves cost against the start, whose flat prices tell users nothing
    assert trace.solution.objective < trace.iterations[0].objective
    assert bilevel.certify(model).valid
    assert set(trace.prices) == {model.price[c, t].name for c in model.C for t in model.T}


def test_prices_that_admit_a_point_are_not_left_for_the_leaders_own_cost() -> None:
    """At a price of 1 the follower takes y = 1e-4 and the leader x = 0.1; x breaking its row would pay more than its penalty."""
    m = pyo.ConcreteModel()
    m.price = pyo.Var(bounds=(0, 1), initialize=0.2)
    m.x, m.s = pyo.Var(bounds=(0, 1)), pyo.Var(bounds=(0, 2))
    m.f = bilevel.Follower()
    m.f.y = pyo.Var(bounds=(1e-4, 1))
    m.f.cost = pyo.Objective(expr=m.price * m.f.y + 0.5 * m.f.y**2 - m.f.y)
    m.balance = pyo.Constraint(expr=m.s == m.f.y)
    m.cap = pyo.Constraint(expr=m.x - 1000 * m.f.y <= 0)
    m.goal = pyo.Objective(expr=m.s**2 - m.x)
    trace = bilevel.equilibrium(m, ComponentMap([(m.price, m.balance)]), damping=1.0, max_iterations=3, progress=False)
    assert trace.solution_iteration == 3 and trace.solution.status == "certified"
    assert trace.solution.objective == pytest.approx(-0.1, rel=1e-6)


@pytest.mark.parametrize("seconds", [0.0, -1.0, float("nan")])
def test_limits_that_nothing_can_keep_are_refused(seconds: float) -> None:
    m = pyo.ConcreteModel()
    m.x = pyo.Var(bounds=(0, 1))
    m.goal = pyo.Objective(expr=m.x)
    with pytest.raises(bilevel.BilevelError, match="time_limit is"):
        bilevel.equilibrium(m, ComponentMap(), time_limit=seconds, progress=False)
    with pytest.raises(bilevel.BilevelError, match="time_limit is"):
        bilevel.cooperative(m, time_limit=seconds, progress=False)
    with pytest.raises(bilevel.BilevelError, match="gap is"):
        bilevel.cooperative(m, gap=seconds, progress=False)
