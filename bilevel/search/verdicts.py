"""Verdicts without a point, proven on the model's own rows: a contradiction of rows for `infeasible`, a ray for `unbounded`.

Infeasible rows have multipliers y (Farkas): with y'r >= a over all r within the rows' limits and (A'y)'x <= b over all x within the
bounds, a > b contradicts A x = r.  They come from the least sum of violations, and are checked by arithmetic on the rows alone.

A ray d with a point x is followed far out: rows must hold at x + t d, every follower, solved again there, must have no better
answer, and the leader's objective must fall.
"""

from dataclasses import replace

import numpy as np
import scipy.sparse as sp

from bilevel import budget, tolerances
from bilevel.certify import certificate
from bilevel.followers.best_response import fixed_follower_rows
from bilevel.followers.optimal_cost import respond
from bilevel.model import Check
from bilevel.program.bilevel_program import Program
from bilevel.program.cones import Cones, stack_cones
from bilevel.program.rows import Rows, Vector, stack_rows
from bilevel.program.solver_program import SolverProgram
from bilevel.program.sparse import magnitude
from bilevel.reformulate.single_level import Reformulation
from bilevel.relax import outer_approximation, tangent
from bilevel.relax.elastic import least_violation
from bilevel.search.sides import Sides, limits
from bilevel.status import CheckKind

COOPERATION = "followers that cooperate have a point"
EXHAUSTED = "exhausted search"
SECURE, SECURE_SENTENCE = "secure answers", "at no decision every follower has one best response by the margin"
RELAXATION = "infeasible relaxation"
COOPERATE = "rows with followers that cooperate"
CONDITIONS = "rows with the followers' optimality conditions, complementarity aside"
ANSWERS = (
    "rows with followers that see no decision, none dearer than its best answer by more than a certificate allows,"
)

CONTRADICT = "contradict each other, by multipliers of theirs"

_ROUNDS, _TANGENT = 20, "tangent of a cone"
_OUT = (1e3, 1e6)
"""How far out a ray is looked at, over its columns' scales."""


def infeasible(form: Reformulation, found: tuple[Check, ...]) -> tuple[Check, ...]:
    """The contradiction of the relaxation in which followers cooperate; else that of their optimality conditions; else `found`."""
    # Without rows with products more points are left: what has none even so has none
    mip = replace(form.mip, products=None)
    # First what says most: a contradiction of the rows alone rests on no optimality condition
    proof = contradiction(high_point(form.program), COOPERATE)
    if proof.ok:
        return (proof,)
    conditions = contradiction(mip, CONDITIONS)
    known = (conditions,) if conditions.ok else found or no_answer(form)
    possible = cooperates(form.program)
    return tuple(replace(check, detail=f"{check.detail}; {COOPERATION}") for check in known) if possible else known


def no_answer(form: Reformulation) -> tuple[Check, ...]:
    """The contradiction with what followers that see no decision do; none where there is none, or no such follower.

    A cost that a feasible answer has is a limit of the optimal one's, so that rows of this kind hold whatever solved the follower.
    """
    answers = fixed_follower_rows(form.program, tolerances.FOLLOWER).widened(form.mip.columns)
    if not answers.count:
        return ()
    proof = contradiction(replace(form.mip, products=None).with_rows(answers), ANSWERS)
    return (proof,) if proof.ok else ()


def sentence(proof: certificate.Certificate) -> str:
    """Why there is no point, by what is proven."""
    details = " ".join(check.detail for check in proof.checks)
    # The rows may be those of one of many blocks, whose name tells where to look
    named = [check.where for check in proof.checks if check.where and CONTRADICT in check.detail]
    row = f"; of rows that contradict each other {named[0]!r} weighs most" if named else ""
    if COOPERATE in details:
        return f"no leader decision meets the leader's rows, even with followers that cooperate{row}"
    asked = [check.detail for check in proof.checks if check.name == SECURE]
    if asked:
        return asked[0]
    if COOPERATION in details:
        return (
            f"the followers' optimal answers meet the leader's rows at no decision; followers that cooperate could{row}"
        )
    return f"the followers' optimal answers meet the leader's rows at no decision{row}"


