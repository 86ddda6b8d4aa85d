"""The pessimistic problem by the cells of the leader's decisions in which the same answers tie.

Every decision has one partition of the pairs into those whose slack is 0 at all its ties and those whose multiplier is 0 at all of
them (Goldman and Tucker: some optimal answer and multipliers are strictly complementary).  The decisions of one partition are a
cell, and the ties of each are the answers with these slacks at 0.  In a cell the worst tie is linear, so that its infimum is
attained on the cell's closure; it is attained by a decision where a best point of the closure is strict itself.  The least over all
cells is the pessimistic infimum, whether or not any decision has it.

The cells are the leaves of a tree over pairs.  A part is left where its linear relaxation is no better than the best decision
known, or where no point of it is strict.  Followers are linear here, and the leader's columns continuous.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from bilevel import tolerances
from bilevel.errors import ModelError
from bilevel.pessimistic.systems import at_least, closed, of_ties, opened, strict
from bilevel.program.rows import Mask, Vector
from bilevel.reformulate.single_level import Reformulation
from bilevel.search.sides import Sides, incomplementarity

STRICTNESS = (1e-3, 1e-5, 1e-6, 3e-7)
"""Of decisions that come to an infimum that none attains: their least slacks and multipliers, in their size, and how far they are
on the way from a best point of the cell's closure to its strictest one.  Under 1e-7 answers tie for a certificate."""


@dataclass(frozen=True)
class Cell:
    """One cell: its infimum, decisions (program columns) that have it or come to it, and whether one has it.

    Where the ties of a cell have no linear worst, `exact` is False and the infimum is a lower bound.
    """

    infimum: float
    decisions: tuple[Vector, ...]
    attained: bool
    exact: bool


@dataclass(frozen=True)
class Infimum:
    """What the cells say: no decision has a worst tie below `bound`; the cells with the least infima, best first."""

    bound: float
    cells: tuple[Cell, ...]
    complete: bool

    def attained(self, gap: float, floor: float) -> bool:
        """Whether some decision is known to have the infimum, within the gap."""
        return any(
            cell.exact and cell.attained and cell.infimum <= self.bound + gap * max(abs(self.bound), floor)
            for cell in self.cells
        )


def refuse(form: Reformulation) -> None:
    """Raises `ModelError` where cells say nothing: for followers that are not linear, and for integers."""
    stack = form.program.followers
    if stack.quadratic.nnz or stack.cones.count or form.program.cones.count or form.mip.cones.count:
        raise ModelError("cells of decisions need linear rows and costs")
    if form.program.integer.any():
        raise ModelError("cells of decisions need continuous variables of the leader")
    if len(form.program.links.column):
        raise ModelError("cells of decisions leave no choice of multipliers to the leader")
    if form.mip.products is not None:
        raise ModelError("cells of decisions need products that optimality conditions make linear")


def infimum(form: Reformulation, upper: float, gap: float, over: Callable[[], bool]) -> Infimum:
    """The pessimistic infimum, minimised, where `upper` is what some decision has; raises `ModelError` as `refuse` does."""
    refuse(form)
    return _Tree(form, upper, gap, over).run()


class _Tree:
    """Parts still to be looked at, the last one first."""

    def __init__(self, form: Reformulation, upper: float, gap: float, over: Callable[[], bool]) -> None:
        self.form, self.upper, self.gap, self.over = form, upper, gap, over
        self.base = opened(form)
        self.floor = form.program.objective_floor(None)
        self.cells: list[Cell] = []

    def run(self) -> Infimum:
        none = np.zeros(self.form.kkt.pairs.count, dtype=bool)
        parts = [(-np.inf, Sides(none, none))]
        bound = np.inf
        while parts:
            if self.over():
                bound = min(bound, *(value for value, _ in parts))
                break
            value, sides = parts.pop()
            if value >= self._cutoff():
                bound = min(bound, value)
                continue
            parts += self._look(sides)
        known = sorted(self.cells, key=lambda cell: (cell.infimum, not cell.attained))
        return Infimum(min([bound, *(cell.infimum for cell in known)]), tuple(known), not parts)

    def _cutoff(self) -> float:
        """Parts of at least this say nothing new: of an infimum that no decision is known to have, others may have it."""
        had = min([self.upper, *(cell.infimum for cell in self.cells if cell.exact and cell.attained)])
        near = min([had, *(cell.infimum for cell in self.cells if cell.exact)])
        if not np.isfinite(near):
            return np.inf
        room = self.gap * max(abs(near), self.floor)
        return near - room if had <= near + room else near + room

    def _look(self, sides: Sides) -> list[tuple[float, Sides]]:
        """Both halves of a part, the one to look at first last; none where it is empty, or a cell."""
        relaxed = closed(self.base, self.form, sides).least()
        # Beside a large cost what keeps answers from ties is a small share of it: little room is not none
        if relaxed.empty or strict(self.base, self.form, sides).most().room <= tolerances.LEAST_SIZE:
            return []
        if relaxed.value >= self._cutoff():
            return [(relaxed.value, sides)]
        undecided = ~(sides.slack_zero | sides.dual_zero)
        if not undecided.any():
            self._cell(sides)
            return []
        x = relaxed.x
        far = np.where(undecided, 1.0 if x is None else tolerances.NOT_ZERO + incomplementarity(self.form, x), -1.0)
        at = int(np.argmax(far))
        return [(relaxed.value, half) for half in _halves(self.form, sides, at)]

    def _cell(self, sides: Sides) -> None:
        """The infimum of a cell whose pairs are all decided, unless no decision of it keeps the leader's rows."""
        system, exact = of_ties(self.base, self.form, sides)
        best, inner = closed(system, self.form, sides).least(), strict(system, self.form, sides).most()
        if best.empty or inner.room <= tolerances.LEAST_SIZE:
            return
        n = self.form.program.columns
        if inner.room <= tolerances.STRICT:
            # Rounding may be all that the cell is
            self.cells.append(Cell(best.value, () if inner.x is None else (inner.x[:n],), False, False))
            return
        if best.x is None or inner.x is None:
            self.cells.append(Cell(best.value, () if inner.x is None else (inner.x[:n],), False, exact))
            return
        room = tolerances.BOUND_MEETS * max(abs(best.value), self.floor)
        own = strict(system, self.form, sides, best.value + room).most()
        attained = own.room > tolerances.PAIR_SIDE and own.x is not None
        far: list[Vector | None] = [own.x]
        if not attained:
            far = [best.x + step * (inner.x[: len(best.x)] - best.x) for step in STRICTNESS]
            far += [at_least(system, self.form, sides, step).x for step in STRICTNESS]
        self.cells.append(Cell(best.value, tuple(x[:n] for x in far if x is not None), attained, exact))


def _halves(form: Reformulation, sides: Sides, at: int) -> list[Sides]:
    """The pair's slack at 0, with its twin's multiplier, as there is room between two limits; its multiplier at 0."""
    slack, dual, twin = sides.slack_zero.copy(), sides.dual_zero.copy(), int(form.kkt.pairs.twin[at])
    slack[at] = True
    if twin >= 0:
        dual[twin] = True
    other: Mask = sides.dual_zero.copy()
    other[at] = True
    return [replace(sides, dual_zero=other), Sides(slack, dual)]
