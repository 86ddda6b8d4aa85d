"""The worst tie against all vertices of the followers' optimal answers, whose costs to the leader are closed forms."""

from __future__ import annotations

import dataclasses
import itertools
import re
from types import SimpleNamespace

import numpy as np
import pyomo.environ as pyo
import pytest
from scipy.optimize import linprog

import bilevel
import formulations
import instances
from bilevel import tolerances
from bilevel.certify.ties import cells, worst_tie
from bilevel.certify.ties.cells import Cell
from bilevel.compile.compiler import compile_model
from bilevel.followers.optimal_cost import respond
from formulations.operator import checks

ALWAYS, NEVER = SimpleNamespace(over=lambda: False), SimpleNamespace(over=lambda: True)


def vertices(energy: float, most: np.ndarray) -> list[np.ndarray]:
    """Corners of sum p = energy, 0 <= p <= most: all but one of the columns at an end."""
    n, found = len(most), []
    for free in range(n):
        others = [k for k in range(n) if k != free]
        for ends in itertools.product((0.0, 1.0), repeat=n - 1):
            p = np.zeros(n)
            p[others] = np.array(ends) * most[others]
            p[free] = energy - p.sum()
            if -1e-12 <= p[free] <= most[free] + 1e-12:
                found.append(p)
    return found


def lines(rng: np.random.Generator, users: int, hours: int, lanes: int) -> dict[str, np.ndarray]:
    """Random users of `lanes` lines, indifferent between all hours; loads of a line add up with a base, weights differ by hour."""
    most = rng.uniform(0.5, 2.0, (users, hours))
    return {
        "most": most, "energy": rng.uniform(0.2, 0.8, users) * most.sum(axis=1),
        "share": rng.uniform(0.0, 1.0, (users, lanes)),
        "base": rng.uniform(-0.5, 1.0, (lanes, hours)), "weight": rng.uniform(0.5, 2.0, (lanes, hours)),
        "both": rng.uniform(0.5, 2.0, hours),
        "rate": rng.uniform(-1.0, 1.0, (users, hours)),
    }  # fmt: skip


def model_of(data: dict[str, np.ndarray], limit: float = 100.0, floor: float = -100.0) -> pyo.ConcreteModel:
    """The leader pays weight * load^2 of each line and hour, both * (sum of loads)^2 of each hour, and a rate of its own."""
    users, hours = data["most"].shape
    lanes = data["base"].shape[0]
    m = pyo.ConcreteModel()
    m.price = pyo.Var(bounds=(1, 1), initialize=1)
    m.user = bilevel.Follower(range(users))
    for n in range(users):
        m.user[n].p = pyo.Var(range(hours), bounds=(0, None))
        for t in range(hours):
            m.user[n].p[t].setub(data["most"][n, t])
            m.user[n].p[t].set_value(data["energy"][n] / data["most"][n].sum() * data["most"][n, t])
        m.user[n].bill = pyo.Objective(expr=m.price * sum(m.user[n].p[t] for t in range(hours)))
        m.user[n].need = pyo.Constraint(expr=sum(m.user[n].p[t] for t in range(hours)) == data["energy"][n])
    m.flow = pyo.Var(range(lanes), range(hours), bounds=(floor, limit))
    m.square = pyo.Var(range(lanes + 1), range(hours), bounds=(0, None))

    def loads(i: int, t: int):
        return data["base"][i, t] + sum(data["share"][n, i] * m.user[n].p[t] for n in range(users))

    m.balance = pyo.Constraint(range(lanes), range(hours), rule=lambda m, i, t: m.flow[i, t] == loads(i, t))
    m.line = pyo.Constraint(range(lanes), range(hours), rule=lambda m, i, t: m.flow[i, t] ** 2 <= m.square[i, t])
    m.all = pyo.Constraint(
        range(hours), rule=lambda m, t: sum(m.flow[i, t] for i in range(lanes)) ** 2 <= m.square[lanes, t]
    )
    for i, t in itertools.product(range(lanes), range(hours)):
        m.flow[i, t].set_value(pyo.value(loads(i, t)))
        m.square[i, t].set_value(m.flow[i, t].value ** 2)
    for t in range(hours):
        m.square[lanes, t].set_value(sum(m.flow[i, t].value for i in range(lanes)) ** 2)
    paid = sum(data["weight"][i, t] * m.square[i, t] for i in range(lanes) for t in range(hours))
    paid += sum(data["both"][t] * m.square[lanes, t] for t in range(hours))
    paid += sum(data["rate"][n, t] * m.user[n].p[t] for n in range(users) for t in range(hours))
    m.pay = pyo.Objective(expr=paid)
    return m


