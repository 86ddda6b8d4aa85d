"""The checks of a point at which followers with integer variables answer, apart from the search.

Followers have no multipliers there.  Each is solved again at the leader's decisions as a program of its own, by a tree of linear
programs that proves its bound; where that is too long, by SciPy's mixed-integer solver, whose word is told as one.
"""

from dataclasses import dataclass, replace

import numpy as np
import scipy.sparse as sp
from scipy.optimize import Bounds, LinearConstraint, milp

from bilevel import budget, tolerances
from bilevel.budget import Leisure
from bilevel.certify import integer_ties, integer_tree, point_checks
from bilevel.certify.repair import mended_objective
from bilevel.certify.resolution import resolution_check
from bilevel.followers.linear_answer import LinearAnswer, multipliers
from bilevel.followers.steps import common_step
from bilevel.model import Check
from bilevel.program.bilevel_program import LEADER, Bilinear, FollowerStack, Program
from bilevel.program.cones import Cones
from bilevel.program.rows import Mask, Rows, Vector, stack_rows
from bilevel.status import CheckKind

_UNIT = 1e6
"""Costs over their size are this large to the solver, so that its absolute gap of 1e-6 is 1e-12 of them."""
_OF_A_STEP = 0.99
_NO_POINT = 2
"""SciPy's number for it."""


@dataclass(frozen=True)
class WholeAnswer:
    """The least that a follower can pay at the leader's decisions: a lower bound, over what size, and whose word it is."""

    bound: float
    size: float
    word: str
    infeasible: bool = False


def answer(program: Program, x: Vector, follower: int, leisure: Leisure | None = None) -> WholeAnswer:
    """Solve one follower again at the leader's part of x: a tree proves that nothing is cheaper, else SciPy's word is told.

    `leisure`: the time for the trees of all followers together; None for that of this one.
    """
    stack = program.followers
    mine, own = np.flatnonzero(stack.owner == follower), np.flatnonzero(stack.row_owner == follower)
    rates, size = stack.rates(x)[mine], _size(program, x, follower)
    matrix = sp.csr_array(stack.rows.matrix[own])
    moved = matrix @ np.where(stack.owner == LEADER, x, 0.0)
    whole = program.integer[mine]
    lower, upper = program.lower[mine], program.upper[mine]
    problem = LinearAnswer(
        rates / size, sp.csr_array(matrix[:, mine]), stack.rows.lower[own] - moved, stack.rows.upper[own] - moved,
        np.where(whole, np.ceil(lower), lower), np.where(whole, np.floor(upper), upper),
    )  # fmt: skip
    cost = float(rates @ x[mine])
    # Where only multiples of a step can be paid, the next one below is all there is to rule out
    step = common_step(rates[rates != 0].tolist()) if whole[rates != 0].all() else None
    room = (
        tolerances.WHOLE_FOLLOWER / 2
        if step is None
        else max(_OF_A_STEP * float(step) / size, tolerances.WHOLE_FOLLOWER / 2)
    )
    proven = integer_tree.least(problem, whole, cost / size - room, leisure or budget.leisure())
    if np.isfinite(proven.bound):
        least = cost if step is not None and proven.bound >= cost / size - room else proven.bound * size
        return WholeAnswer(least, size, f"proven by a tree of {proven.nodes} linear programs")
    return _claimed(problem, whole, size)


def _claimed(problem: LinearAnswer, whole: Mask, size: float) -> WholeAnswer:
    """What SciPy's branch and bound says, its continuous part solved again where its integers are."""
    rows = LinearConstraint(problem.matrix, problem.lower, problem.upper)
    found = milp(
        problem.rates * _UNIT, integrality=whole.astype(int), bounds=Bounds(problem.y_lower, problem.y_upper),
        constraints=[rows] if problem.matrix.shape[0] else [],
        options={"mip_rel_gap": 0.0, "time_limit": budget.seconds(tolerances.GRACE_SECONDS)},
    )  # fmt: skip
    if found.x is None or found.status != 0:
        return WholeAnswer(np.nan, size, "it could not be solved again", found.status == _NO_POINT)
    value = np.round(found.x)
    held = replace(
        problem, y_lower=np.where(whole, value, problem.y_lower), y_upper=np.where(whole, value, problem.y_upper)
    )
    bound = integer_tree.bound(held, multipliers(held)[1])
    return WholeAnswer(bound * size, size, "by the word of SciPy's branch and bound")


