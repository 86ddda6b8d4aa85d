"""A compiled bilevel program to one single-level program: leader rows, follower rows, KKT rows, linear revenue."""

from dataclasses import dataclass, replace
from functools import reduce

import numpy as np
import scipy.sparse as sp

from bilevel import tolerances
from bilevel.bounds.by_linear_programs import best_bounds
from bilevel.bounds.dual_bounds import Bounds, fixed_columns, true_rows
from bilevel.bounds.slater import interiors
from bilevel.bounds.with_margins import with_margins
from bilevel.followers.cone_multipliers import cone_dual_size
from bilevel.followers.kkt import Kkt, optimality_conditions
from bilevel.program import implied
from bilevel.program.bilevel_program import Program
from bilevel.program.cones import Cones, stack_cones
from bilevel.program.layout import Group, Layout
from bilevel.program.rows import Mask, Rows, Vector, coo, stack_rows, widen
from bilevel.program.solver_program import SolverProgram
from bilevel.program.sparse import magnitude, row_of
from bilevel.reformulate import curvature, leader_products, revenue
from bilevel.reformulate.security import Secure

MARGINS_ROOM = 10.0
"""A limit of a multiplier under so many margins is mostly what these were given."""


@dataclass(frozen=True)
class Reformulation:
    """The single-level problem: the lower level replaced by its optimality conditions.

    It holds the program, its KKT system, the proven limits, and `mip`: all rows but complementarity.

    `columns`, `rows` and `cones` say where the groups of `mip` stand.  Its columns are the KKT system's, then the t of
    `bilevel.reformulate.revenue`; its rows are the leader's, the followers', stationarity, the multipliers that the leader reads;
    its cones the leader's, the followers', those of the followers' multipliers, those of the t.  `interior` says of each follower
    whether its quadratic rows have a proven interior; `linear` tells how the leader's products became linear; `secure`: what secure
    answers keep, None where ties are the leader's.
    """

    program: Program
    kkt: Kkt
    bounds: Bounds
    mip: SolverProgram
    interior: Mask
    columns: Layout
    rows: Layout
    cones: Layout
    linear: revenue.Linearised
    secure: Secure | None = None

    @property
    def conic(self) -> bool:
        """Whether any follower has quadratic rows."""
        return self.program.followers.cones.count > 0

    def slack_scale(self) -> Vector:
        """Size of each pair's slack: its proven limit, or that of its row's terms where the limit is none, noise or loose."""
        pairs = self.kkt.pairs
        terms = magnitude(pairs.slack_matrix, self.program.size) + np.abs(pairs.slack_constant)
        return usual_size(self.bounds.slack_upper, terms)

    def dual_scale(self) -> Vector:
        """Size of each pair's dual: its proven limit, or cost over row (over column) where that is none, noise or loose."""
        limit = self.bounds.mu_upper
        if self.secure is not None:
            # Room for a margin is no size
            limit = np.where(limit > MARGINS_ROOM * self.secure.least, limit, np.inf)
        return usual_size(limit, self.kkt.pairs.told(*dual_sizes(self.program)))

    @property
    def size(self) -> Vector:
        """What checks compare the columns of `mip` with."""
        return np.concatenate([self.program.least_size, self.mip.scale[self.columns.after(Group.VARIABLES)]])


def usual_size(limit: Vector, usual: Vector) -> Vector:
    """The limits where they are finite and within a thousand times what is usual, not noise beside it; else what is usual."""
    fits = np.isfinite(limit) & (limit > tolerances.LIMIT_NOISE * usual) & (limit <= tolerances.LIMIT_LOOSE * usual)
    return _positive(np.where(fits, limit, usual))


