"""The problems that can be compared, by name; a new one is one file and a line here."""

from collections.abc import Callable
from dataclasses import replace

from bilevel.errors import BilevelError, UnknownNameError
from bilevel.reformulate.ties import OPTIMISTIC, Ties, wanted
from formulations.scenarios.uncertain import Asked
from instances import Instance, Scenarios
from studies.contest.problems.base import Problem
from studies.contest.problems.carbon import CarbonProblem
from studies.contest.problems.pricing import PricingProblem

PROBLEMS: dict[str, Callable[[Instance, str | None, Ties], Problem]] = {
    "pricing": PricingProblem.of,
    "carbon": CarbonProblem.of,
}


def pick(
    case: Instance,
    name: str | None = None,
    objective: str | None = None,
    ties: str = OPTIMISTIC,
    margin: float | None = None,
    scenarios: Scenarios | None = None,
    risk: str | None = None,
) -> Problem:
    """The problem of that name, by default carbon for a case with carbon rules and pricing for others; `objective` as it takes it.

    `ties` and `margin` (currency/kWh) are those of `bilevel.solve`, which gives the exact answer; `scenarios` and `risk` those of
    `formulations.charging_pricing`, of prices alone.  Raises `UnknownNameError` with
    the nearest name, and `BilevelError` or `InstanceError` for an objective, a convention of ties, a margin or a case that the
    problem cannot have.
    """
    if name is None:
        name = "pricing" if case.carbon is None else "carbon"
    if name not in PROBLEMS:
        raise UnknownNameError("problem", name, PROBLEMS)
    problem = PROBLEMS[name](case, objective, wanted(ties, margin))
    if scenarios is not None or risk is not None:
        Asked.of(scenarios, risk)
        if not isinstance(problem, PricingProblem):
            raise BilevelError(
                f"problem {name!r} is of one day, and scenarios are given: leave them out, or take pricing"
            )
        problem = replace(problem, scenarios=scenarios, risk=risk)
    problem.candidates()
    return problem
