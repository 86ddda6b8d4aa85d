"""Columns that are no variables: those that follow from variables, and domains with steps or gaps as columns and leader rows.

A domain is a union of pieces, cut to the variable's bounds.  One interval is a pair of bounds, one run of whole numbers an integer
column.  Anything else gets columns of its own (`Choice`):

    x = sum over pieces of low_k z_k + step_k w_k,   sum of z_k = 1,   0 <= w_k <= z_k (high_k - low_k) / step_k,   z_k binary

with w_k whole for numbers at equal distances, continuous (step 1) for an interval, and none for a single number.  With one piece
there is no z, and it may have no end.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from bilevel.errors import ModelError
from bilevel.program.domains import Piece, pieces_of, readable_bounds, shown, whole_number
from bilevel.program.rows import Mask, Vector


@dataclass(frozen=True, eq=False)
class Derived:
    """A column that follows from variables, such as the root of a quadratic of theirs, or the number 1.

    `worth` gives it from the values in the Pyomo model (None where one is missing); `size` is its expected one, NaN if unknown.
    """

    name: str
    worth: Callable[[], float | None]
    domain: Any
    bounds: tuple[float | None, float | None] = (None, None)
    size: float = math.nan

    @property
    def value(self) -> float | None:
        """What the variables' values make of it."""
        return self.worth()


@dataclass(frozen=True)
class Split:
    """A leader variable (its column) with pieces, and the first of its columns: z of every piece, then w of those with a length."""

    column: int
    name: str
    pieces: tuple[Piece, ...]
    first: int

    @property
    def long(self) -> list[int]:
        """The pieces with a w."""
        return [k for k, piece in enumerate(self.pieces) if piece.low < piece.high]

    @property
    def binaries(self) -> int:
        """How many z there are."""
        return len(self.pieces) if len(self.pieces) > 1 else 0

    @property
    def columns(self) -> int:
        """How many columns it has."""
        return self.binaries + len(self.long)

    def nearest(self, value: float) -> tuple[int, float]:
        """The piece nearest to a value, and its number that is nearest."""
        numbers = [piece.nearest(value) for piece in self.pieces]
        at = int(np.argmin([abs(number - value) for number in numbers]))
        return at, numbers[at]

    def places(self, value: float) -> list[float]:
        """What its columns are where the variable has this value, or the nearest one."""
        if not math.isfinite(value):
            return [math.nan] * self.columns
        at, number = self.nearest(value)
        z = [float(k == at) for k in range(self.binaries)]
        size = self.pieces[at].step or 1.0
        # Division leaves rounding, and the place of a step is a whole number to solvers
        place = (number - self.pieces[at].anchor) / size
        return z + [(whole_number(place) if self.pieces[k].step else place) if k == at else 0.0 for k in self.long]

    def choices(self, variable: Any) -> list["Choice"]:
        """Its columns."""
        z = [f"choice of {self.name}: {piece}" for piece in self.pieces[: self.binaries]]
        w = [f"place of {self.name} in {self.pieces[k]}" for k in self.long]
        ends = [(0.0, 1.0)] * self.binaries + [self.pieces[k].places for k in self.long]
        whole = [True] * self.binaries + [bool(self.pieces[k].step) for k in self.long]
        return [Choice(variable, self, at, name, *ends[at], whole[at]) for at, name in enumerate((*z, *w))]

    def rows(self) -> Iterator[tuple[list[tuple[int, float]], float, float, str]]:
        """Leader rows (terms, lower, upper, name)."""
        w = {k: self.first + self.binaries + at for at, k in enumerate(self.long)}
        steps = [(w[k], -(self.pieces[k].step or 1.0)) for k in self.long]
        name = f"domain of {self.name}"
        if not self.binaries:
            anchor = self.pieces[0].anchor
            yield [(self.column, 1.0), *steps], anchor, anchor, name
            return
        z = range(self.first, self.first + self.binaries)
        lows = [(column, -piece.low) for column, piece in zip(z, self.pieces, strict=True) if piece.low]
        yield [(self.column, 1.0), *lows, *steps], 0.0, 0.0, name
        yield [(column, 1.0) for column in z], 1.0, 1.0, f"{name}: one piece"
        for k in self.long:
            # Several pieces all have a low end, from which w counts: it needs no lower limit beside 0
            yield [(w[k], 1.0), (z[k], -self.pieces[k].places[1])], -np.inf, 0.0, f"{name}: {self.pieces[k]}"


