"""Entries in the form of the literature set (`literature_loader`) as matrices: linear leaders and followers, prices, products.

    min  k + c x + d y + x'E y   over leader rows G x + H y <= g and bounds of x, some of them integers,
    y minimises (e + C x)'y      subject to M y <= r + R x (`equal`: with =), which holds the bounds of y too.

Several followers that share no column are one: their optima together are the products of their optima.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from literature_loader import evaluate, relations
from literature_oracle import Poly

Array = np.ndarray


@dataclass(frozen=True)
class Tied:
    """One problem as above; `sign` is -1 where the leader maximises (all numbers are those of a minimised objective).

    `share`: what part of the margin of secure answers a column has that no price sees (see `security`).
    """

    x: tuple[str, ...]
    y: tuple[str, ...]
    sign: float
    k: float
    c: Array
    d: Array
    E: Array
    G: Array
    H: Array
    g: Array
    lower: Array
    upper: Array
    integer: Array
    e: Array
    C: Array
    M: Array
    R: Array
    r: Array
    equal: Array
    share: Array

    def objective(self, x: Array, y: Array) -> Array:
        """The leader's minimised objective; `y` may be a stack of answers."""
        return self.k + self.c @ x + y @ (self.d + self.E.T @ x)

    @property
    def coupled(self) -> Array:
        """Which leader rows see the followers' answers."""
        return self.H.any(axis=1)

    def follows(self) -> list[str]:
        """Leader variables that could follow the answers: continuous, unseen by followers, in a row or product with answers.

        Whether they are decided before or after the answers changes the pessimistic optimum, so that no problem here has one.
        """
        seen = self.C.any(axis=0) | self.R.any(axis=0) | self.integer
        beside = self.G[self.coupled].any(axis=0) | self.E.any(axis=1)
        return [name for name, free in zip(self.x, ~seen & beside, strict=True) if free]


def tied(entry: Mapping[str, Any]) -> Tied:
    """The matrices of an entry; a ValueError where it is not of this kind."""
    leader, followers = entry["leader"], list(entry["followers"].values())
    x, y = list(leader["variables"]), [name for data in followers for name in data["variables"]]
    names = {name: Poly({(name,): 1.0}) for name in (*x, *y)}
    sign = 1.0 if leader["sense"] == "min" else -1.0
    cost = [poly(evaluate(data["objective"], names)) * (1.0 if data["sense"] == "min" else -1.0) for data in followers]
    paid = sum(cost, Poly({}))
    seen = Poly({key: value for key, value in paid.terms.items() if any(name in y for name in key)})
    k, c, d, E = _bilinear(poly(evaluate(leader["objective"], names)) * sign, x, y)
    _, _, e, C = _bilinear(seen, x, y)
    own = [row for data in followers for row in _rows(data, names)]
    ranges = [range_of(given) for given in leader["variables"].values()]
    # A follower's row without its columns holds the leader alone
    below = [*_rows(leader | {"variables": {}}, names), *(row for row in own if not _sees(row[0], y))]
    own = [row for row in own if _sees(row[0], y)]
    return Tied(
        tuple(x), tuple(y), sign, k, c, d, E, *_leader_rows(below, x, y),
        np.array([low for low, _, _ in ranges]), np.array([high for _, high, _ in ranges]),
        np.array([whole for _, _, whole in ranges], dtype=bool), e, C.T,
        *_matrix([row for row, _ in own], x, y), np.array([equal for _, equal in own], dtype=bool),
        np.array([entry.get("shares", {}).get(name, 1.0) for name in y]),
    )  # fmt: skip


def poly(value: Poly | float) -> Poly:
    return value if isinstance(value, Poly) else Poly({(): float(value)} if value else {})


def range_of(given: list[Any]) -> tuple[float, float, bool]:
    """Bounds of a variable, infinite where there is none, and whether it is an integer."""
    low, high, *domain = given
    if domain == ["Binary"]:
        return 0.0, 1.0, True
    return -np.inf if low is None else low, np.inf if high is None else high, bool(domain) and domain != ["Reals"]


def _sees(row: Poly, names: list[str]) -> bool:
    return any(name in names for key in row.terms for name in key)


def _rows(data: Mapping[str, Any], names: Mapping[str, Poly]) -> list[tuple[Poly, bool]]:
    """A level's rows and bounds as (polynomial, whether it is 0); the others are at most 0."""
    found = []
    for left, relation, right in (triple for row in data["rows"] for triple in relations(row, names)):
        difference = poly(left) - poly(right)
        found.append((-difference if relation == ">=" else difference, relation == "=="))
    for name, given in data["variables"].items():
        low, high, whole = range_of(given)
        if whole:
            raise ValueError(f"{name} is an integer of a follower")
        found += [(names[name] - high, low == high)] if np.isfinite(high) else []
        found += [(low - names[name], False)] if np.isfinite(low) and low != high else []
    return found


def _bilinear(f: Poly, x: list[str], y: list[str]) -> tuple[float, Array, Array, Array]:
    constant, c, d, E = 0.0, np.zeros(len(x)), np.zeros(len(y)), np.zeros((len(x), len(y)))
    for key, value in f.terms.items():
        mine, theirs = [x.index(n) for n in key if n in x], [y.index(n) for n in key if n in y]
        if len(mine) > 1 or len(theirs) > 1:
            raise ValueError(f"{'*'.join(key)} is neither linear nor a price times an answer")
        if mine and theirs:
            E[mine[0], theirs[0]] += value
        elif mine:
            c[mine[0]] += value
        elif theirs:
            d[theirs[0]] += value
        else:
            constant += value
    return constant, c, d, E


def _matrix(rows: list[Poly], x: list[str], y: list[str]) -> tuple[Array, Array, Array]:
    """Rows a x + b y + k <= 0 as M y <= r + R x."""
    M, R, r = np.zeros((len(rows), len(y))), np.zeros((len(rows), len(x))), np.zeros(len(rows))
    for at, row in enumerate(rows):
        constant, a, b, products = _bilinear(row, x, y)
        if products.any():
            raise ValueError("a row holds a product")
        M[at], R[at], r[at] = b, -a, -constant
    return M, R, r


def _leader_rows(rows: list[tuple[Poly, bool]], x: list[str], y: list[str]) -> tuple[Array, Array, Array]:
    H, R, g = _matrix([part for row, equal in rows for part in ((row, -row) if equal else (row,))], x, y)
    return -R, H, g
