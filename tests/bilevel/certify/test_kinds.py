"""Kinds of checks: each check of each kind, failing alone, gives the status that its kind says."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pyomo.environ as pyo
import pytest
from oracles import tiny_case

import bilevel
import formulations
from bilevel import Certificate, Check, CheckKind, ModelError, Solution
from bilevel.search.verdicts import RELAXATION

ASSUMED = {"bounds used", "user bounds confirmed", "follower interior"}
BEST = {"global gap", "objective resolution", "mended objective", "approximation"}
REPORTED = {"ties, best objective", "ties, worst objective", "cone charge"}
PROVEN = {"infeasible relaxation", "exhausted search", "ray improves"}
STATUSES = {
    CheckKind.VALIDITY: "rejected",
    CheckKind.PROOF: "unknown",
    CheckKind.OPTIMALITY: "feasible",
    CheckKind.ASSUMPTION: "conditional",
    CheckKind.REPORT: "certified",
}


def kind(name: str) -> CheckKind:
    """What the check of this name is about, by name alone."""
    lists = {
        CheckKind.ASSUMPTION: ASSUMED,
        CheckKind.OPTIMALITY: BEST,
        CheckKind.REPORT: REPORTED,
        CheckKind.PROOF: PROVEN,
    }
    return next((kind for kind, names in lists.items() if name in names), CheckKind.VALIDITY)


def buyer(limit: float) -> Any:
    """A price without an upper bound, so that limits of multipliers are the user's."""
    model = pyo.ConcreteModel()
    model.price = pyo.Var(bounds=(0, None))
    model.buyer = bilevel.Follower()
    model.buyer.bought = pyo.Var(["here", "elsewhere"], bounds=(0, 2))
    model.buyer.bill = pyo.Objective(
        expr=model.price * model.buyer.bought["here"] + 5 * model.buyer.bought["elsewhere"]
    )
    model.buyer.need = pyo.Constraint(expr=model.buyer.bought["here"] + model.buyer.bought["elsewhere"] == 2)
    model.income = pyo.Objective(expr=model.price * model.buyer.bought["here"], sense=pyo.maximize)
    for part in (model.buyer.need, model.buyer.bought["here"]):
        model.buyer.limit_dual(part, limit)
    return model


def round_follower() -> Any:
    """min x + y where y is the largest in the ball y^2 <= x: without a row that binds a leader decision at 0 has no room."""
    model = pyo.ConcreteModel()
    model.x = pyo.Var(bounds=(0, 4))
    model.floor = pyo.Constraint(expr=model.x >= 1)
    model.user = bilevel.Follower()
    model.user.y = pyo.Var(bounds=(-10, 10))
    model.user.ball = pyo.Constraint(expr=model.user.y**2 <= model.x)
    model.user.most = pyo.Objective(expr=model.user.y, sense=pyo.maximize)
    model.total = pyo.Objective(expr=model.x + model.user.y)
    return model


@pytest.fixture(scope="module")
def solutions() -> list[Solution]:
    flows = [formulations.charging_pricing(tiny_case(), "loss", flow=flow) for flow in ("distflow", "lindistflow")]
    found = [bilevel.solve(model, progress=False) for model in (*flows, buyer(50.0))]
    return [*found, bilevel.solve(round_follower(), "scip", progress=False)]


def test_every_check_has_its_kind(solutions: list[Solution]) -> None:
    found = {check.name: check.kind for solution in solutions for check in solution.certificate.checks}
    expected = {name: kind(name) for name in found}
    # Of an approximate power flow they only report, elsewhere they hold
    for name in ("AC replay, losses", "AC replay, voltages"):
        expected[name] = found[name] = CheckKind.VALIDITY
    assert found == expected
    assert found.keys() >= {"global gap", "bounds used", "follower interior", "approximation", "cones", *BEST}


def test_the_same_check_reports_of_an_approximation_and_holds_elsewhere(solutions: list[Solution]) -> None:
    exact, rough, *_ = (solution.certificate["AC replay, losses"] for solution in solutions[:2])
    assert (exact.kind, rough.kind) == (CheckKind.VALIDITY, CheckKind.REPORT)


def test_each_check_failing_alone_gives_the_status_of_its_kind(solutions: list[Solution]) -> None:
    for solution in solutions:
        passing = [c if c.ok else replace(c, value=0.0) for c in solution.certificate.checks]
        assert Certificate(tuple(passing)).status == "certified"
        for at, check in enumerate(passing):
            broken = replace(check, value=float("nan"))
            certificate = Certificate((*passing[:at], broken, *passing[at + 1 :]))
            assert certificate.status == STATUSES[check.kind], check.name
            assert certificate.valid == (check.kind != CheckKind.VALIDITY)
            assert certificate.first_failure is (None if check.kind == CheckKind.REPORT else broken)


@pytest.mark.parametrize("strict", list(STATUSES)[:-1])
@pytest.mark.parametrize("other", list(STATUSES)[:-1])
def test_the_strictest_kind_decides(strict: CheckKind, other: CheckKind) -> None:
    order = list(STATUSES)
    fails = tuple(Check(kind, 2.0, 1.0, "relative", kind=kind) for kind in (other, strict))
    worst = min(strict, other, key=order.index)
    assert Certificate(fails).status == STATUSES[worst]


def test_a_failing_proof_leaves_a_verdict_unknown() -> None:
    model = pyo.ConcreteModel()
    model.x = pyo.Var(bounds=(0, 1))
    model.user = bilevel.Follower()
    model.user.y = pyo.Var(bounds=(0, 1))
    model.user.cost = pyo.Objective(expr=model.user.y)
    model.user.row = pyo.Constraint(expr=model.user.y >= model.x)
    model.never = pyo.Constraint(expr=model.x + model.user.y >= 3)
    model.total = pyo.Objective(expr=model.x)
    solution = bilevel.solve(model, progress=False)
    proof = solution.certificate[RELAXATION]
    assert solution.status == "infeasible" and proof.kind == CheckKind.PROOF == kind(RELAXATION)
    assert Certificate((replace(proof, value=1.0),), "infeasible").status == "unknown"


def test_checks_of_a_user_are_of_validity_unless_they_say_otherwise() -> None:
    assert Check("mine", 0.0, 1.0, "EUR").kind == CheckKind.VALIDITY
    assert Check("told", 7.0, None, "EUR").kind == CheckKind.REPORT and Check("told", 7.0, None, "EUR").ok
    with pytest.raises(
        ModelError, match="check 'told' only reports, but has the tolerance 1: give it none, or another"
    ):
        Check("told", 7.0, 1.0, "EUR", kind=CheckKind.REPORT)


def test_an_assumption_of_a_user_makes_an_answer_conditional_and_is_named() -> None:
    model = buyer(50.0)
    bilevel.add_check(model, lambda _: [Check("fair", 2.0, 1.0, "EUR", kind=CheckKind.ASSUMPTION)])
    solution = bilevel.solve(model, progress=False)
    assert solution.status == "conditional"
    assert "the limits of duals that were given are right and what check 'fair' asks for holds" in solution.reason


def test_files_tell_the_kind(solutions: list[Solution]) -> None:
    solution = solutions[0]
    written = {check["check"]: check["kind"] for check in json.loads(solution.to_json())["certificate"]}
    frame = solution.certificate.to_frame()
    assert (
        written
        == dict(zip(frame["check"], frame["kind"], strict=True))
        == {c.name: c.kind for c in solution.certificate.checks}
    )