@dataclass(frozen=True)
class Choice:
    """A column that says where in its domain a variable is: whether in a piece, or how far into it."""

    variable: Any
    split: Split
    at: int
    name: str
    lower: float
    upper: float
    whole: bool

    @property
    def value(self) -> float | None:
        """What the variable's value makes of it."""
        value = self.variable.value
        return None if value is None else self.split.places(float(value))[self.at]


@dataclass(frozen=True)
class Switch:
    """A follower's derived column that stands for a product of two variables (their columns): the follower's variable above `low`
    where the leader's takes the value at place `at` of all `values` that it may take, 0 where it takes another."""

    column: int
    leader: int
    follower: int
    values: tuple[float, ...]
    at: int
    low: float

    def made(self, x: float, y: float) -> float:
        """Its value at these of the leader's and the follower's variable; the leader's counts as the nearest that it may take."""
        if math.isnan(x):
            return math.nan
        taken = int(np.argmin([abs(value - x) for value in self.values]))
        return y - self.low if taken == self.at else 0.0


@dataclass(frozen=True)
class Domains:
    """The variables of a program that have a `Choice`, the number of leader rows (the last ones) that these need, and `nowhere`:
    a sentence about a variable that has no value to take, empty where there is none.

    `switches` are the followers' columns that stand for products.
    """

    splits: tuple[Split, ...] = ()
    rows: int = 0
    nowhere: str = ""
    switches: tuple[Switch, ...] = ()

    def completed(self, x: Vector) -> Vector:
        """x with the choices and products that go with the variables' values."""
        x = x.copy()
        for split in self.splits:
            x[split.first : split.first + split.columns] = split.places(float(x[split.column]))
        for switch in self.switches:
            x[switch.column] = switch.made(float(x[switch.leader]), float(x[switch.follower]))
        return x

    def settled(self, x: Vector) -> Vector:
        """x with every variable at the nearest value that it may take, as integers are rounded."""
        x = x.copy()
        for split in self.splits:
            x[split.column] = split.nearest(float(x[split.column]))[1]
        return self.completed(x)

    def outside(self, x: Vector) -> Vector:
        """How far each column is from the nearest value it may take; 0 without gaps."""
        found = np.zeros(len(x))
        for split in self.splits:
            found[split.column] = abs(split.nearest(float(x[split.column]))[1] - x[split.column])
        return found


@dataclass(frozen=True)
class Placed:
    """What domains make of the columns' bounds: those bounds, which columns are whole, the choices, and the leader rows."""

    lower: Vector
    upper: Vector
    integer: Mask
    choices: tuple[Choice, ...]
    rows: tuple[tuple[list[tuple[int, float]], float, float, str], ...]
    domains: Domains


def values_of(variable: Any, most: int) -> tuple[float, ...] | None:
    """The values that a variable may take, in order; None where there are more than `most`."""
    low, high = readable_bounds(variable)
    found: list[float] = []
    for piece in filter(None, (piece.cut(low, high) for piece in pieces_of(variable))):
        length = (piece.high - piece.low) / (piece.step or 1.0)
        # An interval has no end of values, and of a run without an end the length is none either
        if not length < most or (length and not piece.step):
            return None
        found += [piece.low + k * piece.step for k in range(round(length) + 1)]
    return tuple(sorted(set(found))) if len(set(found)) <= most else None