def dual_sizes(program: Program) -> tuple[Vector, Vector]:
    """Expected sizes of the multipliers of follower rows and of the columns' bounds: the follower's cost over row or column."""
    stack = program.followers
    cost = np.append(stack.cost_size(program.size), 1.0)
    # A follower pays for what it moves in the row; the leader's terms count only where it moves nothing
    own = np.where(stack.owner >= 0, program.size, 0.0)
    row = _largest_term(stack.rows.matrix, own)
    row = _positive(np.where(row > 0, row, _largest_term(stack.rows.matrix, program.size)))
    return cost[stack.row_owner] / row, cost[stack.owner] / program.size


def _largest_term(matrix: sp.csr_array, size: Vector) -> Vector:
    """Largest absolute term of each row where columns have these sizes."""
    found = np.zeros(matrix.shape[0])
    row = row_of(matrix)
    np.maximum.at(found, row, np.abs(matrix.data) * size[matrix.indices])
    return found


def assemble(program: Program, nonconvex: bool = False, least: Vector | None = None) -> Reformulation:
    """Replace the followers by their optimality conditions, without the complementarity pairs.

    Leader products without a linear form stay as product rows for a `nonconvex` solver, and are refused without one.  `least`:
    margins of the pairs' multipliers that the limits are to leave room for.
    """
    kkt = optimality_conditions(program)
    limits = best_bounds(program, kkt) if least is None else with_margins(program, kkt, least)
    inner = interiors(program, kkt)
    # Algebra and linear programs leave followers with cones out
    limits = replace(limits, mu_upper=np.minimum(limits.mu_upper, inner.pair_limit))
    linear = revenue.linearise(program, kkt, nonconvex)
    columns = kkt.layout.then(Group.REVENUE, linear.squares.count)
    rows, cones = _rows(program, kkt, linear, columns.size), _cones(program, kkt, linear, columns.size)
    stacked = reduce(stack_cones, cones.values())
    cone_layout = Layout(tuple((group, part.count) for group, part in cones.items()))
    lower, upper = _limits(program, kkt, limits, inner.cone_limit, linear.squares.count)
    squares = cone_layout.part(stacked.w_scale, Group.REVENUE)
    size = np.concatenate([_multiplier_sizes(program, kkt, limits), cone_dual_size(program), squares])
    extra = columns.size - program.columns
    mip = SolverProgram(
        cost=np.concatenate([program.cost, np.zeros(extra)]) + linear.cost, offset=program.offset, lower=lower, upper=upper,
        integer=np.concatenate([program.integer, np.zeros(extra, dtype=bool)]), rows=stack_rows(list(rows.values())),
        cones=stacked, sos1=(), scale=np.concatenate([_with_links(program), _positive(size)]),
    ).without_idle(program.columns)  # fmt: skip
    if linear.left is not None:
        mip = leader_products.keep(mip, linear.left)
        columns = columns.then(Group.OBJECTIVE, mip.columns - columns.size)
    row_layout = Layout(tuple((group, part.count) for group, part in rows.items()))
    return Reformulation(program, kkt, limits, mip, inner.inside, columns, row_layout, cone_layout, linear)


def without_limits(form: Reformulation) -> SolverProgram:
    """One level of linear followers without any limits of multipliers: whatever multipliers an answer has, it holds them."""
    program, kkt, n = form.program, form.kkt, form.kkt.columns
    lower, upper = np.full(n, -np.inf), np.full(n, np.inf)
    lower[: program.columns], upper[: program.columns], lower[kkt.pairs.dual] = program.lower, program.upper, 0.0
    cost = np.concatenate([program.cost, np.zeros(n - program.columns)]) + form.linear.cost
    rows = stack_rows(list(_rows(program, kkt, form.linear, n).values()))
    integer = np.concatenate([program.integer, np.zeros(n - program.columns, dtype=bool)])
    return SolverProgram(cost, program.offset, lower, upper, integer, rows, Cones.none(n), (), form.mip.scale[:n])


