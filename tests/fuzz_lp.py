"""A living linear program in HiGHS, for the oracles."""

from __future__ import annotations

import highspy
import numpy as np
import scipy.sparse as sp
from fuzzing import Array

_TANGENT, _FAR = 1e-8, (10.0, 1e4)
_STATUS = highspy.HighsModelStatus
_RAYS = (_STATUS.kUnbounded, _STATUS.kUnboundedOrInfeasible)
_CLEAR = (_STATUS.kOptimal, _STATUS.kInfeasible, *_RAYS)


class TooLargeError(Exception):
    """The oracle gives up: no verdict on this problem."""


class Lp:
    """A living linear program in HiGHS without presolve; `squares` are (row, column t) with t >= (row'z)^2, met by tangents."""

    def __init__(
        self, cost: Array, rows: list[tuple[Array, float, float]], lower: Array, upper: Array,
        squares: list[tuple[Array, int]],
    ) -> None:  # fmt: skip
        self.highs, self.cost, self.squares = highspy.Highs(), cost, squares
        self.highs.silent()
        for name in ("primal", "dual"):
            self.highs.setOptionValue(f"{name}_feasibility_tolerance", 1e-9)
        self.highs.setOptionValue("presolve", "off")
        lp, n = highspy.HighsLp(), len(cost)
        matrix = sp.csc_array(np.array([row for row, _, _ in rows]).reshape(len(rows), n))
        lp.num_col_, lp.num_row_ = n, len(rows)
        lp.col_cost_, lp.col_lower_, lp.col_upper_ = cost, lower, upper
        lp.row_lower_, lp.row_upper_ = np.array([r[1] for r in rows]), np.array([r[2] for r in rows])
        lp.a_matrix_.start_, lp.a_matrix_.index_, lp.a_matrix_.value_ = matrix.indptr, matrix.indices, matrix.data
        self.highs.passModel(lp)
        for row, t in squares:
            for at in (side * far for far in _FAR for side in (1.0, -1.0)):
                self._tangent(row, t, at)

    def _tangent(self, row: Array, t: int, at: float) -> None:
        """t >= 2 at (row'z) - at^2."""
        cut = -2.0 * at * row
        cut[t] += 1.0
        used = np.flatnonzero(cut)
        self.highs.addRow(-at * at, highspy.kHighsInf, len(used), used.astype(np.int32), cut[used])

    def bound(self, column: int, low: float, high: float) -> None:
        self.highs.changeColBounds(column, low, high)

    def limit(self, row: int, low: float, high: float) -> None:
        self.highs.changeRowBounds(row, low, high)

    def set_cost(self, cost: Array) -> None:
        self.cost = cost
        self.highs.changeColsCost(len(cost), np.arange(len(cost), dtype=np.int32), cost)

    def solve(self) -> tuple[str, Array]:
        """("optimal", point), ("infeasible", ...) or ("unbounded", ...)."""
        for _ in range(200):
            status, z = self._solve()
            broken = [
                (row, t, float(row @ z)) for row, t in self.squares
                if status == "optimal" and (row @ z) ** 2 - z[t] > _TANGENT * max(1.0, z[t])
            ]  # fmt: skip
            if not broken:
                return status, z
            for row, t, at in broken:
                self._tangent(row, t, at)
        raise TooLargeError("tangents do not settle")

    def _solve(self) -> tuple[str, Array]:
        self.highs.run()
        # On free columns the dual simplex now and then gives up without a status
        for name, value, usual in (("simplex_strategy", 4, 1), ("presolve", "on", "off"), ("solver", "ipm", "choose")):
            if self.highs.getModelStatus() not in _CLEAR:
                self.highs.clearSolver()
                self.highs.setOptionValue(name, value)
                self.highs.run()
                self.highs.setOptionValue(name, usual)
        status, z = self.highs.getModelStatus(), np.array(self.highs.getSolution().col_value)
        if status in _RAYS:
            cost = self.cost
            self.set_cost(np.zeros(len(cost)))
            self.highs.run()
            feasible = self.highs.getModelStatus() == _STATUS.kOptimal or not self._surely_infeasible()
            self.set_cost(cost)
            return ("unbounded" if feasible else "infeasible"), z
        if status not in (_STATUS.kOptimal, _STATUS.kInfeasible):
            raise TooLargeError(f"HiGHS says {status}")
        if status == _STATUS.kInfeasible and not self._surely_infeasible():
            status, z = self.highs.getModelStatus(), np.array(self.highs.getSolution().col_value)
        return ("optimal" if status == _STATUS.kOptimal else "infeasible"), z

    def _surely_infeasible(self) -> bool:
        """Whether it is so from nothing too, with and without presolve: from an old basis the simplex now and then errs."""
        for presolve in ("off", "on"):
            self.highs.clearSolver()
            self.highs.setOptionValue("presolve", presolve)
            self.highs.run()
            self.highs.setOptionValue("presolve", "off")
            if self.highs.getModelStatus() != _STATUS.kInfeasible:
                return False
        return True
