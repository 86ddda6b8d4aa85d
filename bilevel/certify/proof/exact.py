"""A leaf's bound in fractions: multipliers moved until rates are exactly 0 where a limit is missing, and nothing is rounded."""

import math
from collections.abc import Iterable
from fractions import Fraction
from typing import Any

Line = dict[int, Fraction]


class ExactLeaf:
    """Rows of the conditions by column, and weak duality over them."""

    def __init__(self, told: Any) -> None:
        self.told = told
        self.of: list[Line] = [{} for _ in told.low]
        for row, terms in enumerate(told.exact):
            for column, value in terms.items():
                if value:
                    self.of[column][row] = value

    def bound(self, dual: Any, empty: bool, low: Any, high: Any, row_low: Any, row_high: Any) -> float:
        """What no point of a leaf is below, rounded down; minus infinity where no multipliers near these prove anything."""
        cost, left = ({}, 0.0) if empty else self.told.cost
        u = {row: Fraction(value) for row, value in enumerate(dual.tolist()) if value}
        equal = {row for row, (a, b) in enumerate(zip(row_low.tolist(), row_high.tolist(), strict=True)) if a == b}
        need: set[int] = set()
        while True:
            rate = {j: cost.get(j, Fraction(0)) - sum(v * u[r] for r, v in of.items() if r in u)
                    for j, of in enumerate(self.of)}  # fmt: skip
            unsafe = {j for j, v in rate.items() if (v > 0 and math.isinf(low[j])) or (v < 0 and math.isinf(high[j]))}
            if not unsafe:
                break
            if unsafe <= need:
                return -math.inf
            need |= unsafe
            for rows in (equal, equal | set(u)):
                moves = self._moves(need, rate, rows)
                if moves is not None:
                    break
            else:
                return -math.inf
            for row, move in moves.items():
                u[row] = u.get(row, Fraction(0)) + move
        total = Fraction(0 if empty else self.told.constant) - 2 * Fraction(left)
        for values, ends in ((u, (row_low, row_high)), (rate, (low, high))):
            for at, value in values.items():
                end = float(ends[0 if value > 0 else 1][at]) if value else 0.0
                if math.isinf(end):
                    return -math.inf
                total += value * Fraction(end)
        near = float(total)
        return near if Fraction(near) <= total else math.nextafter(near, -math.inf)

    def _moves(self, need: Iterable[int], rate: dict[int, Fraction], rows: set[int]) -> Line | None:
        """How to move multipliers of these rows so that the rates of these columns are 0; None where that cannot be."""
        pivots: list[tuple[int, Line, Fraction]] = []
        for column in sorted(need):
            line, value = {r: v for r, v in self.of[column].items() if r in rows}, rate[column]
            for at, head, head_value in pivots:
                factor = line.get(at)
                if factor:
                    for r, v in head.items():
                        line[r] = line.get(r, Fraction(0)) - factor * v
                    value -= factor * head_value
            line = {r: v for r, v in line.items() if v}
            if line:
                at = max(line, key=lambda r: abs(line[r]))
                pivots.append((at, {r: v / line[at] for r, v in line.items()}, value / line[at]))
            elif value:
                return None
        found: Line = {}
        for at, head, value in reversed(pivots):
            found[at] = value - sum(v * found[r] for r, v in head.items() if r != at and r in found)
        return found
