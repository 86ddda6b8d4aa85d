"""The certificate: each check has a tampered point at which it alone fails."""

import dataclasses
import math

import numpy as np
import pyomo.environ as pyo
import pytest

import bilevel
import formulations
import instances
from bilevel.bounds import dual_bounds
from bilevel.certify import multiplier_checks
from bilevel.certify.certificate import check_point
from bilevel.compile.compiler import compile_model
from bilevel.followers.optimal_cost import respond
from bilevel.reformulate.single_level import assemble
from formulations.operator import checks


def small_model():
    """Leader: max price * bought (revenue) within a cap; follower: buys 2 units over two hours, at most 1.5 in each.

    The cheaper hour takes 1.5, so with prices in [1, 3] and their sum at most 5 the optimum is 3 * 1 + 2 * 1 = 5 with equal
    treatment of ties, or more: prices (2.5, 2.5) earn 5, and (3, 2) earn 2 * 1.5 + 3 * 0.5 = 4.5.  So 5.
    """
    model = pyo.ConcreteModel(name="small")
    model.price = pyo.Var([0, 1], bounds=(1, 3))
    model.cap = pyo.Constraint(expr=model.price[0] + model.price[1] <= 5)
    model.note = pyo.Var(bounds=(0, 10), initialize=0)
    model.noted = pyo.Constraint(expr=model.note >= 1)
    model.side = pyo.Var(bounds=(0, 10))
    model.peak = pyo.Var(bounds=(0, 100))
    model.cone = pyo.Constraint(expr=model.side**2 <= model.peak)
    bilevel.relaxes_equality(model, model.cone)
    model.side_floor = pyo.Constraint(expr=model.side >= 2)
    model.user = bilevel.Follower()
    model.user.p = pyo.Var([0, 1], bounds=(0, 1.5))
    model.user.spare = pyo.Var(bounds=(0, 1))
    model.user.bill = pyo.Objective(expr=sum(model.price[t] * model.user.p[t] for t in (0, 1)) + model.user.spare)
    model.user.energy = pyo.Constraint(expr=model.user.p[0] + model.user.p[1] == 2)
    model.user.spare_row = pyo.Constraint(expr=model.user.spare >= 0.25)
    model.revenue = pyo.Objective(expr=sum(model.price[t] * model.user.p[t] for t in (0, 1)), sense=pyo.maximize)
    return model


@pytest.fixture
def solved():
    model = small_model()
    solution = bilevel.solve(model, progress=False)
    assert solution.status == "certified", solution.reason
    assert solution.objective == pytest.approx(5.0, rel=1e-6)
    return model, solution


def failing(certificate):
    return [check.name for check in certificate.checks if not check.ok]


def test_untouched_values_pass(solved):
    model, solution = solved
    certificate = bilevel.certify(model, bound=solution.bound)
    assert certificate.ok
    assert certificate.first_failure is None
    assert certificate.status == "certified"


def test_leader_row_alone(solved):
    model, solution = solved
    model.note.set_value(0.5)
    certificate = bilevel.certify(model, bound=solution.bound)
    assert failing(certificate) == ["leader rows"]
    assert certificate["leader rows"].where == "noted"
    assert certificate.status == "rejected"


def test_leader_bound_alone(solved):
    model, solution = solved
    model.note.set_value(11.0, skip_validation=True)
    certificate = bilevel.certify(model, bound=solution.bound)
    assert failing(certificate) == ["leader rows"]
    assert "note" in certificate["leader rows"].where


def test_follower_row_alone(solved):
    model, solution = solved
    model.user.spare.set_value(0.2)
    certificate = bilevel.certify(model, bound=solution.bound)
    assert failing(certificate) == ["follower rows"]
    assert certificate["follower rows"].where == "user.spare_row"


def test_follower_optimality_alone(solved):
    model, solution = solved
    model.user.spare.set_value(0.3)
    certificate = bilevel.certify(model, bound=solution.bound)
    assert failing(certificate) == ["follower optimality"]
    assert certificate["follower optimality"].where == "user"


