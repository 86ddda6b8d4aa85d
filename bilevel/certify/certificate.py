"""An independent recheck of a point of a bilevel model (model page section 9): it reads values, never a solver's status."""

from dataclasses import replace
from typing import Any

import numpy as np

from bilevel import tolerances
from bilevel.bounds.dual_bounds import USER
from bilevel.certify.record import Certificate as Certificate
from bilevel.certify.repair import mended_objective, multipliers
from bilevel.certify.resolution import resolution_check
from bilevel.certify.ties import EXACT, tie_checks
from bilevel.compile.compiler import compile_model
from bilevel.errors import ModelError
from bilevel.followers.kkt import Kkt, cone_dual_size
from bilevel.followers.optimal_cost import Response, respond
from bilevel.model import Check, checks
from bilevel.program.bilevel_program import Program
from bilevel.program.rows import Cones, Rows, Vector
from bilevel.program.sparse import magnitude
from bilevel.reformulate.single_level import Reformulation, assemble, dual_links, dual_sizes
from bilevel.status import CheckKind


def certify(model: Any, bound: float | None = None, gap: float = 1e-4) -> Certificate:
    """Recheck the values that stand in a Pyomo bilevel model now.

    `bound` is the best bound of the leader's objective, in its own sense, for the global gap; without one the point can
    be feasible but not certified.  Raises `ModelError` when a variable has no value.
    """
    program = compile_model(model)
    x = program.values()
    epigraph = np.array([variable is None for variable in program.variables])
    missing = np.flatnonzero(np.isnan(x) & ~epigraph)
    if len(missing):
        raise ModelError(f"variable {program.name(int(missing[0]))!r} has no value: solve the model, or set its value")
    x = _fill_epigraphs(program, x)
    if not len(program.links.column):
        return check_point(model, program, x, None, None, bound, gap)
    form = assemble(program, nonconvex=True)
    return check_point(model, program, x, form, multipliers(form, x), bound, gap)


def check_point(
    model: Any, program: Program, x: Vector, form: Reformulation | None, duals: Vector | None,
    bound: float | None, gap: float, more: tuple[Check, ...] = (),
) -> Certificate:  # fmt: skip
    """Every check of a point x (program columns); with `duals` (lam, then mu) also of its multipliers; `more` join them."""
    response = respond(program, x)
    found = [_leader_rows(program, x), _follower_rows(program, x), _optimality(program, x, response)]
    if program.followers.cones.count:
        found.insert(2, _cones("follower cones", program.followers.cones, x))
    if form is not None and duals is not None:
        full = np.concatenate([x, duals])
        found += [_stationarity(program, form.kkt, full), _complementarity(form, full, response), _sources(form)]
        if form.conic:
            found += [_cone_multipliers(form, full, response), _interior(form)]
        if len(program.links.column):
            found.append(_duals_read(program, form.kkt, full))
    ties = tie_checks(program, x, response)
    found += [
        _refuted(program, x, _global_gap(program, x, bound, gap), bound, ties[0]),
        resolution_check(program, x, form),
    ]
    if Certificate(tuple(found)).valid:
        found.append(mended_objective(program, x, form, duals, gap))
    if program.cones.count:
        found.append(_cones("cones", program.cones, program.tight(x)))
    for checker in checks(model):
        found.extend(checker(model))
    found.extend(more)
    found.extend(ties)
    return Certificate(tuple(found))


def feasible_checks(program: Program, x: Vector, response: Response | None) -> list[Check]:
    """Rows and cones, which may be loose; with a `response` the followers' optimality too."""
    found = [_leader_rows(program, x), _follower_rows(program, x)]
    cones = (("follower cones", program.followers.cones, x), ("cones", program.cones, program.tight(x)))
    loose = [
        (name, replace(part, relaxes_equality=np.zeros(part.count, dtype=bool)), at)
        for name, part, at in cones
        if part.count
    ]
    found += [_cones(*each) for each in loose]
    return found if response is None else [*found, _optimality(program, x, response)]


def check_relaxation(model: Any, program: Program, x: Vector, bound: float, gap: float) -> Certificate:
    """The checks of a point at which followers need not be optimal: rows, cones, gap, and the model's own."""
    found = [_leader_rows(program, x), _follower_rows(program, x)]
    if program.followers.cones.count:
        found.append(_cones("follower cones", program.followers.cones, x))
    found += [_global_gap(program, x, bound, gap), resolution_check(program, x)]
    if program.cones.count:
        found.append(_cones("cones", program.cones, program.tight(x)))
    for checker in checks(model):
        found.extend(checker(model))
    return Certificate(tuple(found))


