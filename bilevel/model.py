"""What a user adds to a Pyomo model to make it bilevel: follower blocks, and checks of the model's own.

    model.user = bilevel.Follower(["ev1", "ev2"])
    model.user["ev1"].power = pyo.Var(range(24), bounds=(0, 7))
    model.user["ev1"].cost = pyo.Objective(expr=...)          # may hold leader variable x follower variable
    model.user["ev1"].energy = pyo.Constraint(expr=...)       # may hold leader variables

A `Follower` is a Pyomo block of a component type of its own: every variable declared in it is the follower's, every
other variable is the leader's.  Pyomo's LP and NL writers refuse the component; its direct solver interfaces do not know it
and would leave the followers out, so solve such a model with `bilevel.solve` only.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pyomo.core.base.block import BlockData, declare_custom_block

Checker = Callable[[Any], "list[Check]"]

# Made by the decorator below
Follower: Any


@declare_custom_block(name="Follower", new_ctype=True)
class FollowerData(BlockData):
    """One follower: its variables, exactly one linear or bilinear objective, its linear rows (model page (7))."""


@dataclass(frozen=True)
class Check:
    """One line of a certificate.

    `value` is a violation in `unit` and passes when it is at most `tolerance`; a `tolerance` of None only reports.
    `where` names the worst row, variable or follower; `detail` says how the value was found.
    """

    name: str
    value: float
    tolerance: float | None
    unit: str
    where: str = ""
    detail: str = ""

    @property
    def ok(self) -> bool:
        """Whether the value is within its tolerance; a NaN never is, unless the check only reports."""
        return self.tolerance is None or self.value <= self.tolerance


def add_check(model: Any, checker: Checker) -> None:
    """Register `checker(model) -> list[Check]`: it joins every certificate of the model, after its values are loaded."""
    model.__dict__.setdefault("bilevel_checks", []).append(checker)


def checks(model: Any) -> list[Checker]:
    """The checkers registered with `add_check`, in order."""
    return list(model.__dict__.get("bilevel_checks", []))
