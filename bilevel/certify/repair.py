"""What a point's objective owes to the violations that the other checks allow.

A point may break rows by their tolerance.  Where the feasible set is thin (a leader row that touches it in one point) a violation
of 1e-8 can be worth 1e-4 of the objective, so that an objective that meets its bound is no optimum.  `mended_objective` moves the
point, at first order and at the least cost, until every row, tangent and optimality condition holds.
"""

from dataclasses import replace

import numpy as np
import scipy.sparse as sp

from bilevel import budget, tolerances
from bilevel.model import Check
from bilevel.program.bilevel_program import Program
from bilevel.program.cones import Cones
from bilevel.program.layout import Group
from bilevel.program.products import Products
from bilevel.program.rows import Rows, Vector, stack_rows
from bilevel.program.solver_program import SolverProgram
from bilevel.program.sparse import magnitude, scaled
from bilevel.reformulate.single_level import Reformulation, assemble, dual_links
from bilevel.relax import outer_approximation, tangent
from bilevel.solvers import clarabel as conic
from bilevel.status import CheckKind

NAME, _KIND = "mended objective", CheckKind.OPTIMALITY
_REGIONS = (1e2, 1e4, 1e6)
"""How far columns may move, over their sizes and the worst violation: the nearest region that serves is the best conditioned."""


def mended_objective(
    program: Program, x: Vector, form: Reformulation | None, duals: Vector | None, gap: float
) -> Check:
    """By how much the objective gets worse when the violations are mended, over |objective|; infinite where no move mends them.

    Integers stay, and so does the decided side of every complementarity pair; a pair with both sides at zero may open either.
    `x` is over the program's columns; `duals` (lam, mu, those of cones) belong to `form`, and without them some that fit are found.
    """
    x = program.tight(x)
    if form is None or duals is None:
        form = assemble(program, nonconvex=True)
        duals = multipliers(form, x)
    point, usual = np.concatenate([x, duals]), form.kkt.part_of(form.size)
    if not np.isfinite(point).all():
        return Check(NAME, float("inf"), gap, "relative", detail="the point has no multipliers", kind=_KIND)
    parts = _conditions(form, point)
    # Of every cone, broken or not: a move that mends one must not break another
    tangents = replace(tangent.cuts(program.cones, x, -np.inf), names=program.cones.names)
    parts += [_leader_rows(program, x), _bounds(program, x), tangents]
    rows = stack_rows([part.widened(len(point)) for part in parts])
    if not rows.count:
        return Check(NAME, 0.0, gap, "relative", kind=_KIND)
    size = np.maximum(np.abs(point), tolerances.SIZE_FLOOR * usual)
    worse, worst, where = float("inf"), 0.0, ""
    # Rows that say the same twice, off by rounding, have no common point without a little room
    for slack in (0.0, tolerances.REPAIR_NOISE):
        moves, worst, where = _moves(rows, point, size, slack)
        if worst <= tolerances.REPAIR_NOISE:
            return Check(NAME, 0.0, gap, "relative", kind=_KIND)
        # Moves are measured over the worst violation, so that solvers see numbers near 1 and not 1e-8
        worse = min(worse, _least(program, x, moves, size, gap / worst) * worst)
        if worse <= gap:
            break
    detail = f"violations of up to {worst:.3g} mended" if np.isfinite(worse) else "no small move mends the violations"
    return Check(NAME, worse, gap, "relative", where if worse > gap else "", detail, _KIND)


def multipliers(form: Reformulation, x: Vector, bounded: bool = False) -> Vector:
    """Multipliers for a point without: they fit stationarity, signs and the multipliers read, and pay least for slack.

    With `bounded` they keep within the limits that the reformulation has for them; infinite where none do.
    """
    kkt = form.kkt
    slack = np.maximum(kkt.pairs.slack(x), 0.0) / form.slack_scale()
    cost = np.zeros(kkt.columns)
    # Complementarity as a price: a multiplier costs what its limit has to spare
    cost[kkt.pairs.dual] = slack / form.dual_scale()
    lower, upper = np.full(kkt.columns, -np.inf), np.full(kkt.columns, np.inf)
    if bounded:
        lower, upper = kkt.part_of(form.mip.lower).copy(), kkt.part_of(form.mip.upper).copy()
    own = kkt.layout[Group.VARIABLES]
    lower[own] = upper[own] = x
    lower[kkt.pairs.dual] = 0.0
    rows = stack_rows([kkt.stationarity, dual_links(form.program, kkt, kkt.columns)])
    cost += _priced(kkt.conic.complementarity, x, kkt.columns) / np.max(
        form.dual_scale() * form.slack_scale(), initial=tolerances.LEAST_TERM
    )
    scale = kkt.part_of(form.mip.scale)
    mip = SolverProgram(
        cost, 0.0, lower, upper, outer_approximation.continuous(kkt.columns), rows, Cones.none(kkt.columns), (), scale
    )
    found = outer_approximation.converge(outer_approximation.opened(mip), kkt.conic.cones).x
    return kkt.multipliers(np.full(kkt.columns, np.inf) if found is None else found)