def high_point(program: Program) -> SolverProgram:
    """The rows of leader and followers with all cones; rows with products are left out, which only makes it larger."""
    whole = np.setdiff1d(np.arange(program.rows.count), program.bilinear.row)
    leader = program.rows
    names = tuple(leader.names[at] for at in whole.tolist()) if leader.names else ()
    rows = stack_rows(
        [
            Rows(sp.csr_array(leader.matrix[whole]), leader.lower[whole], leader.upper[whole], names),
            program.followers.rows,
        ]
    )
    cones = stack_cones(program.cones, program.followers.cones)
    return SolverProgram(
        program.cost, program.offset, program.lower, program.upper, program.integer, rows, cones, (), program.scale
    )


def cooperates(program: Program) -> bool:
    """Whether some point keeps all rows of leader and followers, whatever followers would rather do; rows with products aside."""
    mip = high_point(program)
    mip = replace(mip, cost=np.zeros(mip.columns))
    session = outer_approximation.opened(replace(mip, cones=Cones.none(mip.columns)))
    x = outer_approximation.converge(session, mip.cones).x
    if x is not None and mip.integer.any():
        x = session.solve(True, tolerances.FEASIBILITY, budget.seconds(), False, budget.watch()).x
    if x is None:
        return False
    # Tangents stand where the continuous point was, so that a point with whole numbers may break a cone
    kept = -mip.cones.gaps(x) <= tolerances.CONE_GAP
    return bool(kept.all() and (mip.rows.relative_violation(x, program.least_size) <= tolerances.FEASIBILITY).all())


def contradiction(mip: SolverProgram, what: str) -> Check:
    """Whether rows, bounds and cones contradict each other: what multipliers lack of a proof, over its margin.

    Cones enter by tangents, which hold everywhere; integrality is left out.
    """
    detail = f"{what} do not contradict each other"
    nothing = Check(RELAXATION, float("inf"), tolerances.FEASIBILITY, "relative", detail=detail, kind=CheckKind.PROOF)
    rows = replace(mip.rows, names=mip.rows.names or ("",) * mip.rows.count)
    for _ in range(_ROUNDS):
        if not rows.count:
            return nothing
        least = least_violation(rows, mip.lower, mip.upper, mip.scale)
        if least is None or least.dual is None:
            return nothing
        value, row = _lack(mip, rows, least.dual)
        if value <= tolerances.FEASIBILITY:
            return replace(nothing, value=value, where=row, detail=f"{what} {CONTRADICT}")
        # Tangents of the cones that the point breaks may be what the contradiction lacks
        cuts = tangent.cuts(mip.cones, least.x, tolerances.CONE_CUT)
        if not cuts.count:
            return nothing
        rows = stack_rows([rows, replace(cuts, names=(_TANGENT,) * cuts.count)])
    return nothing


def _lack(mip: SolverProgram, rows: Rows, dual: Vector) -> tuple[float, str]:
    """What the multipliers leave open, over the margin by which they contradict; infinite without a margin; their largest row."""
    # y'r is least at the lower limit where y > 0.  Any y will do for a proof, so that one without that limit is dropped
    limit = np.where(dual > 0, rows.lower, rows.upper)
    y = np.where(np.isfinite(limit), dual, 0.0)
    limit = np.where(np.isfinite(limit), limit, 0.0)
    slope = rows.matrix.T @ y
    # (A'y)'x is largest at these ends; a slope where there is none is what the proof lacks
    end = np.where(slope > 0, mip.upper, mip.lower)
    known = np.isfinite(end)
    terms = [y * limit, np.where(known, slope * np.where(known, end, 0.0), 0.0)]
    margin = float(terms[0].sum() - terms[1].sum())
    largest = sum(float(np.abs(part).sum()) for part in terms)
    open_columns = float(np.abs(slope[~known]) @ mip.scale[~known])
    # Multipliers that cancel leave a margin of rounding, which contradicts nothing
    if margin <= tolerances.FARKAS_MARGIN * float(np.abs(y) @ magnitude(rows.matrix, mip.scale)) or not len(y):
        return float("inf"), ""
    # One over this is how many scales out columns without an end would escape the contradiction
    # Tangents have no name that leads anywhere, where some other row takes part
    told = np.array([name != _TANGENT for name in rows.names]) & (y != 0)
    heaviest = int(np.where(told | ~told.any(), np.abs(terms[0]), -1.0).argmax())
    return (open_columns + tolerances.FARKAS_ROUNDING * largest) / margin, rows.names[heaviest]


