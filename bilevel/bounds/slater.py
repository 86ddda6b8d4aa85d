"""Whether followers with quadratic rows have an interior, and what that proves (Slater's condition).

Optimality conditions with cones are sufficient always, but every optimum meets them only where some point of the follower lies
strictly inside its cones.  So an answer found through them is global only if this holds at every leader decision.  It is proven at
the corners of the box of the leader variables that the follower sees in its rows: all rows are convex in leader and follower
variables together, so in between it holds as well, with at least the least depth of the corners.

The same points limit the multipliers: at a point z with slack s_i > 0 in a limit, mu_i s_i <= cost(z) - least cost, and for a cone
q (u - |s|^2 / w) and r (w - |s|^2 / u) are at most that too, by |p|^2 <= 4 q r.
"""

from dataclasses import dataclass, replace
from itertools import product

import numpy as np
import scipy.sparse as sp

from bilevel import budget, tolerances
from bilevel.bounds.dual_bounds import rate_interval
from bilevel.followers.kkt import Kkt, Pairs
from bilevel.program.bilevel_program import LEADER, Program
from bilevel.program.cones import Cones
from bilevel.program.rows import Index, Mask, Rows, Vector, stack_rows
from bilevel.program.solver_program import SolverProgram
from bilevel.program.sparse import magnitude
from bilevel.relax import outer_approximation

MOST_SEEN = 6
"""Leader variables in one follower's rows up to which all corners of their box are tried."""

_WANTED = 0.1
"""Room that a point in the interior is asked to have, over the size of what it has room in."""


@dataclass(frozen=True)
class Interiors:
    """`inside`: whether a follower's interior is proven (true without cones); limits of mu and p, q, r, infinite where unknown."""

    inside: Mask
    pair_limit: Vector
    cone_limit: Vector


def interiors(program: Program, kkt: Kkt) -> Interiors:
    """Look for an interior of every follower with cones."""
    stack, conic = program.followers, kkt.conic
    found = Interiors(~stack.conic, np.full(kkt.pairs.count, np.inf), np.full(len(conic.columns), np.inf))
    for follower in np.flatnonzero(stack.conic).tolist():
        part = _Part.of(program, kkt.pairs, follower)
        depths = part.depths(program)
        if depths is None:
            continue
        found.inside[follower] = True
        spread = (1.0 + tolerances.LIMIT_SAFETY) * part.spread(program)
        slack, q_depth, r_depth = depths
        # A limit without room at some corner proves nothing of its own multiplier, and leaves the others theirs
        with np.errstate(divide="ignore", invalid="ignore"):
            found.pair_limit[part.pairs] = np.where(slack > 0, spread / slack, np.inf)
            q, r = spread / q_depth, spread / r_depth
        terms = np.flatnonzero(np.isin(stack.cones.owner, part.cones))
        rank = np.searchsorted(part.cones, stack.cones.owner[terms])
        count = len(stack.cones.owner)
        found.cone_limit[terms] = 2.0 * np.sqrt(q * r)[rank]
        found.cone_limit[count + part.cones] = q
        found.cone_limit[count + stack.cones.count + part.cones] = r
    return found