def _priced(products: Products, x: Vector, columns: int) -> Vector:
    """Coefficients of the second factors where the first are at x, all rows together."""
    values = products.value * x[products.first]
    priced: Vector = np.bincount(products.second, weights=values, minlength=columns).astype(float)
    constant: Vector = np.asarray(products.linear.matrix.sum(axis=0), dtype=float)
    return priced + constant


def _leader_rows(program: Program, x: Vector) -> Rows:
    """The leader's rows, their products linearised at x."""
    rows = program.rows
    slope, sums = program.bilinear.linearised(x, rows.count)
    whole = sp.csr_array(rows.matrix + slope[1:])
    return replace(rows, matrix=whole, lower=rows.lower + sums[1:], upper=rows.upper + sums[1:])


def _bounds(program: Program, x: Vector) -> Rows:
    """Bounds of all columns; integers keep their nearest values."""
    # A move is a small one; integers would have to jump
    whole = np.round(x)
    lower = np.where(program.integer, whole, program.lower)
    upper = np.where(program.integer, whole, program.upper)
    at = np.flatnonzero(np.isfinite(lower) | np.isfinite(upper))
    unit = sp.csr_array((np.ones(len(at)), (np.arange(len(at)), at)), shape=(len(at), len(x)))
    return Rows(unit, lower[at], upper[at], tuple(f"bounds of {program.name(int(column))}" for column in at))


def _conditions(form: Reformulation, point: Vector) -> list[Rows]:
    """Optimality conditions of the followers at the sides of the pairs that the point has."""
    kkt, columns = form.kkt, len(point)
    pairs = kkt.pairs
    slack, dual = pairs.slack(point), point[pairs.dual]
    small_slack, small_dual = np.abs(slack) / form.slack_scale(), np.abs(dual) / form.dual_scale()
    # With both sides at zero either may open, and a move that needs one of them is a fair one
    decided = np.maximum(small_slack, small_dual) > tolerances.REPAIR_OPEN
    no_slack, no_dual = decided & (small_slack < small_dual), decided & (small_slack >= small_dual)
    names = tuple(f"complementarity of {form.program.followers.names[int(owner)]}" for owner in pairs.owner)
    unit = sp.csr_array((np.ones(pairs.count), (np.arange(pairs.count), pairs.dual)), shape=(pairs.count, columns))
    slacks = Rows(pairs.slack_matrix, -pairs.slack_constant, np.where(no_slack, -pairs.slack_constant, np.inf), names)
    equal = Rows(kkt.equal_matrix, kkt.equal_value, kkt.equal_value, tuple("follower equality" for _ in kkt.lam))
    duals = Rows(unit, np.zeros(pairs.count), np.where(no_dual, 0.0, np.inf), names)
    links = dual_links(form.program, kkt, columns)
    links = replace(links, names=links.names or tuple("dual read" for _ in range(links.count)))
    return [equal, slacks, duals, kkt.stationarity, links, *(_cone_conditions(form, point) if form.conic else [])]


def _cone_conditions(form: Reformulation, point: Vector) -> list[Rows]:
    """Quadratic rows of followers, their multipliers zero or their tangents exact, and what ties both, at first order."""
    conic, cones, columns = form.kkt.conic, form.program.followers.cones, len(point)
    x = form.program.part_of(point)
    tangents = tangent.cuts(cones, x, -np.inf)
    size = form.mip.scale[conic.r]
    # A row that binds stays tight at first order, one that does not keeps its r at 0
    active = np.abs(point[conic.r]) > tolerances.REPAIR_OPEN * size
    exact = replace(tangents, upper=np.where(active, tangents.lower, np.inf), names=cones.names)
    unit = sp.csr_array((np.ones(cones.count), (np.arange(cones.count), conic.r)), shape=(cones.count, columns))
    multipliers = Rows(unit, np.zeros(cones.count), np.where(active, np.inf, 0.0), cones.names)
    ties = [_equalities(rows, point) for rows in (conic.complementarity, conic.alignment)]
    return [exact, multipliers, *ties]


