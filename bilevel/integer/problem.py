"""A program with integer followers as the search sees it: what is in its way, its base of rows, and the limits that leaders see."""

from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

import numpy as np
import scipy.sparse as sp

from bilevel import tolerances
from bilevel.errors import ModelError
from bilevel.followers.steps import common_step, written
from bilevel.integer.draft import Draft, Form, added
from bilevel.integer.products import ExactProducts
from bilevel.program import implied
from bilevel.program.bilevel_program import Program
from bilevel.program.cones import Cones
from bilevel.program.rows import Index, Vector, stack_rows
from bilevel.program.solver_program import SolverProgram


@dataclass(frozen=True)
class Side:
    """One limit of a follower's row with leader columns in it: own @ y + seen @ x >= limit.

    `step`: what seen @ x is a multiple of, None where a leader column is continuous or there is none; `low` and `high` are the ends
    of seen @ x; `exact`: the limit and the coefficients of y as they were written, None where they were not.
    """

    name: str
    follower: int
    own: Form
    seen: Form
    limit: float
    low: float
    high: float
    step: Fraction | None
    exact: tuple[Fraction, dict[int, Fraction]] | None

    def needs(self, y: Vector) -> float:
        """What seen @ x must be at least for this answer (over the program's columns)."""
        return self.limit - sum(value * float(y[column]) for column, value in self.own.items())


class Problem:
    """A bilevel program, and what follows from it before any search.

    `base`: leader's and followers' rows with the leader's objective, cones aside, products in a linear form; `lower` and `upper`
    are the columns' bounds with what the rows imply.
    """

    def __init__(self, program: Program) -> None:
        self.program = program
        _refuse(program)
        rows = stack_rows([program.rows.taken(_plain_rows(program)), program.followers.rows])
        self.lower, self.upper = _whole_ends(program, *implied.known(rows, program.lower, program.upper))
        _require_bounds(program, self.lower, self.upper)
        self.draft = Draft(program.columns)
        self.products = ExactProducts(program, self.draft, self.lower, self.upper)
        self.base = self._base()

    @cached_property
    def linking(self) -> Index:
        """Leader columns that followers see."""
        return self.program.linking_columns

    @cached_property
    def sides(self) -> list[list[Side]]:
        """Of every follower, the limits in which it sees the leader."""
        stack = self.program.followers
        matrix = sp.csr_array(stack.rows.matrix)
        found: list[list[Side]] = [[] for _ in stack.names]
        for row in range(stack.rows.count):
            entries = slice(matrix.indptr[row], matrix.indptr[row + 1])
            terms = {
                int(column): float(value)
                for column, value in zip(matrix.indices[entries], matrix.data[entries], strict=True)
                if value
            }
            if any(stack.owner[column] < 0 for column in terms):
                found[int(stack.row_owner[row])] += self._sides(row, terms)
        return found

    def _sides(self, row: int, terms: Form) -> list[Side]:
        stack = self.program.followers
        return [
            self._side(row, sign, {column: sign * value for column, value in terms.items()}, sign * limit)
            for sign, limit in ((1.0, float(stack.rows.lower[row])), (-1.0, float(stack.rows.upper[row])))
            if np.isfinite(limit)
        ]

    def _side(self, row: int, sign: float, terms: Form, limit: float) -> Side:
        program, stack = self.program, self.program.followers
        seen = {column: value for column, value in terms.items() if stack.owner[column] < 0}
        own = {column: value for column, value in terms.items() if stack.owner[column] >= 0}
        ends = [sorted((value * self.lower[column], value * self.upper[column])) for column, value in seen.items()]
        whole = all(program.integer[column] for column in seen)
        fractions = {column: written(value) for column, value in own.items()}
        known = written(limit)
        pure = known is not None and all(program.integer[column] and fractions[column] is not None for column in own)
        return Side(
            name=f"{stack.rows.names[row]} ({'at least' if sign > 0 else 'at most'})", follower=int(stack.row_owner[row]),
            own=own, seen=seen, limit=limit, low=float(sum(low for low, _ in ends)), high=float(sum(high for _, high in ends)),
            step=_seen_step(seen, ends) if whole else None,
            exact=(known, fractions) if pure and known is not None else None,  # type: ignore[arg-type]
        )  # fmt: skip

    def cost(self, follower: int) -> Form:
        """A follower's minimised cost as a linear form over the base's columns."""
        stack = self.program.followers
        form: Form = {int(c): float(stack.cost[c]) for c in np.flatnonzero(stack.owner == follower) if stack.cost[c]}
        price = sp.coo_array(stack.price)
        for x, y, value in zip(*price.coords, price.data, strict=True):
            if stack.owner[y] == follower:
                added(form, self.products.form(int(x), int(y)), float(value))
        return form

    def cost_of(self, follower: int, y: Vector) -> tuple[float, Form]:
        """The cost of a given answer (over the program's columns): a constant, and what the leader's prices add to it."""
        stack = self.program.followers
        mine = stack.owner == follower
        form: Form = {}
        price = sp.coo_array(stack.price)
        for x, column, value in zip(*price.coords, price.data, strict=True):
            if mine[column]:
                added(form, {int(x): float(value) * float(y[column])})
        return float(stack.cost[mine] @ y[mine]), {column: value for column, value in form.items() if value}

    def _base(self) -> SolverProgram:
        """The high-point relaxation with every product in its place."""
        program = self.program
        costs = [self.cost(at) for at in range(len(program.followers.names))]
        objective, rows = self._with_products()
        first = SolverProgram(
            program.cost, program.offset, self.lower, self.upper, program.integer, program.followers.rows,
            Cones.none(program.columns), (), program.scale,
        )  # fmt: skip
        for form, lower, upper, name in rows:
            self.draft.row(form, lower, upper, name)
        base = self.draft.on(first)
        cost = base.cost.copy()
        for column, value in objective.items():
            cost[column] += value
        self.costs = costs
        return SolverProgram(
            cost, base.offset, base.lower, base.upper, base.integer, base.rows, base.cones, (), base.scale
        )

    def _with_products(self) -> tuple[Form, list[tuple[Form, float, float, str]]]:
        """What products add to the objective, and the leader's rows with theirs."""
        program, b = self.program, self.program.bilinear
        more: dict[int, Form] = {}
        for row, x, y, value in zip(b.row, b.leader, b.follower, b.coefficient, strict=True):
            added(more.setdefault(int(row), {}), self.products.form(int(x), int(y)), float(value))
        matrix = sp.csr_array(program.rows.matrix)
        rows = []
        for at in range(program.rows.count):
            part = slice(matrix.indptr[at], matrix.indptr[at + 1])
            form = dict(zip(matrix.indices[part].tolist(), matrix.data[part].tolist(), strict=True))
            added(form, more.get(at, {}))
            rows.append((form, float(program.rows.lower[at]), float(program.rows.upper[at]), program.rows.names[at]))
        return more.get(-1, {}), rows


