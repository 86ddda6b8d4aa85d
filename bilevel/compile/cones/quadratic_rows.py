"""Recognises convex quadratic rows and writes them as sum of squares <= u w (model page section 2)."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from bilevel import tolerances
from bilevel.errors import ModelError
from bilevel.program import implied
from bilevel.program.bilevel_program import LEADER
from bilevel.program.cones import Cones
from bilevel.program.convexity import least_eigenvalue, square_root
from bilevel.program.rows import Index, Rows, Vector, coo, stack_rows
from bilevel.program.sparse import magnitude, row_of

Quadratic = dict[tuple[int, int], float]
Affine = tuple[dict[int, float], float]


@dataclass(frozen=True)
class Told:
    """What is known of all columns when rows are read: the rows of the leader and of the followers, the owner of every column,
    its bounds and size; columns from `first` on are epigraphs."""

    rows: tuple[Rows, Rows]
    owner: Index
    limits: tuple[Vector, Vector]
    size: Vector
    first: int

    def known(self, theirs: bool) -> Rows:
        """The rows that tell a sign to the leader, or to the followers."""
        own = self.rows[0]
        if theirs:
            # What the leader's rows ask of a follower's variable is nothing that the follower knows
            foreign = row_of(own.matrix)[self.owner[own.matrix.indices] != LEADER]
            own = own.taken(np.setdiff1d(np.arange(own.count), foreign))
        return stack_rows([own, self.rows[1]])


class ConeBuilder:
    """Collects convex quadratic rows and objectives; `build` gives them as one `Cones`.

    A quadratic objective becomes an epigraph: a new column t >= quadratic, which the caller adds to the objective.  `theirs`: the
    rows are the followers', of whom `level` is the one whose rows come now; `owner` keeps it for every cone.
    """

    def __init__(self, theirs: bool = False) -> None:
        self.theirs = theirs
        self.level, self.owner = LEADER, list[int]()
        self.relaxes_equality: list[bool] = []
        self.forms: list[list[dict[int, float]]] = []
        self.u: list[Affine] = []
        self.w: list[Affine] = []
        self.names: list[str] = []
        self.signed: set[int] = set()
        self.epigraphs = 0

    def row(
        self, terms: Quadratic, linear: dict[int, float], lower: float, upper: float, name: str, tight: bool = False
    ) -> None:
        """Add lower <= quadratic + linear <= upper; exactly one side may be given, and it must be convex.

        `tight`: the row relaxes an equality.
        """
        if np.isfinite(lower) == np.isfinite(upper):
            raise ModelError(
                f"row {name!r} is a quadratic equality or range, which is not convex: keep one inequality, or relax it"
            )
        sign = 1.0 if np.isfinite(upper) else -1.0
        right = upper if np.isfinite(upper) else -lower
        terms = {key: sign * value for key, value in terms.items()}
        rest = {column: -sign * value for column, value in linear.items()}
        product = _product(terms, rest, right)
        if product is None:
            # Squares <= 1 * (limit - linear part)
            self._add(terms, ({}, 1.0), (rest, right), name, tight)
            return
        key, u, w = product
        del terms[key]
        self._add(terms, u, w, name, tight)

    def norm(self, forms: list[dict[int, float]], right: Affine, name: str, tight: bool = False) -> None:
        """Add root of the sum of the forms' squares <= `right`, which something keeps at least 0 already."""
        self.signed.add(len(self.names))
        self._append(forms, right, right, name, tight)

    def objective(self, terms: Quadratic, name: str) -> None:
        """Add the epigraph of a quadratic objective; its column is marked by a negative number until `build`."""
        self.epigraphs += 1
        # A loose epigraph is an error, as the objective is then not that of the point
        self._add(terms, ({}, 1.0), ({-self.epigraphs: 1.0}, 0.0), name, tight=True)

    def _add(self, terms: Quadratic, u: Affine, w: Affine, name: str, tight: bool) -> None:
        self._append(_squares(terms, name), u, w, name, tight)

    def _append(self, forms: list[dict[int, float]], u: Affine, w: Affine, name: str, tight: bool) -> None:
        self.relaxes_equality.append(tight)
        self.owner.append(self.level)
        self.forms.append(forms)
        self.u.append(u)
        self.w.append(w)
        self.names.append(name)

    def build(self, told: Told) -> Cones:
        """The cones over all columns.

        Raises `ModelError` when neither bounds nor rows keep the factors of a rotated cone at least 0.
        """
        limits, scale, columns, variables = told.limits, told.size, len(told.owner), told.first
        for k, (u, w) in enumerate(zip(self.u, self.w, strict=True)):
            # With u = 1 the squares themselves keep w at least 0
            if not u[0] or k in self.signed:
                continue
            lows = least(u, *limits), least(w, *limits)
            if not min(lows) >= 0:
                # Bounds are mostly enough, and what rows imply takes a while
                limits = implied.limits(told.known(self.theirs), *limits)
                lows = least(u, *limits), least(w, *limits)
            if not min(lows) >= 0:
                raise ModelError(
                    f"row {self.names[k]!r} is a cone only if both factors of its product are nonnegative: give their "
                    "variables a lower bound of 0, or a row that keeps them there"
                )
            # Tangents divide by u, so that the factor that stays further from zero is u
            if lows[0] < lows[1]:
                self.u[k], self.w[k] = w, u
        forms = [form for cone in self.forms for form in cone]
        entries = [(k, column, value) for k, form in enumerate(forms) for column, value in form.items()]
        owner = np.repeat(np.arange(len(self.forms)), [len(cone) for cone in self.forms]).astype(np.int64)
        squares, second = coo(entries, (len(forms), columns)), _affine(self.w, columns, variables)
        # An epigraph column has no size of its own: that of its squares
        epigraph = np.array([any(column < 0 for column in w[0]) for w in self.w], dtype=bool)
        total = np.bincount(owner, weights=magnitude(squares, scale) ** 2, minlength=len(self.forms))
        constant = _constant(self.w)
        w_scale = np.where(epigraph, total, magnitude(second, scale) + np.abs(constant))
        tight = np.array(self.relaxes_equality, dtype=bool)
        return Cones(
            squares, owner, _affine(self.u, columns, variables), _constant(self.u), second, constant, w_scale, tight,
            tuple(self.names),
        )  # fmt: skip


