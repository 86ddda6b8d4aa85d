"""What `bilevel.equilibrium` is told: a rule for every price, checked against the compiled model."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyomo.environ as pyo
import scipy.sparse as sp

from bilevel.compile.columns import direction
from bilevel.errors import BilevelError, ModelError
from bilevel.program.bilevel_program import Program
from bilevel.program.rows import Index, Mask, Vector


@dataclass(frozen=True)
class PriceRule:
    """price = factor * dual of the leader row (`bilevel.LeaderOptimum.dual`) + fee, then clipped to the price variable's bounds.

    `factor` is in the unit of the price over that of the dual (objective per unit of the row), `fee` in that of the price.  A
    `row` of None has no dual: the price is the fee, whatever the loads.
    """

    row: Any
    factor: float = 1.0
    fee: float = 0.0


@dataclass(frozen=True)
class Prices:
    """The price variables as arrays of one shape (prices,): `column` is -1 where no active row or cost holds the variable,
    `row` is -1 where the rule has none; `start` are the first prices."""

    variables: tuple[Any, ...]
    column: Index
    row: Index
    factor: Vector
    fee: Vector
    lower: Vector
    upper: Vector
    start: Vector

    def put(self, x: Vector, prices: Vector) -> Vector:
        """x with these prices."""
        x, used = x.copy(), self.column >= 0
        x[self.column[used]] = prices[used]
        return x

    def named(self, prices: Vector) -> dict[str, float]:
        """These prices by Pyomo name."""
        return {str(v.name): value for v, value in zip(self.variables, prices.tolist(), strict=True)}

    def at(self, duals: Vector) -> tuple[Vector, int]:
        """The prices at these duals of all leader rows, and how many were clipped."""
        # The 0 at the end is for rules without a row, where there may be no row at all
        dual = np.where(self.row >= 0, np.append(duals, 0.0)[self.row], 0.0)
        wanted = self.factor * dual + self.fee
        prices = np.clip(wanted, self.lower, self.upper)
        return prices, int(np.count_nonzero(prices != wanted))


def read(model: Any, program: Program, prices: Mapping[Any, Any]) -> Prices:
    """The rules as arrays; raises `ModelError` or `BilevelError` naming the variable or row and what to do."""
    if not prices:
        raise BilevelError("prices is empty: map each price variable to a leader row or a PriceRule")
    column_of = {id(variable): at for at, variable in enumerate(program.variables)}
    row_of = {name: at for at, name in enumerate(program.rows.names)}
    rules = [(v, rule if isinstance(rule, PriceRule) else PriceRule(rule)) for v, rule in prices.items()]
    faced = _faced(program)
    families = {
        id(v.parent_component()) for v in (program.variables[at] for at in np.flatnonzero(faced)) if v is not None
    }
    columns = [_column(program, variable, column_of, faced, families) for variable, _ in rules]
    held = np.zeros(program.columns, dtype=bool)
    held[[at for at in columns if at >= 0]] = True
    _require_rest(program, held, faced)
    free = ~held & (program.followers.owner < 0)
    rows = [_row(model, program, variable, rule, row_of, free) for variable, rule in rules]
    own = {id(program.variables[at]) for at in np.flatnonzero(free)}
    # Duals are of rows as Pyomo stores them, rules of rows as they are written
    signs = [1.0 if rule.row is None else direction(rule.row, own) for _, rule in rules]
    limits = [variable.bounds for variable, _ in rules]
    lower = np.array([-np.inf if low is None else low for low, _ in limits], dtype=float)
    upper = np.array([np.inf if high is None else high for _, high in limits], dtype=float)
    return Prices(
        tuple(variable for variable, _ in rules), np.array(columns, dtype=np.int64), np.array(rows, dtype=np.int64),
        np.array([rule.factor for _, rule in rules], dtype=float) * signs, np.array([rule.fee for _, rule in rules], dtype=float),
        lower, upper, np.array([_start(variable) for variable, _ in rules]),
    )  # fmt: skip


def _faced(program: Program) -> Mask:
    """The leader columns that multiply a follower's variable in its cost."""
    faced = np.zeros(program.columns, dtype=bool)
    faced[sp.coo_array(program.followers.price).coords[0]] = True
    return faced


