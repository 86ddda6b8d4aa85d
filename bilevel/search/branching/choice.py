"""What to branch on: an integer that is not whole, else the pair whose sides promise the most.

What fixing a side of a pair raises the bound by, over the slack or multiplier that it takes away, is much the same all over the
tree: these are pseudo-costs (Benichou et al. 1971).  Until a pair has some, both of its sides are solved to learn them, the most
promising pairs first (reliability branching, Achterberg, Koch and Martin 2005, doi 10.1016/j.orl.2004.04.002).
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from bilevel import tolerances
from bilevel.program.rows import Index, Mask, Vector
from bilevel.program.solver_program import SolverProgram
from bilevel.reformulate.single_level import Reformulation
from bilevel.search.branching.fixing import idle, least_cost
from bilevel.search.branching.part import Subproblem
from bilevel.search.sides import Sides

RELIABLE, RELIABLE_SOON = 4, 2
"""Looks at a side of a pair after which its pseudo-cost stands for more of them; in a tree of few nodes."""

MOST_LOOKS, LOOKS_AHEAD, LOOKS_AHEAD_SECURE = 12, 4, 2
"""Pairs of a node whose sides are solved, at most, and in a row without one that promises more; the same of secure answers."""


WITHOUT_POINT = 0.1
"""What a side without a point is worth over the bound, while there is no incumbent."""


@dataclass
class PseudoCosts:
    """What fixing each side of each pair raised the bound by, per unit taken away: sums and counts, (2, pairs), slack first."""

    total: NDArray[np.float64]
    count: NDArray[np.float64]

    @staticmethod
    def none(pairs: int) -> "PseudoCosts":
        """Nothing learnt."""
        return PseudoCosts(np.zeros((2, pairs)), np.zeros((2, pairs)))

    def learn(self, side: int, pair: int, gain: float, taken: float) -> None:
        """The bound rose by `gain` where this side took `taken` to 0."""
        if taken > 0 and np.isfinite(gain):
            self.total[side, pair] += max(gain, 0.0) / taken
            self.count[side, pair] += 1

    def expected(self, pairs: Index, taken: NDArray[np.float64]) -> NDArray[np.float64]:
        """Gain of each side of these pairs, (2, count); where nothing is known, as the mean of all pairs."""
        known = self.count.sum(axis=1, keepdims=True)
        mean = np.where(known > 0, self.total.sum(axis=1, keepdims=True) / np.maximum(known, 1.0), 1.0)
        count = self.count[:, pairs]
        rate = np.where(count > 0, self.total[:, pairs] / np.maximum(count, 1.0), mean)
        return np.asarray(rate * taken)

    def reliable(self, pair: int, looks: int) -> bool:
        """Whether both sides were looked at so often."""
        return bool(self.count[:, pair].min() >= looks)


@dataclass
class Choice:
    """`open_pairs(x)` scores how far each pair is from complementary (0 where it is); `solve(sides)` gives the value of a part, and
    infinity where there is no point; `cutoff()` is the value from which parts are of no use; `reliable`: looks that are enough;
    `ahead`: looks in a row that may find nothing."""

    form: Reformulation
    open_pairs: Callable[[Vector], Vector]
    solve: Callable[[Sides], float]
    cutoff: Callable[[], float]
    reliable: int = RELIABLE
    ahead: int = LOOKS_AHEAD
    costs: PseudoCosts = field(init=False)

    def __post_init__(self) -> None:
        """Nothing is learnt yet."""
        self.costs = PseudoCosts.none(self.form.kkt.pairs.count)

    def split(
        self,
        mip: SolverProgram,
        part: Subproblem,
        x: Vector,
        reduced_cost: Vector | None = None,
        row_dual: Vector | None = None,
    ) -> tuple[Subproblem, ...]:
        """Parts that take the place of this one, whose optimum is at x, most promising last; none where nothing is open at x."""
        whole = self.form.program.part_of(x)[self.form.program.integer]
        off = np.abs(whole - np.round(whole))
        if off.max(initial=0.0) > tolerances.SOLVER_INTEGRALITY:
            halves = self._halves(mip, part.sides, int(off.argmax()), float(whole[off.argmax()]))
            return tuple(replace(part, sides=half) for half in halves)
        score = np.where(part.sides.slack_zero | part.sides.dual_zero, 0.0, self.open_pairs(x))
        if not score.any():
            return ()
        out: tuple[Subproblem, ...] = ()
        if self.form.secure is not None and reduced_cost is not None:
            part, out = self._fixed(part, x, reduced_cost)
        candidates = np.flatnonzero((score > 0) & ~part.sides.dual_zero)
        # Where all that was open is fixed, the part is solved again
        useless = None if row_dual is None else idle(self.form, row_dual)[candidates]
        left = self._best_pair(part, x, candidates, score[candidates], useless) if len(candidates) else (part,)
        return (*out, *left)

    def _fixed(self, part: Subproblem, x: Vector, reduced_cost: Vector) -> tuple[Subproblem, tuple[Subproblem, ...]]:
        """The part with a multiplier of 0 wherever a slack of 0 costs too much, and what that leaves out, as a part of its own.

        That one has the sides of the part itself and the least that a slack of 0 costs: a division holds all of its parts.
        """
        decided = part.sides.slack_zero | part.sides.dual_zero
        worth = part.value + least_cost(self.form, x, reduced_cost)
        closed = np.flatnonzero(~decided & (worth >= self.cutoff()))
        if not len(closed):
            return part, ()
        left = part.sides
        for pair in closed.tolist():
            left = self.sides_of(left, pair)[1]
        out = replace(part, value=float(worth[closed].min()), reduced_cost=None, basis=None)
        return replace(part, sides=left), (out,)

    def _best_pair(
        self, part: Subproblem, x: Vector, pairs: Index, score: Vector, useless: Mask | None = None
    ) -> tuple[Subproblem, ...]:
        """The two sides of the pair that promises the most, or one where the other has no point that counts; `useless` last."""
        taken, expected = self._expected(part, x, pairs, useless)
        least = tolerances.NOT_ZERO * max(1.0, abs(part.value))
        # Where bounds do not move, the pair that is furthest from complementary goes first
        order = np.lexsort((-score, -promise(expected, least)))
        best, promised, behind, looks = int(order[0]), -1.0, 0, 0
        values = {}
        for at in order.tolist():
            gains = expected[:, at]
            if not self.costs.reliable(int(pairs[at]), self.reliable):
                if looks >= MOST_LOOKS:
                    continue
                looks += 1
                found = self._look(part, int(pairs[at]), taken[:, at])
                values[at] = found
                closed = [value >= self.cutoff() for value in found]
                if any(closed):
                    return self._left(part, int(pairs[at]), found, closed)
                gains = np.maximum(np.array(found) - part.value, 0.0)
            worth = float(promise(gains[:, None], least)[0])
            if worth > promised:
                best, promised, behind = at, worth, 0
            else:
                behind += 1
                if behind >= self.ahead:
                    break
        halves = self.sides_of(part.sides, int(pairs[best]))
        ends = values.get(best, (part.value, part.value))
        children = [
            replace(part, sides=half, value=max(part.value, end)) for half, end in zip(halves, ends, strict=True)
        ]
        gain = np.array(values[best]) - part.value if best in values else expected[:, best]
        # The side that costs less is more likely to hold the optimum
        return tuple(children[::-1] if gain[0] < gain[1] else children)

    def _expected(
        self, part: Subproblem, x: Vector, pairs: Index, useless: Mask | None
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """What each side takes away, and what it is expected to raise the bound by, (2, pairs)."""
        taken = np.abs(np.stack([self.form.kkt.pairs.slack(x)[pairs], x[self.form.kkt.pairs.dual[pairs]]]))
        expected = self.costs.expected(pairs, taken)
        if self.form.secure is not None:
            # A side is closed at the cutoff; what it costs beyond would hide what the other side lacks
            expected = np.minimum(expected, self.cutoff() - part.value)
        if useless is not None:
            expected[:, useless] = 0.0
        return taken, expected

    def _look(self, part: Subproblem, pair: int, taken: Vector) -> tuple[float, ...]:
        found = tuple(self.solve(half) for half in self.sides_of(part.sides, pair))
        # A side without a point is worth as much as one that reaches the incumbent
        most = self.cutoff() if np.isfinite(self.cutoff()) else part.value + WITHOUT_POINT * abs(part.value)
        for side, value in enumerate(found):
            self.costs.learn(side, pair, min(value, most) - part.value, float(taken[side]))
        return found

    def _left(
        self, part: Subproblem, pair: int, values: tuple[float, ...], closed: list[bool]
    ) -> tuple[Subproblem, ...]:
        """Both sides with their values, the closed ones too: a division holds all of its parts."""
        halves = self.sides_of(part.sides, pair)
        children = [
            replace(part, sides=half, value=max(part.value, value)) for half, value in zip(halves, values, strict=True)
        ]
        return tuple(children[::-1] if closed[1] else children)

    def _halves(self, mip: SolverProgram, sides: Sides, integer: int, value: float) -> tuple[Sides, Sides]:
        """The integer column of this rank at most and at least a whole value."""
        program = self.form.program
        low, high = sides.integers or (program.part_of(mip.lower)[program.integer],
                                       program.part_of(mip.upper)[program.integer])  # fmt: skip
        down, up = high.copy(), low.copy()
        down[integer], up[integer] = np.floor(value), np.floor(value) + 1.0
        step = -1 - int(np.flatnonzero(program.integer)[integer]), float(np.floor(value))
        below, above = ((*sides.trail, (step[0], side, step[1])) for side in (0, 1))
        return replace(sides, integers=(low, down), trail=below), replace(sides, integers=(up, high), trail=above)

    def sides_of(self, sides: Sides, pair: int) -> tuple[Sides, Sides]:
        """With the slack of a pair at zero, and with its multiplier at zero."""
        slack_zero, dual_zero = (mask.copy() for mask in (sides.slack_zero, sides.dual_zero))
        slack_zero[pair] = dual_zero[pair] = True
        held = sides.dual_zero.copy()
        twin = int(self.form.kkt.pairs.twin[pair])
        if twin >= 0:
            # What is at one of its two limits has room to the other
            held[twin] = True
        first, second = ((*sides.trail, (pair, side, 0.0)) for side in (0, 1))
        return replace(sides, slack_zero=slack_zero, dual_zero=held, trail=first), replace(
            sides, dual_zero=dual_zero, trail=second
        )

    def doubtful(self, sides: Sides, x: Vector) -> tuple[Sides, ...]:
        """Both sides of the undecided pair that is furthest from complementary, however little that is; none where all are
        decided."""
        pairs = self.form.kkt.pairs
        undecided = np.flatnonzero(~(sides.slack_zero | sides.dual_zero))
        if not len(undecided):
            return ()
        product = np.abs(pairs.slack(x) * x[pairs.dual])[undecided]
        return self.sides_of(sides, int(undecided[product.argmax()]))


def promise(gains: NDArray[np.float64], least: float) -> Vector:
    """The product of what both sides of pairs raise the bound by, (2, pairs): neither side may stay where it was."""
    return np.asarray(np.prod(np.maximum(gains, least), axis=0))
