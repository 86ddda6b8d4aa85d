"""Where variables may be: the numbers of their domains as pieces, read from Pyomo's sets."""

import math
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from bilevel import tolerances
from bilevel.errors import ModelError

_REMEDY = "take an interval, whole numbers, or a union of finite sets and closed intervals"


@dataclass(frozen=True)
class Piece:
    """All numbers from `low` to `high`, or with a `step` those at multiples of it from `base`, which lows and highs are too."""

    low: float
    high: float
    step: float = 0.0
    base: float = 0.0

    def __str__(self) -> str:
        if self.low == self.high:
            return f"{self.low:g}"
        return f"{self.low:g} to {self.high:g}" + (f" by {self.step:g}" if self.step else "")

    @property
    def whole(self) -> bool:
        """Whether it is a run of whole numbers."""
        return self.step == 1 and self.base == round(self.base)

    @property
    def anchor(self) -> float:
        """The number that its steps are counted from."""
        return self.low if math.isfinite(self.low) else self.base

    @property
    def places(self) -> tuple[float, float]:
        """The first and last step (or distance, in an interval) from the anchor."""
        size = self.step or 1.0
        ends = (self.low - self.anchor) / size, (self.high - self.anchor) / size
        return (float(ends[0]), float(ends[1])) if not self.step else (whole_number(ends[0]), whole_number(ends[1]))

    def nearest(self, value: float) -> float:
        """Its number that is nearest to a value."""
        inside = min(max(value, self.low), self.high)
        return self.anchor + self.step * round((inside - self.anchor) / self.step) if self.step else inside

    def cut(self, lower: float, upper: float) -> "Piece | None":
        """What lies between the bounds, with a tolerance for bounds that rounding has moved; None if nothing does."""
        low, high = max(self.low, lower), min(self.high, upper)
        if self.step:
            # Rounded down by rounding its negative up, with the tolerance on the outer side
            first, last = _up((low - self.base) / self.step), -_up((self.base - high) / self.step)
            if first > last:
                return None
            return Piece(self.base + self.step * first, self.base + self.step * last, self.step, self.base)
        if low <= high:
            return Piece(low, high)
        # An end of it that a bound misses by rounding is in; where two bounds cross, nothing is
        missed = low - high <= tolerances.DOMAIN * max(1.0, abs(low)) and lower <= upper
        at = self.low if low == self.low else self.high
        return Piece(at, at) if missed else None


def _up(value: float) -> float:
    """The least whole number that is not below the value."""
    return value if math.isinf(value) else float(math.ceil(value - tolerances.DOMAIN * max(1.0, abs(value))))


def whole_number(value: float) -> float:
    """The nearest whole number of steps, which may be infinite."""
    return value if math.isinf(value) else float(round(value))


def pieces_of(variable: Any) -> tuple[Piece, ...]:
    """A variable's domain, intervals that meet as one; refuses what holds more than numbers, or an interval without its end."""
    step = None
    try:
        ranges = list(variable.domain.ranges())
        with suppress(TypeError, AttributeError, IndexError):
            # Pyomo cannot tell for every union of sets
            step = variable.domain.get_interval()[2]
    except Exception as error:
        raise ModelError(f"variable {variable.name!r} has a domain that cannot be read ({error}): {_REMEDY}") from error
    if not all(hasattr(one, "step") for one in ranges):
        raise ModelError(
            f"variable {variable.name!r} has domain {str(variable.domain)[:60]}, which holds more than numbers: {_REMEDY}"
        )
    found = sorted((_piece(one) for one in ranges), key=lambda piece: (piece.low, piece.high))
    # Solvers know no strict limits: a lone interval is closed, but between pieces that could fill a gap
    if len(ranges) > 1 and any(_open(one) for one in ranges):
        raise ModelError(
            f"variable {variable.name!r} has an interval without its end in its domain ({shown(found)}): {_REMEDY}"
        )
    if step:
        # Numbers at equal distances, however many ranges they come in
        base = next((p.base for p in found if p.step), found[0].low)
        return (Piece(found[0].low, max(piece.high for piece in found), float(step), base),)
    joined: list[Piece] = []
    for piece in found:
        last = joined[-1] if joined and not (joined[-1].step or piece.step) else None
        if last is not None and piece.low <= last.high:
            joined[-1] = Piece(last.low, max(last.high, piece.high))
        else:
            joined.append(piece)
    return tuple(joined)


def _piece(one: Any) -> Piece:
    # Steps may go down, as those of all integers do from 0 to -inf; they count from the start
    low, high = sorted((float(one.start), float(one.end)))
    return Piece(low, high, abs(float(one.step)), float(one.start) if one.step else 0.0)


def _open(one: Any) -> bool:
    return any(not closed and math.isfinite(end) for closed, end in zip(one.closed, (one.start, one.end), strict=True))


def shown(pieces: Iterable[Piece]) -> str:
    """Pieces in a message."""
    text = ", ".join(map(str, pieces))
    return text if len(text) <= 60 else f"{text[:60]}..."


def readable_bounds(variable: Any) -> tuple[float, float]:
    """A variable's bounds, infinite where there are none; refuses those that cannot be evaluated."""
    try:
        low, high = variable.bounds
        return -math.inf if low is None else float(low), math.inf if high is None else float(high)
    except Exception as error:
        said = (str(error).strip().splitlines() or [""])[0]
        raise ModelError(
            f"the bounds of variable {variable.name!r} cannot be evaluated ({said[:120]}): check their data and its domain"
        ) from error


def require_fixed_inside(variable: Any) -> None:
    """Refuses a fixed variable outside of its bounds or its domain."""
    low, high = readable_bounds(variable)
    value = float(variable.value)
    size = max([abs(value), *(abs(end) for end in (low, high) if math.isfinite(end))])
    room = max(tolerances.DOMAIN, tolerances.FEASIBILITY * size)
    off = min((abs(piece.nearest(value) - value) for piece in pieces_of(variable)), default=math.inf)
    if not (low - room <= value <= high + room and off <= room):
        where = "bounds" if not low - room <= value <= high + room else "domain"
        raise ModelError(
            f"variable {variable.name!r} is fixed at {value:g}, outside of its {where}: fix it inside, or change its {where}"
        )
