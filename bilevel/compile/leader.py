"""The leader's objective and rows as they are read: linear rows, cones, and products."""

import math
from functools import partial
from typing import Any

import numpy as np
import pyomo.environ as pyo

from bilevel.compile.arrays import bounds
from bilevel.compile.columns import Columns, RowList
from bilevel.compile.cones.quadratic_rows import ConeBuilder, Quadratic, is_cone, is_convex
from bilevel.compile.cones.roots import lift_roots, limited_side, take_root
from bilevel.compile.cones.turned_cones import TurnedRows
from bilevel.compile.refusals import one_objective
from bilevel.compile.walk import declared
from bilevel.model import relaxed_equalities
from bilevel.program.bilevel_program import LEADER
from bilevel.program.choices import Derived
from bilevel.program.domains import readable_bounds
from bilevel.program.rows import Rows


class Leader:
    """What is read of the leader; `bilinear` has (row, leader column, other column, coefficient), the objective is row -1."""

    def __init__(self, model: Any, columns: Columns, turned: TurnedRows) -> None:
        self.model, self.columns, self.turned = model, columns, turned
        self.rows = RowList()
        self.cones = ConeBuilder()
        self.relaxed = {
            id(data) for row in relaxed_equalities(model) for data in (row.values() if row.is_indexed() else [row])
        }
        self.bilinear: list[tuple[int, int, int, float]] = []
        self.cost: list[tuple[int, float]] = []
        self.powers: dict[tuple[int, int], tuple[int, float]] = {}
        # (column, factor, factor, unit), and the rows that say so
        self.products: list[tuple[int, int, int, float]] = []
        self.product_rows: list[int] = []

    def read(self) -> tuple[float, float]:
        """Reads objective and rows; gives the objective's constant and sense."""
        objective = one_objective(self.model, f"the leader (model {self.model.name!r})")
        sign, name = 1.0 if objective.is_minimizing() else -1.0, str(objective.name)
        repn = self.columns.repn(objective.expr, f"objective {name!r}", self._multiply)
        roots = lift_roots(self.cones, self.columns, repn.nonlinear or [], sign, name, LEADER, tight=True)
        self.cost = [(column, sign * value) for column, value in (*self.columns.linear(repn), *roots)]
        whole = self.columns.quadratic(repn, sign)
        # Judged whole first: (x - y)^2 is convex, its product of leader and follower alone is not
        own = whole if is_convex(whole) else {key: sign * value for key, value in self._split(repn, -1, sign).items()}
        if is_convex(own):
            self.cones.objective(own, name)
        else:
            self._own_products(-1, own)
        for row in declared(self.model, pyo.Constraint, active=True):
            self._row(row)
        return sign * float(repn.constant), sign

    def _row(self, row: Any) -> None:
        name = row.name
        repn, lower, upper = self.columns.row(row, name, self._multiply)
        terms, side = self.columns.linear(repn), limited_side(lower, upper)
        if repn.nonlinear:
            limits = take_root(self.cones, self.columns, repn, lower, upper, name)
            for limit in limits or ():
                self.rows.add(*limit)
            if limits is not None:
                return
            terms += lift_roots(self.cones, self.columns, repn.nonlinear, side, name, LEADER)
        if not repn.quadratic:
            self.rows.add(terms, lower, upper, name)
            return
        whole = self.columns.quadratic(repn, 1.0)
        # An equality or a range of a convex quadratic is not convex
        if side and is_convex({key: side * value for key, value in whole.items()}):
            self.cones.row(whole, dict(terms), lower, upper, name, id(row) in self.relaxed)
            return
        mixed = sum(self._crosses(first, second) for first, second in repn.quadratic)
        if not mixed and is_cone(whole, dict(terms), (lower, upper), lambda: bounds(self.columns.variables())):
            self.cones.row(whole, dict(terms), lower, upper, name, id(row) in self.relaxed)
            return
        products = partial(self._product_row, repn, terms, lower, upper, name)
        # Products with the follower alone may have a linear form, which is better than a cone
        if mixed == len(whole) or not self.turned.keep(self.cones, whole, terms, (lower, upper), name, products):
            products()

    def _crosses(self, first: int, second: int) -> bool:
        """Whether a product is one of a leader's and a follower's variable."""
        return (self.columns.owner(first) == LEADER) != (self.columns.owner(second) == LEADER)

    def _product_row(self, repn: Any, terms: list[tuple[int, float]], lower: float, upper: float, name: str) -> None:
        """A row with products of leader and follower variables, or with products that form no cone."""
        # The number that the row gets where it is added below: its products name it before
        at, side = len(self.rows.names), limited_side(lower, upper)
        own = self._split(repn, at, 1.0)
        convex = {key: side * value for key, value in own.items()}
        if own and side and len(own) < len(repn.quadratic) and is_convex(convex):
            # Beside products that may have a linear form, squares go to a row of their own
            terms = [*terms, (self._square(convex, name), side)]
        else:
            self._own_products(at, own)
        self.rows.add(terms, lower, upper, name)

    def _square(self, terms: Quadratic, name: str) -> int:
        """A column at least as large as a convex form."""
        label = f"squares of {name}"
        found, keys = self.columns.found, list(self.columns.position)
        parts = [(found[keys[i]], found[keys[j]], value) for (i, j), value in terms.items()]

        def worth() -> float | None:
            values = [(first.value, second.value, value) for first, second, value in parts]
            return None if any(None in each for each in values) else sum(a * b * value for a, b, value in values)

        column = self.columns.derive(Derived(label, worth, pyo.Reals, (0.0, None)), LEADER)
        self.cones.row(terms, {column: -1.0}, -float("inf"), 0.0, label)
        return column

    def linear(self, rows: Rows) -> Rows:
        """Of the leader's rows those without a product, which alone tell what their columns may be."""
        products = [row for row, *_ in self.bilinear]
        return rows.taken(np.setdiff1d(np.arange(rows.count), products))

    def without_products(self, rows: Rows) -> Rows:
        """The leader's rows but those that make columns products."""
        return rows.taken(np.setdiff1d(np.arange(rows.count), self.product_rows)) if self.products else rows

    def _multiply(self, first: int, second: int) -> tuple[int, float]:
        """A column (its id) that is the product of two over a unit: for polynomials, which go to a nonconvex solver."""
        if (first, second) not in self.powers:
            a, b = self.columns.found[first], self.columns.found[second]
            low, high = _product_bounds(a, b)
            # In a unit of about its size, as high powers leave what solvers take for numbers
            far = max(abs(low), abs(high))
            unit = 2.0 ** round(math.log2(far)) if math.isfinite(far) and far > 0 else 1.0
            ends = tuple(end / unit if math.isfinite(end) else None for end in (low, high))
            derived = Derived(f"{a.name}*{b.name}", partial(_product_of, a, b, unit), pyo.Reals, (ends[0], ends[1]))
            column = self.columns.derive(derived, LEADER)
            at, pair = len(self.rows.names), (self.columns.at(first), self.columns.at(second))
            self.products.append((column, *pair, unit))
            self.product_rows.append(at)
            self.rows.add([(column, -1.0)], 0.0, 0.0, f"product {derived.name}")
            turned = self.columns.owner(first) != LEADER and self.columns.owner(second) == LEADER
            self.bilinear.append((at, *(pair[::-1] if turned else pair), 1.0 / unit))
            self.powers[first, second] = id(derived), unit
        return self.powers[first, second]

    def _own_products(self, row: int, terms: Quadratic) -> None:
        """Products of two leader variables that form no cone: rows for a nonconvex solver."""
        self.bilinear.extend((row, i, j, value) for (i, j), value in terms.items())

    def _split(self, repn: Any, row: int, sign: float) -> Quadratic:
        """Sends leader x follower products to `bilinear`; gives back the other quadratic terms by column pair."""
        own: Quadratic = {}
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


def _product_of(first: Any, second: Any, unit: float) -> float | None:
    return None if first.value is None or second.value is None else float(first.value * second.value) / unit


def _product_bounds(first: Any, second: Any) -> tuple[float, float]:
    """The ends of a product of two columns, infinite where there is none."""
    ends = [readable_bounds(each) for each in (first, second)]
    if not np.isfinite(ends).all():
        return (0.0 if first is second else -math.inf), math.inf
    corners = [a * b for a in ends[0] for b in ends[1]]
    inside = first is second and ends[0][0] <= 0 <= ends[0][1]
    return (0.0 if inside else min(corners)), max(corners)