def test_global_gap_alone_leaves_a_feasible_point(solved):
    model, solution = solved
    certificate = bilevel.certify(model, bound=solution.bound * 1.01)
    assert failing(certificate) == ["global gap"]
    assert certificate.status == "feasible"


def test_a_bound_on_the_wrong_side_is_not_a_proof(solved):
    model, solution = solved
    assert failing(bilevel.certify(model, bound=solution.bound * 0.9)) == ["global gap"]


def test_without_a_bound_nothing_is_certified(solved):
    model, _ = solved
    assert failing(bilevel.certify(model)) == ["global gap"]


@pytest.mark.parametrize(("peak", "side"), [(4.5, "loose"), (3.99, "broken")])
def test_cone_alone(solved, peak, side):
    model, solution = solved
    model.peak.set_value(peak)
    certificate = bilevel.certify(model, bound=solution.bound)
    assert failing(certificate) == ["cones"]
    assert certificate["cones"].detail == side


def point_with_duals():
    model = small_model()
    solution = bilevel.solve(model, progress=False)
    program = compile_model(model)
    form = assemble(program)
    x = program.values()
    response = respond(program, x)
    duals = np.zeros(form.kkt.columns - program.columns)
    rates, mine = program.followers.rates(x), program.followers.columns
    n = program.columns
    for k, row in enumerate(form.kkt.equal_row):
        duals[form.kkt.lam[k] - n] = response.row_dual[row]
    own = dict(zip(mine.tolist(), response.reduced_cost.tolist(), strict=True))
    for k in range(form.kkt.pairs.count):
        row, column, side = (int(a[k]) for a in (form.kkt.pairs.row, form.kkt.pairs.column, form.kkt.pairs.side))
        value = response.row_dual[row] if row >= 0 else own[column]
        duals[form.kkt.pairs.dual[k] - n] = max(0.0, side * value)
    assert np.isfinite(rates).all()
    return model, program, form, x, duals, solution.bound


def test_duals_of_an_independent_solve_pass():
    model, program, form, x, duals, bound = point_with_duals()
    assert failing(check_point(model, program, x, form, duals, bound, 1e-4)) == []


def test_stationarity_alone():
    model, program, form, x, duals, bound = point_with_duals()
    slack = form.kkt.pairs.slack(x)
    tight = int(form.kkt.pairs.dual[int(np.argmin(np.abs(slack)))]) - program.columns
    duals[tight] += 0.01
    assert failing(check_point(model, program, x, form, duals, bound, 1e-4)) == ["stationarity"]


def test_negative_dual_fails_stationarity():
    model, program, form, x, duals, bound = point_with_duals()
    low = next(k for k in range(form.kkt.pairs.count) if form.kkt.pairs.twin[k] >= 0)
    for k in (low, int(form.kkt.pairs.twin[low])):
        duals[form.kkt.pairs.dual[k] - program.columns] -= 1e-3
    found = failing(check_point(model, program, x, form, duals, bound, 1e-4))
    assert "stationarity" in found


def test_complementarity_alone():
    model, program, form, x, duals, bound = point_with_duals()
    low = next(k for k in range(form.kkt.pairs.count) if form.kkt.pairs.twin[k] >= 0)
    for k in (low, int(form.kkt.pairs.twin[low])):
        duals[form.kkt.pairs.dual[k] - program.columns] += 0.1
    assert failing(check_point(model, program, x, form, duals, bound, 1e-4)) == ["complementarity"]


def test_nan_never_passes(solved):
    model, solution = solved
    model.note.set_value(math.nan, skip_validation=True)
    with pytest.raises(bilevel.ModelError, match="note"):
        bilevel.certify(model, bound=solution.bound)
    assert not bilevel.Check("x", math.nan, 1e-6, "relative").ok


def test_a_check_of_the_model_joins_and_can_fail(solved):
    model, solution = solved
    bilevel.add_check(
        model, lambda m: [bilevel.Check("mine", abs(pyo.value(m.price[0]) - 2.5), 1e-3, "EUR", "price[0]")]
    )
    found = bilevel.certify(model, bound=solution.bound)["mine"]
    assert found.value == pytest.approx(abs(pyo.value(model.price[0]) - 2.5))
    bilevel.add_check(model, lambda m: [bilevel.Check("never", 1.0, 0.5, "EUR", "everywhere")])
    assert failing(bilevel.certify(model, bound=solution.bound)) == ["never"]


