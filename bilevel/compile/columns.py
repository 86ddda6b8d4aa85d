"""The variables and rows of a model as they are read: columns by first use, and linear rows."""

import math
from collections.abc import Container, Iterable, Iterator
from contextlib import contextmanager, suppress
from enum import Enum
from typing import Any

import numpy as np
import pyomo.environ as pyo
from pyomo.common.numeric_types import native_types
from pyomo.core.expr.relational_expr import EqualityExpression, InequalityExpression
from pyomo.core.expr.visitor import identify_mutable_parameters, identify_variables
from pyomo.repn.quadratic import QuadraticRepnVisitor
from pyomo.repn.util import InvalidNumber, OrderedVarRecorder

from bilevel import tolerances
from bilevel.compile.cones.root_terms import Multiply, Root, add_polynomial, polynomial, power_of, roots_of
from bilevel.compile.walk import require_own
from bilevel.errors import ModelError
from bilevel.program.bilevel_program import LEADER
from bilevel.program.choices import Derived
from bilevel.program.domains import readable_bounds, require_fixed_inside
from bilevel.program.rows import Rows, coo


class _Kind(Enum):
    """What a part of an expression is, which its class tells."""

    EXPRESSION, VARIABLE, OTHER = range(3)


_KINDS: dict[type, _Kind] = {}


