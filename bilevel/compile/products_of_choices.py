"""Products of a leader's choice and a follower's variable in the follower's rows, as linear rows of the follower.

For u with the values v_0 < v_1 < ... and y in [l, h], with z_k = 1 where u = v_k and the follower's column w_k = z_k (y - l):

    u y = v_0 y + l (u - v_0) + sum over k >= 1 of (v_k - v_0) w_k

    0 <= w_k <= (h - l) z_k,   sum of w_k <= y - l,   w_k >= y - l - (h - l) (1 - z_k)

At every decision of the leader exactly this w is left, so that the follower's problem is the one written, and it stays linear.  Of
two values z_1 is (u - v_0) / (v_1 - v_0); more get the choices of `bilevel.program.choices`.
"""

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
import pyomo.environ as pyo

from bilevel import tolerances
from bilevel.compile.columns import Columns
from bilevel.compile.cones.quadratic_rows import Quadratic, is_cone, is_convex
from bilevel.compile.cones.roots import Limit, limited_side
from bilevel.compile.cones.turned_cones import turned_cone
from bilevel.program.bilevel_program import LEADER
from bilevel.program.choices import Derived, Domains, Switch, values_of
from bilevel.program.domains import readable_bounds

_MOST = 16
"""Values of a leader variable up to which a product with it is written value by value."""

Pair = tuple[int, int]


