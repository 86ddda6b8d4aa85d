"""The pessimistic problem as an optimistic one with duplicate followers (Zeng 2020, doi 10.1287/ijoc.2019.0909).

The leader decides x and, in the follower's place, an answer y* of its rows.  A duplicate of the follower takes, among the answers
that cost it no more than y*, the one that the leader likes least:

    min F(x, y')   over x and y* in Y(x),   where y' is of argmax {F(x, y): y in Y(x), c(x)'y <= c(x)'y*}

The set of y' is the least, and so best for the leader, where y* is optimal: then it is that of the ties.  A leader's row that sees
answers has to hold for every tie, so that each of its sides has a duplicate of its own, which takes the row as far as it goes.

This stays linear where the follower's cost sees whole numbers of the leader's only, whose products with answers become rows.
Continuous leader variables that no follower sees are decided after the answers, so that none may stand in a row with an answer.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from typing import Any

import pyomo.environ as pyo
from pyomo.core.expr.visitor import replace_expressions

from bilevel import tolerances
from bilevel.compile.refusals import one_objective, owners_of
from bilevel.compile.walk import declared
from bilevel.errors import ModelError
from bilevel.model import Follower
from bilevel.pessimistic.forms import Form, ends, read, variables

MOST_VALUES = 16
"""Values of a whole variable up to which its products with an answer are written value by value."""

MOST_DUPLICATES = 60
"""Duplicates of followers up to which the problem with them is worth solving."""


@dataclass(frozen=True)
class Duplicate:
    """The problem with duplicates, and its decisions: pairs of a leader variable of the model's and the one in its place."""

    model: Any
    decisions: tuple[tuple[Any, Any], ...]

    def starts(self) -> dict[int, float]:
        """Values of the model's own leader variables, by id, as they stand in the problem with duplicates."""
        return {id(own): float(other.value) for own, other in self.decisions if other.value is not None}


@dataclass
class _Lower:
    """A follower as it is read: its rows and its cost, minimised."""

    name: str
    rows: list[tuple[Form, float, float]]
    cost: Form