def _factors(terms: Quadratic) -> tuple[int, int] | None:
    """The variables u, w of squares <= u w (or of a norm <= u, both the same), None if the form is another one."""
    negative = [key for key, value in terms.items() if value < 0]
    others = {column for key in terms if key not in negative[:1] for column in key}
    # A factor that stands in another term makes it a form whose convexity eigenvalues decide
    return negative[0] if len(negative) == 1 and not others & set(negative[0]) else None


def _product(terms: Quadratic, rest: dict[int, float], right: float) -> tuple[tuple[int, int], Affine, Affine] | None:
    """The product v (x_i + a) (x_j + b) that squares are at most, with the term that it comes from; None without one.

    A row squares - v x_i x_j <= rest x + right has it where `rest` is v b x_i + v a x_j and `right` is v a b.
    """
    factors = _factors(terms)
    if factors is None or not set(rest) <= set(factors):
        return None
    i, j = factors
    v = -terms[factors]
    # Of a square both factors are one, and each has half of the linear part
    b, a = (rest.get(i, 0.0) / (2.0 * v),) * 2 if i == j else (rest.get(i, 0.0) / v, rest.get(j, 0.0) / v)
    if abs(right - v * a * b) > tolerances.COEFFICIENT_ROUNDING * abs(right):
        return None
    return factors, ({i: 1.0}, a), ({j: v}, v * b)


def least(affine: Affine, lower: Vector, upper: Vector) -> float:
    """The least value of an affine expression between these limits."""
    terms = (value * (lower if value > 0 else upper)[column] for column, value in affine[0].items())
    return float(sum(terms)) + affine[1]


def _affine(parts: list[Affine], columns: int, variables: int) -> sp.csr_array:
    entries = [
        # Epigraphs are -1, -2, ... until it is known how many columns stand before theirs
        (k, column if column >= 0 else variables - 1 - column, value)
        for k, (terms, _) in enumerate(parts)
        for column, value in terms.items()
    ]
    return coo(entries, (len(parts), columns))


def _constant(parts: list[Affine]) -> Vector:
    return np.array([constant for _, constant in parts], dtype=float)


def is_convex(terms: Quadratic) -> bool:
    """Whether a quadratic form with any term is positive semidefinite."""
    # Products without any square are never semidefinite
    if not terms or not any(i == j for i, j in terms):
        return False
    return _is_sum_of_squares(terms) or square_root(_matrix(terms)[1]) is not None