def test_frame_has_one_row_a_check(solved):
    _, solution = solved
    frame = solution.certificate.to_frame()
    assert list(frame["check"]) == [check.name for check in solution.certificate.checks]
    assert set(frame["verdict"]) == {"pass", "reported"}


# ---- ties ------------------------------------------------------------------------------------------------------


def test_ties_range_exact_for_a_linear_objective():
    """One indifferent follower over two hours; the leader earns 2 in the first hour and 1 in the second: [2, 4]."""
    model = pyo.ConcreteModel()
    model.price = pyo.Var(bounds=(1, 1))
    model.user = bilevel.Follower()
    model.user.p = pyo.Var([0, 1], bounds=(0, 2))
    model.user.bill = pyo.Objective(expr=model.price * (model.user.p[0] + model.user.p[1]))
    model.user.energy = pyo.Constraint(expr=model.user.p[0] + model.user.p[1] == 2)
    model.earn = pyo.Objective(expr=2 * model.user.p[0] + model.user.p[1], sense=pyo.maximize)
    certificate = bilevel.solve(model, progress=False).certificate
    assert certificate["ties, best objective"].value == pytest.approx(4.0)
    assert certificate["ties, worst objective"].value == pytest.approx(2.0)
    assert certificate["ties, worst objective"].detail == "exact"


def test_a_tie_that_is_better_than_the_bound_refutes_it():
    """At x = 1 the follower does not care for y in [0, 5]: nobody can have proven that more than 2 is impossible."""
    model = pyo.ConcreteModel()
    model.x = pyo.Var(bounds=(0, 1), initialize=1)
    model.f = bilevel.Follower()
    model.f.y = pyo.Var(bounds=(0, 5), initialize=2)
    model.f.cost = pyo.Objective(expr=(1 - model.x) * model.f.y)
    model.goal = pyo.Objective(expr=model.f.y, sense=pyo.maximize)
    check = bilevel.certify(model, bound=2.0)["global gap"]
    assert not check.ok and "which a tie with 5 refutes" in check.detail
    assert "refutes" not in bilevel.certify(model, bound=5.0)["global gap"].detail


def test_ties_through_a_cone_are_exact():
    """The leader pays peak >= p_t^2; an indifferent follower may put all 2 units in one hour: best 1, worst 4."""
    model = pyo.ConcreteModel()
    model.price = pyo.Var(bounds=(1, 1))
    model.peak = pyo.Var(bounds=(0, None))
    model.user = bilevel.Follower()
    model.user.p = pyo.Var([0, 1], bounds=(0, 2))
    model.user.bill = pyo.Objective(expr=model.price * (model.user.p[0] + model.user.p[1]))
    model.user.energy = pyo.Constraint(expr=model.user.p[0] + model.user.p[1] == 2)
    model.above = pyo.Constraint([0, 1], rule=lambda m, t: m.user.p[t] ** 2 <= m.peak)
    model.pay = pyo.Objective(expr=model.peak)
    solution = bilevel.solve(model, progress=False)
    assert solution.objective == pytest.approx(1.0, rel=1e-5)
    assert solution.certificate["ties, best objective"].value == pytest.approx(1.0, rel=1e-5)
    worst = solution.certificate["ties, worst objective"]
    assert worst.value == pytest.approx(4.0, rel=1e-6)
    assert worst.detail == "exact"


def test_a_unique_response_has_no_tie_range(solved):
    model, _ = solved
    model.price[0].fix(1.0)
    model.price[1].fix(2.0)
    solution = bilevel.solve(model, progress=False)
    best, worst = (solution.certificate[f"ties, {side} objective"].value for side in ("best", "worst"))
    assert best == pytest.approx(worst) == pytest.approx(1.5 + 1.0)


# ---- AC replay -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def priced():
    case = instances.scale(instances.load("ieee33"), evs=3)
    model = formulations.charging_pricing(case, "loss")
    solution = bilevel.solve(model, progress=False)
    assert solution.status == "certified", solution.reason
    return case, model, solution