def cost_of(data: dict[str, np.ndarray], p: np.ndarray) -> float:
    load = data["base"] + data["share"].T @ p
    return float((data["weight"] * load**2).sum() + data["both"] @ load.sum(axis=0) ** 2 + (data["rate"] * p).sum())


def answers(data: dict[str, np.ndarray]) -> list[np.ndarray]:
    """Every vertex of all users' answers together, (users, hours)."""
    each = [vertices(e, most) for e, most in zip(data["energy"], data["most"], strict=True)]
    return [np.array(p) for p in itertools.product(*each)]


def worst_of(model, budget=ALWAYS, **options):
    program = compile_model(model)
    x = program.values()
    return program, worst_tie(program, x, respond(program, x), budget, **options)


@pytest.mark.parametrize("seed", range(12))
def test_worst_tie_is_that_of_the_worst_vertex(seed):
    """A convex function is largest at a vertex of the followers' answers, and all of them are here."""
    rng = np.random.default_rng(seed)
    data = lines(rng, int(rng.integers(1, 4)), int(rng.integers(2, 4)), int(rng.integers(1, 4)))
    program, worst = worst_of(model_of(data))
    best = max(cost_of(data, p) for p in answers(data))
    assert worst.closed() and not worst.broken
    assert worst.attained == pytest.approx(best, rel=1e-6) and worst.bound == pytest.approx(best, rel=1e-6)
    # The answer that it names has it
    tie = worst.tie.reshape(data["most"].shape)
    assert cost_of(data, tie) == pytest.approx(best, rel=1e-6)
    assert tie.sum(axis=1) == pytest.approx(data["energy"])
    assert [program.name(int(k)) for k in program.followers.columns[:2]] == ["user[0].p[0]", "user[0].p[1]"]


@pytest.mark.parametrize("seed", range(4))
def test_more_forms_than_a_box_has_corners_for(seed, monkeypatch):
    """Cells about which a simplex is laid give the same worst tie."""
    monkeypatch.setattr(cells, "MOST_FORMS", 1)
    data = lines(np.random.default_rng(100 + seed), 2, 2, 2)
    _, worst = worst_of(model_of(data))
    assert worst.attained == pytest.approx(max(cost_of(data, p) for p in answers(data)), rel=1e-6)
    assert worst.closed()


@pytest.mark.parametrize("seed", range(6))
def test_without_time_both_ends_hold(seed):
    data = lines(np.random.default_rng(200 + seed), 3, 3, 2)
    best = max(cost_of(data, p) for p in answers(data))
    _, worst = worst_of(model_of(data), NEVER)
    first = cost_of(data, data["most"] * (data["energy"] / data["most"].sum(axis=1))[:, None])
    assert first * (1 - 1e-6) <= worst.attained <= best * (1 + 1e-6) and worst.bound == np.inf
    turns = iter([False] * 60)
    _, some = worst_of(model_of(data), SimpleNamespace(over=lambda: next(turns, True)))
    assert some.attained <= best * (1 + 1e-6) and some.bound >= best * (1 - 1e-6)


@pytest.mark.parametrize("seed", range(8))
def test_a_limit_that_some_tie_breaks_is_named(seed):
    """The first line may carry what it carries at the worst vertex, or a little less; that vertex breaks it."""
    data = lines(np.random.default_rng(300 + seed), 2, 3, 1)
    loads = np.array([data["base"] + data["share"].T @ p for p in answers(data)])[:, 0]
    highest, low = loads.max(), loads.min() - 1.0
    _, kept = worst_of(model_of(data, highest + 1e-3, low))
    best = max(cost_of(data, p) for p in answers(data))
    assert kept.closed() and not kept.broken and kept.attained == pytest.approx(best, rel=1e-6)
    _, broken = worst_of(model_of(data, highest - 1e-2, low))
    hour = int(loads.max(axis=0).argmax())
    assert broken.attained == broken.bound == np.inf
    assert broken.broken[0].name == f"bounds of flow[0,{hour}]"
    assert broken.broken[0].amount == pytest.approx(1e-2, rel=1e-3)
    tie = broken.tie.reshape(data["most"].shape)
    assert (data["base"] + data["share"].T @ tie)[0, hour] == pytest.approx(highest, abs=1e-6)
    assert broken.kept <= best * (1 + 1e-6)


