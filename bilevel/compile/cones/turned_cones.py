"""Second-order cones that no pattern shows: quadratic rows with one negative eigenvalue, whose larger side keeps one sign.

A row q(x) <= 0 is z'Hz <= 0 with z = (x, 1).  Where H has exactly one negative eigenvalue, its points are a double cone, and
every linear g'z with g'H^-1 g < 0 is zero on it at the tip alone: H + g g' / -(g'H^-1 g) is positive semidefinite, so that with g'z
>= 0 the row is a sum of squares <= (g'z)^2 / -(g'H^-1 g).
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
from scipy.linalg import null_space
from scipy.optimize import nnls

from bilevel import tolerances
from bilevel.compile.arrays import bounds
from bilevel.compile.columns import Columns, RowList
from bilevel.compile.cones.quadratic_rows import Affine, ConeBuilder, Quadratic, Told, least, with_one
from bilevel.errors import ModelError
from bilevel.program import implied
from bilevel.program.rows import Rows, Vector
from bilevel.program.sparse import row_of

_CONSTANT = 1e5
"""How much more it counts that a sum is constant where it has to be; what is left of the rest is one over its square."""

_SWEEPS = 4
"""Rounds of scaling to entries of about one; more change little."""


@dataclass(frozen=True)
class TurnedCone:
    """The row z'Hz <= 0 over `columns`, then the number 1; `unit` scales H to entries of about one."""

    columns: list[int]
    matrix: np.ndarray
    unit: Vector

    @property
    def scaled(self) -> np.ndarray:
        """The matrix in its units."""
        return self.matrix * np.outer(self.unit, self.unit)

    def parts(self, rows: Rows, lower: Vector, upper: Vector) -> tuple[list[Affine], Affine] | None:
        """(squares, larger side) with squares <= side^2 and side >= 0, by what these rows and limits of columns tell.

        None where they do not tell the sign of the larger side.
        """
        values, vectors = np.linalg.eigh(self.scaled)
        used = np.abs(values) > tolerances.EIGENVALUE_NOTHING * np.abs(values).max()
        # In these axes z'Hz is -a^2 + b^2 + c^2 + ..., and so is g'H^-1 g in theirs
        axes = vectors[:, used] / np.sqrt(np.abs(values[used]))
        known = [each for each in self._sides(vectors[:, 0]) if self._is_known(each, lower, upper)]
        # Nothing is as near to what was written as one of its own columns with what completes its square
        for side in known:
            if self._is_inside(axes, side):
                return self._around(axes, side)
        best = self._deepest(axes, [*known, *self._told(rows, lower, upper)])
        return None if best is None else self._around(axes, best)

    def _sides(self, vector: Vector) -> Iterator[Vector]:
        """Functions of the row itself whose sign may be known: its derivatives, and its negative eigenvector."""
        for j in np.flatnonzero(np.diag(self.matrix) <= 0).tolist():
            if self.matrix[j].any():
                yield -self.matrix[j]
        for sign in (1.0, -1.0):
            yield sign * vector / self.unit

    def _affine(self, side: Vector) -> Affine:
        terms = {column: float(value) for column, value in zip(self.columns, side[:-1], strict=True) if value}
        return terms, float(side[-1])

    def _is_known(self, side: Vector, lower: Vector, upper: Vector) -> bool:
        affine = self._affine(side)
        low = least(affine, lower, upper)
        # Coefficients of what was multiplied out are rounded, and what is 0 by them may be less
        ends = [value * (lower if value > 0 else upper)[column] for column, value in affine[0].items()]
        if not np.isfinite(low):
            return False
        return bool(low >= -tolerances.COEFFICIENT_ROUNDING * (float(np.abs(ends).sum()) + abs(affine[1])))

    def _told(self, rows: Rows, lower: Vector, upper: Vector) -> Iterator[Vector]:
        """Functions that limits of columns, and rows over the same columns, keep at least 0."""
        place = {column: k for k, column in enumerate(self.columns)}
        unit = np.eye(len(self.columns) + 1)
        for column, k in place.items():
            if np.isfinite(lower[column]):
                yield unit[k] - lower[column] * unit[-1]
            if np.isfinite(upper[column]):
                yield upper[column] * unit[-1] - unit[k]
        matrix = rows.matrix
        mine = np.isin(matrix.indices, self.columns)
        count = np.bincount(row_of(matrix)[mine], minlength=rows.count)
        for at in np.flatnonzero((count > 0) & (count == np.diff(matrix.indptr))).tolist():
            ends = slice(matrix.indptr[at], matrix.indptr[at + 1])
            side = np.zeros(len(unit))
            np.add.at(side, [place[column] for column in matrix.indices[ends].tolist()], matrix.data[ends])
            if np.isfinite(rows.lower[at]):
                yield side - rows.lower[at] * unit[-1]
            if np.isfinite(rows.upper[at]):
                yield rows.upper[at] * unit[-1] - side

    def _is_inside(self, axes: np.ndarray, side: Vector) -> bool:
        """Whether g'H^-1 g < 0, for a function that the row knows of."""
        g = axes.T @ (side * self.unit)
        return self._is_known_of(axes, side) and bool(g[0] ** 2 - g[1:] @ g[1:] > tolerances.CONE_NOTHING * (g @ g))

    def _is_known_of(self, axes: np.ndarray, side: Vector) -> bool:
        """Whether the function is constant where the row is."""
        g = side * self.unit
        span = np.linalg.lstsq(axes, g, rcond=None)[0]
        return bool(np.abs(axes @ span - g).max() <= tolerances.CONE_NOTHING * np.abs(g).max())

    def _deepest(self, axes: np.ndarray, known: list[Vector]) -> Vector | None:
        """The sum of multiples of known functions that lies deepest among those with one sign on the cone."""
        sides = np.array([side for side in known if side.any()]).reshape(-1, len(self.unit))
        if not len(sides):
            return None
        scaled = sides * self.unit
        # Where the row is constant, the sum has to be so too
        table = np.hstack([scaled @ axes, _CONSTANT * scaled @ null_space(axes.T)])
        length = np.linalg.norm(table, axis=1)
        for sign in (1.0, -1.0):
            # Functions of one sign are all within 45 degrees of the first axis, so that the sum nearest to it tells
            try:
                weight, _ = nnls((table / length[:, None]).T, sign * np.eye(table.shape[1])[0])
            except RuntimeError:
                # It ends without an answer where signs circle; then none is known
                continue
            side = np.asarray((weight / length) @ sides)
            if weight.any() and self._is_inside(axes, side):
                return side
        return None

    def _around(self, axes: np.ndarray, side: Vector) -> tuple[list[Affine], Affine]:
        g = axes.T @ (side * self.unit)
        larger = side * self.unit / np.sqrt(g[0] ** 2 - g[1:] @ g[1:])
        rest = self.scaled + np.outer(larger, larger)
        # What a completed square cancels leaves its rounding
        rest[np.abs(rest) <= tolerances.COEFFICIENT_ROUNDING * np.abs(rest).max()] = 0.0
        values, vectors = np.linalg.eigh(rest)
        kept = np.flatnonzero(values > tolerances.EIGENVALUE_NOTHING * values.max(initial=0.0))
        squares = [self._affine(np.sqrt(values[k]) * vectors[:, k] / self.unit) for k in kept.tolist()]
        return squares, self._affine(larger / self.unit)


