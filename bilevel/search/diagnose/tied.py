"""Why no answer is secure: a follower that sees no decision and has several best responses, where there is one."""

import numpy as np
import scipy.sparse as sp

from bilevel import tolerances
from bilevel.followers.best_response import fixed_follower_rows
from bilevel.model import Check
from bilevel.program.cones import Cones
from bilevel.program.rows import Rows, stack_rows
from bilevel.program.solver_program import SolverProgram
from bilevel.reformulate.single_level import Reformulation
from bilevel.relax import outer_approximation
from bilevel.search.verdicts import SECURE, SECURE_SENTENCE
from bilevel.status import CheckKind


def checks(form: Reformulation) -> tuple[Check, ...]:
    """The line that says what was asked, with the follower; none where answers were not to be secure."""
    if form.secure is None:
        return ()
    name = _several(form)
    why = f": follower {name!r} sees no decision and has several best responses" if name else ""
    return (Check(SECURE, 0.0, 0.0, "followers", name, SECURE_SENTENCE + why, CheckKind.PROOF),)


def _several(form: Reformulation) -> str:
    """The first follower that sees no decision and has two best responses far apart; nothing where none is found."""
    program, stack, secure = form.program, form.program.followers, form.secure
    rows = fixed_follower_rows(program)
    if secure is None or not rows.count:
        return ""
    seen = _seen(form)
    for part in secure.parts:
        if part.owner not in seen and _apart(form, rows, part.owner):
            return stack.names[part.owner]
    return ""


def _seen(form: Reformulation) -> set[int]:
    """Followers that see a leader variable that is free."""
    program, stack = form.program, form.program.followers
    leader = np.flatnonzero((stack.owner < 0) & (program.lower < program.upper))
    priced = stack.owner[sp.coo_array(stack.price[leader]).coords[1]]
    joined = stack.row_owner[sp.coo_array(stack.rows.matrix[:, leader]).coords[0]]
    return {int(owner) for owner in np.concatenate([priced, joined])}


def _apart(form: Reformulation, least: Rows, owner: int) -> bool:
    """Whether best responses of this follower differ by more than what a solver leaves, in some direction."""
    program, stack = form.program, form.program.followers
    mine = stack.owner == owner
    known = stack_rows([stack.rows, least])
    lower = np.where(mine, program.lower, 0.0)
    upper = np.where(mine, program.upper, 0.0)
    mine_rows = np.flatnonzero(np.diff(sp.csr_array(known.matrix[:, np.flatnonzero(mine)]).indptr) > 0)
    # Any direction will do that no symmetry of the follower's hides
    direction = np.where(mine, np.sqrt(2.0 + np.arange(program.columns)) % 1.0, 0.0) / program.scale
    ends = []
    for sign in (1.0, -1.0):
        mip = SolverProgram(
            sign * direction, 0.0, lower, upper, outer_approximation.continuous(program.columns), known.taken(mine_rows),
            Cones.none(program.columns), (), program.scale,
        )  # fmt: skip
        x = outer_approximation.converge(outer_approximation.opened(mip), mip.cones).x
        if x is None:
            return False
        ends.append(float(direction @ x))
    return bool(ends[1] - ends[0] > tolerances.TIE_DIFFERENCE**0.5)