def two_hours(limit: float, goal, state: bool) -> pyo.ConcreteModel:
    """One user of 2 units in two hours of at most 2; what the leader may not exceed is a row, or a bound of its own column."""
    m = pyo.ConcreteModel()
    m.price = pyo.Var(bounds=(1, 1), initialize=1)
    m.user = bilevel.Follower()
    m.user.p = pyo.Var([0, 1], bounds=(0, 2), initialize=1)
    m.user.bill = pyo.Objective(expr=m.price * (m.user.p[0] + m.user.p[1]))
    m.user.energy = pyo.Constraint(expr=m.user.p[0] + m.user.p[1] == 2)
    if state:
        m.flow = pyo.Var(bounds=(0, limit), initialize=1)
        m.balance = pyo.Constraint(expr=m.flow == m.user.p[0])
    else:
        m.limit = pyo.Constraint(expr=m.user.p[0] <= limit)
    m.goal = pyo.Objective(expr=goal(m), sense=pyo.maximize)
    return m


@pytest.mark.parametrize("state", [False, True])
def test_a_linear_objective_and_a_row_that_ties_break(state):
    """The leader earns 1 - p_0 + 2 p_1 and may have at most 1.5 in hour 0: p_0 = 2 breaks it by 0.5, p_0 = 1.5 is worth 0.5."""
    name = "bounds of flow" if state else "limit"
    certificate = bilevel.certify(two_hours(1.5, lambda m: 1 - m.user.p[0] + 2 * m.user.p[1], state))
    worst = certificate["ties, worst objective"]
    assert worst.value == -np.inf
    assert worst.detail.startswith(
        f"some tie breaks {name} by 0.5: user.p[0] 2 instead of 1; of ties that keep all rows the worst is 0.5"
    )
    assert certificate["ties, best objective"].value == pytest.approx(5.0)
    kept = bilevel.certify(two_hours(2.0, lambda m: 1 - m.user.p[0] + 2 * m.user.p[1], state))["ties, worst objective"]
    assert kept.value == pytest.approx(-1.0) and kept.detail == "exact"


def test_a_row_that_ties_keep_in_other_hours_only():
    """Both hours have a limit that no tie breaks at once: 2 + 0, 0 + 2 and all between are within 2."""
    m = two_hours(2.0, lambda m: m.user.p[0] - m.user.p[1], False)
    m.pair = pyo.Constraint(expr=m.user.p[0] + m.user.p[1] <= 2)
    worst = bilevel.certify(m)["ties, worst objective"]
    assert worst.value == pytest.approx(-2.0) and worst.detail == "exact"


def test_corners_that_no_tie_reaches_are_cut_off():
    """Flows a = p_0 and b = p_1 reach (2, 0) and (0, 2), never the corner (2, 2) of their box, which a + b <= 3 leaves no point."""
    m = two_hours(2.0, lambda m: m.user.p[0], False)
    m.a, m.b = pyo.Var(initialize=1), pyo.Var(initialize=1)
    m.cost = pyo.Var(bounds=(0, None), initialize=2)
    m.of_a, m.of_b = pyo.Constraint(expr=m.a == m.user.p[0]), pyo.Constraint(expr=m.b == m.user.p[1])
    m.both = pyo.Constraint(expr=m.a + m.b <= 3)
    m.paid = pyo.Constraint(expr=m.a**2 + m.b**2 <= m.cost)
    m.del_component(m.goal)
    m.goal = pyo.Objective(expr=-m.cost, sense=pyo.maximize)
    worst = bilevel.certify(m)["ties, worst objective"]
    assert worst.value == pytest.approx(-4.0, rel=1e-6) and worst.detail == "exact"


