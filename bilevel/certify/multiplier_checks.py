"""Checks of the followers' multipliers: stationarity, complementarity, cones, and what their limits rest on."""

import numpy as np

from bilevel import tolerances
from bilevel.bounds.dual_bounds import USER
from bilevel.followers.cone_multipliers import cone_dual_size
from bilevel.followers.kkt import Kkt
from bilevel.followers.optimal_cost import Response
from bilevel.model import Check
from bilevel.program.bilevel_program import Program
from bilevel.program.rows import Vector
from bilevel.program.sparse import magnitude
from bilevel.reformulate.security import Secure
from bilevel.reformulate.single_level import Reformulation, dual_links, dual_sizes
from bilevel.status import CheckKind


def stationarity(program: Program, kkt: Kkt, full: Vector) -> Check:
    """Stationarity and the signs of multipliers; each over its own terms, in cost over column or cost over row."""
    rows = kkt.stationarity
    if not rows.count:
        return Check("stationarity", 0.0, tolerances.FEASIBILITY, "relative")
    mine = program.followers.columns
    # Cost over column where nothing stands in the row, so that noise beside nothing is not an error of 100 %
    usual_row, usual_column = dual_sizes(program)
    size = magnitude(rows.matrix, np.abs(full)) + np.abs(rows.lower) + tolerances.SIZE_FLOOR * usual_column[mine]
    relative = rows.violation(full) / size
    # With multipliers of the wrong sign stationarity holds at points that are no optimum
    negative = np.maximum(0.0, -full[kkt.pairs.dual]) / kkt.pairs.told(usual_row, usual_column)
    at = int(relative.argmax())
    value = max(float(relative[at]), float(negative.max(initial=0.0)))
    return Check("stationarity", value, tolerances.FEASIBILITY, "relative", rows.names[at] if value else "")


def duals_read(program: Program, kkt: Kkt, full: Vector) -> Check:
    """Leader variables that stand for multipliers, against the multipliers that the other checks have found optimal."""
    rows = dual_links(program, kkt, len(full))
    usual = dual_sizes(program)[0][program.links.row]
    relative = rows.violation(full) / np.maximum(np.abs(full[program.links.column]), tolerances.SIZE_FLOOR * usual)
    at = int(relative.argmax())
    return Check("duals read", float(relative[at]), tolerances.FEASIBILITY, "relative", rows.names[at])


def complementarity(form: Reformulation, full: Vector, response: Response) -> Check:
    """slack * dual of every pair, which is what its follower pays too much, over the size of the follower's cost."""
    pairs = form.kkt.pairs
    # In the follower's money: a long slack with a tiny multiplier costs it nothing, whatever their units
    product = np.abs(pairs.slack(full) * full[pairs.dual]) / response.size[pairs.owner]
    if not len(product):
        return Check("complementarity", 0.0, tolerances.COMPLEMENTARITY, "relative")
    at = int(product.argmax())
    where = form.program.followers.names[int(pairs.owner[at])] if product[at] else ""
    return Check("complementarity", float(product[at]), tolerances.COMPLEMENTARITY, "relative", where)


def cone_multipliers(form: Reformulation, full: Vector, response: Response) -> Check:
    """Multipliers of quadratic rows: in their own cones, and orthogonal to what they price."""
    duals, stack = form.kkt.conic, form.program.followers
    name = "cone multipliers"
    p, q, r = (full[column] for column in (duals.p, duals.q, duals.r))
    owner, usual = stack.cones.owner, cone_dual_size(form.program)
    squares = np.bincount(owner, weights=p**2, minlength=stack.cones.count)
    within = 4.0 * np.maximum(q, 0.0) * np.maximum(r, 0.0)
    # Multipliers of a row that does not bind are noise, which has no ratio
    noise = np.bincount(owner, weights=usual[: len(p)] ** 2, minlength=stack.cones.count)
    size = np.maximum(np.maximum(squares, within), tolerances.SIZE_FLOOR**2 * noise)
    # One of q and r below zero could pay for what the other charges, at a row that does not bind
    negative = (np.maximum(-np.concatenate([q, r]), 0.0) / usual[len(p) :]).reshape(2, -1)
    broken = np.maximum(np.maximum(squares - within, 0.0) / size, negative.max(axis=0))
    at = int(broken.argmax())
    # Not at most, so that NaN fails too; outside their cone multipliers prove nothing by their products
    if not broken[at] <= tolerances.CONE_GAP:
        return Check(name, float(broken[at]), tolerances.CONE_GAP, "relative", duals.cones.names[at], "broken")
    rows = duals.complementarity
    terms = rows.value * full[rows.first] * full[rows.second]
    product = np.abs(np.bincount(rows.row, weights=terms, minlength=rows.count) + rows.linear.matrix @ full)
    size = response.size[stack.cone_owner]
    at = int((product / size).argmax())
    return Check(name, float(product[at] / size[at]), tolerances.COMPLEMENTARITY, "relative", stack.cones.names[at])


def response_unique(form: Reformulation, secure: Secure, full: Vector) -> Check:
    """What the multipliers that decide a follower's response lack of the margin, as a share of it; endless where they decide none.

    By rank and multipliers, of the follower that is nearest to another response.
    """
    name, pairs = "response unique", form.kkt.pairs
    share, at, rank = secure.weakest(full[pairs.dual])
    if at < 0:
        return Check(name, 0.0, tolerances.FEASIBILITY, "of the margin", detail="whatever the multipliers are")
    part = secure.parts[at]
    where = form.program.followers.names[part.owner]
    if share <= 0:
        detail = f"limits with multipliers have rank {rank} of {part.open}"
        return Check(name, np.inf, tolerances.FEASIBILITY, "of the margin", where, detail)
    detail = f"rank {rank} of {part.open}, by multipliers of {share:.6g} margins and more"
    return Check(name, max(0.0, 1.0 - share), tolerances.FEASIBILITY, "of the margin", where, detail)


def interior(form: Reformulation) -> Check:
    """Quadratic rows of followers without a proven interior, whose optima optimality conditions may miss."""
    without = np.flatnonzero(~form.interior)
    where = form.program.followers.names[int(without[0])] if len(without) else ""
    detail = "give the leader variables in its rows bounds at which it keeps room" if len(without) else "proven"
    return Check(
        "follower interior", float(len(without)), 0.0, "followers without", where, detail, CheckKind.ASSUMPTION
    )


def bounds_used(form: Reformulation) -> Check:
    """Limits of multipliers and slacks that rest on a user's word alone."""
    sources = form.bounds.sources()
    detail = ", ".join(f"{count} {source}" for source, count in sources.items()) or "none needed"
    return Check(
        "bounds used", float(sources.get(USER, 0)), 0.0, "user bounds", detail=detail, kind=CheckKind.ASSUMPTION
    )