def _equalities(products: Products, point: Vector) -> Rows:
    """Product rows as equalities, linearised at the point."""
    rows = products.tangents(point)
    names = tuple("multipliers of a quadratic row" for _ in range(products.count))
    return Rows(rows.matrix, rows.upper, rows.upper, names)


def _moves(rows: Rows, point: Vector, size: Vector, slack: float) -> tuple[Rows, float, str]:
    """Rows for a move of the point, over their own sizes and the worst violation; that violation and its row.

    With `slack` they are mended up to so much: rows that say the same, a cone and the equality that it relaxes, contradict each
    other by rounding.
    """
    activity, sizes = rows.matrix @ point, magnitude(rows.matrix, size)
    sizes = np.where(sizes > 0, sizes, 1.0)
    low, high = (rows.lower - activity) / sizes, (rows.upper - activity) / sizes
    # What rounding alone breaks counts as kept
    low, high = (
        np.where(low <= tolerances.REPAIR_NOISE, np.minimum(low, 0.0), low - slack),
        np.where(high >= -tolerances.REPAIR_NOISE, np.maximum(high, 0.0), high + slack),
    )
    broken = np.maximum(low, -high)
    at = int(broken.argmax())
    worst = max(float(broken[at]), tolerances.NOT_ZERO)
    matrix = scaled(rows.matrix, 1.0 / sizes)
    # A far limit over a tiny violation overflows, and is none
    with np.errstate(over="ignore"):
        return Rows(matrix, low / worst, high / worst), worst, rows.names[at]


def _least(program: Program, x: Vector, moves: Rows, size: Vector, enough: float) -> float:
    """Least increase of the minimised objective over |objective|, in the unit of `moves`; any that is at most `enough` will do."""
    columns = len(size)
    slope, _ = program.bilinear.linearised(x, program.rows.count)
    gradient = (program.cost + slope[[0]].toarray()[0]) / max(abs(program.objective(x)), program.objective_floor(x))
    above = sp.csr_array(np.concatenate([-gradient, np.zeros(columns - len(x)), [1.0]])[None, :])
    objective = Rows(above, np.zeros(1), np.full(1, np.inf))
    least = float("inf")
    for region in _REGIONS:
        reach = region * size
        # The last column is the loss, at least 0: a move that gains owes nothing
        mip = SolverProgram(
            cost=np.append(np.zeros(columns), 1.0), offset=0.0, lower=np.append(-reach, 0.0), upper=np.append(reach, np.inf),
            integer=outer_approximation.continuous(columns + 1), cones=Cones.none(columns + 1), sos1=(),
            rows=stack_rows([_within(moves, region).widened(columns + 1), objective]), scale=np.append(size, 1.0),
        )  # fmt: skip
        least = min(least, _interior(mip, enough))
        if least <= enough:
            break
        found = outer_approximation.converge(outer_approximation.opened(mip), mip.cones)
        least = least if found.x is None else max(0.0, found.objective)
        if least <= enough:
            break
    return least


def _interior(mip: SolverProgram, enough: float) -> float:
    """What a move costs that an interior point finds for a large program; infinite where it mends too little, or costs too much."""
    if mip.columns < outer_approximation.LARGE:
        return float("inf")
    # A digit more than the move is held against below
    move = conic.last_point(mip, budget.seconds(), tolerances.REPAIR_LEFT / 10)
    if move is None or float(mip.rows.violation(move).max(initial=0.0)) > tolerances.REPAIR_LEFT:
        return float("inf")
    return max(0.0, float(move[-1])) if move[-1] <= enough else float("inf")


def _within(moves: Rows, region: float) -> Rows:
    """The rows that a move of up to `region` sizes may reach; each row's entries times the sizes add up to 1 at most."""
    lower = np.where(moves.lower < -region, -np.inf, moves.lower)
    upper = np.where(moves.upper > region, np.inf, moves.upper)
    near = np.flatnonzero(np.isfinite(lower) | np.isfinite(upper))
    return Rows(sp.csr_array(moves.matrix[near]), lower[near], upper[near])