class Columns:
    """Numbers variables in the order in which they are first used, and knows whose they are."""

    def __init__(self, model: Any, owners: dict[int, int]) -> None:
        self.model, self.owners = model, owners
        # By id, which stays a variable's own as long as the model is held
        self.found: dict[int, Any] = {}
        self.position: dict[int, int] = {}
        self.seen: set[int] = set()
        self.named: dict[str, int] = {}
        # The visitor notes what it meets; a variable whose terms cancel gets no position, and so no column
        self.visitor = QuadraticRepnVisitor({}, var_recorder=OrderedVarRecorder(self.found, {}, None))

    def repn(self, expression: Any, what: str, multiply: Multiply | None = None) -> Any:
        """The quadratic representation of an expression, its roots as `Root`s; refuses what is neither.

        With `multiply`, which gives the id of a column and the unit in which it is a product, polynomials are quadratic too.
        """
        with _reading(what, expression):
            self._look_at(expression, what)
            return self._repn(expression, what, True, multiply)

    def _repn(self, expression: Any, what: str, roots: bool = False, multiply: Multiply | None = None) -> Any:
        repn = self.visitor.walk_expression(expression)
        found, others = ([], []) if repn.nonlinear is None else roots_of(repn.nonlinear)
        terms = [(factor, polynomial(other) if multiply else None) for factor, other in others]
        if (roots or not found) and all(part is not None for _, part in terms):
            repn.nonlinear = [Root(factor, self._repn(inside, what), inside) for factor, inside in found] or None
            for factor, part in terms:
                add_polynomial(repn, factor, part or {}, multiply, self.found)
        else:
            raise ModelError(
                f"{what} is not linear or quadratic (it holds {str(repn.nonlinear)[:60]}): rewrite it, or approximate it piecewise"
            )
        values = (repn.constant, *repn.linear.values(), *(repn.quadratic or {}).values())
        if not all(map(_is_finite, values)):
            _refuse_without_value(what, expression)
            raise ModelError(f"{what} holds a coefficient that is not a finite number: check its data")
        return repn

    def power(self, expression: Any, what: str) -> tuple[float, Any, float, Any] | None:
        """(factor, base, exponent) of factor * base ** exponent + constant, the base as a representation, and as an expression.

        None for what is none, and where the base is not quadratic.
        """
        with _reading(what, expression):
            self._look_at(expression, what)
            # As it is written first, as Pyomo multiplies the square of a quadratic out
            found = power_of(expression)
            if found is None:
                repn = self.visitor.walk_expression(expression)
                alone = repn.nonlinear is not None and not repn.linear and not repn.quadratic
                found = power_of(repn.nonlinear) if alone else None
            if found is None:
                return None
            factor, base, exponent = found
            inside = self.visitor.walk_expression(base)
        return None if inside.nonlinear is not None else (factor, inside, exponent, base)

    def _look_at(self, expression: Any, what: str) -> None:
        """Refuses variables of other models, and fixed ones that stand where they may not."""
        for variable in _variables(expression, self.seen):
            self.seen.add(id(variable))
            require_own(variable, self.model, f"{what} uses variable")
            # Fixed variables leave the expression as constants, so that nothing later sees where they stand
            if variable.fixed and variable.value is not None:
                require_fixed_inside(variable)

    def row(self, row: Any, name: str, multiply: Multiply | None = None) -> tuple[Any, float, float]:
        """Quadratic representation of a row's body without its constant, and the limits that are left.

        Its nonlinear part is a list of `Root`s, None without.
        """
        self._name(name, row)
        what, expression = f"row {name!r}", row.expr
        # Before Pyomo makes limits of it: a foreign variable with a value would become a number there
        with _reading(what, expression):
            self._look_at(expression, what)
            lower, body, upper = row.to_bounded_expression(evaluate_bounds=True)
            repn = self._repn(body, what, True, multiply)
        low = -np.inf if lower is None else _difference(float(lower), float(repn.constant))
        high = np.inf if upper is None else _difference(float(upper), float(repn.constant))
        low, high = low if low > -tolerances.INFINITE else -np.inf, high if high < tolerances.INFINITE else np.inf
        if math.isnan(low) or math.isnan(high) or low == np.inf or high == -np.inf:
            raise ModelError(f"{what} has limits {lower} and {upper}: give finite numbers, or leave a side out")
        return repn, low, high

    def at(self, key: int) -> int:
        """The column of a variable."""
        return self.position.setdefault(key, len(self.position))

    def owner(self, key: int) -> int:
        """The follower that owns a variable, LEADER if none."""
        return self.owners.get(key, LEADER)

    def linear(self, repn: Any) -> list[tuple[int, float]]:
        """(column, coefficient) of the linear part."""
        return [(self.at(key), float(value)) for key, value in repn.linear.items()]

    def quadratic(self, repn: Any, sign: float) -> dict[tuple[int, int], float]:
        """All quadratic terms by column pair."""
        return {(self.at(i), self.at(j)): sign * float(v) for (i, j), v in (repn.quadratic or {}).items()}

    def derive(self, derived: Derived, owner: int) -> int:
        """A new column that follows from variables, of the leader (LEADER) or of a follower."""
        self.found[id(derived)] = derived
        if owner != LEADER:
            self.owners[id(derived)] = owner
        return self.at(id(derived))

    def one(self, name: str) -> int:
        """A new column that is 1, for the constants in the squares of row `name`."""
        # Each row has its own, as one for all would tie parts to each other that share nothing
        return self.derive(Derived(f"1 in {name}", lambda: 1.0, pyo.Reals, (1.0, 1.0)), LEADER)

    def reach(self, forms: list[tuple[dict[int, float], float]]) -> float:
        """The largest root of the sum of these affine forms' squares within the declared bounds of their variables."""
        keys, total = list(self.position), 0.0
        for terms, number in forms:
            ends = [(value, readable_bounds(self.found[keys[column]])) for column, value in terms.items()]
            high = number + sum(max(value * end for end in limits) for value, limits in ends)
            low = number + sum(min(value * end for end in limits) for value, limits in ends)
            total += max(abs(low), abs(high)) ** 2
        return math.sqrt(total)

    def variables(self) -> tuple[Any, ...]:
        """The Pyomo variables in column order."""
        return tuple(self.found[key] for key in self.position)

    def refuse_equal_names(self) -> None:
        """Refuses two variables, or a variable and a row, of one name; rows are compared as they are read."""
        for variable in self.variables():
            if not isinstance(variable, Derived):
                self._name(str(variable.name), variable)

    def _name(self, name: str, component: Any) -> None:
        # Values and duals are told by name, and one of the two would have the other's
        if self.named.setdefault(name, id(component)) != id(component):
            raise ModelError(
                f"two components of the model are named {name!r}: rename one, or give its index another text, as answers go by name"
            )


