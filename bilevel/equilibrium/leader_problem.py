"""The leader's own problem where the followers' loads are given: its optimum and the duals of its rows (docs/model.md 6)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from pyomo.common.collections import ComponentMap

from bilevel.compile.columns import direction
from bilevel.compile.compiler import compile_model
from bilevel.compile.walk import require_own
from bilevel.equilibrium.given_loads import GivenLoads
from bilevel.errors import LooseConeError, ModelError
from bilevel.search.diagnose import explain


@dataclass(frozen=True)
class LeaderOptimum:
    """Answer of `LeaderProblem.solve`.

    - `objective`: the leader's, in its own sense; `values`: Pyomo variable to value, all of the model;
    - `limits_broken`: how many limits of the leader's had to give way, each at a price (see `bilevel.equilibrium`), 0 where all
      hold; `worst_limit` names the worst and `worst_violation` says by how much over its scale.
    """

    objective: float
    values: Mapping[Any, float]
    limits_broken: int
    worst_limit: str
    worst_violation: float
    row_duals: Mapping[str, float]
    model: Any = field(repr=False, compare=False)
    own: frozenset[int] = field(repr=False, compare=False)

    def dual(self, row: Any) -> float:
        """d(minimised objective)/d(right-hand side) of a leader row; KeyError for a row that is none.

        The right-hand side is the side without free variables of the leader's, wherever it is written, as for followers' rows.
        """
        require_own(row, self.model, "the dual is asked of")
        return self.row_duals[row.name] * direction(row, self.own)


class LeaderProblem:
    """The leader's problem over its own variables, for one load after another; tangents found stay.

        problem = bilevel.LeaderProblem(model, model.price.values())
        best = problem.solve(ComponentMap((model.user.p[t], load[t]) for t in model.T))  # Pyomo's ComponentMap
        print(best.objective, best.dual(model.active_balance["1", "2", 0]))

    `prices` are leader variables that are held too (at their values in the model, 0 without), as they do not matter to the leader
    alone.  Duals are accurate to about 1e-4: cones are met by tangents at the optimum itself.
    """

    def __init__(self, model: Any, prices: Iterable[Any] = ()) -> None:
        self.model, self.program = model, compile_model(model)
        self.program.require_continuous_answers("equilibria and duals")
        whole = np.flatnonzero(self.program.integer)
        if len(whole):
            raise ModelError(
                f"leader variable {self.program.name(int(whole[0]))!r} is integer, so rows have no duals: fix it, or make it "
                "continuous"
            )
        self.column = ComponentMap((v, k) for k, v in self.program.own)
        # A price that no row or cost in use holds has no column
        held = [self.column[price] for price in prices if price in self.column]
        self.given = GivenLoads(self.program, np.array(held, dtype=np.int64))
        self.start = np.nan_to_num(self.program.values())
        self.solves = 0
        free = (self.program.followers.owner < 0) & ~self.given.price
        # What the leader may still choose tells which side of a row is its right-hand side
        self.own = frozenset(id(variable) for variable, k in self.column.items() if free[k])

    def solve(self, loads: Mapping[Any, float]) -> LeaderOptimum:
        """The optimum at these values of follower variables; those not named are 0.

        Raises `ModelError` for a variable that no follower has, or when the problem has no optimum even with its limits elastic.
        """
        x = np.where(self.program.followers.owner >= 0, 0.0, self.start)
        for variable, value in loads.items():
            if variable not in self.column or self.program.followers.owner[self.column[variable]] < 0:
                raise ModelError(
                    f"variable {variable.name!r} is no follower's: give loads as values of follower variables"
                )
            x[self.column[variable]] = value
        self.solves += 1
        try:
            x, duals, broken = self.given.solve(x, self.solves)
        except LooseConeError as error:
            raise explain.refusal(self.model, self.program, error) from error
        values = ComponentMap((v, float(x[k])) for v, k in self.column.items())
        rows = dict(zip(self.program.rows.names, duals.tolist(), strict=True))
        return LeaderOptimum(
            self.program.objective(x), values, broken.count, broken.name, broken.worst, rows, self.model, self.own
        )
