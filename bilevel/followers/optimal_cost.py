"""All followers solved again at given leader decisions, as one block-diagonal linear program, with proven lower bounds.

The solver is SciPy's own HiGHS build on the followers' original rows: no KKT row, no big-M, no scaling of the main solve.
What it says is not believed: the bound is computed from its multipliers by weak duality, which holds for any multipliers.
A convex quadratic cost f is replaced by its gradient at the point: f(z) >= f(y) + f'(y)(z - y) for every z, so the excess over the
linear program's optimum is an excess over the follower's own.  Quadratic rows enter by tangents, at the point and then where the
linear program breaks them; they hold everywhere, so the bound stays one.
"""

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from bilevel import tolerances
from bilevel.followers.linear_answer import LinearAnswer, at_limit, multipliers
from bilevel.program.bilevel_program import Program
from bilevel.program.cones import Cones
from bilevel.program.rows import Index, Mask, Rows, Vector, stack_rows
from bilevel.program.sparse import column_magnitude, magnitude, scaled
from bilevel.relax import tangent

_MAX_ROUNDS = 60


@dataclass(frozen=True)
class Response:
    """The lower level's optimal value at the leader decisions in x, bounded by weak duality, with its multipliers.

    `lower_bound`: proven lower bound of each follower's linearised cost, `linear_cost`: that cost at x; `size`: of its cost terms,
    for relative comparisons; `row_dual`: net multiplier of each follower row, `reduced_cost`: of each follower column, both
    d(cost)/d(right-hand side) per unit of the row or column; `solved`: whether the linear program was solved; `impossible`: whether
    no point meets its rows.
    """

    lower_bound: Vector
    linear_cost: Vector
    size: Vector
    row_dual: Vector
    reduced_cost: Vector
    solved: bool
    impossible: bool = False


def respond(program: Program, x: Vector) -> Response:
    """Solve every follower again at the leader's part of x; raises `ModelError` for one with integers, which has no multipliers."""
    program.require_continuous_answers("multipliers")
    stack, mine = program.followers, program.followers.columns
    owner = stack.owner[mine]
    rates = stack.rates(x)[mine]
    unit = program.scale[mine]
    size = _cost_size(program, x)
    cost = np.bincount(owner, weights=rates * x[mine], minlength=len(size)).astype(float)
    rows, row_owner = stack.rows, stack.row_owner
    if stack.cones.count:
        walls = tangent.initial_tangents(stack.cones, tolerances.FIRST_WALL)
        rows, row_owner = with_tangents(rows, row_owner, program, walls, stack.cones.owner)
        rows, row_owner = with_tangents(rows, row_owner, program, *_tangents(program, x, -np.inf))
        held, cones = held_by_the_leader(stack.cones, np.where(stack.owner < 0, x, 0.0), mine)
        rows, row_owner = with_tangents(rows, row_owner, program, held, cones)
    least = np.full(len(size), -np.inf)
    for turn in range(_MAX_ROUNDS):
        scaled = LinearAnswer(rates * unit / size[owner], *_rows(program, rows, x), *_column_limits(program))
        y, found, impossible = multipliers(scaled)
        # A later round without an answer takes nothing from what an earlier one has proven
        if y is None and turn:
            break
        dual, solved = found, y is not None
        reduced = scaled.rates - scaled.matrix.T @ dual
        # Every round proves its own bound, by whatever multipliers; the best of them holds
        least = np.maximum(least, _weak_duality(scaled, dual, reduced, row_owner, owner, len(size)) * size)
        # Within a tenth of what the check allows more tangents change no verdict
        if y is None or float(((cost - least) / size).max(initial=0.0)) <= tolerances.FOLLOWER / 10:
            break
        z = x.copy()
        z[mine] = y * unit
        new, cones = _tangents(program, z, tolerances.FOLLOWER_CONE)
        if not len(cones):
            break
        rows, row_owner = with_tangents(rows, row_owner, program, new, cones)
    return Response(
        lower_bound=least, linear_cost=cost, size=size, reduced_cost=reduced * size[owner] / unit,
        solved=solved, impossible=impossible,
        row_dual=dual[: stack.rows.count] * size[stack.row_owner] / _row_size(program, stack.rows),
    )  # fmt: skip


def _weak_duality(
    stack: LinearAnswer, dual: Vector, reduced: Vector, row_owner: Index, owner: Index, count: int
) -> Vector:
    """A lower bound of every follower's cost: dual'A y + reduced'y, each term at least its least within its own limits."""
    by_row = np.bincount(row_owner, weights=at_limit(dual, stack.lower, stack.upper), minlength=count)
    by_column = np.bincount(owner, weights=at_limit(reduced, stack.y_lower, stack.y_upper), minlength=count)
    return np.asarray(by_row + by_column)