def test_quadratic_followers_have_a_polyhedron_of_answers_too():
    """The user minds (p_0 - p_1)^2, so that both are 1; p_2 + p_3 = 2; the leader pays (p_0 + p_2)^2: at most 9."""
    m = pyo.ConcreteModel()
    m.price = pyo.Var(bounds=(1, 1), initialize=1)
    m.cost = pyo.Var(bounds=(0, None), initialize=1)
    m.user = bilevel.Follower()
    m.user.p = pyo.Var(range(4), bounds=(0, 2), initialize=1)
    m.user.bill = pyo.Objective(expr=(m.user.p[0] - m.user.p[1]) ** 2 + m.price * sum(m.user.p[t] for t in range(4)))
    m.user.first = pyo.Constraint(expr=m.user.p[0] + m.user.p[1] == 2)
    m.user.second = pyo.Constraint(expr=m.user.p[2] + m.user.p[3] == 2)
    m.paid = pyo.Constraint(expr=(m.user.p[0] + m.user.p[2]) ** 2 <= m.cost)
    m.goal = pyo.Objective(expr=m.cost)
    worst = bilevel.certify(m)["ties, worst objective"]
    assert worst.value == pytest.approx(9.0, rel=1e-6) and worst.detail == "exact"


def disc(goal) -> pyo.ConcreteModel:
    """A follower that only minds y_2, with y_0 and y_1 free in a disc of radius 2."""
    m = pyo.ConcreteModel()
    m.x = pyo.Var(bounds=(1, 1), initialize=1)
    m.cost = pyo.Var(bounds=(0, None), initialize=0)
    m.f = bilevel.Follower()
    m.f.y = pyo.Var(range(3), bounds=(-3, 3), initialize=0)
    m.f.y[2].set_value(-3)
    m.f.disc = pyo.Constraint(expr=m.f.y[0] ** 2 + m.f.y[1] ** 2 <= 4)
    m.f.goal = pyo.Objective(expr=m.x * m.f.y[2])
    m.paid = pyo.Constraint(expr=m.f.y[0] ** 2 <= m.cost)
    m.goal = pyo.Objective(expr=goal(m))
    return m


def test_followers_with_quadratic_rows_attain_a_worst_tie():
    """y_0 is at most 2, within the tolerance of the follower's cost; its square is what some tie attains, and nothing is proven."""
    worst = bilevel.certify(disc(lambda m: m.f.y[0]))["ties, worst objective"]
    assert worst.value == pytest.approx(2.0, rel=1e-5)
    assert worst.detail == "over responses within the tolerance of the followers' cost"
    worst = bilevel.certify(disc(lambda m: m.cost))["ties, worst objective"]
    assert 0.0 <= worst.value <= 4.0 + 1e-4 and worst.detail == "attained by a tie; the worst is at least this bad"


def test_an_answer_without_ties_has_one_value():
    data = lines(np.random.default_rng(5), 1, 2, 1)
    data["energy"] = data["most"].sum(axis=1)
    _, worst = worst_of(model_of(data))
    assert worst.attained == pytest.approx(cost_of(data, data["most"]), rel=1e-6) and worst.closed()


def test_a_coarser_gap_ends_sooner():
    data = lines(np.random.default_rng(7), 3, 3, 2)
    best = max(cost_of(data, p) for p in answers(data))
    _, worst = worst_of(model_of(data), gap=0.5)
    assert best * (1 - 1e-6) <= worst.bound <= 1.5 * worst.attained + tolerances.FEASIBILITY


def test_cells_are_halved_and_cut_to_hulls():
    box = Cell(np.zeros(2), np.array([2.0, 1.0]))
    assert len(box.corners) == 4
    left, right = box.halves(0, 0.5)
    assert left.corners[:, 0].max() == right.corners[:, 0].min() == 0.5
    cut = Cell(box.lower, box.upper, ((np.array([1.0, 1.0]), 2.0),))
    found = {tuple(corner) for corner in np.round(cut.corners, 12).tolist()}
    assert found == {(0.0, 0.0), (2.0, 0.0), (0.0, 1.0), (1.0, 1.0)}


# ---- linear states ---------------------------------------------------------------------------------------------