def _fill_epigraphs(program: Program, x: Vector) -> Vector:
    """Epigraph columns have no Pyomo variable: their least value follows from the others."""
    filled = np.where(np.isnan(x), 0.0, x)
    _, total, _, w = program.cones.parts(filled)
    for column in np.flatnonzero(np.isnan(x)):
        cone = int(program.cones.w[:, [column]].tocoo().coords[0][0])
        filled[column] = total[cone] - w[cone]
    return filled


def _leader_rows(program: Program, x: Vector) -> Check:
    b = program.bilinear
    mine = b.row >= 0
    terms = b.coefficient[mine] * x[b.leader[mine]] * x[b.follower[mine]]
    products = np.bincount(b.row[mine], weights=terms, minlength=program.rows.count)
    size = np.bincount(b.row[mine], weights=np.abs(terms), minlength=program.rows.count) + _limit_size(program.rows)
    rows = Rows(program.rows.matrix, program.rows.lower - products, program.rows.upper - products, program.rows.names)
    leader = program.followers.owner < 0
    whole = np.where(program.integer, np.abs(x - np.round(x)), program.domains.outside(x))
    return _worst_row("leader rows", program, rows, size, x, leader, whole)


def _follower_rows(program: Program, x: Vector) -> Check:
    mine = program.followers.owner >= 0
    rows = program.followers.rows
    return _worst_row("follower rows", program, rows, _limit_size(rows), x, mine, np.zeros(len(x)))


def _worst_row(
    name: str, program: Program, rows: Rows, limits: Vector, x: Vector, mine: np.ndarray, extra: Vector
) -> Check:
    """The worst of rows and of column bounds (plus `extra`), each over its own size, of which `limits` is a part."""
    broken = rows.violation(x)
    own = np.maximum(np.abs(x), tolerances.SIZE_FLOOR * program.least_size)
    size = np.maximum(magnitude(rows.matrix, own) + limits, 1e-300)
    outside = np.maximum(np.maximum(program.lower - x, x - program.upper), extra)
    relative = np.concatenate([broken / size, np.where(mine, outside / own, 0.0)])
    if not len(relative):
        return Check(name, 0.0, tolerances.FEASIBILITY, "relative")
    relative = np.where(np.isnan(relative), np.inf, relative)
    at = int(relative.argmax())
    where = rows.names[at] if at < rows.count else f"bounds of {program.name(at - rows.count)}"
    absolute = float(broken[at]) if at < rows.count else float(outside[at - rows.count])
    value = max(0.0, float(relative[at]))
    return Check(
        name, value, tolerances.FEASIBILITY, "relative", where if value else "", f"{max(absolute, 0.0):.3g} in its unit"
    )


def _optimality(program: Program, x: Vector, response: Response) -> Check:
    excess = (response.linear_cost - response.lower_bound) / response.size
    excess = np.where(np.isnan(excess), np.inf, excess)
    at = int(excess.argmax())
    cost = float(program.followers.costs(x)[at])
    least = cost - float(response.linear_cost[at] - response.lower_bound[at])
    detail = f"cost {cost:.6g}, proven least {least:.6g}"
    value = max(0.0, float(excess[at]))
    return Check("follower optimality", value, tolerances.FOLLOWER, "relative", program.followers.names[at], detail)


def _stationarity(program: Program, kkt: Kkt, full: Vector) -> Check:
    """Stationarity and the signs of multipliers; each over its own terms, in cost over column or cost over row."""
    rows = kkt.stationarity
    if not rows.count:
        return Check("stationarity", 0.0, tolerances.FEASIBILITY, "relative")
    mine = program.followers.columns
    usual_row, usual_column = dual_sizes(program)
    size = magnitude(rows.matrix, np.abs(full)) + np.abs(rows.lower) + tolerances.SIZE_FLOOR * usual_column[mine]
    relative = rows.violation(full) / size
    pairs = kkt.pairs
    usual = np.where(pairs.row >= 0, np.append(usual_row, 1.0)[pairs.row], usual_column[pairs.column])
    negative = np.maximum(0.0, -full[pairs.dual]) / usual
    at = int(relative.argmax())
    value = max(float(relative[at]), float(negative.max(initial=0.0)))
    return Check("stationarity", value, tolerances.FEASIBILITY, "relative", rows.names[at] if value else "")