def turned_cone(terms: Quadratic, linear: dict[int, float], limit: float) -> TurnedCone | None:
    """The row quadratic + linear <= limit, None where its matrix has another number of negative eigenvalues than one."""
    columns = sorted(
        {column for key in terms for column in key} | {column for column, value in linear.items() if value}
    )
    at = {column: k for k, column in enumerate(columns)}
    n = len(columns)
    matrix = np.zeros((n + 1, n + 1))
    for (i, j), value in terms.items():
        matrix[at[i], at[j]] += value / 2
        matrix[at[j], at[i]] += value / 2
    for column, value in linear.items():
        if value:
            matrix[at[column], n] = matrix[n, at[column]] = value / 2
    matrix[n, n] = -limit
    unit = np.ones(n + 1)
    for _ in range(_SWEEPS):
        size = np.abs(matrix * np.outer(unit, unit)).max(axis=1)
        unit /= np.sqrt(np.where(size > 0, size, 1.0))
    form = TurnedCone(columns, matrix, unit)
    values = np.linalg.eigvalsh(form.scaled)
    negative = values < -tolerances.COEFFICIENT_ROUNDING * (n + 1) * np.abs(values).max(initial=0.0)
    return form if int(negative.sum()) == 1 else None


def refuse_turned(name: str, obstacle: str | None = None) -> None:
    """A follower's row has to be a cone; `obstacle` says why it is nothing else, where that is known."""
    raise ModelError(
        obstacle
        or f"row {name!r} is quadratic and a cone only where its larger side keeps one sign, which no bounds and no rows that its "
        "follower knows tell: give its variables bounds, or a row that keeps that side at least 0"
    )


@dataclass(frozen=True)
class _Row:
    form: TurnedCone
    cones: ConeBuilder
    level: int
    name: str
    otherwise: Callable[[], None]


class TurnedRows:
    """Rows that may be turned cones, kept until all rows are known, as these tell signs."""

    def __init__(self) -> None:
        self.rows: list[_Row] = []

    def keep(
        self, cones: ConeBuilder, terms: Quadratic, linear: list[tuple[int, float]], limits: tuple[float, float], name: str,
        otherwise: Callable[[], None],
    ) -> bool:  # fmt: skip
        """Whether a row lower <= quadratic + linear <= upper may be one of `cones`.

        `otherwise` is done where it proves to be none.
        """
        lower, upper = limits
        if np.isfinite(lower) == np.isfinite(upper):
            return False
        side, limit = (1.0, upper) if np.isfinite(upper) else (-1.0, -lower)
        form = turned_cone(
            {key: side * value for key, value in terms.items()},
            {column: side * value for column, value in linear},
            limit,
        )
        if form is not None:
            self.rows.append(_Row(form, cones, cones.level, name, otherwise))
        return form is not None

    def settle(self, columns: Columns, linear: Callable[[Rows], Rows], leader: RowList, followers: RowList) -> None:
        """Makes cones of the rows that were kept, by the signs that rows and bounds tell; `linear` keeps rows without products."""
        if not self.rows:
            return
        variables = columns.variables()
        n, limits = len(variables), bounds(variables)
        owner = np.array([columns.owner(id(variable)) for variable in variables], dtype=np.int64)
        told = Told((linear(leader.rows(n)), followers.rows(n)), owner, limits, np.ones(n), n)
        known = {theirs: told.known(theirs) for theirs in {row.cones.theirs for row in self.rows}}
        ends = {theirs: implied.limits(rows, *limits) for theirs, rows in known.items()}
        for row in self.rows:
            parts = row.form.parts(known[row.cones.theirs], *ends[row.cones.theirs])
            if parts is None:
                row.otherwise()
            else:
                row.cones.level = row.level
                row.cones.norm(with_one(parts[0], partial(columns.one, row.name)), parts[1], row.name)
