"""The one place where a candidate becomes a point with a value: one side of every pair is fixed, and what is left is solved.

With the sides fixed the program is convex, so that its optimum, by linear programs and tangents, is bilevel feasible and an upper
bound of the bilevel optimum.
"""

from dataclasses import replace

import numpy as np

from bilevel import tolerances
from bilevel.program.layout import Group
from bilevel.program.rows import Mask, Vector
from bilevel.reformulate import leader_products
from bilevel.relax import tangent
from bilevel.search import verdicts
from bilevel.search.cut_session import Point
from bilevel.search.incumbent import Incumbent
from bilevel.search.points import conic_response
from bilevel.search.points.tight_state import tight_state
from bilevel.search.sides import Sides, every_pair, limits, sides_at
from bilevel.search.state import SearchState, precise_session
from bilevel.solvers import clarabel
from bilevel.status import SolverStatus, Status

# What time or Ctrl-C ended early may come out otherwise when it is asked again
_SURE = (SolverStatus.OPTIMAL, SolverStatus.INFEASIBLE)


def evaluate(state: SearchState, slack_zero: Mask, near: Vector) -> Point:
    """Fix one side of every pair and take the optimum of what is left; it is the incumbent where it is better. Gives the point.

    `near` is where products are made linear and integers rounded.
    """
    form = state.form
    if form.secure is not None:
        slack_zero = form.secure.completed(slack_zero, form.kkt.pairs.slack(near), form.kkt.pairs.twin)
    key = slack_zero.tobytes()
    if key in state.tried:
        return state.tried[key]
    point = _polished(state, slack_zero, near) if form.conic else _decided(state, slack_zero, near)
    # Rounded integers and tangents of products depend on where the point came from as well
    alone = state.splits_into_linear and not form.program.integer.any()
    if alone and point.status in _SURE:
        state.tried[key] = point
    if point.status == SolverStatus.UNBOUNDED and state.splits_into_linear:
        # Every point of this linear program should be bilevel feasible, and its ray the leader's: the followers are asked
        proof = verdicts.ray(form, every_pair(form, slack_zero), near)
        if proof and all(check.ok for check in proof):
            # Where there is no end, the bound and the point found before mean nothing
            state.incumbent = Incumbent(verdict=Status.UNBOUNDED, proof=proof)
    if point.x is not None and state.objective(point.x) < state.incumbent.objective:
        state.take(point.x, slack_zero)
    return point


def evaluate_within(state: SearchState, x: Vector, decided: Sides) -> None:
    """The point with the sides that are decided, and those that x has of the others."""
    # A part may hold both sides of a pair; with one of them the point is bilevel feasible all the same
    evaluate(state, (sides_at(state.form, x) | decided.slack_zero) & ~decided.dual_zero, x)


def _decided(state: SearchState, slack_zero: Mask, near: Vector) -> Point:
    if state.form.mip.products is not None:
        state.sessions.precise = precise_session(
            state.form, leader_products.near(state.form.mip, near), state.budget, fine=True
        )
        state.precise.add_cuts(tangent.cuts(state.precise.cones, state.padded(near), -np.inf))
    sides = every_pair(state.form, slack_zero)
    interior = state.sessions.interior
    point = interior.decided(sides, near) if interior is not None else None
    if point is None or point.status not in _SURE:
        point = state.precise.decided(sides, near)
    if (point.status == SolverStatus.TIME_LIMIT or _broken(state, point)) and not state.budget.over():
        return _met_exactly(state, slack_zero, near) or point
    return point


def _broken(state: SearchState, point: Point) -> bool:
    """Whether linear programs ended with a broken cone: a branch that carries next to nothing of what it is expected to may do so
    by what a solver leaves of a scaled row.

    The cone of a quadratic objective, whose column stands for no variable of the model, is made precise later on.
    """
    if point.x is None:
        return False
    cones = state.precise.cones
    broken = cones.gaps(state.padded(point.x)) < -tolerances.CONE_GAP
    if not broken.any():
        return False
    objective = [at for at, variable in enumerate(state.form.program.variables) if variable is None]
    return bool((broken & (abs(cones.w[:, objective]).sum(axis=1) == 0)).any())


