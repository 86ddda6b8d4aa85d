"""Checks a proof of a lower bound by arithmetic alone; the format and its mathematics: docs/proof-format.md.

It needs numpy and the standard library, and nothing of the search: `conditions` rebuilds the followers' optimality conditions
from the problem's matrices; here the leaves are seen to be all of the problem, and weak duality is added up in each of them, with
room for rounding.
"""

import hashlib
import json
from fractions import Fraction
from typing import Any

import numpy as np

from bilevel.certify.proof.conditions import ROUNDING, TINY, Conditions, near
from bilevel.certify.proof.exact import ExactLeaf
from bilevel.certify.proof.reading import RefusedError, fraction

FORMAT, VERSION = "bilevel-grid proof", 1

MOST_DENSE = 1200
"""Columns that must have rates of 0 and hang together, up to which a dense inverse is made."""

MOST_SETTLED = 2
"""Rows of a column up to which its rate is added up exactly."""

MOST_WHOLE = 2**53
"""Up to which whole numbers are doubles, so that a value and the next one have nothing between them."""

MOST_EXACT = 300
"""Columns of a problem up to which a leaf that rounding leaves nothing of is added up in fractions."""


def check(proof: Any, exact: bool = False) -> dict[str, Any]:
    """The bound that a proof proves, in the leader's own sense, and what it is made of; raises `RefusedError`.

    `exact`: leaves are added up in fractions, which takes long for more than some hundred columns.
    """
    try:
        if (proof["format"], proof["version"]) != (FORMAT, VERSION):
            raise RefusedError(f"this is no {FORMAT} of version {VERSION}")
        if proof["fingerprint"] != fingerprint(proof["problem"]):
            raise RefusedError("the fingerprint is not that of the problem: one of both was changed")
        if not isinstance(proof["tree"], list) or not proof["tree"]:
            raise RefusedError("there is no tree: nothing is proven of any part of the problem")
        found = ProofTree(Conditions(proof["problem"], proof), proof["tree"], exact)
        # Null: that there is no point
        claimed = np.inf if proof["bound"] is None else float(fraction(proof["bound"]))
        sign = float(proof["problem"]["sign"])
        if not found.bound >= claimed:
            raise RefusedError(
                f"{claimed:.17g} is claimed, and the leaves prove {found.bound:.17g} (minimised objective)"
            )
    except (
        KeyError,
        IndexError,
        TypeError,
        ValueError,
        ArithmeticError,
        AttributeError,
        MemoryError,
        RecursionError,
    ) as error:
        raise RefusedError(f"the proof is damaged: {type(error).__name__}: {error}") from error
    return {"bound": sign * claimed, "leaves": found.leaves, "empty": found.empty, "margin": found.bound - claimed,
            "assumed": "nothing"}  # fmt: skip


def fingerprint(problem: Any) -> str:
    """Of the problem, whatever the order of its parts."""
    return hashlib.sha256(json.dumps(problem, sort_keys=True, allow_nan=False).encode()).hexdigest()