def _tangents(program: Program, z: Vector, tolerance: float) -> tuple[Rows, Index]:
    """Tangents at z of the followers' cones that it breaks by more than `tolerance`, and their cones."""
    cones = program.followers.cones
    return tangent.cuts(cones, z, tolerance), np.flatnonzero(-cones.gaps(z) > tolerance)


def held_by_the_leader(cones: Cones, leader: Vector, mine: Index) -> tuple[Rows, Index]:
    """|s| <= root of u w for squares under factors without a follower's column, and their cones.

    Near the tip, where both factors leave no room, tangents come nearer by halves alone.
    """
    free = np.diff(sp.csr_array(cones.u[:, mine]).indptr) + np.diff(sp.csr_array(cones.w[:, mine]).indptr) > 0
    # A square of the leader's alone moves nothing, and may be beyond its limit by what a check allows
    theirs = np.diff(sp.csr_array(cones.squares[:, mine]).indptr) > 0
    terms = np.flatnonzero(theirs & ~free[cones.owner])
    _, _, u, w = cones.parts(leader)
    most = np.sqrt(np.maximum(u, 0.0) * np.maximum(w, 0.0))[cones.owner[terms]]
    return Rows(sp.csr_array(cones.squares[terms]), -most, most), cones.owner[terms]


def with_tangents(rows: Rows, owner: Index, program: Program, more: Rows, cones: Index) -> tuple[Rows, Index]:
    """Rows and owners with tangents of these cones appended; initial_tangents are two blocks, one a side."""
    owners = program.followers.cone_owner[cones]
    return stack_rows([rows, more]), np.concatenate([owner, np.tile(owners, more.count // max(len(owners), 1))])


def _rows(program: Program, rows: Rows, x: Vector) -> tuple[sp.csr_array, Vector, Vector]:
    """Rows over the followers' scaled columns, the leader's part moved to the right-hand sides."""
    mine = program.followers.columns
    leader = np.where(program.followers.owner < 0, x, 0.0)
    moved = rows.matrix @ leader
    size = _row_size(program, rows)
    matrix = scaled(sp.csr_array(rows.matrix[:, mine]), 1.0 / size, program.scale[mine])
    return matrix, (rows.lower - moved) / size, (rows.upper - moved) / size


def _column_limits(program: Program) -> tuple[Vector, Vector]:
    mine = program.followers.columns
    return program.lower[mine] / program.scale[mine], program.upper[mine] / program.scale[mine]


def _row_size(program: Program, rows: Rows) -> Vector:
    """Largest scaled entry of each row among the followers' own columns."""
    matrix = sp.coo_array(rows.matrix[:, program.followers.columns])
    size = np.zeros(matrix.shape[0])
    unit = program.scale[program.followers.columns]
    np.maximum.at(size, matrix.coords[0], np.abs(matrix.data) * unit[matrix.coords[1]])
    return np.where(size > 0, size, 1.0)


def _cost_size(program: Program, x: Vector) -> Vector:
    """Sum of the absolute cost terms of each follower at x, at least its largest rate times a column's size / 1000."""
    stack, mine = program.followers, program.followers.columns
    owner = stack.owner[mine]
    # Terms that cancel at x leave rounding errors, which are no size to compare with
    rates = (np.abs(stack.cost) + column_magnitude(stack.price, np.abs(x)) + magnitude(stack.quadratic, np.abs(x)))[
        mine
    ]
    terms = np.bincount(owner, weights=rates * np.abs(x[mine]), minlength=len(stack.names))
    floor = np.zeros(len(stack.names))
    np.maximum.at(floor, owner, rates * program.least_size[mine])
    size = np.maximum(terms, tolerances.SIZE_FLOOR * floor)
    return np.where(size > 0, size, 1.0)


def optimal_face(program: Program, response: Response) -> tuple[Vector, Vector, Mask, Mask]:
    """Every follower's set of optima at the leader decisions in x, exactly: all points complementary to one optimal dual.

    Gives new lower and upper bounds of the followers' columns, and which follower rows must sit at their lower and upper
    limit.  A multiplier counts as nonzero above `FACE` of its follower's cost size.
    """
    stack, mine = program.followers, program.followers.columns
    share = response.reduced_cost * program.scale[mine] / response.size[stack.owner[mine]]
    lower, upper = program.lower[mine].copy(), program.upper[mine].copy()
    at_low, at_high = share > tolerances.FACE, share < -tolerances.FACE
    # A column with a reduced cost is at the same bound in every optimum
    upper[at_low] = lower[at_low]
    lower[at_high] = upper[at_high]
    row_share = response.row_dual * _row_size(program, stack.rows) / response.size[stack.row_owner]
    return lower, upper, row_share > tolerances.FACE, row_share < -tolerances.FACE
