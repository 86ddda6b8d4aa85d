"""A program with integer followers as the search sees it: what is in its way, its base of rows, and the limits that leaders see."""

from functools import cached_property

import numpy as np
import scipy.sparse as sp

from bilevel import tolerances
from bilevel.errors import ModelError
from bilevel.integer.draft import Draft, Form, added
from bilevel.integer.products import ExactProducts
from bilevel.integer.sides import Side, sides_of
from bilevel.program import implied
from bilevel.program.bilevel_program import Program
from bilevel.program.cones import Cones
from bilevel.program.rows import Index, Vector, stack_rows
from bilevel.program.solver_program import SolverProgram


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
        return sides_of(self.program, self.lower, self.upper)

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


def _plain_rows(program: Program) -> Index:
    """Leader rows without products."""
    return np.setdiff1d(np.arange(program.rows.count), program.bilinear.row)


def _whole_ends(program: Program, lower: Vector, upper: Vector) -> tuple[Vector, Vector]:
    """Bounds of integer columns at whole numbers."""
    # What rows imply has room for rounding, which is less than half of a step
    low, high = np.ceil(lower - tolerances.NOTHING), np.floor(upper + tolerances.NOTHING)
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