def replayed_on(case, model, solution, **change):
    """Failing checks with the AC replay run on a network that differs a little from the model's."""
    network = instances.Network.from_feeder(case.feeder)
    fields = {name: getattr(network, name).copy() for name in change}
    for name, (at, factor) in change.items():
        fields[name][at] *= factor
        fields[name].setflags(write=False)
    kept = model.__dict__["bilevel_checks"]
    model.__dict__["bilevel_checks"] = [checks.ac_replay(case, dataclasses.replace(network, **fields))]
    try:
        return failing(bilevel.certify(model, bound=solution.bound))
    finally:
        model.__dict__["bilevel_checks"] = kept


def test_ac_replay_passes_on_the_model_s_own_network(priced):
    case, model, solution = priced
    assert replayed_on(case, model, solution) == []


def test_ac_voltages_alone(priced):
    """The reactance of the last branch to bus 18 matters to its voltage, and hardly to the losses."""
    case, model, solution = priced
    network = instances.Network.from_feeder(case.feeder)
    branch = network.index["18"] - 1
    assert replayed_on(case, model, solution, reactance_pu=(branch, 1.3)) == ["AC replay, voltages"]


def test_ac_losses_alone(priced):
    """Losses reported in the model 0.1 % too small, on a network that is right."""
    case, model, _ = priced
    true = model.network_loss.expr
    model.network_loss.set_value(true * 0.999)
    found = [
        check for check in checks.ac_replay(case, instances.Network.from_feeder(case.feeder))(model) if not check.ok
    ]
    model.network_loss.set_value(true)
    assert [check.name for check in found] == ["AC replay, losses"]
    assert found[0].value == pytest.approx(1e-3, rel=1e-2)


def test_bounds_are_counted_by_source(solved):
    _, solution = solved
    check = solution.certificate["bounds used"]
    assert dual_bounds.DERIVED in check.detail
    assert check.value == 0.0, "none is the user's"


def test_a_column_solved_too_coarsely_is_not_certified():
    """l near 1e-8 with a scale of 1 and a price of 1e8: solver tolerances hide all of the objective (0.83 is right).

    Its row says what size l has, so this is seen only where somebody gives it another scale.
    """
    model = pyo.ConcreteModel()
    model.l = pyo.Var(bounds=(0, None))
    model.user = bilevel.Follower()
    model.user.y = pyo.Var(bounds=(0, 1))
    model.user.cost = pyo.Objective(expr=-model.user.y)
    model.link = pyo.Constraint(expr=model.l >= 0.83e-8 * model.user.y)
    model.pay = pyo.Objective(expr=1e8 * model.l)
    solution = bilevel.solve(model, progress=False)
    assert solution.status == "certified", solution.reason
    assert solution.objective == pytest.approx(0.83, rel=1e-6)
    model.scaling_factor = pyo.Suffix(direction=pyo.Suffix.EXPORT)
    model.scaling_factor[model.l] = 1.0
    coarse = bilevel.certify(model, bound=solution.bound)
    assert failing(coarse) == ["objective resolution"]


def touching_model(size=1.0):
    """The leader's row s (2 - s) >= 1 touches the feasible set at s = 1 only, where the objective is 3 (times `size`)."""
    model = pyo.ConcreteModel()
    model.s = pyo.Var(bounds=(0, 3))
    model.user = bilevel.Follower()
    model.user.y = pyo.Var(bounds=(0, 3))
    model.user.cost = pyo.Objective(expr=model.s * model.user.y - 2 * model.user.y + 0.5 * model.user.y**2)
    model.row = pyo.Constraint(expr=model.s * model.user.y >= 1)
    model.goal = pyo.Objective(expr=size * (5 * model.user.y - model.s * model.user.y - 1))
    return model