def place(
    variables: tuple[Any, ...], follower: Mask, lower: Vector, upper: Vector, apart: Mapping[int, tuple[float, ...]]
) -> Placed:
    """The variables' domains as bounds, integers, choices (columns from `len(variables)` on) and rows.

    `follower` marks followers' columns; columns `apart` get a choice for each of these values of theirs.  Raises `ModelError` for a
    domain that cannot be modelled, and for a follower's variable with a domain that is not one interval.
    """
    placing = _Placing(len(variables), lower.copy(), upper.copy())
    known: dict[int, tuple[Piece, ...]] = {}
    for at, variable in enumerate(variables):
        # Many variables share one domain, which has to be read once
        key = id(variable.domain)
        pieces = known[key] if key in known else known.setdefault(key, pieces_of(variable))
        if at in apart:
            pieces = tuple(Piece(value, value) for value in apart[at])
        # The ends of an interval stand among the variable's bounds already
        if len(pieces) == 1 and not pieces[0].step:
            continue
        # One run of whole numbers is an integer column of the follower's
        if follower[at] and not (len(pieces) == 1 and pieces[0].whole):
            _refuse_follower(variable, pieces)
        placing.add(at, variable, pieces)
    return placing.placed()


class _Placing:
    """Collects what the domains of leader variables need."""

    def __init__(self, count: int, lower: Vector, upper: Vector) -> None:
        self.lower, self.upper, self.whole = lower, upper, np.zeros(count, dtype=bool)
        self.splits: list[Split] = []
        self.choices: list[Choice] = []
        self.nowhere: list[str] = []

    def add(self, at: int, variable: Any, pieces: tuple[Piece, ...]) -> None:
        """One variable whose domain is more than an interval."""
        cuts = [piece.cut(float(self.lower[at]), float(self.upper[at])) for piece in pieces]
        left = tuple(dict.fromkeys(piece for piece in cuts if piece is not None))
        if not left:
            self.nowhere.append(_nowhere(variable, pieces, self.lower[at], self.upper[at]))
            # Any value will do in a program without a point
            self.lower[at] = self.upper[at] = min(max(0.0, self.lower[at]), self.upper[at])
            return
        ends = min(piece.low for piece in left), max(piece.high for piece in left)
        # A choice switches its piece off by z times the length, which has to be a number
        if len(left) > 1 and not np.isfinite(ends).all():
            raise ModelError(
                f"leader variable {variable.name!r} has gaps in its domain and no end ({shown(pieces)}): give it finite bounds"
            )
        self.lower[at], self.upper[at] = ends
        self.whole[at] = len(left) == 1 and left[0].whole
        if not self.whole[at] and (len(left) > 1 or left[0].step) and ends[0] < ends[1]:
            self.splits.append(Split(at, str(variable.name), left, len(self.lower) + len(self.choices)))
            self.choices += self.splits[-1].choices(variable)

    def placed(self) -> Placed:
        """All of it."""
        rows = [row for split in self.splits for row in split.rows()]
        # A row that nothing meets, so that the program is infeasible by a row with a name
        rows += [([], 1.0, np.inf, f"empty_domain[{k}]") for k in range(len(self.nowhere))]
        lower, upper = ([getattr(choice, side) for choice in self.choices] for side in ("lower", "upper"))
        whole = np.array([choice.whole for choice in self.choices], dtype=bool)
        return Placed(
            np.concatenate([self.lower, lower]), np.concatenate([self.upper, upper]), np.concatenate([self.whole, whole]),
            tuple(self.choices), tuple(rows), Domains(tuple(self.splits), len(rows), (self.nowhere or [""])[0]),
        )  # fmt: skip


def _refuse_follower(variable: Any, pieces: tuple[Piece, ...]) -> None:
    raise ModelError(
        f"follower variable {variable.name!r} is limited to {shown(pieces) or 'no value'}: followers decide on intervals and "
        "on whole numbers only, so write it as an integer variable, times the step, or as a sum over binary ones"
    )


def _nowhere(variable: Any, pieces: tuple[Piece, ...], lower: float, upper: float) -> str:
    what = "whole number" if pieces and all(piece.whole for piece in pieces) else "value of its domain"
    return f"leader variable {variable.name!r} has no {what} between its bounds {lower:g} and {upper:g}"