def ray(form: Reformulation, sides: Sides, near: Vector) -> tuple[Check, ...]:
    """Checks of a point far out along the leader's best direction at these sides of the pairs; none where there is no direction."""
    mip = replace(form.mip, cones=Cones.none(form.mip.columns))
    low, high, row_low, row_high = limits(form, mip, sides, near)
    piece = replace(mip, lower=low, upper=high, rows=Rows(mip.rows.matrix, row_low, row_high, mip.rows.names))
    found = _direction(piece)
    return () if found is None else _along(form.program, *found, answers=True)


def cooperative_ray(program: Program) -> tuple[Check, ...]:
    """The same where followers cooperate: rows and cones alone."""
    mip = high_point(program)
    found = _direction(replace(mip, integer=outer_approximation.continuous(mip.columns)))
    return () if found is None else _along(program, *found, answers=False)


def _direction(piece: SolverProgram) -> tuple[Vector, Vector] | None:
    """A point of a convex piece, and its best direction: the rows with limits of 0, over a box; None where one is missing."""
    size, bare = piece.scale, Cones.none(piece.columns)
    rows, none = piece.rows, np.zeros(piece.columns)
    away_rows = Rows(
        rows.matrix, np.where(np.isfinite(rows.lower), 0.0, -np.inf), np.where(np.isfinite(rows.upper), 0.0, np.inf)
    )
    homogeneous = replace(piece.cones, u0=0.0 * piece.cones.u0, w0=0.0 * piece.cones.w0)
    # A direction has no length: the box gives it one, and no way out where a column has an end
    box = replace(
        piece, lower=np.where(np.isfinite(piece.lower), 0.0, -size), upper=np.where(np.isfinite(piece.upper), 0.0, size),
        offset=0.0, integer=outer_approximation.continuous(piece.columns), rows=away_rows, cones=bare,
    )  # fmt: skip
    away = outer_approximation.converge(outer_approximation.opened(box), homogeneous).x
    still = replace(piece, cost=none, integer=outer_approximation.continuous(piece.columns), cones=bare)
    start = outer_approximation.converge(outer_approximation.opened(still), piece.cones).x
    if away is None or start is None or not away.any():
        return None
    return start, away / float((np.abs(away) / size).max())


def _along(program: Program, start: Vector, away: Vector, answers: bool) -> tuple[Check, ...]:
    """The worst of every check over the points that are looked at, and how much the objective falls from one to the next."""
    start, away = program.part_of(start), program.part_of(away)
    points = [start, *(start + out * away for out in _OUT)]
    points = [np.where(program.integer, np.round(x), x) for x in points]
    checks = [certificate.feasible_checks(program, x, respond(program, x) if answers else None) for x in points]
    worst = [max(each, key=lambda check: check.value) for each in zip(*checks, strict=True)]
    values = program.sign * np.array([program.objective(x) for x in points])
    fall = -np.diff(values) / np.diff(np.array([0.0, *_OUT]))
    # A slope that flattens may come to an end further out, so that it has to keep half of the steepest
    least = float(fall.min()) / max(float(np.abs(fall).max()), tolerances.NOT_ZERO)
    detail = f"objective {program.sign * values[-1]:.6g} at {_OUT[-1]:g} times the scale, and no end"
    falls = Check(
        "ray improves", 1.0 - least if least > 0 else np.inf, 0.5, "of its slope", "", detail, CheckKind.PROOF
    )
    return (*(replace(check, detail=f"along the ray: {check.detail}") for check in worst), falls)
