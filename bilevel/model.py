"""What a user adds to a Pyomo model to make it bilevel: follower blocks, and checks of the model's own.

    model.user = bilevel.Follower(["ev1", "ev2"])
    model.user["ev1"].power = pyo.Var(range(24), bounds=(0, 7))
    model.user["ev1"].cost = pyo.Objective(expr=...)          # may hold leader variable x follower variable
    model.user["ev1"].energy = pyo.Constraint(expr=...)       # may hold leader variables

A `Follower` is a Pyomo block of a component type of its own: every variable declared in it is the follower's, every
other variable is the leader's; a `pyo.Reference` declares nothing.  Pyomo's LP and NL writers refuse the component; its direct
solver interfaces do not know it and would leave the followers out, so solve such a model with `bilevel.solve` only.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import pyomo.environ as pyo
from pyomo.common.collections import ComponentMap
from pyomo.core.base.block import BlockData, declare_custom_block

from bilevel.compile.walk import blocks
from bilevel.errors import ModelError
from bilevel.status import CheckKind

Checker = Callable[[Any], "list[Check]"]

# Made by the decorator below
Follower: Any


@declare_custom_block(name="Follower", new_ctype=True)
class FollowerData(BlockData):
    """One follower: its variables, exactly one linear, bilinear or convex quadratic objective, its rows (model page (7))."""

    def dual(self, row: Any) -> Any:
        """The multiplier of one of this follower's rows, as a leader variable for any linear leader expression.

        Sign: d(optimal value of the follower's objective as written) / d(right-hand side of the row).  The right-hand side is the
        side without free variables of this follower, wherever it is written, so that `supply >= demand`, `demand <= supply` and
        `supply == demand` agree; both limits of a range.  Where both sides hold such variables, or none does, it is the second side
        of an equality and the larger side of an inequality.  Where several multipliers are optimal the leader takes the one it
        likes best.  Units: the follower's objective over the row's.
        """
        known = self.__dict__.setdefault("dual_of", ComponentMap())
        if row not in known:
            # In the follower's block for its name and for copies; the compiler gives this list to the leader
            if self.component("dual_values") is None:
                self.add_component("dual_values", pyo.VarList())
            # One column a row, however often its dual is used
            known[row] = self.component("dual_values").add()
        return known[row]

    def limit_dual(self, row_or_variable: Any, limit: float) -> None:
        """Say that |multiplier| of a row, or |reduced cost| of a variable, is at most `limit`.

        It is used only where nothing is proven, and then the answer is conditional on it.  Raises `ModelError` unless
        `limit` is a positive number.
        """
        if not (math.isfinite(limit) and limit > 0):
            raise ModelError(f"limit {limit!r} for the dual of {row_or_variable.name!r}: give a positive number")
        self.__dict__.setdefault("dual_limit", ComponentMap())[row_or_variable] = float(limit)


@dataclass(frozen=True)
class Check:
    """A violation held against its tolerance: one line of a certificate.

    `value` is a violation in `unit` and passes when it is at most `tolerance`; a `tolerance` of None only reports.
    `where` names the worst row, variable or follower; `detail` says how the value was found; `kind` says what follows where it
    fails.  Raises `ModelError` where a check of kind report has a tolerance.
    """

    name: str
    value: float
    tolerance: float | None
    unit: str
    where: str = ""
    detail: str = ""
    kind: CheckKind = CheckKind.VALIDITY

    def __post_init__(self) -> None:
        if self.tolerance is None:
            object.__setattr__(self, "kind", CheckKind.REPORT)
        elif self.kind == CheckKind.REPORT:
            raise ModelError(
                f"check {self.name!r} only reports, but has the tolerance {self.tolerance:g}: give it none, or another kind"
            )

    @property
    def ok(self) -> bool:
        """Whether the value is within its tolerance; a NaN never is, unless the check only reports."""
        return self.tolerance is None or self.value <= self.tolerance


def add_check(model: Any, checker: Checker) -> None:
    """Register `checker(model) -> list[Check]`: it joins every certificate of the model, after its values are loaded.

    `model` may be a block of the model that is solved: the checker then gets the block, see `own_checks`.
    """
    model.__dict__.setdefault("bilevel_checks", []).append(checker)


def own_checks(model: Any) -> list[Check]:
    """What the checkers find that are registered with `add_check` on the model and its active blocks, each given its own.

    Of checks of blocks with the same name, unit, tolerance and kind only the worst stays, and its `where` begins with the block.
    """
    found: list[Check] = []
    inner: dict[tuple[Any, ...], Check] = {}
    for block in registered(model, "bilevel_checks"):
        for checker in block.__dict__["bilevel_checks"]:
            for check in checker(block):
                if block is model:
                    found.append(check)
                    continue
                key = check.name, check.unit, check.tolerance, check.kind
                # Written so that NaN counts as the worst
                if key not in inner or not (check.value <= inner[key].value or math.isnan(inner[key].value)):
                    place = f"{block.name}: {check.where}" if check.where else str(block.name)
                    inner[key] = replace(check, where=place)
    return [*found, *inner.values()]


def relaxes_equality(model: Any, row: Any) -> None:
    """Say that a convex quadratic row (indexed or single) of the leader stands for an equality, as l v >= P^2 + Q^2 does.

    A point at which such a row is slack is none of what the model means: the search closes it, and the certificate has a check
    `cones`.  Any other quadratic row is an inequality, and may be slack.  `model` may be a block of the model that is solved.
    Example: `relaxes_equality(model, model.cone)`.
    """
    model.__dict__.setdefault("relaxed_equalities", []).append(row)


def relaxed_equalities(model: Any) -> list[Any]:
    """The rows named with `relaxes_equality` for the model and its active blocks, in order."""
    return [row for block in registered(model, "relaxed_equalities") for row in block.__dict__["relaxed_equalities"]]


def registered(model: Any, key: str) -> Iterator[Any]:
    """The model and its active blocks, followers too, that have something registered under `key`."""
    kinds = (pyo.Block, Follower)  # noqa: F821 - made by the decorator
    return (block for block in blocks(model, kinds, True) if key in block.__dict__)