def by_interior_point(state: SearchState, slack_zero: Mask, near: Vector) -> Vector | None:
    """The optimum with these sides by an interior point, over the reformulation's columns; None without one."""
    form = state.form
    low, high, row_low, row_high = limits(form, form.mip, every_pair(form, slack_zero), near)
    if (low > high).any() or (row_low > row_high).any():
        return None
    rows = replace(form.mip.rows, lower=row_low, upper=row_high)
    outcome = clarabel.solve(replace(form.mip, lower=low, upper=high, rows=rows), state.budget.seconds)
    return outcome.x


def _met_exactly(state: SearchState, slack_zero: Mask, near: Vector) -> Point | None:
    """Where linear programs do not see the last tangents, as a branch carries next to nothing: the network's own state.

    Its decisions are those of an interior point.
    """
    if not state.splits_into_linear or not state.form.mip.cones.relaxes_equality.any():
        return None
    x = by_interior_point(state, slack_zero, near)
    exact = None if x is None else tight_state(state.form, x, state.budget.seconds)
    if exact is None or not holds(state, exact, slack_zero, tolerances.FEASIBILITY / 3):
        return None
    return Point(SolverStatus.OPTIMAL, exact, state.objective(exact))


def _polished(state: SearchState, slack_zero: Mask, near: Vector) -> Point:
    """Followers with cones are held at their exact response to the leader's decisions; the rest is as without them."""
    form = state.form
    response, exact = conic_response.respond(form, form.kkt.part_of(near))
    point = np.concatenate([response, near[form.columns.after(Group.CONE_MULTIPLIERS)]])
    program, kkt = form.program, form.kkt
    mine = np.append(program.followers.conic, False)
    # The response is exact for the decisions that followers see, so that these are held with it
    columns = [np.flatnonzero(mine[program.followers.owner]), program.linking_columns, kkt.lam[mine[kkt.equal_owner]]]
    columns += [kkt.pairs.dual[mine[kkt.pairs.owner]], kkt.conic.columns]
    # The followers' cones and those of their multipliers hold at the response, which is held: they need no tangents
    kept = np.r_[form.cones[Group.LEADER], form.cones[Group.REVENUE]]
    mip = leader_products.near(replace(form.mip, cones=form.mip.cones.take(kept)), point)
    room = tolerances.HELD_EXACTLY if exact else tolerances.HELD_LOOSELY
    held = leader_products.hold(mip, point, np.concatenate(columns), room)
    state.sessions.precise = precise_session(form, held, state.budget, fine=True)
    return state.precise.decided(every_pair(form, slack_zero), point)


def holds(state: SearchState, point: Vector, slack_zero: Mask, within: float = tolerances.HELD_EXACTLY) -> bool:
    """Whether a point over the reformulation's columns keeps everything within a relative tolerance, with these sides."""
    form, mip = state.form, state.form.mip
    worst = [float(np.maximum(mip.lower - point, point - mip.upper).max(initial=0.0))]
    worst.append(float(mip.rows.relative_violation(point, form.size).max(initial=0.0)))
    worst.append(float((np.abs(form.kkt.pairs.slack(point)) / form.slack_scale())[slack_zero].max(initial=0.0)))
    if form.secure is not None:
        short = (form.secure.least - point[form.kkt.pairs.dual]) / form.dual_scale()
        worst.append(float(short[slack_zero].max(initial=0.0)) if form.secure.possible(~slack_zero) else np.inf)
    worst.append(0.0 if mip.products is None else mip.products.excess(point, mip.scale))
    gaps = mip.cones.gaps(point)
    return max(worst) <= within and float(np.abs(gaps).max(initial=0.0)) <= tolerances.CONE_GAP / 10