def _variables(expression: Any, without: Container[int] = ()) -> Iterator[Any]:
    """All variables of an expression but those of these ids, some more than once; Pyomo's own walk takes twice as long."""
    left = [expression]
    while left:
        part = left.pop()
        # Each class is asked once, not each part: this walk comes on top of Pyomo's own for every row
        kind = _KINDS.get(part.__class__)
        if kind is None:
            kind = _KINDS[part.__class__] = _kind(part)
        if kind is _Kind.EXPRESSION:
            left.extend(part.args)
        elif kind is _Kind.VARIABLE and id(part) not in without:
            yield part


def _kind(part: Any) -> _Kind:
    if part.__class__ in native_types:
        return _Kind.OTHER
    if part.is_expression_type():
        return _Kind.EXPRESSION
    return _Kind.VARIABLE if part.is_variable_type() else _Kind.OTHER


class RowList:
    """Collects linear rows."""

    def __init__(self) -> None:
        self.entries: list[tuple[int, int, float]] = []
        self.lower: list[float] = []
        self.upper: list[float] = []
        self.names: list[str] = []

    def add(self, terms: Iterable[tuple[int, float]], lower: float, upper: float, name: str) -> None:
        """One row lower <= sum of (column, coefficient) <= upper."""
        at = len(self.names)
        self.entries.extend((at, column, value) for column, value in terms)
        self.lower.append(lower)
        self.upper.append(upper)
        self.names.append(name)

    def rows(self, columns: int) -> Rows:
        """All of them over that many columns."""
        matrix = coo(self.entries, (len(self.names), columns))
        return Rows(matrix, np.array(self.lower), np.array(self.upper), tuple(self.names))


def direction(row: Any, own: Container[int]) -> float:
    """+1 where more of a row's right-hand side raises the limit that Pyomo stores for it, -1 where it lowers it.

    The right-hand side is the side without a free variable of `own` (ids), wherever it is written: Pyomo stores `a >= b` as
    b <= a, so that only the variables can tell.  Where both sides have one, or none, it is the second side of an equality and the
    larger side of an inequality.
    """
    if row.expr.__class__ not in (EqualityExpression, InequalityExpression):
        return 1.0
    left, right = row.expr.args
    if not all(_is_variable(side) for side in (left, right)):
        # The other side is a limit as it is
        return 1.0
    has = [any(id(v) in own and not v.fixed for v in _variables(side)) for side in (left, right)]
    return -1.0 if has == [False, True] else 1.0


def _is_variable(side: Any) -> bool:
    return bool(getattr(side, "is_potentially_variable", lambda: False)())


@contextmanager
def _reading(what: str, expression: Any) -> Iterator[None]:
    """Whatever Pyomo raises over an expression is about the user's model: say where it stands."""
    try:
        yield
    except ModelError:
        raise
    except Exception as error:
        _refuse_without_value(what, expression)
        said = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ModelError(f"{what} cannot be evaluated ({said[:120]}): check its data and what it is made of") from error


def _refuse_without_value(what: str, expression: Any) -> None:
    """Name a parameter or a fixed variable of the expression that has no value, if there is one."""
    used: list[Any] = []
    # What made the expression fail may fail here again; the caller's general message has to do then
    with suppress(Exception):
        used += identify_mutable_parameters(expression)
        used += (v for v in identify_variables(expression, include_fixed=True) if v.fixed)
    for component in used:
        if _value(component) is None:
            raise ModelError(f"{what} uses {component.name!r}, which has no value: give it one")


def _value(component: Any) -> Any:
    try:
        return component.value
    except ValueError:
        # A parameter without a value raises where a variable says None
        return None


def _is_finite(value: Any) -> bool:
    # Pyomo's mark of what it could not compute raises when `isfinite` asks it
    return not isinstance(value, InvalidNumber) and math.isfinite(value)


def _difference(limit: float, constant: float) -> float:
    """limit - constant, 0 where only rounding is left: a row whose variables are all fixed holds or does not."""
    difference = limit - constant
    return 0.0 if abs(difference) <= tolerances.COEFFICIENT_ROUNDING * abs(constant) else difference