class ProductsOfChoices:
    """Takes products out of followers' rows, and gives the columns and rows that stand for them."""

    def __init__(self, columns: Columns) -> None:
        self.columns = columns
        self.known: dict[Pair, dict[int, Switch]] = {}
        self.apart: dict[int, tuple[float, ...]] = {}

    @property
    def switches(self) -> tuple[Switch, ...]:
        """All columns of products."""
        return tuple(switch for made in self.known.values() for switch in made.values())

    def taken(self, at: int, repn: Any, sides: tuple[float, float], name: str) -> tuple[float, float, str | None]:
        """Makes the products in a row of follower `at` linear, and gives the limits that are left, and why a product stays.

        Products stay beside other squares where the row is a cone with them.  They stay too with a leader variable of too many
        values, or a variable without bounds: what is given then is a sentence that refuses the row, unless it is a cone as it is.
        """
        pairs = {key: pair for key in repn.quadratic or () if (pair := self._pair(key, at)) is not None}
        if not pairs or (len(pairs) < len(repn.quadratic) and self._is_cone(repn, sides, pairs)):
            return *sides, None
        why = next(filter(None, (self._obstacle(pair, name) for pair in pairs.values())), None)
        if why is not None:
            return *sides, why
        constant = sum(self._replace(repn, key, pair, at) for key, pair in pairs.items())
        return sides[0] - constant, sides[1] - constant, None

    def rows(self, domains: Domains) -> Iterator[tuple[int, Limit]]:
        """The rows that the products need, each with the follower that it belongs to; `domains` as they were placed."""
        first = {split.column: split.first for split in domains.splits}
        for (x, y), made in self.known.items():
            leader, follower = self.columns.found[x], self.columns.found[y]
            low, high = readable_bounds(follower)
            for key, switch in made.items():
                for limit in _rows_of(switch, self.columns.found[key].name, high, first):
                    yield self.columns.owner(y), limit
            if made:
                terms = [*((switch.column, 1.0) for switch in made.values()), (self.columns.at(y), -1.0)]
                yield self.columns.owner(y), (terms, -np.inf, -low, f"product of {leader.name} and {follower.name}")

    def _pair(self, key: Pair, at: int) -> Pair | None:
        """The leader's variable and the follower's of a product, None where it is another one."""
        owners = self.columns.owner(key[0]), self.columns.owner(key[1])
        if owners == (LEADER, at):
            return key
        return (key[1], key[0]) if owners == (at, LEADER) else None

    def _is_cone(self, repn: Any, sides: tuple[float, float], pairs: dict[Pair, Pair]) -> bool:
        """Whether the row's form is that of a cone as it is; the signs of its factors are asked for later."""
        side = limited_side(*sides)
        terms = self.columns.quadratic(repn, side)
        if not side or is_convex(terms):
            return bool(side)
        # A root gets a column of its own beside the form, with which it is no product
        if repn.nonlinear:
            return False
        linear = dict(self.columns.linear(repn))
        signed = np.full(len(self.columns.position), np.inf)
        if is_cone(self.columns.quadratic(repn, 1.0), linear, sides, lambda: (signed, -signed)):
            return True
        rest: Quadratic = {
            (self.columns.at(i), self.columns.at(j)): side * float(value)
            for (i, j), value in repn.quadratic.items()
            if (i, j) not in pairs
        }
        limit = sides[1] if side > 0 else -sides[0]
        # Without the products it would be none
        return not is_convex(rest) and turned_cone(terms, {at: side * v for at, v in linear.items()}, limit) is not None

    def _obstacle(self, pair: Pair, name: str) -> str | None:
        """Why a product has no linear form, None where it has one."""
        leader, follower = (self.columns.found[key] for key in pair)
        what = f"row {name!r} multiplies leader variable {leader.name!r} by follower variable {follower.name!r}"
        if values_of(leader, _MOST) is None:
            return (
                f"{what}: a follower's row is linear only where the leader's factor is binary, or has at most {_MOST} values, so "
                "give it such a domain, or write the row without the product"
            )
        low, high = readable_bounds(follower)
        if not max(-low, high) < tolerances.INFINITE:
            return (
                f"{what}, which has no finite bounds on both sides: give {follower.name!r} a lower and an upper bound"
            )
        return None

    def _replace(self, repn: Any, key: Pair, pair: Pair, at: int) -> float:
        """Puts linear terms in place of one product; gives the constant that comes with them."""
        factor = float(repn.quadratic.pop(key))
        leader, follower = pair
        values = values_of(self.columns.found[leader], _MOST) or (0.0,)
        low = readable_bounds(self.columns.found[follower])[0]
        terms = {follower: values[0], leader: low}
        terms |= {column: values[switch.at] - values[0] for column, switch in self._made(pair, values, at).items()}
        for variable, value in terms.items():
            total = repn.linear.get(variable, 0.0) + factor * value
            repn.linear[variable] = total
            if not total:
                del repn.linear[variable]
        return -factor * low * values[0]

    def _made(self, pair: Pair, values: tuple[float, ...], at: int) -> dict[int, Switch]:
        """The columns of a product (by id), made where it is met first; none where the follower's variable cannot move."""
        if pair in self.known:
            return self.known[pair]
        leader, follower = (self.columns.found[key] for key in pair)
        x, y = self.columns.at(pair[0]), self.columns.at(pair[1])
        low, high = readable_bounds(follower)
        made = {}
        for k in range(1, len(values) if low < high else 0):
            switch = Switch(len(self.columns.position), x, y, values, k, low)
            # Names of rows are keys of exported models, so that no two values may be written alike
            name = f"{follower.name} where {leader.name} is {str(values[k]).removesuffix('.0')}"
            derived = Derived(name, partial(_worth, switch, leader, follower), pyo.Reals, (0.0, None))
            self.columns.derive(derived, at)
            made[id(derived)] = switch
        if len(values) > 2 and made:
            self.apart[x] = values
        self.known[pair] = made
        return made


def _worth(switch: Switch, leader: Any, follower: Any) -> float | None:
    given = leader.value, follower.value
    return None if None in given else switch.made(float(given[0]), float(given[1]))


def _rows_of(s: Switch, name: str, high: float, first: dict[int, int]) -> Iterator[Limit]:
    """w <= (h - l) z, and w >= y - l - (h - l) (1 - z); `first` of each leader column are its choices."""
    length = high - s.low
    # z as factor * column + constant
    z, factor, constant = first.get(s.leader, 0) + s.at, 1.0, 0.0
    if len(s.values) == 2:
        z, factor = s.leader, 1.0 / (s.values[1] - s.values[0])
        constant = -s.values[0] * factor
    switch = (z, -length * factor)
    yield [(s.column, 1.0), switch], -np.inf, length * constant, f"{name}: else none"
    yield [(s.column, 1.0), (s.follower, -1.0), switch], length * constant - high, np.inf, f"{name}: all"