def _is_sum_of_squares(terms: Quadratic) -> bool:
    """Whether that can be seen without eigenvalues."""
    return all(i == j and value >= 0 for (i, j), value in terms.items())


def is_cone(
    terms: Quadratic,
    linear: dict[int, float],
    sides: tuple[float, float],
    declared: Callable[[], tuple[Vector, Vector]],
) -> bool:
    """Whether `ConeBuilder.row` can take this row.

    The signs of factors that are columns are asked for later, those of longer ones have to follow from the declared limits of the
    columns.
    """
    if np.isfinite(sides[0]) == np.isfinite(sides[1]):
        return False
    sign, right = (1.0, sides[1]) if np.isfinite(sides[1]) else (-1.0, -sides[0])
    terms = {key: sign * value for key, value in terms.items()}
    product = _product(terms, {column: -sign * value for column, value in linear.items()}, right)
    if product is not None and linear and not all(least(factor, *declared()) >= 0 for factor in product[1:]):
        return False
    return is_convex({key: value for key, value in terms.items() if product is None or key != product[0]})


def _matrix(terms: Quadratic) -> tuple[list[int], np.ndarray]:
    """The columns of a quadratic form, and its symmetric matrix."""
    columns = sorted({column for key in terms for column in key})
    at = {column: k for k, column in enumerate(columns)}
    matrix = np.zeros((len(columns), len(columns)))
    for (i, j), value in terms.items():
        matrix[at[i], at[j]] += value / 2
        matrix[at[j], at[i]] += value / 2
    return columns, matrix


def affine_squares(terms: Quadratic, linear: dict[int, float], constant: float) -> list[Affine] | None:
    """Affine forms whose squares add up to quadratic + linear + constant; None where there are none."""
    columns, matrix = _matrix(terms)
    linear = {column: value for column, value in linear.items() if value}
    if not set(linear) <= set(columns):
        return None
    plain = _is_sum_of_squares(terms)
    # Where the squares can be seen, they stay those that were written
    rows = np.diag(np.sqrt(np.diag(matrix)))[np.diag(matrix) > 0] if plain else square_root(matrix)
    if rows is None:
        return None
    half = np.array([linear.get(column, 0.0) for column in columns]) / 2.0
    unit = np.sqrt(np.where(np.diag(matrix) > 0, np.diag(matrix), 1.0))
    scaled, half = rows / unit, half / unit
    number = np.linalg.lstsq(scaled.T, half, rcond=None)[0] if len(rows) else np.zeros(0)
    room = tolerances.COEFFICIENT_ROUNDING * len(columns)
    if (np.abs(number @ scaled - half) > room * (np.abs(number) @ np.abs(scaled) + np.abs(half))).any():
        return None
    # (x - a)^2 has a^2 in its constant; what is left of it is a square of its own
    left, size = constant - float(number @ number), abs(constant) + float(number @ number)
    if left < -tolerances.COEFFICIENT_ROUNDING * size:
        return None
    forms: list[Affine] = [
        ({column: float(value) for column, value in zip(columns, row, strict=True) if value}, float(shift))
        for row, shift in zip(rows, number, strict=True)
    ]
    return [*forms, ({}, float(np.sqrt(left)))] if left > tolerances.COEFFICIENT_ROUNDING * size else forms


def with_one(forms: list[Affine], one: Callable[[], int]) -> list[dict[int, float]]:
    """Affine forms as linear ones, their numbers as coefficients of the column 1, which `one` gives."""
    if not any(number for _, number in forms):
        return [terms for terms, _ in forms]
    column = one()
    return [{**terms, column: number} if number else terms for terms, number in forms]


def _squares(terms: Quadratic, name: str) -> list[dict[int, float]]:
    """Linear forms whose squares add up to the quadratic; refuses one that is not convex."""
    if _is_sum_of_squares(terms):
        return [{i: float(np.sqrt(value))} for (i, _), value in terms.items()]
    columns, matrix = _matrix(terms)
    rows = square_root(matrix)
    if rows is None:
        raise ModelError(
            f"{name!r} is quadratic and not convex (smallest eigenvalue {least_eigenvalue(matrix):.3g}): only convex quadratic "
            "rows and rotated cones are solved to global optimality here"
        )
    return [{column: float(value) for column, value in zip(columns, row, strict=True) if value} for row in rows]
