"""Pyomo to sparse matrices: one walk over a bilevel model gives the leader's and the followers' programs."""

import io
from dataclasses import replace
from typing import Any

import numpy as np
import pyomo.environ as pyo
from pyomo.common.log import LoggingIntercept

from bilevel.compile.arrays import bilinear, bounds, convex_quadratics, dense, scales
from bilevel.compile.columns import Columns, RowList, direction
from bilevel.compile.quadratic_rows import ConeBuilder, Told, is_cone, is_convex
from bilevel.compile.refusals import (
    one_objective,
    owners_of,
    refuse_orphans,
    refuse_strange_limit,
    refuse_unknown_components,
)
from bilevel.compile.root_terms import Root
from bilevel.compile.roots import keys_of, take_root
from bilevel.compile.walk import declared, require_model, require_own
from bilevel.errors import ModelError
from bilevel.model import Follower, relaxed_equalities
from bilevel.program.bilevel_program import LEADER, DualLinks, FollowerStack, Program
from bilevel.program.choices import place
from bilevel.program.cones import Cones
from bilevel.program.domains import readable_bounds
from bilevel.program.rows import Index, Vector, coo, stack_rows
from bilevel.program.sizes import Terms, expected


class _Compiler:
    """One walk over a model; `program()` gives the result."""

    def __init__(self, model: Any) -> None:
        require_model(model)
        refuse_unknown_components(model)
        self.model = model
        self.followers = list(declared(model, Follower, active=True))
        if not self.followers:
            raise ModelError(
                f"model {model.name!r} has no active Follower block: add one with bilevel.Follower, "
                "or give the model to an ordinary solver"
            )
        self.columns = Columns(model, owners_of(self.followers))
        self.leader_rows = RowList()
        self.follower_rows = RowList()
        self.row_owner: list[int] = []
        self.row_at: dict[int, int] = {}
        self.cones = ConeBuilder()
        self.relaxed = {
            id(data) for row in relaxed_equalities(model) for data in (row.values() if row.is_indexed() else [row])
        }
        self.follower_cones = ConeBuilder(theirs=True)
        self.cone_owner: list[int] = []
        self.curved_rows: set[int] = set()
        self.bilinear: list[tuple[int, int, int, float]] = []
        self.cost: list[tuple[int, float]] = []
        self.follower_cost: list[tuple[int, float]] = []
        self.price: list[tuple[int, int, float]] = []
        self.quadratic: list[tuple[int, int, float]] = []

    def program(self) -> Program:
        offset, sign = self._leader()
        sense = [self._follower(at, block) for at, block in enumerate(self.followers)]
        variables = self.columns.variables()
        refuse_orphans(self.model, self.followers, variables)
        epigraphs = self.cones.epigraphs
        for variable in variables:
            readable_bounds(variable)
        owner = np.array([self.columns.owner(id(v)) for v in variables], dtype=np.int64)
        placed = place(variables, owner != LEADER, *bounds(variables))
        for row in placed.rows:
            self.leader_rows.add(*row)
        first = len(variables) + len(placed.choices)
        n = first + epigraphs
        owner = np.concatenate([owner, np.full(n - len(owner), LEADER)])
        self.cost.extend((first + at, 1.0) for at in range(epigraphs))
        everything: tuple[Any, ...] = (*variables, *placed.choices, *(None,) * epigraphs)
        lower, upper = (np.concatenate([own, np.full(epigraphs, far)])
                        for own, far in ((placed.lower, -np.inf), (placed.upper, np.inf)))  # fmt: skip
        leader_rows, products = self.leader_rows.rows(n), bilinear(self.bilinear)
        cost = dense(self.cost, n)
        stack = self._stack(n, owner, np.array(sense))
        mine = products.row < 0
        objectives = (
            Terms(cost, products.leader[mine], products.follower[mine], products.coefficient[mine]),
            Terms.of_followers(owner, stack.cost, stack.price, stack.quadratic, stack.rows.matrix),
        )
        told = scales(self.model, everything)
        size = expected(stack_rows([leader_rows, stack.rows]), objectives, lower, upper, told)
        # An epigraph is measured in the objective's own unit
        size[first:] = 1.0
        scale = np.where(np.isnan(told), size, told)
        known = Told((leader_rows, stack.rows), owner, (lower, upper), np.minimum(size, scale), first)
        return Program(
            variables=everything, lower=lower, upper=upper, integer=np.append(placed.integer, np.zeros(epigraphs, dtype=bool)),
            scale=scale, size=size, domains=placed.domains,
            cost=cost, offset=offset, sign=sign, rows=leader_rows,
            cones=self.cones.build(known), bilinear=products,
            followers=replace(stack, cones=self.follower_cones.build(known)), links=self._links(sense),
        )  # fmt: skip

    def _stack(self, n: int, owner: Index, sense: Vector) -> FollowerStack:
        """The followers over n columns, their cones aside, which are measured in sizes that their rows and costs give."""
        return FollowerStack(
            names=tuple(str(block.name) for block in self.followers), owner=owner,
            rows=self.follower_rows.rows(n), row_owner=np.array(self.row_owner, dtype=np.int64),
            cones=Cones.none(n), cone_owner=np.array(self.cone_owner, dtype=np.int64),
            cost=dense(self.follower_cost, n), price=coo(self.price, (n, n)),
            quadratic=convex_quadratics(self.quadratic, owner, self.followers), sense=sense,
            row_dual_limit=self._dual_limits(self.row_at, len(self.row_owner)),
            column_dual_limit=self._dual_limits(self.columns.position, n),
        )  # fmt: skip

    def _dual_limits(self, places: dict[int, int], count: int) -> Vector:
        """The user's limits by row or column, infinite where there is none."""
        limits = np.full(count, np.inf)
        for block in self.followers:
            for component, limit in block.__dict__.get("dual_limit", {}).items():
                refuse_strange_limit(component, block)
                self._refuse_curved(component, block)
                # Limits of rows and of columns come in one list; what the program does not use has no multiplier
                if id(component) in places:
                    limits[places[id(component)]] = limit
        return limits

    def _refuse_curved(self, row: Any, block: Any) -> None:
        if id(row) in self.curved_rows:
            raise ModelError(
                f"the dual of row {row.name!r} of follower {block.name!r} is used, but the row is quadratic: only duals of linear "
                "rows can be read or limited, so put its linear part into a row of its own with an auxiliary variable"
            )

    def _links(self, sense: list[float]) -> DualLinks:
        """Multipliers that the leader reads."""
        found = []
        for at, block in enumerate(self.followers):
            own = {key for key, owner in self.columns.owners.items() if owner == at}
            for row, variable in block.__dict__.get("dual_of", {}).items():
                # A multiplier that the leader uses nowhere has no column
                if id(variable) in self.columns.position:
                    require_own(row, self.model, "the dual is used of row")
                    self._refuse_curved(row, block)
                    if id(row) not in self.row_at:
                        raise ModelError(
                            f"the dual of row {row.name!r} is used, but the row is no active row of follower {block.name!r}: "
                            "activate it, or leave the dual out"
                        )
                    # Costs are minimised here: multipliers of a maximised objective have the other sign
                    sign = sense[at] * direction(row, own)
                    found.append((self.columns.position[id(variable)], self.row_at[id(row)], sign))
        table = np.array(found, dtype=float).reshape(-1, 3)
        return DualLinks(table[:, 0].astype(np.int64), table[:, 1].astype(np.int64), table[:, 2])

    def _leader(self) -> tuple[float, float]:
        objective = one_objective(self.model, f"the leader (model {self.model.name!r})")
        sign = 1.0 if objective.is_minimizing() else -1.0
        repn = self.columns.repn(objective.expr, f"objective {objective.name!r}")
        self.cost = [(column, sign * value) for column, value in self.columns.linear(repn)]
        whole = self.columns.quadratic(repn, sign)
        # Judged whole first: (x - y)^2 is convex, its product of leader and follower alone is not
        own = whole if is_convex(whole) else {key: sign * value for key, value in self._split(repn, -1, sign).items()}
        if is_convex(own):
            self.cones.objective(own, str(objective.name))
        else:
            self._own_products(-1, own)
        for row in declared(self.model, pyo.Constraint, active=True):
            self._leader_row(row)
        return sign * float(repn.constant), sign

    def _leader_row(self, row: Any) -> None:
        name = row.name
        repn, lower, upper = self.columns.row(row, name)
        terms = self.columns.linear(repn)
        if isinstance(repn.nonlinear, Root):
            for limit in take_root(self.cones, self.columns, repn, lower, upper, name):
                self.leader_rows.add(*limit)
            return
        if not repn.quadratic:
            self.leader_rows.add(terms, lower, upper, name)
            return
        side = 1.0 if np.isfinite(upper) else -1.0
        whole = self.columns.quadratic(repn, 1.0)
        # An equality or a range of a convex quadratic is not convex
        one_sided = np.isfinite(lower) != np.isfinite(upper)
        if one_sided and is_convex({key: side * value for key, value in whole.items()}):
            self.cones.row(whole, dict(terms), lower, upper, name, id(row) in self.relaxed)
            return
        # The number that the row gets where it is added below: its products name it before
        at = len(self.leader_rows.names)
        own = self._split(repn, at, 1.0)
        if own and not is_cone(own, dict(terms), (lower, upper), lambda: bounds(self.columns.variables())):
            self._own_products(at, own)
            own = {}
        if own and len(own) < len(repn.quadratic):
            raise ModelError(
                f"row {name!r} mixes a quadratic with a product of leader and follower variables: "
                "put the quadratic into a row of its own with an auxiliary variable"
            )
        if own:
            self.cones.row(own, dict(terms), lower, upper, name, id(row) in self.relaxed)
        else:
            self.leader_rows.add(terms, lower, upper, name)

    def _own_products(self, row: int, terms: dict[tuple[int, int], float]) -> None:
        """Products of two leader variables that form no cone: rows for a nonconvex solver."""
        self.bilinear.extend((row, i, j, value) for (i, j), value in terms.items())

    def _split(self, repn: Any, row: int, sign: float) -> dict[tuple[int, int], float]:
        """Sends leader x follower products to `bilinear`; gives back the other quadratic terms by column pair."""
        own: dict[tuple[int, int], float] = {}
        for (first, second), value in (repn.quadratic or {}).items():
            owners = self.columns.owner(first), self.columns.owner(second)
            i, j = self.columns.at(first), self.columns.at(second)
            if owners[0] == LEADER and owners[1] != LEADER:
                self.bilinear.append((row, i, j, sign * float(value)))
            elif owners[1] == LEADER and owners[0] != LEADER:
                self.bilinear.append((row, j, i, sign * float(value)))
            else:
                own[i, j] = float(value)
        return own

    def _follower(self, at: int, block: Any) -> float:
        objective = one_objective(block, f"follower {block.name!r}")
        sense = 1.0 if objective.is_minimizing() else -1.0
        repn = self.columns.repn(objective.expr, f"objective {objective.name!r}")
        linear = [(key, sense * float(value)) for key, value in repn.linear.items()]
        for key, value in linear:
            self._claim(key, at, f"objective {objective.name!r}")
            # What the leader alone decides is a constant to the follower, here and in products
            if self.columns.owner(key) == at:
                self.follower_cost.append((self.columns.at(key), value))
        for (first, second), value in (repn.quadratic or {}).items():
            self._follower_product(at, first, second, sense * float(value), objective.name)
        for row in declared(block, pyo.Constraint, active=True):
            self._follower_row(at, row)
        return sense

    def _follower_product(self, at: int, first: int, second: int, value: float, name: str) -> None:
        owners = self.columns.owner(first), self.columns.owner(second)
        self._claim(first, at, f"objective {name!r}")
        self._claim(second, at, f"objective {name!r}")
        if owners == (at, at):
            i, j = self.columns.at(first), self.columns.at(second)
            # y'Qy / 2 gives v y_i y_j for v on both sides of the diagonal; at i = j the entries add up to 2 v
            self.quadratic += [(i, j, value), (j, i, value)]
        elif at in owners:
            x, y = (second, first) if owners[0] == at else (first, second)
            self.price.append((self.columns.at(x), self.columns.at(y), value))

    def _follower_row(self, at: int, row: Any) -> None:
        name = row.name
        repn, lower, upper = self.columns.row(row, name)
        for key in keys_of(repn):
            self._claim(key, at, f"row {name!r}")
        if isinstance(repn.nonlinear, Root):
            for limit in take_root(self.follower_cones, self.columns, repn, lower, upper, name):
                self.follower_rows.add(*limit)
                self.row_owner.append(at)
            self.cone_owner.append(at)
            self.curved_rows.add(id(row))
            return
        if repn.quadratic:
            linear = dict(self.columns.linear(repn))
            self.follower_cones.row(self.columns.quadratic(repn, 1.0), linear, lower, upper, name)
            self.cone_owner.append(at)
            self.curved_rows.add(id(row))
            return
        self.follower_rows.add(self.columns.linear(repn), lower, upper, name)
        self.row_at[id(row)] = len(self.row_owner)
        self.row_owner.append(at)

    def _claim(self, key: int, at: int, what: str) -> None:
        """Refuses another follower's variable in this follower's problem."""
        other = self.columns.owner(key)
        if other not in (at, LEADER):
            raise ModelError(
                f"{what} of follower {self.followers[at].name!r} uses {self.columns.found[key].name!r}, a variable of "
                f"follower {self.followers[other].name!r}: followers may share leader variables only"
            )


def compile_model(model: Any) -> Program:
    """Compile a Pyomo model with `Follower` blocks.

    Raises `ModelError` naming the component when the model is outside linear leaders and followers with convex
    quadratic rows and objectives, when an objective is missing or doubled, or when a component is of an
    unknown kind.
    """
    # Pyomo logs what it raises, and what is raised is told by name
    with LoggingIntercept(io.StringIO(), "pyomo"):
        return _Compiler(model).program()