def _size(program: Program, x: Vector, follower: int) -> float:
    stack = program.followers
    mine = stack.owner == follower
    terms = float(np.abs(stack.rates(x) * x)[mine].sum())
    floor = float(np.abs(stack.rates(x) * program.least_size)[mine].max(initial=0.0))
    return max(terms, tolerances.SIZE_FLOOR * floor) or 1.0


def checks(program: Program, x: Vector, bound: float | None, gap: float) -> list[Check]:
    """Rows, the followers' optimality, the gap, the resolution, what mending violations costs, cones, and ties."""
    # One time for all, so that many followers take no more of it than one
    leisure = budget.leisure()
    answers = [answer(program, x, at, leisure) for at in range(len(program.followers.names))]
    found = [point_checks.leader_rows(program, x), _follower_rows(program, x), _optimality(program, x, answers)]
    impossible = any(each.infeasible for each in answers)
    found.append(point_checks.global_gap(program, x, None if impossible else bound, gap))
    found.append(resolution_check(program, x, None))
    if all(check.ok for check in found if check.kind == CheckKind.VALIDITY):
        # With integers held, what is left of a follower's choice is its rows and its cost
        found.append(mended_objective(_together(program, x), x, None, None, gap))
    if program.cones.count:
        found.append(point_checks.cones("cones", program.cones, program.tight(x)))
    return found + integer_ties.tie_lines(program, x, np.array([each.bound for each in answers]))


def _follower_rows(program: Program, x: Vector) -> Check:
    """The followers' rows, bounds and whole numbers."""
    check = point_checks.follower_rows(program, x)
    whole = program.whole_answers
    off = np.abs(x[whole] - np.round(x[whole]))
    if len(whole) and not off.max() <= max(check.value, tolerances.FEASIBILITY):
        at = int(whole[int(np.nan_to_num(off, nan=np.inf).argmax())])
        return replace(check, value=float(off.max()), where=f"whole numbers of {program.name(at)}")
    return check


def _optimality(program: Program, x: Vector, answers: list[WholeAnswer]) -> Check:
    costs = program.followers.costs(x)
    excess = np.array([(cost - each.bound) / each.size for cost, each in zip(costs, answers, strict=True)])
    excess = np.where(np.isnan(excess), np.inf, excess)
    at = int(excess.argmax())
    detail = f"cost {costs[at]:.9g}, least {answers[at].bound:.9g} {answers[at].word}"
    if answers[at].infeasible:
        detail = "no point meets the follower's rows at these decisions: this one does within tolerances alone"
    elif not np.isfinite(answers[at].bound):
        detail = answers[at].word
    return Check(
        "follower optimality",
        max(0.0, float(excess[at])),
        tolerances.WHOLE_FOLLOWER,
        "relative",
        program.followers.names[at],
        detail,
    )


def _together(program: Program, x: Vector) -> Program:
    """The program in which followers obey, for no more than they pay at x."""
    stack, bilinear, count = program.followers, program.bilinear, len(program.followers.names)
    mine = np.flatnonzero(stack.owner >= 0)
    cost = sp.csr_array((stack.cost[mine], (stack.owner[mine], mine)), shape=(count, program.columns))
    limits = Rows(cost, np.full(count, -np.inf), stack.costs(x), tuple(f"cost of {name}" for name in stack.names))
    price = sp.coo_array(stack.price)
    (first, second), own = price.coords, stack.owner[price.coords[1]]
    at = program.rows.count + stack.rows.count + own
    products = Bilinear(
        np.concatenate([bilinear.row, at]), np.concatenate([bilinear.leader, first]), np.concatenate([bilinear.follower, second]),
        np.concatenate([bilinear.coefficient, price.data]),
    )  # fmt: skip
    return replace(
        program, rows=stack_rows([program.rows, stack.rows, limits]), followers=_nobody(program), bilinear=products
    )


def _nobody(program: Program) -> FollowerStack:
    """No follower over the program's columns."""
    n = program.columns
    nothing, none, square = np.zeros(0), np.zeros(0, dtype=np.int64), sp.csr_array((n, n))
    return FollowerStack(
        (), np.full(n, LEADER), program.followers.rows.taken(none), none, Cones.none(n),
        none, np.zeros(n), square, square, nothing, nothing,
        np.full(n, np.inf),
    )  # fmt: skip
