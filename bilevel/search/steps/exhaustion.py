"""What the solver's branch and bound leaves open: a tree of linear programs to its end, or the same question asked otherwise."""

from dataclasses import replace

import numpy as np

from bilevel import tolerances
from bilevel.model import Check
from bilevel.program.rows import Rows, stack_rows
from bilevel.program.solver_program import SolverProgram
from bilevel.program.sparse import magnitude
from bilevel.relax import tangent
from bilevel.search.branching.part import Subproblem, whole
from bilevel.search.cut_session import CutSession
from bilevel.search.sides import Sides, limits, possible
from bilevel.search.state import SearchState, precise_session
from bilevel.search.steps.small_tree import whole_tree_on
from bilevel.search.verdicts import EXHAUSTED, contradiction
from bilevel.status import CheckKind, SolverStatus, Status


def exhaustion(state: SearchState) -> None:
    """What is left, by linear programs on pairs and integers until it is closed.

    The solver's tolerances hide a little of a multiplier behind a large limit, which may be worth more than the gap; and that it
    finds no point proves nothing by itself.  Followers with cones and nonconvex rows are no linear programs: there the same solver
    is asked again, in other numbers.
    """
    if not state.splits_into_linear:
        _asked_again(state)
        return
    state.budget.progress.phase("branching on pairs")
    plain = precise_session(state.form, replace(state.form.mip, products=None), state.budget)
    tree = whole_tree_on(state, plain, tangent)
    # What branching on pairs has left is all that is open; a small tree's parts may be those of another objective
    given, every = state.parts, whole(state.form.kkt.pairs.count)
    for begun in (given, every) if state.mode.branches else (every,):
        if _closed(state, plain, tree.run(state.incumbent.bound, begun)) or state.over():
            return
        # Parts may be empty by rows that only tighten, which no proof rests on: without them the tree is another one


def _closed(state: SearchState, plain: CutSession, parts: tuple[Subproblem, ...]) -> bool:
    """Whether nothing is left to do at the end of a tree; False where it has no point, and no proof of that."""
    found = state.incumbent
    if found.x is not None or found.verdict or any(part.value < np.inf for part in parts):
        if not state.over():
            found.ended = "linear programs of the tree over complementarity pairs were not solved"
        return True
    state.budget.progress.phase("proving that no part has a point")
    if all(not state.over() and _empty(plain, part.sides) for part in parts):
        _exhausted(state, f"a tree of {len(parts)} parts, whose rows contradict each other by multipliers of theirs")
        return True
    if not state.over():
        found.ended = "linear programs find no point in any part of a tree, but no multipliers prove it"
    return False


def _empty(session: CutSession, sides: Sides) -> bool:
    """Whether a part of the tree is proven to have no point: a solver's word for it is none."""
    mip = session.mip
    # By the ranks of rows, in which nothing is a solver's word
    if not possible(session.form, sides):
        return True
    low, high, row_low, row_high = limits(session.form, mip, sides, None)
    size = magnitude(mip.rows.matrix, mip.scale)
    # Both limits of a column or a row at once, as a part may ask, are a contradiction as they stand; by less it is rounding
    apart = (low - high > tolerances.FEASIBILITY * mip.scale).any()
    if apart or (row_low - row_high > tolerances.FEASIBILITY * size).any():
        return True
    rows = stack_rows([Rows(mip.rows.matrix, row_low, np.maximum(row_low, row_high)), session.tangents])
    part = replace(mip, lower=low, upper=np.maximum(low, high), rows=rows, cones=session.cones)
    return contradiction(part, "the rows of a part").ok


def _asked_again(state: SearchState) -> None:
    """Infeasible by the same solver a second time: in other units, or with limits as loose as a certificate allows."""
    name = state.solver.name
    if state.incumbent.x is not None:
        state.incumbent.ended = state.incumbent.ended or (
            "the solver's bound does not meet its own point, and nonconvex programs have no other search"
        )
        return
    if np.isfinite(state.least):
        # The row that gives the relaxation an end is in every session: a point may lie behind it
        state.incumbent.ended = (
            f"{name} finds no point above an objective that lies far out: nothing is proven beyond it"
        )
        return
    state.budget.progress.phase("asking again")
    first = state.master.solve(integer=True).status
    answers = {}
    for way, mip, scaling in _other_ways(state):
        if first != SolverStatus.INFEASIBLE or state.over():
            return
        budget = replace(state.budget, scaling=scaling)
        session = CutSession(state.form, mip, state.master.cones, state.solver, budget)
        session.add_cuts(state.master.tangents)
        answers[way] = session.solve(integer=True).status
        if answers[way] == SolverStatus.INFEASIBLE:
            _exhausted(state, f"branch and bound of {name} leaves no part, nor {way}")
            return
    told = ", ".join(f"{status!r} {way}" for way, status in answers.items())
    state.incumbent.ended = f"{name} says 'infeasible' at first, and {told}: nothing is proven"


def _other_ways(state: SearchState) -> list[tuple[str, SolverProgram, bool]]:
    """In words, the program, and whether it is scaled."""
    mip, scaling = state.master.mip, state.budget.scaling
    ways = [("in other units", mip, not scaling)]
    if mip.products is not None:
        # What a certificate would still accept has to be impossible as well
        loose = replace(mip, products=mip.products.loosened(tolerances.FEASIBILITY, mip.scale))
        ways.append(("with nonconvex rows loosened by what a certificate allows", loose, scaling))
    return ways


def _exhausted(state: SearchState, how: str) -> None:
    found = state.incumbent
    found.verdict, found.bound = Status.INFEASIBLE, -np.inf
    found.proof = (Check(EXHAUSTED, 0.0, 0.0, "open parts", detail=how, kind=CheckKind.PROOF),)
