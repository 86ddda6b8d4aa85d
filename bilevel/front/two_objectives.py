"""Two leader expressions of one bilevel model as two columns of its program: z1 >= the limited one, z2 <= the maximised one.

With both as columns, every point of a front is the same program with another objective over z1 and z2 and other bounds on them, so
one compiled program, one set of proven bounds and one living solver serve all points.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyomo.environ as pyo
from pyomo.common.modeling import unique_component_name

from bilevel import tolerances
from bilevel.compile.compiler import compile_model
from bilevel.compile.walk import declared, require_model
from bilevel.errors import ModelError
from bilevel.program.bilevel_program import Bilinear, Program
from bilevel.program.rows import Vector


@dataclass(frozen=True)
class TwoObjectives:
    """The program, with the columns of z1 (`limited`) and z2 (`maximized`), which come with the size of their largest term."""

    program: Program
    limited: int
    maximized: int
    limited_row: int | None
    maximized_row: int | None

    def maximizing(self) -> Program:
        """The program whose objective is the maximised expression itself, for certificates."""
        return self._alone(self.maximized, self.maximized_row, -1.0)

    def values(self, x: Vector) -> tuple[float, float]:
        """(limited, maximized) at x, from the expressions and not from their columns."""
        limited = self._alone(self.limited, self.limited_row, 1.0)
        return limited.objective(x), self.maximizing().objective(x)

    def _alone(self, column: int, row: int | None, sign: float) -> Program:
        """The program that minimises or maximises one expression; the row that bounds its column gives it.

        An expression with squares has a cone in place of that row, and its column stands for it.
        """
        program = self.program
        cost = np.zeros(program.columns)
        if row is None:
            cost[column] = sign
            return replace(program, cost=cost, sign=sign)
        part = program.rows.matrix[[row]].tocoo()
        cost[part.coords[1]] = sign * part.data
        cost[column] = 0.0
        b, mine = program.bilinear, program.bilinear.row == row
        products = Bilinear(
            np.concatenate([b.row, np.full(int(mine.sum()), -1)]), np.concatenate([b.leader, b.leader[mine]]),
            np.concatenate([b.follower, b.follower[mine]]), np.concatenate([b.coefficient, sign * b.coefficient[mine]]),
        )  # fmt: skip
        # Compiled, an expression's constant stands on the other side of its row, in the limit
        constant = -float(program.rows.lower[row] if sign < 0 else program.rows.upper[row])
        return replace(program, cost=cost, offset=sign * constant, sign=sign, bilinear=products)


def compile_two(model: Any, maximize: Any, limit: Any) -> TwoObjectives:
    """Compile a bilevel model with these two leader expressions in place of its own objective; the model stays as it is.

    Raises `ModelError` as `compile_model` does, and when an expression is not one of the model's.
    """
    for name, expression in (("maximize", maximize), ("limit", limit)):
        if not hasattr(expression, "is_expression_type") or not expression.is_potentially_variable():
            raise ModelError(
                f"{name}={expression!r} is no expression of the model's variables: give one, such as model.profit"
            )
    require_model(model)
    with _objectives_off(model):
        block = pyo.Block(concrete=True)
        model.add_component(unique_component_name(model, "front"), block)
        try:
            block.limited, block.maximized = pyo.Var(), pyo.Var()
            block.limited_row = pyo.Constraint(expr=limit - block.limited <= 0)
            block.maximized_row = pyo.Constraint(expr=maximize - block.maximized >= 0)
            # Any objective that holds both: every task brings its own
            block.objective = pyo.Objective(expr=block.limited - block.maximized)
            program = compile_model(model)
            # A row with squares has become a cone, and is not among these
            names = program.rows.names
            rows = [
                names.index(row.name) if row.name in names else None for row in (block.limited_row, block.maximized_row)
            ]
            at = {id(variable): column for column, variable in program.own}
            columns = at[id(block.limited)], at[id(block.maximized)]
            sizes = [_size(program, str(row.name), column)
                     for row, column in zip((block.limited_row, block.maximized_row), columns, strict=True)]  # fmt: skip
        finally:
            model.del_component(block)
    scale = program.scale.copy()
    scale[list(columns)] = sizes
    return TwoObjectives(replace(program, scale=scale, offset=0.0, sign=1.0), *columns, *rows)


@contextmanager
def _objectives_off(model: Any) -> Iterator[None]:
    """The leader's own objectives, inactive inside the context."""
    active = list(declared(model, pyo.Objective, active=True))
    for objective in active:
        objective.deactivate()
    try:
        yield
    finally:
        for objective in active:
            objective.activate()


def _size(program: Program, row: str, column: int) -> float:
    """The largest term of the expression in that row, at its columns' scales; 1 without any."""
    names = program.rows.names
    if row not in names:
        cone = program.cones.names.index(row)
        return max(float(program.cones.w_scale[cone]), tolerances.LEAST_SIZE)
    at = names.index(row)
    part = program.rows.matrix[[at]].tocoo()
    terms = np.abs(part.data * program.scale[part.coords[1]])[part.coords[1] != column]
    b, mine = program.bilinear, program.bilinear.row == at
    products = np.abs(b.coefficient * program.scale[b.leader] * program.scale[b.follower])[mine]
    return max(float(terms.max(initial=0.0)), float(products.max(initial=0.0))) or 1.0
