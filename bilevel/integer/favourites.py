"""The leader's best of the followers' best answers at a decision."""

import numpy as np

from bilevel import budget, tolerances
from bilevel.integer.draft import Draft
from bilevel.integer.oracle import Face, FollowerOracle, Reply
from bilevel.integer.problem import Problem
from bilevel.integer.solving import WALLS
from bilevel.program.rows import Index, Vector
from bilevel.relax import outer_approximation, tangent
from bilevel.solvers import Outcome, SessionFactory
from bilevel.solvers.scaling.scaled import Scaled


class Favourites:
    """One living session: what followers see is held, and each pays no more than its best answer costs.

    Integers are chosen by branch and bound under a row for every cost, which a solver keeps by its tolerance; then they are held,
    and the rest follows on the faces of the best answers, which take no tolerance.
    """

    def __init__(self, problem: Problem, oracles: list[FollowerOracle], solver: SessionFactory) -> None:
        self.problem, self.oracles, program = problem, oracles, problem.program
        draft = Draft(problem.base.columns)
        for at, cost in enumerate(problem.costs):
            draft.row(dict(cost), -np.inf, np.inf, f"cost of {program.followers.names[at]}")
        objective = {int(at): float(problem.base.cost[at]) for at in np.flatnonzero(problem.base.cost)}
        draft.row(objective, -np.inf, np.inf, "objective")
        self.mip = draft.on(problem.base)
        self.cost_rows = np.arange(problem.base.rows.count, problem.base.rows.count + len(oracles))
        self.size = program.followers.cost_size(program.least_size)
        self.cones = program.cones.widened(self.mip.columns)
        self.session = Scaled(solver.open())
        self.session.load(self.mip)

    def at(self, x: Vector, replies: list[Reply]) -> Vector | None:
        """The point, over the program's columns; None where the followers' best answers suit no row of the leader's."""
        linking = self.problem.linking
        self._hold(linking, x[linking], x[linking])
        self._pay(np.array([reply.cost for reply in replies]))
        point = self._solved(integer=True)
        point = None if point is None else self._on_faces(x, point, replies)
        if point is None:
            # What was just too dear by the solver's tolerance: with the integers of the answers themselves
            point = self._with_own_integers(x, replies)
        if point is not None:
            point = self._tight(point)
        self._free()
        return None if point is None else self.problem.program.within(point[: self.problem.program.columns])

    def _tight(self, point: Vector) -> Vector:
        """A point whose cones that stand for equalities are not loose for nothing: as good, with the least factors."""
        cones, program, mip = self.cones, self.problem.program, self.mip
        if not cones.relaxes_equality.any() or cones.gaps(point)[cones.relaxes_equality].max() <= tolerances.CONE_GAP:
            return point
        held = np.union1d(np.union1d(program.followers.columns, self.problem.linking), np.flatnonzero(mip.integer))
        self._hold(held, point[held], point[held])
        self._pay(np.full(len(self.size), np.inf))
        row, value = self.cost_rows[-1:] + 1, float(mip.cost @ point)
        size = max(abs(value + mip.offset), program.objective_floor(point[: program.columns]))
        self.session.set_row_bounds(row, np.array([-np.inf]), np.array([value + tolerances.AS_GOOD * size]))
        factors = cones.relaxes_equality / np.maximum(cones.w_scale, tolerances.LEAST_SIZE)
        self.session.set_cost(np.asarray(factors @ cones.w), 0.0)
        found = self._solved(integer=False)
        self.session.set_cost(mip.cost, mip.offset)
        self.session.set_row_bounds(row, np.array([-np.inf]), np.array([np.inf]))
        return point if found is None else np.where(mip.integer, np.round(point), found)

    def _on_faces(self, x: Vector, point: Vector, replies: list[Reply]) -> Vector | None:
        """The rest of a point by a linear program, its integers held; None where these are not best ones."""
        faces = [oracle.face(x, point) for oracle in self.oracles]
        if any(face is None or self._dear(at, face, replies[at]) for at, face in enumerate(faces)):
            return None
        whole = np.flatnonzero(self.mip.integer)
        self._hold(whole, np.round(point[whole]), np.round(point[whole]))
        for face in faces:
            if face is not None:
                self._hold(face.columns, face.lower, face.upper)
                self.session.set_row_bounds(face.rows, face.row_lower, face.row_upper)
        self._pay(np.full(len(replies), np.inf))
        rest = self._solved(integer=False)
        rows = self.problem.program.followers.rows
        self.session.set_row_bounds(np.arange(rows.count), rows.lower, rows.upper)
        return None if rest is None else np.where(self.mip.integer, np.round(point), rest)

    def _with_own_integers(self, x: Vector, replies: list[Reply]) -> Vector | None:
        self._free()
        linking = self.problem.linking
        self._hold(linking, x[linking], x[linking])
        for oracle, reply in zip(self.oracles, replies, strict=True):
            whole = oracle.columns[oracle.own.integer]
            if reply.y is not None:
                self._hold(whole, reply.y[whole], reply.y[whole])
        self._pay(np.array([reply.cost for reply in replies]))
        point = self._solved(integer=True)
        return None if point is None else self._on_faces(x, point, replies)

    def _dear(self, at: int, face: Face, reply: Reply) -> bool:
        return face.cost - reply.cost > ROOM * tolerances.WHOLE_FOLLOWER * max(abs(reply.cost), float(self.size[at]))

    def _pay(self, most: Vector) -> None:
        room = tolerances.OBJECTIVE_ROUNDING * np.where(np.isfinite(most), np.maximum(np.abs(most), self.size), 0.0)
        self.session.set_row_bounds(self.cost_rows, np.full(len(most), -np.inf), most + room)

    def _hold(self, columns: Index, lower: Vector, upper: Vector) -> None:
        self.session.set_column_bounds(columns, lower, upper)

    def _free(self) -> None:
        self._hold(np.arange(self.mip.columns), self.mip.lower, self.mip.upper)

    def _solved(self, integer: bool) -> Vector | None:
        def once() -> Outcome:
            return self.session.solve(integer, 0.0, budget.seconds(), False, budget.watch())

        def solve() -> Outcome:
            return outer_approximation.walled(once, self.session.add_rows, self.cones, WALLS)

        def over() -> bool:
            return budget.seconds() <= 0 or budget.watch().stop()

        return outer_approximation.rounds(solve, self.session.add_rows, tangent.cuts, self.cones, over=over).x


ROOM = 0.1
"""Of what a certificate allows a follower to pay above its least: integers are held that cost no more."""
