"""The problems that can be compared, by name; a new one is one file and a line here."""

from collections.abc import Callable

from bilevel.errors import UnknownNameError
from instances import Instance
from studies.contest.problems.base import Problem
from studies.contest.problems.carbon import CarbonProblem
from studies.contest.problems.pricing import PricingProblem

PROBLEMS: dict[str, Callable[[Instance, str | None], Problem]] = {
    "pricing": PricingProblem.of,
    "carbon": CarbonProblem.of,
}


def pick(case: Instance, name: str | None = None, objective: str | None = None) -> Problem:
    """The problem of that name, by default carbon for a case with carbon rules and pricing for others; `objective` as it takes it.

    Raises `UnknownNameError` with the nearest name, and `BilevelError` or `InstanceError` for an objective or a case that the
    problem cannot have.
    """
    if name is None:
        name = "pricing" if case.carbon is None else "carbon"
    if name not in PROBLEMS:
        raise UnknownNameError("problem", name, PROBLEMS)
    problem = PROBLEMS[name](case, objective)
    problem.candidates()
    return problem