def linear_problem(rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Users as above; the leader has `state` >= 0 with G state >= H p + k, state within `most_state`, and pays cost'state."""
    users, hours, state, rows = (
        int(rng.integers(1, 3)),
        int(rng.integers(2, 4)),
        int(rng.integers(1, 5)),
        int(rng.integers(1, 6)),
    )
    most = rng.uniform(0.5, 2.0, (users, hours))
    return {
        "most": most, "energy": rng.uniform(0.2, 0.8, users) * most.sum(axis=1),
        "G": rng.integers(-1, 3, (rows, state)) * (rng.random((rows, state)) < 0.6),
        "H": np.round(rng.normal(0, 1, (rows, users * hours)), 2),
        "k": np.round(rng.normal(-1, 1, rows), 2), "cost": rng.uniform(0.1, 2.0, state), "most_state": rng.uniform(0.5, 4.0, state),
    }  # fmt: skip


def least_cost(data: dict[str, np.ndarray], p: np.ndarray, room: float = 0.0) -> float:
    """The leader's least cost beside the answer p, inf where its rows, wider by `room`, have no point."""
    found = linprog(
        data["cost"], A_ub=-data["G"], b_ub=-(data["H"] @ p.ravel() + data["k"]) + room,
        bounds=np.column_stack([np.zeros(len(data["cost"])), data["most_state"] + room]), method="highs",
    )  # fmt: skip
    return float(found.fun) if found.status == 0 else np.inf


def linear_model(data: dict[str, np.ndarray], start: np.ndarray) -> pyo.ConcreteModel:
    users, hours = data["most"].shape
    rows, state = data["G"].shape
    m = pyo.ConcreteModel()
    m.price = pyo.Var(bounds=(1, 1), initialize=1)
    m.user = bilevel.Follower(range(users))
    for n in range(users):
        m.user[n].p = pyo.Var(range(hours), bounds=(0, None))
        for t in range(hours):
            m.user[n].p[t].setub(data["most"][n, t])
            m.user[n].p[t].set_value(start[n, t])
        m.user[n].bill = pyo.Objective(expr=m.price * sum(m.user[n].p[t] for t in range(hours)))
        m.user[n].need = pyo.Constraint(expr=sum(m.user[n].p[t] for t in range(hours)) == data["energy"][n])
    m.state = pyo.Var(range(state), bounds=(0, None), initialize=0)
    for j in range(state):
        m.state[j].setub(data["most_state"][j])
    p = [m.user[n].p[t] for n in range(users) for t in range(hours)]
    m.row = pyo.ConstraintList()
    for i in range(rows):
        own = sum(float(data["G"][i, j]) * m.state[j] for j in range(state))
        m.row.add(own - sum(data["H"][i, at] * each for at, each in enumerate(p)) >= data["k"][i])
    m.pay = pyo.Objective(expr=sum(data["cost"][j] * m.state[j] for j in range(state)))
    return m


@pytest.mark.parametrize("seed", range(25))
def test_linear_states_agree_with_a_linear_program_at_every_vertex(seed):
    """The worst of the leader's linear program over all vertices, and a broken row exactly where it has no point at one of them."""
    rng = np.random.default_rng(400 + seed)
    values: list[float] = []
    while not np.isfinite(values).any() if values else True:
        data = linear_problem(rng)
        every = answers(data)
        values = [least_cost(data, p) for p in every]
    start = every[int(np.flatnonzero(np.isfinite(values))[0])]
    _, worst = worst_of(linear_model(data, start))
    broken = not np.isfinite(values).all()
    # A vertex within a tolerance of its limits is none to judge by
    assert broken == (not np.isfinite([least_cost(data, p, 1e-5) for p in every]).all())
    assert bool(worst.broken) == broken
    if broken:
        tie = worst.tie.reshape(data["most"].shape)
        assert least_cost(data, tie, 1e-7) == np.inf
        assert worst.kept >= max(np.array(values)[np.isfinite(values)].min(), 0.0) - 1e-6
    else:
        # Where nothing is paid an interior point's digits are all there is
        assert worst.closed() or worst.bound - worst.attained <= 1e-8
        assert worst.attained == pytest.approx(max(values), rel=1e-6, abs=1e-6)


# ---- the feeder ------------------------------------------------------------------------------------------------


def feeder_case(evs: int, least_pu: float):
    """The shipped case with few sessions and other lower limits of voltages."""
    case = instances.scale(instances.load("ieee33"), evs)
    buses = tuple(
        dataclasses.replace(bus, voltage_min_pu=min(bus.voltage_min_pu, least_pu)) for bus in case.feeder.buses
    )
    return dataclasses.replace(case, feeder=dataclasses.replace(case.feeder, buses=buses))


def cheapest(user, price: dict[int, float]) -> list[dict[int, float]]:
    """Every vertex of a user's least bills: full hours from the cheapest, one in part, in any order of equal hours."""
    hours = list(user.p)
    most = np.array([user.p[t].ub for t in hours])
    at = np.array([price[t] for t in hours])
    energy = sum(user.p[t].value for t in hours)
    found = {tuple(np.round(p, 12)) for p in vertices(energy, most)}
    bills = np.array([p @ at for p in np.array(sorted(found))])
    return [
        dict(zip(hours, p, strict=True))
        for p, bill in zip(sorted(found), bills, strict=True)
        if bill <= bills.min() * (1 + 1e-7)
    ]


def all_ties(model, case) -> np.ndarray:
    """Loss less profit of every way that users may break ties, by an AC sweep of its own."""
    network = instances.Network.from_feeder(case.feeder)
    loads, profits = [checks.bus_load_kw(model, case, network)], [pyo.value(model.station_profit)]
    station = {session.name: session.station for session in case.sessions}
    load, profit = loads[0][None], np.array(profits)
    for name in model.user:
        user = model.user[name]
        found = {t: user.p[t].value for t in user.p}
        moved = []
        for p in cheapest(user, {t: model.price[station[name], t].value for t in user.p}):
            for t in user.p:
                user.p[t].set_value(p[t])
            moved.append(
                (checks.bus_load_kw(model, case, network) - loads[0], pyo.value(model.station_profit) - profits[0])
            )
        for t in user.p:
            user.p[t].set_value(found[t])
        load = (load[:, None] + np.array([step for step, _ in moved])[None]).reshape(-1, *loads[0].shape)
        profit = (profit[:, None] + np.array([gain for _, gain in moved])[None]).ravel()
    flow = instances.ac_power_flow(network, load, checks.bus_load_kvar(model, case, network))
    hours = case.horizon.period_hours
    return flow.loss_kw.sum(axis=-1) * hours - profit


def test_worst_tie_of_the_feeder_is_that_of_an_ac_sweep():
    """Where no tie reaches a limit of voltage the worst of all 2016 vertices of the users' least bills is the worst tie."""
    case = feeder_case(2, 0.5)
    model = formulations.charging_pricing(case, {"loss": 1, "profit": 1}, aggregate=False)
    solution = bilevel.solve(model, progress=False)
    values = all_ties(model, case)
    assert len(values) > 1000
    worst = solution.certificate["ties, worst objective"]
    assert worst.detail == "exact"
    assert worst.value == pytest.approx(values.max(), rel=1e-6)
    assert values.min() >= solution.certificate["ties, best objective"].value * (1 - 1e-6)


def test_a_voltage_that_a_tie_breaks_is_broken_in_an_ac_sweep_too():
    """20 sessions, least losses: prices are worth nothing to the leader, so that users may all come at the peak."""
    case = instances.scale(instances.load("ieee33"), 20)
    model = formulations.charging_pricing(case, "loss", aggregate=False)
    solution = bilevel.solve(model, progress=False)
    line = solution.certificate["ties, worst objective"]
    program, worst = worst_of(model)
    assert line.value == worst.attained == worst.bound == np.inf
    bus, hour = re.fullmatch(r"bounds of v\['(\d+)',(\d+)\]", worst.broken[0].name).groups()
    assert f"some tie breaks bounds of v['{bus}',{hour}] by" in line.detail
    variables = {program.name(int(k)): k for k in program.followers.columns}
    tie = dict(zip(program.followers.columns.tolist(), worst.tie, strict=True))
    for name in model.user:
        for t in model.user[name].p:
            model.user[name].p[t].set_value(tie[variables[model.user[name].p[t].name]])
    network = instances.Network.from_feeder(case.feeder)
    flow = instances.ac_power_flow(
        network, checks.bus_load_kw(model, case, network), checks.bus_load_kvar(model, case, network)
    )
    assert np.abs(flow.voltage_pu)[int(hour), network.index[bus]] < 0.9 - 1e-4
    assert solution.objective * (1 - 1e-6) <= worst.kept < np.inf
