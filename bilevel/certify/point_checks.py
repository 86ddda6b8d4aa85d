"""Checks of a point alone: rows and domains, cones, the followers' optimality, the gap to a bound."""

from dataclasses import replace

import numpy as np

from bilevel import tolerances
from bilevel.certify.ties import EXACT
from bilevel.followers.optimal_cost import Response
from bilevel.model import Check
from bilevel.program.bilevel_program import Program
from bilevel.program.cones import Cones
from bilevel.program.rows import Rows, Vector
from bilevel.program.sparse import magnitude
from bilevel.status import CheckKind


def leader_rows(program: Program, x: Vector) -> Check:
    """The leader's rows, bounds and domains, with products of prices and quantities at their values."""
    b = program.bilinear
    mine = b.row >= 0
    products = b.sums(x, program.rows.count)[1:]
    terms = np.bincount(b.row[mine], weights=np.abs(b.terms(x)[mine]), minlength=program.rows.count)
    # Sizes take the limits as written: those less the products would count the products twice
    rows = Rows(program.rows.matrix, program.rows.lower - products, program.rows.upper - products, program.rows.names)
    leader = program.followers.owner < 0
    whole = np.where(program.integer, np.abs(x - np.round(x)), program.domains.outside(x))
    return _worst_row("leader rows", program, rows, _broken_limit(program.rows, rows, x) + terms, x, leader, whole)


def follower_rows(program: Program, x: Vector) -> Check:
    """The followers' linear rows and bounds."""
    mine = program.followers.owner >= 0
    rows = program.followers.rows
    return _worst_row("follower rows", program, rows, _broken_limit(rows, rows, x), x, mine, np.zeros(len(x)))


def _worst_row(
    name: str, program: Program, rows: Rows, limits: Vector, x: Vector, mine: np.ndarray, extra: Vector
) -> Check:
    """The worst of rows and of column bounds (plus `extra`), each over its own size, of which `limits` is a part."""
    broken = rows.violation(x)
    own = np.maximum(np.abs(x), tolerances.SIZE_FLOOR * program.least_size)
    size = np.maximum(magnitude(rows.matrix, own) + limits, tolerances.NOT_ZERO)
    outside = np.maximum(np.maximum(program.lower - x, x - program.upper), extra)
    relative = np.concatenate([broken / size, np.where(mine, outside / own, 0.0)])
    if not len(relative):
        return Check(name, 0.0, tolerances.FEASIBILITY, "relative")
    # What is no number has to fail, and max(0, NaN) would be 0
    relative = np.where(np.isnan(relative), np.inf, relative)
    at = int(relative.argmax())
    where = rows.names[at] if at < rows.count else f"bounds of {program.name(at - rows.count)}"
    absolute = float(broken[at]) if at < rows.count else float(outside[at - rows.count])
    value = max(0.0, float(relative[at]))
    return Check(
        name, value, tolerances.FEASIBILITY, "relative", where if value else "", f"{max(absolute, 0.0):.3g} in its unit"
    )


def _broken_limit(written: Rows, rows: Rows, x: Vector) -> Vector:
    """Of each row as `written` the limit that x breaks in `rows`, absolute: a far one on the other side makes nothing right."""
    limit = np.where(rows.matrix @ x < rows.lower, written.lower, written.upper)
    return np.where(np.isfinite(limit), np.abs(limit), 0.0)


def optimality(program: Program, x: Vector, response: Response) -> Check:
    """What the worst follower pays above its proven least cost at the leader's decisions."""
    # Both are of the cost's tangent at x, whose excess is no less than the cost's own
    excess = (response.linear_cost - response.lower_bound) / response.size
    excess = np.where(np.isnan(excess), np.inf, excess)
    at = int(excess.argmax())
    cost = float(program.followers.costs(x)[at])
    least = cost - float(response.linear_cost[at] - response.lower_bound[at])
    detail = f"cost {cost:.6g}, proven least {least:.6g}"
    if response.impossible:
        detail = "no point meets the followers' rows at these decisions: this one does within tolerances alone"
    value = max(0.0, float(excess[at]))
    return Check("follower optimality", value, tolerances.FOLLOWER, "relative", program.followers.names[at], detail)


def global_gap(program: Program, x: Vector, bound: float | None, gap: float) -> Check:
    """Between the leader's objective at x and the bound, over the objective or its floor."""
    objective = program.objective(x)
    known = bound is not None and np.isfinite(bound)
    value = (
        abs(objective - float(bound or 0.0)) / max(abs(objective), program.objective_floor(x))
        if known
        else float("inf")
    )
    shown = f"{bound:.9g}" if known else "unknown"
    detail = f"objective {objective:.9g}, bound {shown}"
    return Check("global gap", value, gap, "relative", detail=detail, kind=CheckKind.OPTIMALITY)


def believed_gap(
    program: Program, x: Vector, bound: float | None, gap: float, best: Check, response: Response
) -> Check:
    """The global gap; endless where a tie at the same decisions is better than the bound, which is none then."""
    # Where rounding alone lets followers answer, what solvers conclude of their multipliers means nothing
    bound = None if response.impossible else bound
    check = global_gap(program, x, bound, gap)
    # Only exact ties are responses for certain; others are within a tolerance of the followers' cost
    if bound is None or not np.isfinite(bound) or best.detail != EXACT:
        return check
    better, size = program.sign * (bound - best.value), max(abs(bound), abs(best.value), program.objective_floor(x))
    if better <= (check.tolerance or 0.0) * size:
        return check
    return replace(check, value=np.inf, detail=f"{check.detail}, which a tie with {best.value:.9g} refutes")


def cones(name: str, cones: Cones, x: Vector) -> Check:
    """The quadratic row furthest from what it must be: at most its limit, or equal to it."""
    gaps = cones.gaps(x)
    at = int(np.abs(gaps).argmax())
    check = Check(name, float(abs(gaps[at])), tolerances.CONE_GAP, "relative", cones.names[at])
    return check if check.ok else replace(check, detail="loose" if gaps[at] > 0 else "broken")
