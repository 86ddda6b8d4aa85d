"""The compiled form of a bilevel model: the leader's program and the followers' stack, in one column space.

The columns are the variables in use (fixed ones are constants).  Objectives are minimisations; `sign` remembers the user's
sense.  Terms leader variable x follower variable stay apart as `Bilinear` entries, for `bilevel.reformulate.revenue` in the
leader's rows and as the follower's own price terms in the followers' costs.  `bilevel.compile.compiler` makes it.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import scipy.sparse as sp

from bilevel import tolerances
from bilevel.errors import ModelError
from bilevel.program.choices import Choice, Derived, Domains
from bilevel.program.cones import Cones
from bilevel.program.layout import Group, Layout
from bilevel.program.products import linearised
from bilevel.program.rows import Index, Mask, Rows, Vector
from bilevel.program.sparse import column_magnitude, magnitude

# One below the followers' numbers, so that number + 1 is a place in a table of leader and followers
LEADER = -1


@dataclass(frozen=True)
class Bilinear:
    """Terms coefficient * x[leader] * y[follower] of the leader's rows; row -1 is the objective."""

    row: Index
    leader: Index
    follower: Index
    coefficient: Vector

    def terms(self, x: Vector) -> Vector:
        """The value of every term at x."""
        values: Vector = self.coefficient * x[self.leader] * x[self.follower]
        return values

    def sums(self, x: Vector, rows: int) -> Vector:
        """What the terms add to the objective at x, then to each of the rows."""
        total: Vector = np.bincount(self.row + 1, weights=self.terms(x), minlength=rows + 1).astype(float)
        return total

    def linearised(self, x: Vector, rows: int) -> tuple[sp.csr_array, Vector]:
        """Slope of the objective's terms and of those of each row at x, and their sums: near x they are slope @ x - sum."""
        return linearised(self.row + 1, self.leader, self.follower, self.coefficient, x, (rows + 1, len(x)))

    def held(self, x: Vector, rows: int) -> sp.csr_array:
        """The objective and each of the rows, as linear terms of y, where the leader stays at x: (1 + rows x columns)."""
        places = self.row + 1, self.follower
        return sp.csr_array((self.coefficient * x[self.leader], places), shape=(rows + 1, len(x)))


@dataclass(frozen=True)
class FollowerStack:
    """The lower level, a convex quadratic program in y that the leader's x enters.

    All followers as one: min over y of y' quadratic y / 2 + cost' y + x' price y in rows, cones and bounds.

    Followers share no variables, so the stack splits again by `owner` (of each column, LEADER for the leader's),
    `row_owner` and `cone_owner`.  `price` is (columns x columns): entry (i, j) is the coefficient of x_i y_j.  `sense` is +1 or
    -1 as the user wrote min or max; costs here are always minimised.  The dual limits are the user's, infinite where none is given.
    `rate_room`: by how much costs of columns may move besides, where multipliers are limited; None for not at all.
    """

    names: tuple[str, ...]
    owner: Index
    rows: Rows
    row_owner: Index
    cones: Cones
    cone_owner: Index
    cost: Vector
    price: sp.csr_array
    quadratic: sp.csr_array
    sense: Vector
    row_dual_limit: Vector
    column_dual_limit: Vector
    rate_room: Vector | None = None

    @property
    def columns(self) -> Index:
        """The followers' columns."""
        return np.flatnonzero(self.owner != LEADER)

    @property
    def conic(self) -> Mask:
        """Whether each follower has cones, shape (followers,)."""
        return np.isin(np.arange(len(self.names)), self.cone_owner)

    def costs(self, x: Vector) -> Vector:
        """Each follower's minimised cost at x, shape (followers,)."""
        mine = self.columns
        # A cost is x times its mean rate from 0 to x, which has half of the quadratic's slope
        average = self.cost + self.price.T @ x + self.quadratic @ x / 2
        costs = np.bincount(self.owner[mine], weights=average[mine] * x[mine], minlength=len(self.names))
        return costs.astype(float)

    def cost_size(self, size: Vector) -> Vector:
        """Largest absolute cost term of each follower over columns of these sizes; 1 for a follower without costs."""
        mine = self.columns
        rate = np.abs(self.cost) + column_magnitude(self.price, size) + magnitude(self.quadratic, size)
        found = np.zeros(len(self.names))
        np.maximum.at(found, self.owner[mine], (rate * size)[mine])
        return np.where(found > 0, found, 1.0)

    def rates(self, x: Vector) -> Vector:
        """Cost of one more unit of every follower column at x (the gradient of its follower's cost), shape (columns,)."""
        rates: Vector = self.cost + self.price.T @ x + self.quadratic @ x
        return rates


@dataclass(frozen=True)
class DualLinks:
    """Leader columns that equal `sign` times the net multiplier of a follower row."""

    column: Index
    row: Index
    sign: Vector


