"""Recognises convex quadratic rows and writes them as sum of squares <= u w (model page section 2)."""

import numpy as np
import scipy.sparse as sp

from bilevel.errors import ModelError
from bilevel.program.cones import Cones
from bilevel.program.convexity import least_eigenvalue, square_root
from bilevel.program.rows import Vector, coo
from bilevel.program.sparse import magnitude

Quadratic = dict[tuple[int, int], float]
Affine = tuple[dict[int, float], float]


class ConeBuilder:
    """Collects convex quadratic rows and objectives; `build` gives them as one `Cones`.

    A quadratic objective becomes an epigraph: a new column t >= quadratic, which the caller adds to the objective.
    """

    def __init__(self) -> None:
        self.relaxes_equality: list[bool] = []
        self.forms: list[list[dict[int, float]]] = []
        self.u: list[Affine] = []
        self.w: list[Affine] = []
        self.names: list[str] = []
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
        # A rotated cone is homogeneous: beside a linear part or a limit a product belongs to the form
        factors = None if rest or right != 0.0 else _factors(terms)
        if factors is None:
            # Squares <= 1 * (limit - linear part)
            self._add(terms, ({}, 1.0), (rest, right), name, tight)
            return
        value = terms.pop(factors)
        self._add(terms, ({factors[0]: 1.0}, 0.0), ({factors[1]: -value}, 0.0), name, tight)

    def objective(self, terms: Quadratic, name: str) -> None:
        """Add the epigraph of a quadratic objective; its column is marked by a negative number until `build`."""
        self.epigraphs += 1
        # A loose epigraph is an error, as the objective is then not that of the point
        self._add(terms, ({}, 1.0), ({-self.epigraphs: 1.0}, 0.0), name, tight=True)

    def _add(self, terms: Quadratic, u: Affine, w: Affine, name: str, tight: bool) -> None:
        self.relaxes_equality.append(tight)
        self.forms.append(_squares(terms, name))
        self.u.append(u)
        self.w.append(w)
        self.names.append(name)

    def build(self, columns: int, variables: int, lower: Vector, scale: Vector) -> Cones:
        """The cones over `columns` columns, of which those from `variables` on are epigraphs.

        Raises `ModelError` when a factor of a rotated cone has no lower bound of at least 0.
        """
        for k, (u, w) in enumerate(zip(self.u, self.w, strict=True)):
            self._check_factors(k, u, w, lower)
            # Tangents divide by u, so that the factor that stays further from zero is u
            if u[0] and w[0] and _low(u, lower) < _low(w, lower):
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

    def _check_factors(self, k: int, u: Affine, w: Affine, lower: Vector) -> None:
        # With u = 1 the squares themselves keep w at least 0
        if not u[0]:
            return
        for column in (*u[0], *w[0]):
            if not lower[column] >= 0:
                raise ModelError(
                    f"row {self.names[k]!r} is a cone only if both factors of its product are nonnegative: give their "
                    "variables a lower bound of 0"
                )


def _factors(terms: Quadratic) -> tuple[int, int] | None:
    """The variables u, w of squares <= u w (or of a norm <= u, both the same), None if the form is another one."""
    negative = [key for key, value in terms.items() if value < 0]
    others = {column for key in terms if key not in negative[:1] for column in key}
    # A factor that stands in another term makes it a form whose convexity eigenvalues decide
    return negative[0] if len(negative) == 1 and not others & set(negative[0]) else None


def _low(affine: Affine, lower: Vector) -> float:
    return min(float(lower[column]) for column in affine[0])


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


def is_cone(terms: Quadratic, linear: dict[int, float], lower: float, upper: float) -> bool:
    """Whether `ConeBuilder.row` can take this row, the signs of a rotated cone's factors aside."""
    if np.isfinite(lower) == np.isfinite(upper):
        return False
    sign, right = (1.0, upper) if np.isfinite(upper) else (-1.0, lower)
    terms = {key: sign * value for key, value in terms.items()}
    factors = None if linear or right != 0.0 else _factors(terms)
    return is_convex({key: value for key, value in terms.items() if key != factors})


def _matrix(terms: Quadratic) -> tuple[list[int], np.ndarray]:
    """The columns of a quadratic form, and its symmetric matrix."""
    columns = sorted({column for key in terms for column in key})
    at = {column: k for k, column in enumerate(columns)}
    matrix = np.zeros((len(columns), len(columns)))
    for (i, j), value in terms.items():
        matrix[at[i], at[j]] += value / 2
        matrix[at[j], at[i]] += value / 2
    return columns, matrix


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
