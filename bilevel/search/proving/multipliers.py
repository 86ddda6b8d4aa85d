"""Multipliers of a proof's leaves: from linear programs, refined until rounding leaves what they prove alone."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import scipy.sparse as sp
from scipy.sparse.linalg import lsmr

from bilevel import tolerances
from bilevel.certify.proof.checker import ProofTree
from bilevel.program.cones import Cones
from bilevel.program.rows import Mask, Rows, Vector, stack_rows
from bilevel.program.solver_program import SolverProgram
from bilevel.program.sparse import magnitude
from bilevel.search.cut_session import CutSession
from bilevel.search.proving.log import NoProofError
from bilevel.search.proving.planes import AROUND, ProofSession
from bilevel.search.sides import Sides
from bilevel.solvers import SOLVERS, Outcome, clarabel
from bilevel.status import SolverStatus

LEANS = (0.0, 0.01, 0.1, 1.0, 10.0, 100.0)
"""Of the solver's tolerance: how far costs of columns with one limit lean, so that rounding leaves their rates' signs alone."""

ENOUGH = 1e-7
"""What a leaf's bound may lack, relatively, before other ways are tried."""

REFINED = 3
"""Times that multipliers are refined; the first one does nearly all."""


class Multipliers:
    """Of leaves: of their linear program with costs that lean to the safe side, or of the least violation of their rows."""

    def __init__(self, session: ProofSession, checked: ProofTree) -> None:
        self.session, self.checked, mip = session, checked, session.mip
        self.empty_session: CutSession | None = None
        self.rows = stack_rows([mip.rows, session.tangents])
        self.equal = np.flatnonzero(self.rows.lower == self.rows.upper)
        self.free = np.flatnonzero(np.isinf(mip.lower) & np.isinf(mip.upper))
        self.of_free = sp.csr_array(self.rows.matrix[self.equal][:, self.free].T)
        self.one_limit = np.isfinite(mip.lower).astype(float) - np.isfinite(mip.upper)
        self.unit = float(np.abs(mip.cost * mip.scale).max(initial=0.0)) or 1.0
        self.lean = tolerances.SOLVER_FEASIBILITY * self.unit * self.one_limit / mip.scale
        self.rayless = ~self._on_rays(checked.root())
        self.last = 0
        self.open: list[Vector] = []
        self.point: Vector = np.zeros(mip.columns)

    def of(self, sides: Sides, ends: Any) -> dict[str, Any]:
        """A leaf of the proof's tree, between these limits of columns and rows; its point joins `open` where nothing is proven."""
        if (ends[0] > ends[1]).any() or (ends[2] > ends[3]).any():
            return {"dual": [], "empty": True}
        with self.session.restricted(sides):
            for rayless in self._masks(ends):
                dual, infeasible = self._bounding(ends, rayless)
                if infeasible:
                    none = np.zeros(self.session.mip.columns)
                    return leaf(self._refined(ends, self._contradiction(sides), none), True)
                if dual is not None:
                    return leaf(dual, False)
        self.open.append(self._inner(ends))
        return leaf(np.zeros(self.rows.count), False)

    def _inner(self, ends: Any) -> Vector:
        """Where an interior point of the part ends: linear programs end anywhere on the flat between tangents."""
        mip, count = self.session.mip, self.session.mip.rows.count
        part = replace(
            mip,
            lower=ends[0],
            upper=ends[1],
            rows=Rows(mip.rows.matrix, ends[2][:count], ends[3][:count]),
            cones=self.session.cones,
        )
        found = clarabel.solve(part, self.session.budget.seconds, tolerances.SOLVER_FEASIBILITY).x
        return self.point if found is None else found

    def _masks(self, ends: Any) -> Iterator[Mask]:
        """Columns that may lean: fewer are on rays in a part than at the root, which takes a linear program to tell."""
        yield self.rayless
        yield ~self._on_rays(ends)

    def _bounding(self, ends: Any, rayless: Mask) -> tuple[Vector | None, bool]:
        """Multipliers with the best bound of several ways, None where none has one; and whether the part has no point."""
        mip, best, proven = self.session.mip, None, -np.inf
        # What was enough for the leaf before is tried first
        for at in (self.last, *(k for k in range(len(LEANS)) if k != self.last)):
            self.session.session.set_cost(mip.cost - LEANS[at] * np.where(rayless, self.lean, 0.0), mip.offset)
            outcome = self._solved(self.session)
            if outcome.status == SolverStatus.INFEASIBLE:
                return None, True
            if outcome.row_dual is None or outcome.x is None:
                continue
            self.point = outcome.x
            for dual in (outcome.row_dual, self._cleared(outcome.row_dual), *self._spread(outcome.row_dual)):
                refined = self._refined(ends, dual, mip.cost)
                value = self.checked.weak_duality(refined, False, *ends)
                if value > proven:
                    best, proven, self.last = refined, value, at
                # The point is optimal for costs that lean, and for the others no better than what can be proven
                goal = float(mip.cost @ outcome.x + mip.offset)
                if proven >= goal - ENOUGH * abs(goal):
                    return best, False
        return best, False

    def _cleared(self, dual: Vector) -> Vector:
        """Without multipliers that are worth no more than the solver's tolerance: noise, which would have to be exact."""
        worth = np.abs(dual) * magnitude(self.rows.matrix, self.session.mip.scale)
        return np.where(worth <= 10.0 * tolerances.SOLVER_FEASIBILITY * self.unit, 0.0, dual)

    def _spread(self, dual: Vector) -> Iterator[Vector]:
        """Each cone's multipliers in equal parts on the tangents around this point, so that they have room to move."""
        known, first, cones = self.session.tangents_told, self.session.mip.rows.count, self.session.cones
        if known.rings is None:
            return
        cone = np.array([plane[0] for plane in known.told], dtype=np.int64)
        rows = self.rows.matrix[first:]
        near = rows @ self.point - self.rows.lower[first:] <= 4 * AROUND**2 * np.maximum(cones.w_scale, 0.0)[cone]
        near &= np.arange(len(cone)) >= known.rings
        total, count = (np.bincount(cone, part, cones.count) for part in (dual[first:], near))
        even = np.where(near, total[cone] / np.maximum(count, 1)[cone], 0.0)
        spread = np.concatenate([dual[:first], np.where(count[cone] > 0, even, dual[first:])])
        # All of it loses what the tangents lie below the point; a hundredth is most often room enough
        yield 0.99 * dual + 0.01 * spread
        yield spread

    def _on_rays(self, ends: Any) -> Mask:
        """Columns with one limit that some ray moves at no cost: a lean of their costs would leave no optimum."""
        mip = self.session.mip
        low, high, row_low, row_high = (np.where(np.isinf(end), end, 0.0) for end in ends)
        rows = self.rows
        who = np.flatnonzero(self.one_limit)
        # How far each of them goes, 1 counting as far; rays add up, so that one goes along all
        far = sp.csr_array((np.concatenate([self.one_limit[who], -np.ones(len(who))]),
                            (np.tile(np.arange(len(who)), 2), np.concatenate([who, mip.columns + np.arange(len(who))]))),
                           shape=(len(who), mip.columns + len(who)))  # fmt: skip
        n = mip.columns + len(who)
        cost_row = Rows(sp.csr_array(mip.cost[None, :]), np.array([-np.inf]), np.zeros(1))
        every = stack_rows([Rows(rows.matrix, row_low, row_high), cost_row]).widened(n)
        program = SolverProgram(
            np.concatenate([np.zeros(mip.columns), -np.ones(len(who))]), 0.0, np.concatenate([low, np.zeros(len(who))]),
            np.concatenate([high, np.ones(len(who))]), np.zeros(n, dtype=bool),
            stack_rows([every, Rows(far, np.zeros(len(who)), np.full(len(who), np.inf))]), Cones.none(n), (),
            np.concatenate([mip.scale, np.ones(len(who))]),
        )  # fmt: skip
        session = CutSession(self.session.form, program, program.cones, SOLVERS["highs"], self.session.budget)
        outcome, found = self._solved(session), np.zeros(mip.columns, dtype=bool)
        # Without an answer no column leans
        found[who] = True if outcome.x is None else outcome.x[mip.columns :] > 0.5
        return found

    def _refined(self, ends: Any, dual: Vector, cost: Vector) -> Vector:
        """Multipliers with rates of columns without limits at rounding's size, which a solver leaves at its tolerance's.

        Those of a limit that a row does not have are 0.
        """
        _, _, low, high = ends
        dual = np.where((dual > 0) & np.isinf(low) | (dual < 0) & np.isinf(high), 0.0, dual)
        if not len(self.free):
            return dual
        for _ in range(REFINED):
            rate = (cost - self.rows.matrix.T @ dual)[self.free]
            if not rate.any():
                break
            move = np.zeros(len(dual))
            # To the last digit that it gets: what is left is the checker's to bound
            move[self.equal] = lsmr(self.of_free, rate, atol=0.0, btol=0.0, conlim=0.0, maxiter=20 * len(rate))[0]
            dual = dual + move
        return dual

    def _solved(self, session: CutSession) -> Outcome:
        return session.session.solve(False, 0.0, session.budget.seconds, False, session.budget.progress)

    def _contradiction(self, sides: Sides) -> Vector:
        """Multipliers of the rows where as little as possible of them is broken."""
        if self.empty_session is None:
            self.empty_session = self._elastic()
        with self.empty_session.restricted(sides):
            outcome = self._solved(self.empty_session)
        if outcome.row_dual is None:
            raise NoProofError(f"a part without a point has no multipliers ({outcome.status})")
        return outcome.row_dual

    def _elastic(self) -> CutSession:
        session, mip = self.session, self.session.mip
        rows = self.rows
        size = np.maximum(magnitude(rows.matrix, mip.scale), tolerances.NOT_ZERO)
        matrix = sp.hstack([rows.matrix, sp.diags_array(size), -sp.diags_array(size)], format="csr")
        more = 2 * rows.count
        program = replace(
            mip, cost=np.concatenate([np.zeros(mip.columns), np.ones(more)]), offset=0.0,
            lower=np.concatenate([mip.lower, np.zeros(more)]), upper=np.concatenate([mip.upper, np.full(more, np.inf)]),
            integer=np.concatenate([mip.integer, np.zeros(more, dtype=bool)]),
            rows=Rows(sp.csr_array(matrix), rows.lower, rows.upper), cones=Cones.none(mip.columns + more),
            scale=np.concatenate([mip.scale, np.ones(more)]),
        )  # fmt: skip
        return CutSession(session.form, program, program.cones, SOLVERS["highs"], session.budget)


def leaf(dual: Vector, empty: bool) -> dict[str, Any]:
    """A leaf as a proof writes it."""
    return {"dual": [[row, float(dual[row])] for row in np.flatnonzero(dual).tolist()], "empty": empty}