def _column(program: Program, variable: Any, column_of: dict[int, int], faced: Mask, families: set[int]) -> int:
    """The column of a price variable.

    Members of an indexed variable that no follower faces, as the price of an hour in which nobody charges, have a price all the
    same, and maybe no column.
    """
    name = getattr(variable, "name", repr(variable))
    if not getattr(variable, "is_variable_type", lambda: False)() or variable.is_indexed():
        raise ModelError(
            f"price {name!r} is no single variable: map each member of the leader's price variable to its row"
        )
    if variable.fixed:
        raise ModelError(f"price variable {name!r} is fixed at {variable.value}: unfix it, or leave it out of prices")
    column = column_of.get(id(variable), -1)
    if column >= 0 and program.followers.owner[column] >= 0:
        raise ModelError(
            f"price variable {name!r} is a follower's: map a variable of the leader's that multiplies it in its cost"
        )
    if (column < 0 or not faced[column]) and id(variable.parent_component()) not in families:
        raise ModelError(
            f"price variable {name!r} multiplies no follower's variable in a follower's objective: leave it out of prices"
        )
    return column


def _row(model: Any, program: Program, variable: Any, rule: PriceRule, row_of: dict[str, int], free: Mask) -> int:
    """The leader row of a rule."""
    if not (math.isfinite(rule.factor) and math.isfinite(rule.fee)):
        raise BilevelError(
            f"the rule of price {variable.name!r} has factor {rule.factor!r} and fee {rule.fee!r}: give finite numbers"
        )
    if rule.row is None:
        return -1
    name = str(getattr(rule.row, "name", rule.row))
    mine = (
        getattr(rule.row, "ctype", None) is pyo.Constraint and not rule.row.is_indexed() and rule.row.model() is model
    )
    at = row_of.get(name, -1) if mine and rule.row.active else -1
    if at < 0:
        raise ModelError(
            f"row {name!r} of price {variable.name!r} is no active linear row of the leader: map the price to one, such as the "
            "balance of its node"
        )
    entries = program.rows.matrix[[at]]
    if not free[entries.indices[entries.data != 0]].any():
        raise ModelError(
            f"row {name!r} of price {variable.name!r} holds loads and prices only, so it has no dual at given loads: put a "
            "variable of the leader's into it, such as the supply that meets them"
        )
    return at


def _require_rest(program: Program, held: Mask, faced: Mask) -> None:
    """Refuses what keeps the leader's own problem from being convex, or lets followers see more of it than prices."""
    stack, rest = program.followers, (program.followers.owner < 0) & ~held
    if stack.cones.count:
        raise ModelError(
            f"follower {stack.names[int(stack.cone_owner[0])]!r} has quadratic rows, which the iteration cannot answer exactly: "
            "make them linear, or use bilevel.solve"
        )
    if len(program.links.column):
        name = program.name(int(program.links.column[0]))
        raise ModelError(
            f"the leader reads a follower's multiplier ({name!r}), which is no price: leave it out, or fix it"
        )
    whole = np.flatnonzero(program.integer)
    if len(whole):
        raise ModelError(
            f"leader variable {program.name(int(whole[0]))!r} is integer, so rows have no duals: fix it, or make it continuous"
        )
    # Products count as constants at given loads and prices, which asks for both of their factors to be held
    other = program.bilinear.leader[rest[program.bilinear.leader]]
    if len(other):
        raise ModelError(
            f"leader variable {program.name(int(other[0]))!r} multiplies another variable in the leader's rows or objective "
            "and has no price rule: give it one, or fix it"
        )
    _require_free(program, held, rest)
    seen = faced.copy()
    seen[np.unique(stack.rows.matrix.indices)] = True
    more = np.flatnonzero(seen & rest)
    if len(more):
        raise ModelError(
            f"followers see leader variable {program.name(int(more[0]))!r}, which has no price rule: give it one, or fix it"
        )


def _require_free(program: Program, held: Mask, rest: Mask) -> None:
    """Refuses rows that tie prices to other leader variables, as a tariff of blocks does: the rules alone set prices."""
    # Entries of both signs must not cancel in the sums
    has = abs(program.rows.matrix)
    both = np.flatnonzero((has @ held.astype(float) > 0) & (has @ rest.astype(float) > 0))
    if len(both):
        at = int(both[0])
        entries = program.rows.matrix[[at]].indices
        other = program.name(int(entries[rest[entries]][0]))
        raise ModelError(
            f"row {program.rows.names[at]!r} ties prices to leader variable {other!r}, which has no price rule: give it one, "
            "fix it, or deactivate the row"
        )


def _start(variable: Any) -> float:
    """The value that stands in the model, within the bounds, else the middle of the bounds."""
    low, high = variable.bounds
    if variable.value is not None:
        return float(np.clip(variable.value, -np.inf if low is None else low, np.inf if high is None else high))
    if low is None or high is None:
        raise ModelError(
            f"price variable {variable.name!r} has neither a value nor two bounds: set its value to start from"
        )
    return (float(low) + float(high)) / 2