@dataclass(frozen=True)
class Program:
    """A bilevel program in arrays: the leader's problem, with the followers' problems as its constraints (model page section 3).

    `scale` is what solvers measure columns in, which a user may set; `size` is the expected size, which no loose bound makes
    larger.
    """

    variables: tuple[Any, ...]
    lower: Vector
    upper: Vector
    integer: Mask
    scale: Vector
    size: Vector
    cost: Vector
    offset: float
    sign: float
    rows: Rows
    cones: Cones
    bilinear: Bilinear
    followers: FollowerStack
    links: DualLinks
    domains: Domains = field(default_factory=Domains)

    @property
    def columns(self) -> int:
        """Number of columns."""
        return len(self.variables)

    @property
    def layout(self) -> Layout:
        """Its columns, all of one group; what a reformulation appends stands behind them."""
        return Layout().then(Group.VARIABLES, self.columns)

    def part_of(self, values: Vector) -> Vector:
        """The part of a vector over more columns that stands for the program's own."""
        return values[: self.columns]

    def name(self, column: int) -> str:
        """The Pyomo name of a column."""
        variable = self.variables[column]
        return "objective epigraph" if variable is None else str(variable.name)

    @property
    def own(self) -> list[tuple[int, Any]]:
        """Column and Pyomo variable of every column that stands for one; others follow from them, as epigraphs and choices do."""
        added = (type(None), Choice, Derived)
        return [(at, variable) for at, variable in enumerate(self.variables) if not isinstance(variable, added)]

    @property
    def linking_columns(self) -> Index:
        """The leader columns that any follower sees: in its prices, rows or cones."""
        stack = self.followers
        used = [stack.rows.matrix, stack.cones.squares, stack.cones.u, stack.cones.w]
        column = np.unique(np.concatenate([sp.coo_array(stack.price).coords[0], *(part.indices for part in used)]))
        return np.asarray(column[stack.owner[column] == LEADER])

    @property
    def whole_answers(self) -> Index:
        """The followers' integer columns: followers with one have no optimality conditions."""
        return np.flatnonzero(self.integer & (self.followers.owner != LEADER))

    def require_continuous_answers(self, what: str) -> None:
        """Raise `ModelError` where a follower has an integer variable; `what` ("optimality conditions") is not for such ones."""
        if len(self.whole_answers):
            raise ModelError(
                f"follower variable {self.name(int(self.whole_answers[0]))!r} is integer, and {what} are for continuous followers: "
                "bilevel.solve and bilevel.certify take such a model as it is; here make the variable continuous, or the leader's"
            )

    def values(self) -> Vector:
        """The values that stand in the Pyomo model now; NaN where a variable has none."""
        return np.array([_value_of(variable) for variable in self.variables])

    def within(self, x: Vector) -> Vector:
        """x within its bounds, with whole numbers rounded and variables in their domains."""
        # Clipped first: bounds of integers are whole, so that rounding leads out of none
        x = np.clip(x, self.lower, self.upper)
        return self.domains.settled(np.where(self.integer, np.round(x), x))

    def load(self, x: Vector) -> Vector:
        """Put x, `within` its bounds and domains, into the Pyomo variables; gives what was put."""
        x = self.within(x)
        for at, variable in self.own:
            variable.set_value(float(x[at]), skip_validation=True)
        return x

    def objective(self, x: Vector) -> float:
        """The leader's objective at x in the user's sense, with its products and squares evaluated as they were written."""
        x = self.tight(x)
        products = float(self.bilinear.sums(x, self.rows.count)[0])
        return self.sign * (float(self.cost @ x) + self.offset + products)

    def largest_term(self, size: Vector) -> float:
        """The largest absolute term of the objective where every column has this size."""
        b, mine = self.bilinear, self.bilinear.row < 0
        products = np.abs(b.coefficient * size[b.leader] * size[b.follower])[mine]
        linear = np.abs(self.cost * size)
        return max(float(products.max(initial=0.0)), float(linear.max(initial=0.0)))

    @property
    def least_size(self) -> Vector:
        """What checks compare columns near zero with: no user's scale makes it larger than the expected size.

        Nor does a bound far out on one side of zero, where the other side's is near: a value between would count as nothing.
        """
        size = np.minimum(self.size, self.scale)
        near = np.where((self.lower < 0) & (self.upper > 0), np.minimum(-self.lower, self.upper), np.inf)
        return np.where(size > tolerances.SIZE_FURTHER * near, near, size)

    def objective_floor(self, x: Vector | None = None, nothing: float = tolerances.NOTHING) -> float:
        """The least size that gaps at x are relative to: a share of the objective's largest term there.

        Where every column of the objective is at zero (or without a point), the least term at the columns' sizes counts.  A column
        is at zero within `nothing` of its size.
        """
        size = np.zeros(self.columns) if x is None else np.abs(self.part_of(x))
        size = np.where(size > nothing * self.least_size, size, 0.0)
        term = self.largest_term(size) or self.least_term()
        return max(tolerances.OBJECTIVE_FLOOR * term, tolerances.NOT_ZERO)

    def least_term(self) -> float:
        """The smallest absolute term of the objective where every column has its size; 0 without terms."""
        b, mine, size = self.bilinear, self.bilinear.row < 0, self.least_size
        products = np.abs(b.coefficient * size[b.leader] * size[b.follower])[mine]
        terms = np.concatenate([products, np.abs(self.cost * size)])
        # Of sizes that are only expected the least term counts, as a floor too large would hide a gap
        return float(np.min(terms[terms > 0], initial=np.inf)) if (terms > 0).any() else 0.0

    def tight(self, x: Vector) -> Vector:
        """x with every epigraph column, of squares or of a root of the objective, at its least value."""
        x = self.cones.closed(x)
        added = np.array([variable is None for variable in self.variables])
        if not added.any():
            return x
        # With epigraphs at 0 the factor w is what stands beside them, and u is 1
        x = np.where(added, 0.0, x)
        _, total, _, w = self.cones.parts(x)
        mine = sp.coo_array(self.cones.w[:, np.flatnonzero(added)])
        x[np.flatnonzero(added)[mine.coords[1]]] = (total - w)[mine.coords[0]]
        return x


def _value_of(variable: Any) -> float:
    value = None if variable is None else variable.value
    return float("nan") if value is None else float(value)