def _seen_step(seen: Form, ends: list[list[float]]) -> Fraction | None:
    """The step of a row's leader part; None for one that solvers do not see beside its range."""
    step, reach = common_step(seen.values()), sum(high - low for low, high in ends)
    return step if step is not None and float(step) > tolerances.NOTHING * reach else None


def _plain_rows(program: Program) -> Index:
    """Leader rows without products."""
    return np.setdiff1d(np.arange(program.rows.count), program.bilinear.row)


def _whole_ends(program: Program, lower: Vector, upper: Vector) -> tuple[Vector, Vector]:
    """Bounds of integer columns at whole numbers."""
    # What rows imply has room for rounding, which is less than half of a step
    near = 1e-6
    low, high = np.ceil(lower - near), np.floor(upper + near)
    return np.where(program.integer, low, lower), np.where(program.integer, high, upper)


def _refuse(program: Program) -> None:
    """What followers with integers do not go with, by name."""
    stack = program.followers
    for at, follower in enumerate(stack.names):
        mine = stack.owner == at
        what = ""
        if np.any(stack.cone_owner == at):
            what = "quadratic rows"
        elif stack.quadratic[np.flatnonzero(mine)].nnz:
            what = "a quadratic objective"
        if what:
            raise ModelError(
                f"follower {follower!r} has {what}, and beside integer variables of followers rows and costs have to be linear: "
                "make it linear, or all followers continuous"
            )
    if len(program.links.column):
        name = stack.rows.names[int(program.links.row[0])]
        raise ModelError(
            f"the leader reads the dual of {name!r}, and beside followers with integer variables no dual is defined: leave it out"
        )


def _require_bounds(program: Program, lower: Vector, upper: Vector) -> None:
    """Integers of followers, and what they see of the leader, need ends; raises `ModelError` naming the variable."""
    stack = program.followers
    theirs = np.flatnonzero(program.integer & (stack.owner >= 0))
    for what, columns in (("integer follower variable", theirs), ("leader variable", program.linking_columns)):
        for at in columns.tolist():
            if not (np.isfinite(lower[at]) and np.isfinite(upper[at])):
                side = "lower" if not np.isfinite(lower[at]) else "upper"
                seen = " that followers see" if what.startswith("leader") else ""
                raise ModelError(
                    f"{what} {program.name(at)!r}{seen} has no {side} bound, and none follows from the rows: give it one"
                )