@dataclass(frozen=True)
class _Part:
    """One follower: its columns, the leader columns in its rows and cones, its rows, cones and pairs by number."""

    mine: Index
    seen: Index
    rows: Index
    cones: Index
    pairs: Index
    slack: sp.csr_array
    constant: Vector

    @staticmethod
    def of(program: Program, pairs: Pairs, follower: int) -> "_Part":
        stack = program.followers
        rows, cones = np.flatnonzero(stack.row_owner == follower), np.flatnonzero(stack.cone_owner == follower)
        terms = np.flatnonzero(np.isin(stack.cones.owner, cones))
        used = [stack.rows.matrix[rows], stack.cones.squares[terms], stack.cones.u[cones], stack.cones.w[cones]]
        column = np.unique(np.concatenate([part.indices for part in used]))
        at = np.flatnonzero(pairs.owner == follower)
        return _Part(
            np.flatnonzero(stack.owner == follower), column[stack.owner[column] == LEADER], rows, cones, at,
            sp.csr_array(pairs.slack_matrix[at]), pairs.slack_constant[at],
        )  # fmt: skip

    @property
    def columns(self) -> Index:
        """The follower's, then the leader's that it sees."""
        return np.concatenate([self.mine, self.seen])

    def depths(self, program: Program) -> tuple[Vector, Vector, Vector] | None:
        """Least slack of every pair and depths of every cone over the corners, None where a corner has no interior."""
        low, high = program.lower[self.seen], program.upper[self.seen]
        # A box without ends has no corners, and one of many columns too many of them
        if int((low < high).sum()) > MOST_SEEN or not np.isfinite(low).all() or not np.isfinite(high).all():
            return None
        least: tuple[Vector, Vector, Vector] | None = None
        # A fixed variable has one end, and the set keeps it from giving every corner twice
        for corner in product(*(sorted({float(a), float(b)}) for a, b in zip(low, high, strict=True))):
            budget.require("interiors of the followers were being looked for")
            depth = self._depth(program, np.array(corner))
            if depth is None:
                return None
            least = depth if least is None else tuple(map(np.minimum, least, depth))  # type: ignore[assignment]
        return least

    def _depth(self, program: Program, corner: Vector) -> tuple[Vector, Vector, Vector] | None:
        """Slacks and cone depths at a point that is deep in the follower's set where the leader's columns are at `corner`."""
        n, k, m = len(self.columns), len(self.cones), len(self.pairs)
        total = n + k + m
        scale = program.scale[self.columns]
        slack = self.slack[:, self.columns]
        wanted = _WANTED * (magnitude(slack, scale) + np.abs(self.constant))
        inside = self._cones(program, total)
        u_size = _WANTED * (abs(inside.u)[:, :n] @ scale + np.abs(inside.u0))
        w_size = _WANTED * inside.w_scale
        at = n + np.arange(k)
        shrunk = replace(
            inside, u=sp.csr_array(inside.u - _at(u_size, at, total)), w=sp.csr_array(inside.w - _at(w_size, at, total))
        )
        rows = program.followers.rows
        held = Rows(_wide(rows.matrix[self.rows][:, self.columns], total), rows.lower[self.rows], rows.upper[self.rows])
        deep = _wide(slack, total) - _at(wanted, n + k + np.arange(m), total)
        far = np.full(max(k, m), np.inf)
        factors = [Rows(shrunk.u, -shrunk.u0, far[:k]), Rows(shrunk.w, -shrunk.w0, far[:k])]
        matrix = stack_rows([held, Rows(sp.csr_array(deep), -self.constant, far[:m]), *factors])
        lower = np.concatenate([program.lower[self.mine], corner, np.zeros(k + m)])
        upper = np.concatenate([program.upper[self.mine], corner, np.ones(k + m)])
        # Depth of cones counts most: without it there is no interior
        cost = np.concatenate([np.zeros(n), np.full(k, -10.0 * (m + 1)), np.full(m, -1.0)])
        scales = np.concatenate([scale, np.ones(k + m)])
        mip = SolverProgram(
            cost, 0.0, lower, upper, outer_approximation.continuous(total), matrix, Cones.none(total), (), scales
        )
        x = outer_approximation.converge(outer_approximation.opened(mip), shrunk).x
        if x is None:
            return None
        _, square, u, w = inside.parts(x)
        if (u <= 0).any() or (w <= 0).any():
            return None
        q_depth, r_depth = u - square / w, w - square / u
        if (q_depth <= tolerances.INTERIOR_DEPTH * u_size).any() or (
            r_depth <= tolerances.INTERIOR_DEPTH * w_size
        ).any():
            return None
        slacks = slack @ x[:n] + self.constant
        return np.where(slacks > tolerances.INTERIOR_DEPTH * wanted, slacks, 0.0), q_depth, r_depth

    def _cones(self, program: Program, total: int) -> Cones:
        """The follower's cones over its own columns and those that it sees, `total` columns wide."""
        cones, columns = program.followers.cones.take(self.cones), self.columns
        return replace(
            cones, squares=_wide(cones.squares[:, columns], total), u=_wide(cones.u[:, columns], total),
            w=_wide(cones.w[:, columns], total),
        )  # fmt: skip

    def spread(self, program: Program) -> float:
        """Largest difference of the follower's cost between two of its points at one leader decision; infinite if not known."""
        lower, upper = self._ranges(program)
        low, high = rate_interval(program, lower, upper)
        rate = np.maximum(np.abs(low[self.mine]), np.abs(high[self.mine]))
        width = upper[self.mine] - lower[self.mine]
        used = (rate > 0) & (width > 0)
        return float(np.sum(rate[used] * width[used]))

    def _ranges(self, program: Program) -> tuple[Vector, Vector]:
        """Column limits, those of the follower's columns without any from its rows and cones."""
        lower, upper = program.lower.copy(), program.upper.copy()
        columns, n = self.columns, len(self.columns)
        rows = program.followers.rows
        held = Rows(sp.csr_array(rows.matrix[self.rows][:, columns]), rows.lower[self.rows], rows.upper[self.rows])
        mip = SolverProgram(
            np.zeros(n), 0.0, lower[columns], upper[columns], outer_approximation.continuous(n), held, Cones.none(n), (),
            program.scale[columns],
        )  # fmt: skip
        session = outer_approximation.opened(mip)
        for at, column in enumerate(self.mine.tolist()):
            for limit, sign in ((lower, 1.0), (upper, -1.0)):
                if np.isinf(limit[column]):
                    session.set_cost(sign * (np.arange(n) == at).astype(float), 0.0)
                    outcome = outer_approximation.converge(session, self._cones(program, n))
                    if outcome.x is not None:
                        least = tolerances.SIZE_FLOOR * program.scale[column]
                        # Both ends are minima, of the column and of its negative, and go outwards by the room
                        room = tolerances.LIMIT_SAFETY * max(abs(outcome.objective), least)
                        limit[column] = sign * (outcome.objective - room)
        return lower, upper


def _wide(matrix: sp.csr_array, total: int) -> sp.csr_array:
    part = sp.csr_array(matrix)
    return sp.csr_array((part.data, part.indices, part.indptr), shape=(part.shape[0], total))


def _at(value: Vector, column: Index, total: int) -> sp.csr_array:
    """(len(value) x total) with one entry a row."""
    return sp.csr_array((value, (np.arange(len(value)), column)), shape=(len(value), total))