@pytest.mark.parametrize("size", [1e-3, 1.0, 1e3])
def test_an_objective_that_rests_on_a_tiny_violation_is_not_certified(size):
    """s = 1 + 1e-4 breaks the row by 1e-8 only, and is 4e-4 better than the one point that is feasible."""
    model = touching_model(size)
    solution = bilevel.solve(model, progress=False, gap=1e-6)
    assert solution.objective <= 3 * size * (1 + 1e-9), "the bound is valid"
    if solution.objective < 3 * size * (1 - 2e-6):
        assert solution.status != "certified"
    for shift, certified in ((0.0, True), (1e-4, False)):
        model.s.set_value(1 + shift)
        model.user.y.set_value(1 - shift)
        value = pyo.value(model.goal)
        certificate = bilevel.certify(model, bound=value, gap=1e-6)
        assert [check.name for check in certificate.checks if not check.ok] == (
            [] if certified else ["mended objective"]
        )
        assert certificate.status == ("certified" if certified else "feasible")
    assert certificate["mended objective"].value == pytest.approx(2.5e-4 / 3, rel=1e-2), (
        "half of the way, at first order"
    )
    assert certificate["mended objective"].where == "row"


def test_violations_that_no_move_can_mend_are_not_certified():
    """x <= 1 and x >= 1 + 1e-8: within the tolerance of both rows, yet nothing is feasible."""
    model = pyo.ConcreteModel()
    model.x = pyo.Var(bounds=(0, 3), initialize=1.0)
    model.user = bilevel.Follower()
    model.user.y = pyo.Var(bounds=(0, 1), initialize=0.0)
    model.user.cost = pyo.Objective(expr=model.user.y)
    model.low = pyo.Constraint(expr=model.x >= 1 + 1e-8)
    model.high = pyo.Constraint(expr=2 * model.x <= 2)
    model.goal = pyo.Objective(expr=model.x)
    certificate = bilevel.certify(model, bound=1.0)
    assert [check.name for check in certificate.checks if not check.ok] == ["mended objective"]
    assert certificate.status == "feasible" and math.isinf(certificate["mended objective"].value)


@pytest.mark.parametrize("negative", ["q", "r"])
def test_a_multiplier_below_zero_does_not_pay_for_its_partner(negative: str) -> None:
    """At y = 1 the row y^2 + z <= 4 has slack 3, so that its multipliers are 0; q u + r w = 0 holds with one below 0 too."""
    m = pyo.ConcreteModel()
    m.x = pyo.Var(bounds=(0, 1))
    m.f = bilevel.Follower()
    m.f.y, m.f.z = pyo.Var(bounds=(-3, 1)), pyo.Var(bounds=(0, 10))
    m.f.ball = pyo.Constraint(expr=m.f.y**2 + m.f.z <= 4)
    m.f.cost = pyo.Objective(expr=-m.f.y)
    m.goal = pyo.Objective(expr=m.x + m.f.y)
    program = compile_model(m)
    form = assemble(program, nonconvex=True)
    full = np.zeros(form.kkt.columns)
    full[[program.name(k) for k in range(program.columns)].index("f.y")] = 1.0
    response, duals = respond(program, full[: program.columns]), form.kkt.conic
    assert multiplier_checks.cone_multipliers(form, full, response).ok
    _, _, u, w = program.followers.cones.parts(full[: program.columns])
    sign = 1.0 if negative == "q" else -1.0
    full[duals.r], full[duals.q] = sign, -sign * w / u
    assert not multiplier_checks.cone_multipliers(form, full, response).ok


def test_a_bound_counts_for_nothing_where_followers_answer_within_tolerances_alone() -> None:
    """At x = 1 the row asks for y above 1 by half of what a certificate allows, and y ends at 1."""
    m = pyo.ConcreteModel()
    m.x = pyo.Var(bounds=(0, 1), initialize=1.0)
    m.f = bilevel.Follower()
    m.f.y = pyo.Var(bounds=(0, 1), initialize=1.0)
    m.f.row = pyo.Constraint(expr=m.f.y >= (1 + 5e-7) * m.x)
    m.f.cost = pyo.Objective(expr=m.f.y)
    m.goal = pyo.Objective(expr=m.x, sense=pyo.maximize)
    certificate = bilevel.certify(m, bound=1.0)
    assert certificate["follower rows"].ok
    assert "no point meets" in certificate["follower optimality"].detail and not certificate["follower optimality"].ok
    assert not np.isfinite(certificate["global gap"].value)