@dataclass
class _Builder:
    """Puts the problem with duplicates together."""

    model: Any
    sizes: Mapping[int, float] = field(default_factory=dict)
    new: Any = field(default_factory=lambda: pyo.ConcreteModel(name="with duplicates"))
    place: dict[int, Any] = field(default_factory=dict)
    own: dict[int, Any] = field(default_factory=dict)
    number: Any = field(default_factory=lambda: count(1))
    products: dict[tuple[int, int], Any] = field(default_factory=dict)
    choices: dict[int, list[Any]] = field(default_factory=dict)
    kept: dict[int, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.blocks = list(declared(self.model, Follower, active=True))
        self.owner = owners_of(self.blocks)
        self.lower = [self._read(block) for block in self.blocks]
        self.seen = {
            id(v)
            for each in self.lower
            for form in (each.cost, *(row for row, *_ in each.rows))
            for v in form.variables
        }
        self.duplicates = 0

    def built(self) -> Duplicate:
        """The whole of it; raises `ModelError` for what leaves the class."""
        for at, each in enumerate(self.lower):
            for form, low, high in each.rows:
                self._row(self._written(form, {}), low, high)
            self._kept(at)
        self._leader_rows()
        objective = one_objective(self.model, "the leader")
        sign = 1.0 if objective.is_minimizing() else -1.0
        if self._sees(objective.expr):
            form = self._of_leader(read(objective.expr, f"objective {objective.name!r}"), str(objective.name), True)
            expression = self._worst(form, sign)
        else:
            expression = self._replaced(objective.expr)
        self.new.objective = pyo.Objective(expr=expression, sense=objective.sense)
        if not self.duplicates:
            raise ModelError("the leader's objective and rows see no answer, so that ties cost nothing")
        decisions = tuple((v, self.place[key]) for key, v in self.own.items() if key not in self.owner)
        return Duplicate(self.new, decisions)

    def _read(self, block: Any) -> _Lower:
        if block.__dict__.get("dual_of"):
            raise ModelError(f"the leader reads multipliers of follower {block.name!r}")
        objective = one_objective(block, f"follower {block.name!r}")
        cost = read(objective.expr if objective.is_minimizing() else -objective.expr, f"objective {objective.name!r}")
        mine = self.owner
        for first, second, _ in cost.products:
            owners = mine.get(id(first), -1), mine.get(id(second), -1)
            if min(owners) >= 0:
                raise ModelError(f"the cost of follower {block.name!r} is quadratic")
            leader = first if owners[0] < 0 else second
            if max(owners) >= 0 and not _few(leader):
                raise ModelError(
                    f"the cost of follower {block.name!r} sees {leader.name!r}, which is no whole number of few values"
                )
        rows = []
        for row in declared(block, pyo.Constraint, active=True):
            whole = read(row.body, f"row {row.name!r}")
            if whole.products:
                raise ModelError(f"row {row.name!r} of follower {block.name!r} is not linear")
            rows.append((whole, *ends(row)))
        return _Lower(str(block.name), rows, cost)

    def _kept(self, at: int) -> None:
        """The cost of the leader's own answer in the follower's place, as a variable."""
        cost = self.lower[at].cost.part(lambda v: id(v) in self.owner)
        kept = self._variable(pyo.Reals, (None, None))
        self._row(kept - self._written(cost, {}), 0.0, 0.0)
        self.lower[at] = _Lower(self.lower[at].name, self.lower[at].rows, cost)
        self.kept[at] = kept

    def _leader_rows(self) -> None:
        for row in declared(self.model, pyo.Constraint, active=True):
            if not self._sees(row.body):
                low, high = ends(row)
                self._row(self._replaced(row.body), low, high)
                continue
            form = self._of_leader(read(row.body, f"row {row.name!r}"), str(row.name), False)
            for side, end in zip((-1.0, 1.0), ends(row), strict=True):
                if math.isfinite(end):
                    worst = self._worst(form, side)
                    self._row(worst, *((end, math.inf) if side < 0 else (-math.inf, end)))

    def _of_leader(self, form: Form, name: str, alone: bool) -> Form:
        """Refuses squares of answers, and a leader variable that follows the answers in a row with them, or in a product."""
        late = {
            id(v) for v in form.variables if id(v) not in self.owner and id(v) not in self.seen and not v.is_integer()
        }
        for first, second, _ in form.products:
            if id(first) in self.owner and id(second) in self.owner:
                raise ModelError(f"{name!r} holds a product of answers")
        for variable in (v for first, second, _ in form.products for v in (first, second)) if alone else form.variables:
            if id(variable) in late:
                raise ModelError(f"{name!r} holds {variable.name!r}, which is decided after the answers")
        return form

    def _worst(self, form: Form, side: float) -> Any:
        """The form with, for each follower in it, the answers of a duplicate that makes side * form as large as ties allow."""
        chosen: dict[int, Any] = {}
        for at in sorted({self.owner[id(v)] for v in form.variables if id(v) in self.owner}):
            mine = form.part(partial(self._is_of, at))
            chosen |= self._duplicate(at, mine, side)
        return self._written(form, chosen)

    def _is_of(self, at: int, variable: Any) -> bool:
        return self.owner.get(id(variable)) == at

    def _duplicate(self, at: int, form: Form, side: float) -> dict[int, Any]:
        self.duplicates += 1
        if self.duplicates > MOST_DUPLICATES:
            raise ModelError(f"more than {MOST_DUPLICATES} duplicates of followers would be needed")
        block, lower = Follower(), self.lower[at]
        self.new.add_component(f"duplicate_{self.duplicates}", block)
        own: dict[int, Any] = {}
        for variable in declared(self.blocks[at], pyo.Var):
            if variable.fixed:
                continue
            copy = pyo.Var(domain=variable.domain, bounds=variable.bounds)
            block.add_component(f"y{len(own) + 1}", copy)
            own[id(variable)] = copy
        block.rows = pyo.ConstraintList()
        for row, low, high in lower.rows:
            _add(block.rows, self._written(row, own), low, high)
        _add(block.rows, self._written(lower.cost, own) - self.kept[at], -math.inf, 0.0)
        block.cost = pyo.Objective(expr=-side * self._written(form, own))
        return own

    def _written(self, form: Form, own: dict[int, Any]) -> Any:
        """The form over the new variables, with these in the place of answers."""
        found = form.constant + sum(value * (own[id(v)] if id(v) in own else self._new(v)) for v, value in form.linear)
        for first, second, value in form.products:
            if id(first) in own or id(second) in own:
                factors = [own[id(v)] if id(v) in own else self._new(v) for v in (first, second)]
                found += value * factors[0] * factors[1]
            else:
                found += value * self._product(first, second)
        return found

    def _product(self, first: Any, second: Any) -> Any:
        """A product of the leader's in the new problem: linear where one factor has few whole values and the other has limits."""
        if _few(second) and not _few(first):
            first, second = second, first
        key = min(id(first), id(second)), max(id(first), id(second))
        if key in self.products:
            return self.products[key]
        low, high = self._new(second).bounds
        if not _few(first) or low is None or high is None:
            return self._new(first) * self._new(second)
        self._refuse_wide(second)
        whole, other, total = self._new(first), self._new(second), 0.0
        values = range(math.ceil(whole.lb), math.floor(whole.ub) + 1)
        choices = self._choices(first, values)
        for value, choice in zip(values, choices, strict=True):
            # The other factor where this value is chosen, else 0
            part = self._variable(pyo.Reals, (min(low, 0.0), max(high, 0.0)))
            self._row(part - high * choice, -math.inf, 0.0)
            self._row(part - low * choice, 0.0, math.inf)
            self._row(part - other + low * (1 - choice), -math.inf, 0.0)
            self._row(part - other + high * (1 - choice), 0.0, math.inf)
            total = total + value * part
        self.products[key] = total
        return total

    def _refuse_wide(self, variable: Any) -> None:
        """Rows with limits far beyond a variable's size are kept within rounding that is as large as it."""
        low, high = variable.bounds
        if (
            low is not None
            and high is not None
            and high - low > tolerances.LIMIT_LOOSE * self.sizes.get(id(variable), high - low)
        ):
            raise ModelError(
                f"the limits of {variable.name!r}, {low:g} and {high:g}, are too wide for products with it"
            )

    def _choices(self, whole: Any, values: range) -> list[Any]:
        key = id(whole)
        if key not in self.choices:
            choices = [self._variable(pyo.Binary, (0, 1)) for _ in values]
            self._row(sum(choices), 1.0, 1.0)
            self._row(sum(v * choice for v, choice in zip(values, choices, strict=True)) - self._new(whole), 0.0, 0.0)
            self.choices[key] = choices
        return self.choices[key]

    def _sees(self, expression: Any) -> bool:
        return any(id(v) in self.owner for v in variables(expression))

    def _replaced(self, expression: Any) -> Any:
        places = {id(v): self._new(v) for v in variables(expression)}
        return replace_expressions(expression, places) if places else expression

    def _new(self, variable: Any) -> Any:
        """The variable of the new problem in the place of one of the model's, an answer's too."""
        if id(variable) not in self.place:
            self.own[id(variable)] = variable
            self.place[id(variable)] = self._variable(variable.domain, variable.bounds)
        return self.place[id(variable)]

    def _variable(self, domain: Any, limits: tuple[Any, Any]) -> Any:
        made = pyo.Var(domain=domain, bounds=limits)
        self.new.add_component(f"x{next(self.number)}", made)
        return made

    def _row(self, body: Any, low: float, high: float) -> None:
        if self.new.component("rows") is None:
            self.new.rows = pyo.ConstraintList()
        _add(self.new.rows, body, low, high)


def _add(rows: Any, body: Any, low: float, high: float) -> None:
    if not (math.isfinite(low) or math.isfinite(high)):
        return
    if not hasattr(body, "is_expression_type") or not body.is_potentially_variable():
        # What holds no variable holds or does not
        if not low <= float(pyo.value(body)) <= high:
            rows.add(pyo.Constraint.Infeasible)
        return
    ends = (low if math.isfinite(low) else None, body, high if math.isfinite(high) else None)
    rows.add(body == low if low == high else ends)


def _few(variable: Any) -> bool:
    """Whether a variable has few whole values."""
    low, high = variable.bounds
    return bool(variable.is_integer() and low is not None and high is not None and high - low < MOST_VALUES)


def duplicated(model: Any, sizes: Mapping[int, float] | None = None) -> Duplicate:
    """The problem with duplicates of a model; raises `ModelError` saying why it is not of that class.

    `sizes`: expected sizes of variables by id, beside which limits of factors of products must not be far too wide.
    """
    return _Builder(model, sizes or {}).built()