class ProofTree:
    """Goes from the root through all parts; `bound` is the least of what the leaves prove."""

    def __init__(self, told: Conditions, nodes: Any = None, exact: bool = False) -> None:
        self.told, self.leaves, self.empty, self.bound = told, 0, 0, np.inf
        self.fractions, self.exact = ExactLeaf(told) if exact or len(told.low) <= MOST_EXACT else None, exact
        self.row, self.column, self.value, self.off = (np.array(part) for part in zip(*told.entries, strict=True))
        self.sides = np.array(told.sides).T
        self.kept: dict[bytes, Any] = {}
        stack, seen = [(0, self.root())] if nodes is not None else [], set()
        while stack:
            at, limits = stack.pop()
            if at in seen:
                raise RefusedError(f"node {at} is a child twice")
            seen.add(at)
            node = nodes[at]
            if "children" not in node:
                self._leaf(node, *limits)
                continue
            if not min(node["children"]) > at:
                raise RefusedError(f"node {at} is no parent of its children")
            stack += list(zip(node["children"], self.halves(node, limits), strict=True))

    def root(self) -> Any:
        """Limits of all columns and rows: low, high, row_low, row_high."""
        return np.array(self.told.low), np.array(self.told.high), *self.sides

    def halves(self, node: Any, limits: Any) -> Any:
        """Limits of both children: a slack at 0 and a multiplier at 0, or an integer at most and above a value."""
        first, second = ([part.copy() for part in limits] for _ in range(2))
        if "integer" in node:
            column, value = node["integer"]
            if column not in self.told.integer or not abs(value) < MOST_WHOLE or value != int(value):
                raise RefusedError(f"column {column} is not whole, or not known to be at {value}")
            first[1][column] = min(first[1][column], value)
            second[0][column] = max(second[0][column], value + 1)
            return first, second
        _, _, row, column, side, twin = self.told.pairs[node["pair"]]
        low, high, at = (*first[2:], self.told.follower_row[row]) if row >= 0 else (*first[:2], column)
        limit = (self.sides if row >= 0 else (self.told.low, self.told.high))[0 if side > 0 else 1][at]
        low[at], high[at] = max(low[at], limit), min(high[at], limit)
        if twin >= 0:
            # What is at one of two limits that differ has room to the other
            first[1][self.told.mu[twin]] = 0.0
        second[1][self.told.mu[node["pair"]]] = 0.0
        return first, second

    def _leaf(self, node: Any, low: Any, high: Any, row_low: Any, row_high: Any) -> None:
        self.leaves += 1
        if (low > high).any() or (row_low > row_high).any():
            self.empty += 1
            return
        dual = np.zeros(len(row_low))
        for row, value in node["dual"]:
            dual[row] = value
        found = self.weak_duality(dual, node["empty"], low, high, row_low, row_high)
        if node["empty"] and not found > 0:
            raise RefusedError(
                f"leaf {self.leaves} is called empty, and its multipliers prove {found:.3g}, no contradiction"
            )
        self.empty += node["empty"]
        self.bound = self.bound if node["empty"] else min(self.bound, found)

    def weak_duality(self, dual: Any, empty: bool, *limits: Any) -> float:
        """What no point of a leaf is below, in doubles with room for rounding, else in fractions where the problem is small."""
        found = -np.inf if self.exact else self._in_doubles(dual, empty, *limits)
        return self.fractions.bound(dual, empty, *limits) if self.fractions and found == -np.inf else found

    @np.errstate(all="ignore")
    def _in_doubles(self, dual: Any, empty: bool, low: Any, high: Any, row_low: Any, row_high: Any) -> float:
        """Multipliers times rows, and rates times columns at their cheaper ends."""
        terms, left = ({}, 0.0) if empty else self.told.cost
        cost, room = np.zeros(len(low)), np.zeros(len(low))
        for column, exact in terms.items():
            cost[column], room[column] = near(exact)
        moved, count = np.zeros(len(dual)), len(low)
        paid = np.bincount(self.column, self.value * dual[self.row], count)
        size = np.bincount(self.column, np.abs(self.value * dual[self.row]), count)
        terms_of = np.bincount(self.column, minlength=count)
        rate = cost - paid
        room += (terms_of + 4) * ROUNDING * (size + np.abs(cost)) + np.bincount(
            self.column, self.off * np.abs(dual[self.row]), count
        )
        # Products below the range of doubles with all digits
        room += 4 * TINY * np.bincount(self.column, dual[self.row] != 0, count)
        self._settle(rate, room, terms_of, dual, terms)
        need, whole, around = np.zeros(count, dtype=bool), rate, room
        while True:
            unsafe = ((rate - room < 0) & np.isinf(high)) | ((rate + room > 0) & np.isinf(low))
            if not (unsafe & ~need).any():
                break
            need |= unsafe
            # Equalities alone keep parts apart that one limit of all of them joins
            for rows in (row_low == row_high, (row_low == row_high) | (dual != 0)):
                moved = self._moved(need, np.abs(whole) + around, dual, row_low == row_high, rows)
                if np.isfinite(moved).all():
                    break
            else:
                return -np.inf
            # Multipliers near these have rates of exactly 0 there
            most = (np.abs(self.value) + self.off) * moved[self.row] + TINY * (moved[self.row] > 0)
            shifted = np.bincount(self.column, most, count)
            rate, room = np.where(need, 0.0, whole), np.where(need, 0.0, around + 2 * shifted)
        parts = [_least(dual, moved, row_low, row_high), _least(rate, room, low, high)]
        total = sum(float(part.sum()) for part in parts) + float(0.0 if empty else self.told.constant)
        size_of = sum(float(np.abs(part).sum()) for part in parts) + abs(float(self.told.constant))
        return total - (sum(map(len, parts)) + 4) * ROUNDING * size_of - 2 * left if np.isfinite(total) else -np.inf

    def _settle(self, rate: Any, room: Any, terms_of: Any, dual: Any, cost: Any) -> None:
        """Rates of columns in a row or two, exactly: those that are 0 need nothing to move."""
        few = np.flatnonzero((terms_of <= MOST_SETTLED) & (np.abs(rate) <= room) & (room > 0))
        mine = np.flatnonzero(np.isin(self.column, few) & (self.off == 0))
        paid: dict[int, Fraction] = dict.fromkeys(few.tolist(), Fraction(0))
        count = np.bincount(self.column[mine], minlength=len(rate))
        for k in mine.tolist():
            paid[int(self.column[k])] += Fraction(float(self.value[k])) * Fraction(float(dual[self.row[k]]))
        for column, value in paid.items():
            if count[column] == terms_of[column] and cost.get(column, 0) == value:
                rate[column] = room[column] = 0.0

    def _moved(self, need: Any, reach: Any, dual: Any, equal: Any, usable: Any) -> Any:
        """How far multipliers move at most so that the rates of these columns are 0; infinite where that cannot be told."""
        mine = need[self.column] & usable[self.row]
        row, column, value, off = (part[mine] for part in (self.row, self.column, self.value, self.off))
        group = np.arange(len(need))
        while True:
            least = np.full(len(dual), len(need))
            np.minimum.at(least, row, group[column])
            new = group.copy()
            np.minimum.at(new, column, least[row])
            if (new == group).all():
                break
            group = new
        moved = np.zeros(len(dual))
        for each in np.unique(group[need]).tolist():
            part = group[column] == each
            columns, rows = np.flatnonzero(need & (group == each)), np.unique(row[part])
            table, spread = np.zeros((2, len(columns), len(rows)))
            np.add.at(table, (np.searchsorted(columns, column[part]), np.searchsorted(rows, row[part])), value[part])
            np.add.at(spread, (np.searchsorted(columns, column[part]), np.searchsorted(rows, row[part])), off[part])
            moved[rows] = _shift(table, spread, np.where(equal[rows], 1.0, 1e-3), reach[columns], self.kept)
            if not len(rows) or not np.isfinite(moved[rows]).all():
                return np.full(len(dual), np.inf)
        return moved


