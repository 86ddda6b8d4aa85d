"""What a proof is about: the problem with its followers' optimality conditions, as linear rows, from its matrices alone.

It needs numpy and the standard library, and nothing of this package.  Every number is exact (a double is a fraction) until it is
written down as a row, with how far rounding may have moved it.
"""

import math
from collections import defaultdict
from fractions import Fraction
from itertools import product
from typing import Any

import numpy as np

from bilevel.certify.proof.reading import RefusedError, forms, fraction, number, places, rows_of, see, triples

ROUNDING = 2.0**-52
"""Twice the unit roundoff of doubles: room for a term of a sum that is itself a rounded product."""

WIDER = 1e-9
"""Of themselves: room that limits of multipliers are given, far more than rounding takes."""

TINY = 2.0**-1074
"""The least double above 0: what a product may be off by where it leaves the range of doubles with all digits."""


class Conditions:
    """Rows, limits and cost over the problem's columns, multipliers of equalities and of limits, products of columns, squares."""

    def __init__(self, problem: Any, proof: Any) -> None:
        see(problem)
        self.low = [number(v, -np.inf) for v in problem["lower"]]
        self.high = [number(v, np.inf) for v in problem["upper"]]
        self.owner, self.integer = problem["owner"], set(problem["integer"])
        self.n = len(self.owner)
        if not len(self.low) == len(self.high) == self.n:
            raise RefusedError("columns, owners and limits differ in number")
        if any(self.owner[j] >= 0 for j in self.integer):
            raise RefusedError("a follower's column is whole, and conditions with multipliers are none of its answers'")
        self.entries: list[tuple[int, int, float, float]] = []
        self.exact: list[dict[int, Fraction]] = []
        self.sides: list[tuple[float, float]] = []
        leader, follower = (rows_of(problem[name]) for name in ("leader_rows", "follower_rows"))
        self._limits(follower, problem["follower_rows"]["owner"])
        self._stationarity(problem)
        self._multiplier_limits(problem, follower)
        self.product = {(min(i, j), max(i, j)): self._product(i, j) for i, j in proof["products"]}
        self.form = forms(proof, self.n)
        self.square = [self._column(0.0, np.inf) for _ in self.form]
        self.link = [(column, self._netted(row, Fraction(sign))) for column, row, sign in problem["links"]]
        own = defaultdict(list)
        for row, i, j, value in problem["products"]:
            own[row].append((min(i, j), max(i, j), Fraction(value)))
        cost = {int(j): Fraction(v) for j, v in problem["cost"].items()}
        self.cost, self.constant = self._replaced(cost, own[-1], proof["replacements"].get("-1")), problem["constant"]
        for at, (terms, low, high) in enumerate(leader):
            terms, left = self._replaced(terms, own[at], proof["replacements"].get(str(at)))
            self._add(terms, *(_moved(end, side * 2 * left) for end, side in ((low, -1), (high, 1))))
        self.follower_row = [self._add(*row) for row in follower]
        for terms, constant in self.stationary:
            self._add(terms, -constant, -constant)
        for column, net in self.link:
            self._add({column: Fraction(1), **{at: -value for at, value in net.items()}}, 0, 0)
        for weights in proof["identities"]:
            terms, left = self._replaced({}, (), weights)
            self._add(terms, -2 * left, 2 * left)
        for (i, j), at in self.product.items():
            self._planes(i, j, at)
        self._tangents(problem["cones"], proof["tangents"])

    def _column(self, low: float, high: float) -> int:
        self.low.append(low)
        self.high.append(high)
        return len(self.low) - 1

    def _add(self, terms: dict[int, Fraction], low: Any, high: Any) -> int:
        """A row; each entry with how far it may be from the true one, limits rounded outwards."""
        self.exact.append(dict(terms))
        for column, exact in terms.items():
            self.entries.append((len(self.sides), column, *near(exact)))
        ends = float(low), float(high)
        self.sides.append((ends[0] if ends[0] == low else float(np.nextafter(ends[0], -np.inf)),
                           ends[1] if ends[1] == high else float(np.nextafter(ends[1], np.inf))))  # fmt: skip
        return len(self.sides) - 1

    def _limits(self, rows: Any, owners: Any) -> None:
        """Equalities, then pairs: all lower limits, then all upper ones; of the followers' rows, then of their columns."""
        written = [(*row, k, -1, owners[k]) for k, row in enumerate(rows)]
        written += [
            ({j: Fraction(1)}, self.low[j], self.high[j], -1, j, who) for j, who in enumerate(self.owner) if who >= 0
        ]
        self.equal: list[tuple[dict[int, Fraction], Fraction, int]] = []
        self.pairs: list[tuple[dict[int, Fraction], Fraction, int, int, int, int]] = []
        first: dict[tuple[int, int], int] = {}
        for terms, low, _, row, *_ in (told for told in written if told[1] == told[2]):
            self.equal.append((terms, Fraction(low), row))
        for side in (1, -1):
            for terms, low, high, row, column, who in written:
                if {self.owner[j] for j in terms} - {-1, who} or who < 0:
                    raise RefusedError(f"row {row} of followers is not one follower's alone")
                limit = low if side > 0 else high
                if low != high and np.isfinite(limit):
                    slack = {at: side * value for at, value in terms.items()}
                    twin = first.setdefault((row, column), len(self.pairs))
                    twin = -1 if twin == len(self.pairs) else twin
                    self.pairs.append((slack, -side * Fraction(limit), row, column, side, twin))
                    if twin >= 0:
                        self.pairs[twin] = (*self.pairs[twin][:5], len(self.pairs) - 1)
        self.lam = [self._column(-np.inf, np.inf) for _ in self.equal]
        self.mu = [self._column(0.0, np.inf) for _ in self.pairs]

    def _stationarity(self, problem: Any) -> None:
        """Of every follower column: its cost rate less what the multipliers pay for it is 0."""
        self.place = {j: k for k, j in enumerate(j for j in range(self.n) if self.owner[j] >= 0)}
        terms: list[dict[int, Fraction]] = [defaultdict(Fraction) for _ in self.place]
        rate = [Fraction(problem["follower_cost"].get(str(j), 0)) for j in self.place]
        square = triples(problem["quadratic"], self.n)
        if any(square[j].get(i, 0) != value for i, row in enumerate(square) for j, value in row.items()):
            raise RefusedError("the followers' quadratic costs are not symmetric")
        for name, of in (("price", {-1}), ("quadratic", {0})):
            for i, j, value in problem[name]:
                if {min(self.owner[i], 0)} != of or (name == "quadratic" and self.owner[i] != self.owner[j]):
                    raise RefusedError(f"{name} has an entry of columns {i} and {j}")
                terms[self.place[j]][i] += Fraction(value)
        rows = [row for row, *_ in self.equal] + [row for row, *_ in self.pairs]
        for column, row in zip([*self.lam, *self.mu], rows, strict=True):
            for j, value in row.items():
                if j in self.place:
                    terms[self.place[j]][column] -= value
        self.stationary = list(zip(terms, rate, strict=True))

    def _multiplier_limits(self, problem: Any, rows: Any) -> None:
        """Limits that one optimal multiplier keeps, for rows that share no column, and then those of the columns' own limits.

        Above all rates of its columns over their entries, a row's multiplier holds every column at the end that it pays for, and
        lowering it to the largest of them changes nothing; nor does raising it to the least.
        """
        uses = defaultdict(int, {j: 2 for i, j, _ in problem["quadratic"]})
        for terms, *_ in rows:
            for j in terms:
                uses[j] += 1
        read = {row for _, row, _ in problem["links"]}
        for k, (terms, *_, row) in enumerate(self.equal):
            if row >= 0 and row not in read:
                self._keep(self.lam[k], *self._row_range(terms, uses))
        for k, (slack, _, row, *_) in enumerate(self.pairs):
            if row >= 0 and row not in read:
                self._keep(self.mu[k], 0.0, max(self._row_range(slack, uses)[1], 0.0))
        own = defaultdict(set)
        for at, pair in zip(self.mu, self.pairs, strict=True):
            own[pair[3]].add(at)
        for k, (_, _, row, column, side, _) in enumerate(self.pairs):
            if row < 0:
                least, most = self._reach(column, own[column])
                # Of two limits that differ one multiplier is 0, so that the other is all of the rate
                self._keep(self.mu[k], 0.0, max(most if side > 0 else -least, 0.0))

    def _keep(self, column: int, low: float, high: float) -> None:
        self.low[column], self.high[column] = max(self.low[column], low), min(self.high[column], high)

    def _reach(self, j: int, without: Any) -> tuple[float, float]:
        """Less than the least and more than the most of a column's rate, these multipliers aside."""
        terms, constant = self.stationary[self.place[j]]
        parts = [(float(value), column) for column, value in terms.items() if column not in without and value]
        ends = []
        for side in (-1, 1):
            limits = [
                (value, (self.low if (value > 0) == (side < 0) else self.high)[column]) for value, column in parts
            ]
            part = [*(_beyond(value * limit, side) for value, limit in limits if limit), float(constant)]
            end = sum(part) + side * WIDER * sum(map(abs, part))
            # What overflows on both sides may be anything
            ends.append(side * np.inf if np.isnan(end) else end)
        return ends[0], ends[1]

    def _row_range(self, terms: Any, uses: Any) -> tuple[float, float]:
        """What one optimal multiplier of a row lies between; nothing where its columns are in other rows too."""
        mine = [(j, value) for j, value in terms.items() if j in self.place]
        if not mine or any(uses[j] > 1 for j, _ in mine):
            return -np.inf, np.inf
        multipliers = {*self.lam, *self.mu}
        ends = [(end, end / float(value)) for j, value in mine for end in self._reach(j, multipliers)]
        low = min(_beyond(quotient, -1) if end else quotient for end, quotient in ends)
        high = max(_beyond(quotient, 1) if end else quotient for end, quotient in ends)
        return low - WIDER * abs(low), high + WIDER * abs(high)

    def _replaced(self, terms: Any, own: Any, weights: Any) -> tuple[dict[int, Fraction], float]:
        """Linear terms plus products, plus what is 0 at every answer: columns times stationarity, multipliers times slacks.

        What is left of products has columns, or adds to the room that is given back.
        """
        linear: dict[int, Fraction] = defaultdict(Fraction, terms)
        products: dict[tuple[int, int], Fraction] = defaultdict(Fraction)
        for i, j, value in own:
            products[i, j] += value
        zeros: list[tuple[int, Any, Fraction, Any]] = []
        if weights is not None:
            zeros += [(int(j), *self.stationary[self.place[int(j)]], w) for j, w in weights["stationarity"].items()]
            zeros += [(self.lam[int(k)], self.equal[int(k)][0], -self.equal[int(k)][1], w)
                      for k, w in weights["equalities"].items()]  # fmt: skip
            zeros += [(self.mu[int(k)], *self.pairs[int(k)][:2], w) for k, w in weights["pairs"].items()]
            places((j for _, j, _ in weights.get("links", ())), 0, self.n)
            zeros += [(j, {self.link[k][0]: Fraction(1), **{at: -v for at, v in self.link[k][1].items()}}, Fraction(0), w)
                      for k, j, w in weights.get("links", ())]  # fmt: skip
            for k, weight in weights.get("squares", {}).items():
                linear[self.square[int(k)]] += fraction(weight)
                for (i, a), (j, b) in product(self.form[int(k)].items(), repeat=2):
                    products[min(i, j), max(i, j)] -= fraction(weight) * a * b
        for factor, others, constant, weight in zeros:
            linear[factor] += fraction(weight) * constant
            for other, value in others.items():
                products[min(factor, other), max(factor, other)] += fraction(weight) * value
        left = Fraction(0)
        for pair, value in products.items():
            if value and pair in self.product:
                linear[self.product[pair]] += value
            elif value:
                first, second = (max(abs(self.low[k]), abs(self.high[k])) for k in pair)
                if not np.isfinite([first, second]).all():
                    raise RefusedError("a product of columns without limits is not taken away")
                left += abs(value) * Fraction(first) * Fraction(second)
        return linear, _beyond(float(left), 1) if left else 0.0

    def _netted(self, row: int, sign: Fraction) -> dict[int, Fraction]:
        """A row's net multiplier, times the sign."""
        terms = {self.mu[k]: sign * pair[4] for k, pair in enumerate(self.pairs) if pair[2] == row}
        return terms | {self.lam[k]: sign for k, told in enumerate(self.equal) if told[2] == row}

    def _product(self, i: int, j: int) -> int:
        """A column that is the product of two, within its corners."""
        places((i, j), 0, len(self.low))
        corners = [float(np.multiply(a, b)) for a in (self.low[i], self.high[i]) for b in (self.low[j], self.high[j])]
        if not np.isfinite(corners).all():
            raise RefusedError(f"columns {i} and {j} of a product have no limits")
        return self._column(float(np.nextafter(min(corners), -np.inf)), float(np.nextafter(max(corners), np.inf)))

    def _planes(self, i: int, j: int, at: int) -> None:
        """Four planes around the product of two columns with limits."""
        ends = [[Fraction(self.low[k]), Fraction(self.high[k])] for k in (i, j)]
        for a, b in ((0, 0), (1, 1), (0, 1), (1, 0)):
            terms = defaultdict(Fraction, {at: Fraction(1)})
            terms[i] -= ends[1][b]
            terms[j] -= ends[0][a]
            limit = -ends[0][a] * ends[1][b]
            self._add(terms, *((limit, np.inf) if a == b else (-np.inf, limit)))

    def _tangents(self, cones: Any, told: Any) -> None:
        """p squares + q u + r w >= 0 holds where squares^2 <= u w with u and w at least 0, if |p|^2 <= 4 q r."""
        parts = {
            name: triples(cones[name], len(cones["owner" if name == "squares" else "u0"]))
            for name in ("squares", "u", "w")
        }
        mine = defaultdict(list)
        for at, cone in enumerate(cones["owner"]):
            mine[cone].append(parts["squares"][at])
        of_u, of_w = ([(row, Fraction(value)) for row, value in zip(parts[name], cones[name + "0"], strict=True)]
                      for name in ("u", "w"))  # fmt: skip
        # Squares of forms are cones with 1 for u and their column for w
        for form, column in zip(self.form, self.square, strict=True):
            mine[len(of_u)].append(form)
            of_u.append(({}, Fraction(1)))
            of_w.append(({column: Fraction(1)}, Fraction(0)))
        for cone, p, q, r in told:
            places([cone], 0, len(of_u))
            exact = [fraction(v) for v in (*p, q, r)]
            rows = [*mine[cone], of_u[cone][0], of_w[cone][0]]
            if (
                len(exact) != len(rows)
                or min(exact[-2:]) < 0
                or sum(v * v for v in exact[:-2]) > 4 * exact[-2] * exact[-1]
            ):
                raise RefusedError(f"a tangent does not hold on cone {cone}")
            terms: dict[int, Fraction] = defaultdict(Fraction)
            for value, row in zip(exact, rows, strict=True):
                for column, entry in row.items():
                    terms[column] += value * entry
            self._add(terms, -exact[-2] * of_u[cone][1] - exact[-1] * of_w[cone][1], np.inf)


def near(exact: Fraction) -> tuple[float, float]:
    """The nearest double, and how far it may be from the number."""
    found = float(exact)
    return found, 0.0 if Fraction(found) == exact else abs(found) * ROUNDING + 1e-320


def _moved(end: float, room: float) -> Any:
    return Fraction(end) + Fraction(room) if np.isfinite(end) else end


def _beyond(value: float, side: int) -> float:
    """The next double on that side: the true number, of which this is the nearest, is not past it."""
    return math.nextafter(value, side * math.inf)
