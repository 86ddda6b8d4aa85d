"""Sides of complementarity pairs: which slacks and which multipliers are held at zero, and how a point is read for them.

A pair says slack * multiplier = 0 with both at least 0.  Once one side of every pair is fixed, what is left is convex.
"""

from dataclasses import dataclass

import numpy as np

from bilevel import tolerances
from bilevel.program.layout import Group
from bilevel.program.rows import Mask, Vector
from bilevel.program.solver_program import SolverProgram
from bilevel.reformulate.security import Secure
from bilevel.reformulate.single_level import Reformulation


@dataclass(frozen=True)
class Sides:
    """Which pairs have their slack fixed to zero and which their dual; a pair in neither stays open.

    `integers`: narrower limits of the program's integer columns, in their order; None for their own; `trail`: how the part came
    about, each step a pair and its side (0: slack at 0, 1: multiplier at 0), or -1 - column, its side (0: at most, 1: above) and
    the value.
    """

    slack_zero: Mask
    dual_zero: Mask
    integers: tuple[Vector, Vector] | None = None
    trail: tuple[tuple[int, int, float], ...] = ()


def every_pair(form: Reformulation, slack_zero: Mask) -> Sides:
    """Every pair decided but those of followers with cones, which are held as they are."""
    given = ~form.program.followers.conic[form.kkt.pairs.owner]
    return Sides(slack_zero & given, ~slack_zero & given)


def small_slack(form: Reformulation, x: Vector) -> Mask:
    """Pairs whose slack counts as zero at x, in its own scale."""
    # Not its magnitude: a slack that a solver's tolerance leaves below zero is at its limit too
    return np.asarray(form.kkt.pairs.slack(x) <= tolerances.PAIR_SIDE * form.slack_scale())


def small_dual(form: Reformulation, x: Vector) -> Mask:
    """Pairs whose multiplier counts as zero at x, in its own scale."""
    return np.asarray(x[form.kkt.pairs.dual] <= tolerances.PAIR_SIDE * form.dual_scale())


def sides_at(form: Reformulation, x: Vector) -> Mask:
    """Which pairs of a complementary point have their slack at zero: the smaller of both, each in its own scale."""
    slack = np.abs(form.kkt.pairs.slack(x)) / form.slack_scale()
    dual = np.abs(x[form.kkt.pairs.dual]) / form.dual_scale()
    # With nothing on either side the multiplier is held at zero, which leaves the answer free to move
    held = (slack < dual) & (dual > tolerances.PAIR_SIDE)
    # Between nothing and its margin a multiplier goes to the nearer of both
    return np.asarray(held if form.secure is None else held & (2.0 * x[form.kkt.pairs.dual] >= form.secure.least))


def incomplementarity(form: Reformulation, x: Vector) -> Vector:
    """slack * multiplier of every pair, in its follower's cost: what strong duality lacks; 0 where a side counts as zero."""
    pairs = form.kkt.pairs
    product = np.abs(pairs.slack(x) * x[pairs.dual])
    lacks = np.where(small_slack(form, x) | small_dual(form, x), 0.0, product)
    return lacks if form.secure is None else np.maximum(lacks, _insecurity(form, form.secure, x))


def _insecurity(form: Reformulation, secure: Secure, x: Vector) -> Vector:
    """What multipliers of pairs without slack lack of their margins, in cost; of parts that are open all the same, of all pairs."""
    pairs = form.kkt.pairs
    dual, slack = x[pairs.dual], np.maximum(pairs.slack(x), 0.0) / form.slack_scale()
    short, tight = secure.short(dual), small_slack(form, x)
    worth = np.maximum(secure.least - dual, 0.0) * form.slack_scale()
    found = np.where(short & tight & ~small_dual(form, x), worth, 0.0)
    for at in secure.lacking(tight & ~short):
        mine = secure.parts[at].pairs
        if not found[mine].any():
            # The nearest limits first: an answer has to be at some of them
            found[mine] = (worth / (1.0 + slack / tolerances.PAIR_SIDE**0.5))[mine]
    return found


def possible(form: Reformulation, sides: Sides) -> bool:
    """Whether these sides leave enough pairs to decide every follower's answer, where answers are to be secure."""
    return form.secure is None or form.secure.possible(sides.dual_zero)


def limits(
    form: Reformulation, mip: SolverProgram, sides: Sides, near: Vector | None
) -> tuple[Vector, Vector, Vector, Vector]:
    """Limits of a program's columns and rows, which begin with those of the reformulation, with sides and integers fixed."""
    pairs = form.kkt.pairs
    low, high = mip.lower.copy(), mip.upper.copy()
    row_low, row_high = mip.rows.lower.copy(), mip.rows.upper.copy()
    high[pairs.dual[sides.dual_zero]] = 0.0
    if form.secure is not None:
        held = pairs.dual[sides.slack_zero]
        low[held] = np.maximum(low[held], form.secure.least[sides.slack_zero])
    for index, first, bottom, top in (
        (pairs.column, form.columns[Group.VARIABLES].start, low, high),
        (pairs.row, form.rows[Group.FOLLOWERS].start, row_low, row_high),
    ):
        at_low = first + index[sides.slack_zero & (index >= 0) & (pairs.side == 1)]
        at_high = first + index[sides.slack_zero & (index >= 0) & (pairs.side == -1)]
        # Read before either is written: a row held at both of its limits gets crossed ones, which say so
        to_low, to_high = bottom[at_low].copy(), top[at_high].copy()
        top[at_low] = to_low
        bottom[at_high] = to_high
    whole = np.flatnonzero(form.program.integer)
    if sides.integers is not None:
        low[whole], high[whole] = sides.integers
    if near is not None:
        low[whole] = high[whole] = np.round(near[whole])
    return low, high, row_low, row_high