def _shift(table: Any, spread: Any, weight: Any, reach: Any, kept: dict[bytes, Any]) -> Any:
    """Bounds |z| for some z with table z = r exactly, for every |r| <= reach; the table is known within `spread`."""
    nowhere = np.full(table.shape[1], np.inf)
    if not table.size or len(table) > MOST_DENSE:
        return nowhere
    key = table.tobytes() + weight.tobytes()
    if key not in kept:
        kept[key] = _inverse(table, weight)
    inverse, off = kept[key]
    off += float((spread @ np.abs(inverse)).sum(axis=1).max()) * 2
    # table (inverse u) = r has a solution with |u - r| <= off / (1 - off) max |r|
    if off >= 0.5:
        return nowhere
    return 2 * np.abs(inverse) @ np.nextafter(reach + 2 * off * reach.max(), np.inf) + len(table) * TINY


def _inverse(table: Any, weight: Any) -> Any:
    """A right inverse, and a bound of how far the table times it is from 1 in any row."""
    square = (table * weight**2) @ table.T
    best = np.zeros(table.T.shape), np.inf
    # The singular values of what is not finite may take for ever
    if not np.isfinite(square).all():
        return best
    for way in (np.linalg.inv, np.linalg.pinv):
        try:
            inverse = (weight**2)[:, None] * (table.T @ way(square))
        except np.linalg.LinAlgError:
            continue
        size = np.abs(table) @ np.abs(inverse) * (len(weight) + 4) * ROUNDING
        off = float((np.abs(np.eye(len(table)) - table @ inverse) + size).sum(axis=1).max())
        if np.isfinite(off) and off < best[1]:
            best = inverse, off
        if off < 0.5:
            break
    return best


def _least(rate: Any, room: Any, low: Any, high: Any) -> Any:
    """Least of rate * x over low <= x <= high, whatever the rate is within its room: at one end of both."""
    both = np.nextafter(rate - room, -np.inf), np.nextafter(rate + room, np.inf)
    ends = [np.where(room == 0, rate, end) for end in both]
    with np.errstate(invalid="ignore"):
        limits = [np.where(end > 0, low, high) for end in ends]
        # Rounded down, which is all that holds where a product leaves the range of doubles with all digits
        terms = [np.where(limit == 0, end * limit, np.nextafter(end * limit, -np.inf))
                 for end, limit in zip(ends, limits, strict=True)]  # fmt: skip
        return np.min([np.where(end == 0, 0.0, term) for end, term in zip(ends, terms, strict=True)], axis=0)