def _duals_read(program: Program, kkt: Kkt, full: Vector) -> Check:
    """Leader variables that stand for multipliers, against the multipliers that the other checks have found optimal."""
    rows = dual_links(program, kkt, len(full))
    usual = dual_sizes(program)[0][program.links.row]
    relative = rows.violation(full) / np.maximum(np.abs(full[program.links.column]), tolerances.SIZE_FLOOR * usual)
    at = int(relative.argmax())
    return Check("duals read", float(relative[at]), tolerances.FEASIBILITY, "relative", rows.names[at])


def _complementarity(form: Reformulation, full: Vector, response: Response) -> Check:
    """slack * dual of every pair, which is what its follower pays too much, over the size of the follower's cost."""
    pairs = form.kkt.pairs
    product = np.abs(pairs.slack(full) * full[pairs.dual]) / response.size[pairs.owner]
    if not len(product):
        return Check("complementarity", 0.0, tolerances.COMPLEMENTARITY, "relative")
    at = int(product.argmax())
    where = form.program.followers.names[int(pairs.owner[at])] if product[at] else ""
    return Check("complementarity", float(product[at]), tolerances.COMPLEMENTARITY, "relative", where)


def _cone_multipliers(form: Reformulation, full: Vector, response: Response) -> Check:
    """Multipliers of quadratic rows: in their own cones, and orthogonal to what they price."""
    duals, stack = form.kkt.conic, form.program.followers
    name = "cone multipliers"
    p, q, r = (np.abs(full[column]) for column in (duals.p, duals.q, duals.r))
    owner = stack.cones.owner
    squares = np.bincount(owner, weights=p**2, minlength=stack.cones.count)
    # Multipliers of a row that does not bind are noise, which has no ratio
    usual = np.bincount(owner, weights=cone_dual_size(form.program)[: len(p)] ** 2, minlength=stack.cones.count)
    size = np.maximum(np.maximum(squares, 4.0 * q * r), tolerances.SIZE_FLOOR**2 * usual)
    broken = np.maximum(squares - 4.0 * q * r, 0.0) / size
    at = int(broken.argmax())
    if not broken[at] <= tolerances.CONE_GAP:
        return Check(name, float(broken[at]), tolerances.CONE_GAP, "relative", duals.cones.names[at], "broken")
    rows = duals.complementarity
    terms = rows.value * full[rows.first] * full[rows.second]
    product = np.abs(np.bincount(rows.row, weights=terms, minlength=rows.count) + rows.linear.matrix @ full)
    size = response.size[stack.cone_owner]
    at = int((product / size).argmax())
    return Check(name, float(product[at] / size[at]), tolerances.COMPLEMENTARITY, "relative", stack.cones.names[at])


def _interior(form: Reformulation) -> Check:
    """Quadratic rows of followers without a proven interior, whose optima optimality conditions may miss."""
    without = np.flatnonzero(~form.interior)
    where = form.program.followers.names[int(without[0])] if len(without) else ""
    detail = "give the leader variables in its rows bounds at which it keeps room" if len(without) else "proven"
    return Check(
        "follower interior", float(len(without)), 0.0, "followers without", where, detail, CheckKind.ASSUMPTION
    )


def _sources(form: Reformulation) -> Check:
    sources = form.bounds.sources()
    detail = ", ".join(f"{count} {source}" for source, count in sources.items()) or "none needed"
    return Check(
        "bounds used", float(sources.get(USER, 0)), 0.0, "user bounds", detail=detail, kind=CheckKind.ASSUMPTION
    )


def _global_gap(program: Program, x: Vector, bound: float | None, gap: float) -> Check:
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


def _refuted(program: Program, x: Vector, check: Check, bound: float | None, best: Check) -> Check:
    """The global gap; endless where a tie at the same decisions is better than the bound, which is none then."""
    if bound is None or not np.isfinite(bound) or best.detail != EXACT:
        return check
    better, size = program.sign * (bound - best.value), max(abs(bound), abs(best.value), program.objective_floor(x))
    if better <= (check.tolerance or 0.0) * size:
        return check
    return replace(check, value=np.inf, detail=f"{check.detail}, which a tie with {best.value:.9g} refutes")


def _limit_size(rows: Rows) -> Vector:
    """The larger absolute limit of each row, 0 without any."""
    return np.maximum(*(np.where(np.isfinite(limit), np.abs(limit), 0.0) for limit in (rows.lower, rows.upper)))


def _cones(name: str, cones: Cones, x: Vector) -> Check:
    gaps = cones.gaps(x)
    at = int(np.abs(gaps).argmax())
    check = Check(name, float(abs(gaps[at])), tolerances.CONE_GAP, "relative", cones.names[at])
    return check if check.ok else replace(check, detail="loose" if gaps[at] > 0 else "broken")
