"""From a tree over pairs and integers to a proof: multipliers for every leaf, and the checker's own word on them."""

from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import scipy.sparse as sp

from bilevel import tolerances
from bilevel.budget import Budget
from bilevel.certify.proof.checker import ProofTree
from bilevel.certify.proof.conditions import Conditions
from bilevel.certify.proof.reading import RefusedError
from bilevel.program.cones import Cones, stack_cones
from bilevel.program.layout import Group
from bilevel.program.rows import Rows
from bilevel.program.solver_program import SolverProgram
from bilevel.reformulate.curvature import curvature
from bilevel.reformulate.single_level import Reformulation
from bilevel.search.branching.part import Subproblem, whole
from bilevel.search.branching.tree import Tree
from bilevel.search.cut_session import CutSession
from bilevel.search.proving.log import NoProofError, skeleton
from bilevel.search.proving.multipliers import Multipliers
from bilevel.search.proving.planes import ProofSession, Tangents
from bilevel.search.sides import incomplementarity
from bilevel.solvers import SOLVERS, clarabel
from bilevel.status import SolverStatus

WALLS = (1.0, 1e3, 1e6)
"""Times the expected sizes of squares, where tangents give a relaxation an end that has none."""


MENDED = 2
"""Times that tangents are laid around the points of leaves whose multipliers prove nothing."""


def proof_of(
    form: Reformulation, objective: float, gap: float, budget: Budget, with_envelopes: bool = True
) -> dict[str, Any]:
    """A proof that no bilevel point is better than what its leaves prove; raises `NoProofError`.

    `objective`: the best one known, minimised, infinite where there is none: parts within the gap of it are closed.
    """
    told = skeleton(form, with_envelopes)
    conditions = Conditions(told["problem"], told)
    mip, tangents = _program(form, conditions), Tangents()
    session = ProofSession(form, tangents.prepare(mip), mip.cones, SOLVERS["highs"], replace(budget, scaling=True))
    session.tangents_told = tangents
    _lay_first(session, mip, tangents)
    tree = Tree(
        session, tangents, partial(incomplementarity, form), lambda: objective, lambda _x, _sides: None, lambda _bound: None,
        budget.over, tolerances.MIP_SHARE * gap, thorough=True,
    )  # fmt: skip
    parts = tree.run(-np.inf, whole(form.kkt.pairs.count))
    for rest in range(MENDED, -1, -1):
        told["tangents"] = tangents.told
        checked = ProofTree(Conditions(told["problem"], told))
        multipliers = Multipliers(session, checked)
        told["tree"] = _nodes(parts, multipliers)
        if not multipliers.open:
            told["bound"] = _proven(checked.told, told["tree"])
            return told
        if not rest or not session.cones.count or budget.over():
            break
        for x in multipliers.open:
            for rows in tangents.around(session.cones, x):
                session.add_cuts(rows)
    raise NoProofError(f"{len(multipliers.open)} leaves have no multipliers whose bound rounding leaves alone")


def _program(form: Reformulation, conditions: Conditions) -> SolverProgram:
    """What the checker will see, as a program: its rows, no limits of multipliers, and the cones."""
    n, cost = len(conditions.low), np.zeros(len(conditions.low))
    for at, exact in conditions.cost[0].items():
        cost[at] = float(exact)
    low, high = np.array(conditions.sides).T
    entries = np.array(conditions.entries)
    places = entries[:, 0].astype(np.int64), entries[:, 1].astype(np.int64)
    rows = Rows(sp.csr_array((entries[:, 2], places), shape=(len(low), n)), low, high)
    scale = np.ones(n)
    scale[: form.kkt.columns] = form.mip.scale[: form.kkt.columns]
    for (i, j), at in conditions.product.items():
        scale[at] = form.program.size[i] * form.program.size[j]
    scale[conditions.square] = form.mip.scale[form.columns[Group.REVENUE]]
    integer = np.concatenate([form.program.integer, np.zeros(n - form.program.columns, dtype=bool)])
    return SolverProgram(
        cost, float(conditions.constant), np.array(conditions.low), np.array(conditions.high), integer, rows,
        _cones(form, conditions), (), scale,
    )  # fmt: skip


def _cones(form: Reformulation, conditions: Conditions) -> Cones:
    """The leader's cones, then squares that stand in its revenue."""
    n, squares = len(conditions.low), form.linear.squares
    mine = curvature(form.program, squares, form.program.columns + squares.count)
    at = np.concatenate([np.arange(form.program.columns), conditions.square]).astype(np.int64)
    move = sp.csr_array((np.ones(len(at)), (np.arange(len(at)), at)), shape=(len(at), n))
    mine = replace(
        mine, squares=sp.csr_array(mine.squares @ move), u=sp.csr_array(mine.u @ move), w=sp.csr_array(mine.w @ move)
    )
    return stack_cones(form.program.cones.widened(n), mine)


def _lay_first(session: CutSession, mip: SolverProgram, tangents: Tangents) -> None:
    """Tangents where an interior point of the relaxation ends, then those of the rounds of linear programs."""
    if mip.cones.count:
        outcome = clarabel.solve(mip, session.budget.seconds, tolerances.SOLVER_FEASIBILITY)
        if outcome.x is not None:
            session.add_cuts(tangents.cuts(session.cones, outcome.x, -np.inf))
        for size in WALLS:
            first = session.session.solve(False, 0.0, session.budget.seconds, False, session.budget.progress)
            if first.status in (SolverStatus.OPTIMAL, SolverStatus.INFEASIBLE):
                break
            session.add_cuts(tangents.walls(session.cones, size))
    session.converge(tangents)


def _nodes(parts: tuple[Subproblem, ...], multipliers: Multipliers) -> list[dict[str, Any]]:
    """The tree whose leaves these parts are, parents before their children."""
    nodes: list[dict[str, Any]] = [{}]
    stack = [(0, 0, list(parts), multipliers.checked.root())]
    while stack:
        at, depth, mine, ends = stack.pop()
        if any(len(part.sides.trail) == depth for part in mine):
            if len(mine) > 1:
                raise NoProofError("a part of the tree lies within another one")
            nodes[at] = multipliers.of(mine[0].sides, ends)
            continue
        (what, value), *others = {(part.sides.trail[depth][0], part.sides.trail[depth][2]) for part in mine}
        halves = [[part for part in mine if part.sides.trail[depth][1] == side] for side in (0, 1)]
        if others or not all(halves):
            raise NoProofError("the tree lacks a side of a division")
        nodes[at] = {"pair": what} if what >= 0 else {"integer": [-1 - what, value]}
        below = multipliers.checked.halves(nodes[at], ends)
        nodes[at]["children"] = [len(nodes), len(nodes) + 1]
        stack += [(len(nodes) + side, depth + 1, halves[side], below[side]) for side in (0, 1)]
        nodes += [{}, {}]
    return nodes


def _proven(conditions: Conditions, nodes: list[dict[str, Any]]) -> float | None:
    """What the checker finds proven; None where it is that there is no point."""
    try:
        bound = ProofTree(conditions, nodes).bound
    except RefusedError as refusal:
        raise NoProofError(str(refusal)) from refusal
    if bound == -np.inf:
        raise NoProofError("a leaf has multipliers that prove nothing")
    # A little less, as another machine inverts a little otherwise
    return float(bound - tolerances.OBJECTIVE_ROUNDING * max(1.0, abs(bound))) if np.isfinite(bound) else None