def _rows(program: Program, kkt: Kkt, linear: revenue.Linearised, columns: int) -> dict[Group, Rows]:
    """The linear rows of one level, by group."""
    own = program.rows
    return {
        # First, as leader products find their rows by number
        Group.LEADER: Rows(widen(own.matrix, columns) + linear.rows, own.lower, own.upper, own.names),
        Group.FOLLOWERS: program.followers.rows.widened(columns),
        Group.STATIONARITY: kkt.stationarity.widened(columns),
        Group.DUALS_READ: dual_links(program, kkt, columns),
    }


def _cones(program: Program, kkt: Kkt, linear: revenue.Linearised, columns: int) -> dict[Group, Cones]:
    """The cones of one level, by group."""
    return {
        Group.LEADER: program.cones.widened(columns),
        Group.FOLLOWERS: program.followers.cones.widened(columns),
        Group.CONE_MULTIPLIERS: kkt.conic.cones.widened(columns),
        Group.REVENUE: curvature.curvature(program, linear.squares, columns),
    }


def _limits(program: Program, kkt: Kkt, limits: Bounds, cone_limit: Vector, squares: int) -> tuple[Vector, Vector]:
    """Limits of all columns: declared bounds that no point comes near would cost a solver its digits, so that rows tighten them."""
    terms = len(kkt.conic.p)
    # A p has either sign, q and r are at least 0
    cone_lower = np.concatenate([-cone_limit[:terms], np.zeros(len(cone_limit) - terms)])
    far = np.full(squares, np.inf)
    low, high = implied.tightened(true_rows(program), program.lower, program.upper)
    lower = np.concatenate([low, limits.lam_lower, np.zeros(kkt.pairs.count), cone_lower, np.zeros(squares)])
    return lower, np.concatenate([high, limits.lam_upper, limits.mu_upper, cone_limit, far])


def _multiplier_sizes(program: Program, kkt: Kkt, limits: Bounds) -> Vector:
    """Expected sizes of lam, then mu."""
    rows, columns = dual_sizes(program)
    # An equality of a row has column 0, which a model without columns lacks
    fixed = np.append(columns, 1.0)[fixed_columns(kkt)]
    lam = np.where(kkt.equal_row >= 0, np.append(rows, 1.0)[kkt.equal_row], fixed)
    mu = kkt.pairs.told(rows, columns)
    lam_limit = np.maximum(np.abs(limits.lam_lower), np.abs(limits.lam_upper))
    return np.concatenate([usual_size(lam_limit, lam), usual_size(limits.mu_upper, mu)])


def _with_links(program: Program) -> Vector:
    """The columns' scales, those of multipliers that the leader reads being what such a multiplier is."""
    scale, links = program.scale.copy(), program.links
    # One with bounds of its own has its size from these
    free = ~(np.isfinite(program.lower) & np.isfinite(program.upper))[links.column]
    scale[links.column[free]] = dual_sizes(program)[0][links.row[free]]
    return scale


def dual_links(program: Program, kkt: Kkt, columns: int) -> Rows:
    """Rows z - sign * (net multiplier) = 0 for every multiplier z that the leader reads."""
    links, pairs = program.links, kkt.pairs
    count = len(links.column)
    at = {int(row): k for k, row in enumerate(links.row)}
    entries = [(k, int(column), 1.0) for k, column in enumerate(links.column)]
    # A row with two limits has two multipliers, of which that of the upper one is taken off
    for row, column, side in (
        *zip(kkt.equal_row, kkt.lam, np.ones(len(kkt.lam)), strict=True),
        *zip(pairs.row, pairs.dual, pairs.side, strict=True),
    ):
        if int(row) in at:
            entries.append((at[int(row)], int(column), -float(links.sign[at[int(row)]] * side)))
    names = tuple(f"dual of {program.followers.rows.names[row]}" for row in links.row)
    return Rows(coo(entries, (count, columns)), np.zeros(count), np.zeros(count), names)


def _positive(size: Vector) -> Vector:
    return np.where(np.isfinite(size) & (size > 0), size, 1.0)
