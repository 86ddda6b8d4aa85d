"""Pyomo to sparse matrices: one walk over a bilevel model gives the leader's and the followers' programs."""

import io
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pyomo.environ as pyo
from pyomo.common.log import LoggingIntercept

from bilevel.compile import multipliers
from bilevel.compile.arrays import bilinear, bounds, convex_quadratics, dense, scales
from bilevel.compile.columns import Columns, RowList
from bilevel.compile.cones.quadratic_rows import ConeBuilder, Quadratic, Told, is_cone, is_convex
from bilevel.compile.cones.roots import keys_of, lift_roots, limited_side, ordered_as, take_root
from bilevel.compile.cones.turned_cones import TurnedRows, refuse_turned
from bilevel.compile.leader import Leader
from bilevel.compile.products_of_choices import ProductsOfChoices
from bilevel.compile.refusals import one_objective, owners_of, refuse_orphans, refuse_unknown_components
from bilevel.compile.walk import declared, require_model
from bilevel.errors import ModelError
from bilevel.model import Follower
from bilevel.program.bilevel_program import LEADER, Bilinear, DualLinks, FollowerStack, Program
from bilevel.program.choices import Placed, place
from bilevel.program.cones import Cones
from bilevel.program.rows import Index, Rows, Vector, coo, stack_rows
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
        self.turned = TurnedRows()
        self.leader = Leader(model, self.columns, self.turned)
        self.follower_rows = RowList()
        self.row_owner: list[int] = []
        self.row_at: dict[int, int] = {}
        self.follower_cones = ConeBuilder(theirs=True)
        self.products = ProductsOfChoices(self.columns)
        self.read = multipliers.Read(model, self.followers)
        self.follower_cost: list[tuple[int, float]] = []
        self.price: list[tuple[int, int, float]] = []
        self.quadratic: list[tuple[int, int, float]] = []

    def program(self) -> Program:
        offset, sign = self.leader.read()
        sense = [self._follower(at, block) for at, block in enumerate(self.followers)]
        self.turned.settle(self.columns, self.leader.linear, self.leader.rows, self.follower_rows)
        self.columns.refuse_equal_names()
        variables = self.columns.variables()
        refuse_orphans(self.model, self.followers, variables)
        epigraphs = self.leader.cones.epigraphs
        owner = np.array([self.columns.owner(id(v)) for v in variables], dtype=np.int64)
        placed = self._placed(variables, owner)
        first = len(variables) + len(placed.choices)
        n = first + epigraphs
        owner = np.concatenate([owner, np.full(n - len(owner), LEADER)])
        self.leader.cost.extend((first + at, 1.0) for at in range(epigraphs))
        everything: tuple[Any, ...] = (*variables, *placed.choices, *(None,) * epigraphs)
        lower, upper = (np.concatenate([own, np.full(epigraphs, far)])
                        for own, far in ((placed.lower, -np.inf), (placed.upper, np.inf)))  # fmt: skip
        leader_rows, products = self.leader.rows.rows(n), bilinear(self.leader.bilinear)
        cost = dense(self.leader.cost, n)
        stack = self._stack(n, owner, np.array(sense))
        told = scales(self.model, everything)
        size = self._sizes(stack, leader_rows, cost, products, (lower, upper), told)
        # An epigraph is measured in the objective's own unit
        size[first:] = 1.0
        scale = np.where(np.isnan(told), size, told)
        known = Told(
            (self.leader.linear(leader_rows), stack.rows), owner, (lower, upper), np.minimum(size, scale), first
        )
        return Program(
            variables=everything, lower=lower, upper=upper, integer=np.append(placed.integer, np.zeros(epigraphs, dtype=bool)),
            scale=scale, size=size, domains=placed.domains,
            cost=cost, offset=offset, sign=sign, rows=leader_rows,
            cones=self.leader.cones.build(known), bilinear=products,
            followers=replace(stack, cones=self.follower_cones.build(known)), links=self._links(sense),
        )  # fmt: skip

    def _placed(self, variables: tuple[Any, ...], owner: Index) -> Placed:
        """What domains make of the columns; adds the rows that these and products with them need."""
        placed = place(variables, owner != LEADER, *bounds(variables), self.products.apart)
        for row in placed.rows:
            self.leader.rows.add(*row)
        for at, limit in self.products.rows(placed.domains):
            self._linear_row(at, *limit)
        return replace(placed, domains=replace(placed.domains, switches=self.products.switches))

    def _sizes(
        self,
        stack: FollowerStack,
        leader_rows: Rows,
        cost: Vector,
        products: Bilinear,
        limits: tuple[Vector, Vector],
        told: Vector,
    ) -> Vector:
        """Expected sizes, those of columns that are products from their factors'."""
        mine = products.row < 0
        objectives = (
            Terms(cost, products.leader[mine], products.follower[mine], products.coefficient[mine]),
            Terms.of_followers(stack.owner, stack.cost, stack.price, stack.quadratic, stack.rows.matrix),
        )
        rows = stack_rows([self.leader.without_products(leader_rows), stack.rows])
        size = expected(rows, objectives, *limits, told)
        for column, first, second, unit in self.leader.products:
            size[column] = size[first] * size[second] / unit
        return size

    def _links(self, sense: list[float]) -> DualLinks:
        return multipliers.links(self.read, self.columns, self.row_at, sense)

    def _stack(self, n: int, owner: Index, sense: Vector) -> FollowerStack:
        """The followers over n columns, their cones aside, which are measured in sizes that their rows and costs give."""
        return FollowerStack(
            names=tuple(str(block.name) for block in self.followers), owner=owner,
            rows=self.follower_rows.rows(n), row_owner=np.array(self.row_owner, dtype=np.int64),
            cones=Cones.none(n), cone_owner=np.array(self.follower_cones.owner, dtype=np.int64),
            cost=dense(self.follower_cost, n), price=coo(self.price, (n, n)),
            quadratic=convex_quadratics(self.quadratic, owner, self.followers), sense=sense,
            row_dual_limit=multipliers.limits(self.read, self.row_at, len(self.row_owner)),
            column_dual_limit=multipliers.limits(self.read, self.columns.position, n),
        )  # fmt: skip

    def _follower(self, at: int, block: Any) -> float:
        objective = one_objective(block, f"follower {block.name!r}")
        written = 1.0 if objective.is_minimizing() else -1.0
        # What has its least value where the objective has, which is all that a follower's choice rests on
        expression, sense = ordered_as(self.columns, objective, written, bool(multipliers.asked(block)))
        repn = self.columns.repn(expression, f"objective {objective.name!r}")
        for key in keys_of(repn):
            self._claim(key, at, f"objective {objective.name!r}")
        linear = [(key, sense * float(value)) for key, value in repn.linear.items()]
        for key, value in linear:
            # What the leader alone decides is a constant to the follower, here and in products
            if self.columns.owner(key) == at:
                self.follower_cost.append((self.columns.at(key), value))
        self.follower_cones.level = at
        roots = lift_roots(self.follower_cones, self.columns, repn.nonlinear or [], sense, str(objective.name), at)
        self.follower_cost += [(column, sense * value) for column, value in roots]
        for (first, second), value in (repn.quadratic or {}).items():
            self._follower_product(at, first, second, sense * float(value))
        for row in declared(block, pyo.Constraint, active=True):
            self._follower_row(at, row)
        return written

    def _follower_product(self, at: int, first: int, second: int, value: float) -> None:
        owners = self.columns.owner(first), self.columns.owner(second)
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
        self.follower_cones.level = at
        lower, upper, obstacle = self.products.taken(at, repn, (lower, upper), name)
        terms = self.columns.linear(repn)
        if repn.nonlinear or repn.quadratic:
            self.read.curved.add(id(row))
        if repn.nonlinear:
            limits = take_root(self.follower_cones, self.columns, repn, lower, upper, name)
            for limit in limits or ():
                self._linear_row(at, *limit)
            if limits is not None:
                return
            side = limited_side(lower, upper)
            terms += lift_roots(self.follower_cones, self.columns, repn.nonlinear, side, name, at)
        if repn.quadratic:
            self._cone(self.columns.quadratic(repn, 1.0), terms, (lower, upper), name, obstacle)
            return
        if not repn.nonlinear:
            self.row_at[id(row)] = len(self.row_owner)
        self._linear_row(at, terms, lower, upper, name)

    def _linear_row(self, at: int, terms: list[tuple[int, float]], lower: float, upper: float, name: str) -> None:
        self.follower_rows.add(terms, lower, upper, name)
        self.row_owner.append(at)

    def _cone(
        self,
        terms: Quadratic,
        linear: list[tuple[int, float]],
        limits: tuple[float, float],
        name: str,
        obstacle: str | None,
    ) -> None:
        """A quadratic row of the follower whose turn it is; what is no cone is refused, by `obstacle` where that tells why."""
        cones, side = self.follower_cones, limited_side(*limits)
        convex = bool(side) and is_convex({key: side * value for key, value in terms.items()})
        seen = convex or is_cone(terms, dict(linear), limits, lambda: bounds(self.columns.variables()))
        refuse = partial(refuse_turned, name, obstacle)
        if not seen and self.turned.keep(cones, terms, linear, limits, name, refuse):
            return
        if not seen and obstacle is not None:
            raise ModelError(obstacle)
        # Which refuses by name what is none
        cones.row(terms, dict(linear), *limits, name)

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
