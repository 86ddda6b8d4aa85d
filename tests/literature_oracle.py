"""The optimistic optimum of a literature entry, independently of the engine.

Every follower is replaced by its optimality conditions, written down here from the entry's own expressions.  A search over the
complementarity sides (slack = 0 or multiplier = 0) and the leader's integers then solves a linear program (SciPy) or a convex
quadratic one (HiGHS) at every node: no big M, no bounds on multipliers, no scaling.  A leader's product that is a multiple of
its follower's own product is rewritten by the follower's optimality conditions; without that, or when the objective is not
convex after it, it is minimised only where all sides are chosen, on the null space of what they fix, and must be convex there.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import highspy
import numpy as np
from literature_loader import evaluate, relations
from scipy.linalg import null_space
from scipy.optimize import linprog

_ZERO = 1e-7


@dataclass(frozen=True)
class Poly:
    """A polynomial: sorted tuple of variable names -> coefficient."""

    terms: Mapping[tuple[str, ...], float]

    def __add__(self, other: Poly | float) -> Poly:
        total = dict(self.terms)
        for key, value in _poly(other).terms.items():
            total[key] = total.get(key, 0.0) + value
        return Poly({key: value for key, value in total.items() if value})

    def __mul__(self, other: Poly | float) -> Poly:
        total: dict[tuple[str, ...], float] = {}
        for (a, u), (b, v) in itertools.product(self.terms.items(), _poly(other).terms.items()):
            key = tuple(sorted(a + b))
            total[key] = total.get(key, 0.0) + u * v
        return Poly(total)

    __radd__, __rmul__ = __add__, __mul__

    def __neg__(self) -> Poly:
        return self * -1.0

    def __sub__(self, other: Poly | float) -> Poly:
        return self + -_poly(other)

    def __rsub__(self, other: Poly | float) -> Poly:
        return -self + other

    def __truediv__(self, other: float) -> Poly:
        return self * (1.0 / other)

    def __pow__(self, power: int) -> Poly:
        return math.prod([self] * power, start=Poly({(): 1.0}))

    def derivative(self, name: str) -> Poly:
        """d self / d name."""
        total = Poly({})
        for key, value in self.terms.items():
            if name in key:
                rest = list(key)
                rest.remove(name)
                total = total + Poly({tuple(rest): value * key.count(name)})
        return total


def _poly(value: Poly | float) -> Poly:
    return value if isinstance(value, Poly) else Poly({(): float(value)} if value else {})


@dataclass
class Conditions:
    """Rows over named columns: equal == 0, below <= 0, and pairs (row of `below`, multiplier) that exclude each other."""

    objective: Poly
    equal: list[Poly] = field(default_factory=list)
    below: list[Poly] = field(default_factory=list)
    pairs: list[tuple[int, str]] = field(default_factory=list)
    columns: list[str] = field(default_factory=list)
    integer: list[str] = field(default_factory=list)
    rewrite: bool = True


def conditions(entry: Mapping[str, Any], rewrite: bool = True, held: Mapping[str, float] | None = None) -> Conditions:
    """The leader's program with every follower's optimality conditions, minimised; variables `held` are numbers in it."""
    levels, held = {"leader": entry["leader"], **entry["followers"]}, held or {}
    columns = [name for level in levels.values() for name in level["variables"] if name not in held]
    names = {name: Poly({(name,): 1.0}) for name in columns} | {name: _poly(value) for name, value in held.items()}
    sign = 1.0 if entry["leader"]["sense"] == "min" else -1.0
    found = Conditions(_poly(evaluate(entry["leader"]["objective"], names)) * sign, columns=columns, rewrite=rewrite)
    for level, data in levels.items():
        equal, below = _rows(data, names)
        if level == "leader":
            found.equal, found.below = equal, below
            whole = [name for name, given in data["variables"].items() if given[2:] and given[2] != "Reals"]
            found.integer = [name for name in whole if name not in held]
        else:
            _follower(found, level, data, names, equal, below)
    return found


def _own_product(cost: Poly, own: Mapping[str, Any]) -> Poly:
    """The terms with one of the follower's variables and one of others."""
    return Poly(
        {key: value for key, value in cost.terms.items() if len(key) == 2 and (key[0] in own) != (key[1] in own)}
    )


def _without_products(
    found: Conditions, level: str, data: Mapping[str, Any], cost: Poly, rows: list[tuple[str, Poly]]
) -> None:
    """Rewrite k * product in the leader's objective: y'(gradient of the Lagrangian) = 0 and multiplier * row = 0 give

    product = sum(multiplier * constant of its row) - linear cost - 2 * quadratic cost, with no other variable in the rows.
    """
    own = data["variables"]
    offered, wanted = _own_product(cost, own), _own_product(found.objective, own)
    if not wanted.terms or any(key and key[0] not in own for _, row in rows for key in row.terms):
        return
    key = next(iter(wanted.terms))
    weight = wanted.terms[key] / offered.terms[key] if offered.terms.get(key) else 0.0
    rest = wanted - offered * weight
    if any(abs(value) > 1e-12 for value in rest.terms.values()):
        return
    same = Poly(
        {key: -value * len(key) for key, value in cost.terms.items() if key and all(name in own for name in key)}
    )
    for multiplier, row in rows:
        same = same + Poly({(multiplier,): row.terms.get((), 0.0)})
    found.objective = found.objective - wanted + same * weight


def _rows(data: Mapping[str, Any], names: Mapping[str, Poly]) -> tuple[list[Poly], list[Poly]]:
    """A level's rows and bounds as polynomials that are 0, or at most 0."""
    equal, below = [], []
    for left, relation, right in (triple for row in data["rows"] for triple in relations(row, names)):
        difference = _poly(left) - _poly(right)
        (equal if relation == "==" else below).append(-difference if relation == ">=" else difference)
    for name, (lower, upper, *domain) in data["variables"].items():
        low, high = (0.0, 1.0) if domain == ["Binary"] else (lower, upper)
        below += [low - names[name]] if low is not None else []
        below += [names[name] - high] if high is not None else []
    return equal, below


def _follower(
    found: Conditions, level: str, data: Mapping[str, Any], names: Mapping[str, Poly], equal: list[Poly], below: list[Poly]
) -> None:  # fmt: skip
    sign = 1.0 if data["sense"] == "min" else -1.0
    cost = _poly(evaluate(data["objective"], names)) * sign
    hessian = [
        [cost.derivative(a).derivative(b).terms.get((), 0.0) for b in data["variables"]] for a in data["variables"]
    ]
    assert np.linalg.eigvalsh(np.array(hessian)).min() >= -1e-9, f"follower {level} is not convex"
    gradient = {name: cost.derivative(name) for name in data["variables"]}
    multipliers = [(f"lam_{level}_{at}", row) for at, row in enumerate(equal)]
    multipliers += [(f"mu_{level}_{at}", row) for at, row in enumerate(below)]
    if found.rewrite:
        _without_products(found, level, data, cost, multipliers)
    for multiplier, row in multipliers:
        found.columns.append(multiplier)
        for name in gradient:
            gradient[name] = gradient[name] + row.derivative(name) * Poly({(multiplier,): 1.0})
        if multiplier.startswith("mu_"):
            found.pairs.append((len(found.below), multiplier))
            found.below.append(row)
    found.equal += [*equal, *gradient.values()]


@dataclass(frozen=True)
class _Program:
    """min z'Hz/2 + c z + offset over A_eq z = b_eq, A z <= b, lower <= z <= upper."""

    hessian: np.ndarray
    cost: np.ndarray
    offset: float
    a_eq: np.ndarray
    b_eq: np.ndarray
    a: np.ndarray
    b: np.ndarray
    lower: np.ndarray
    upper: np.ndarray


def _program(found: Conditions) -> _Program:
    at = {name: k for k, name in enumerate(found.columns)}
    n = len(at)
    hessian, cost = np.zeros((n, n)), np.zeros(n)
    for key, value in found.objective.terms.items():
        assert len(key) <= 2, "the leader's objective is not quadratic"
        if len(key) == 1:
            cost[at[key[0]]] += value
        elif key:
            hessian[at[key[0]], at[key[1]]] += value
            hessian[at[key[1]], at[key[0]]] += value
    lower = np.full(n, -np.inf)
    lower[[at[multiplier] for _, multiplier in found.pairs]] = 0.0
    a_eq, b_eq = _matrix(found.equal, at)
    a, b = _matrix(found.below, at)
    return _Program(
        hessian, cost, found.objective.terms.get((), 0.0), a_eq, b_eq, a, b, lower, np.full(n, np.inf)
    )  # fmt: skip


def _matrix(rows: list[Poly], at: Mapping[str, int]) -> tuple[np.ndarray, np.ndarray]:
    matrix, right = np.zeros((len(rows), len(at))), np.zeros(len(rows))
    for k, row in enumerate(rows):
        for key, value in row.terms.items():
            assert len(key) <= 1, f"row {row} is not linear"
            if key:
                matrix[k, at[key[0]]] += value
            else:
                right[k] -= value
    return matrix, right


def _minimise(p: _Program) -> tuple[str, float, np.ndarray | None]:
    """(optimal | infeasible | unbounded, value, point) of a convex program."""
    if p.hessian.any() and np.linalg.eigvalsh(p.hessian).min() >= -1e-9:
        return _quadratic(p)
    result = linprog(
        np.zeros_like(p.cost) if p.hessian.any() else p.cost,
        p.a, p.b, p.a_eq, p.b_eq, np.column_stack([p.lower, p.upper]),
        options={"primal_feasibility_tolerance": 1e-9, "dual_feasibility_tolerance": 1e-9},
    )  # fmt: skip
    if result.status == 0:
        return "optimal", float(result.fun) + p.offset, np.asarray(result.x)
    if result.status == 2:
        return "infeasible", np.inf, None
    if result.status == 3 or not p.hessian.any():
        # HiGHS may not tell the two apart: ask for any point
        again = _minimise(replace(p, cost=np.zeros_like(p.cost)))
        return ("infeasible", np.inf, None) if again[2] is None else ("unbounded", -np.inf, again[2])
    raise ArithmeticError(result.message)


def _quadratic(p: _Program) -> tuple[str, float, np.ndarray | None]:
    point = _minimise(replace(p, hessian=np.zeros_like(p.hessian), cost=np.zeros_like(p.cost)))[2]
    if point is None:
        return "infeasible", np.inf, None
    h = highspy.Highs()
    h.setOptionValue("output_flag", False)
    n = len(p.cost)
    model = highspy.HighsModel()
    lp = model.lp_
    rows = np.vstack([p.a_eq, p.a])
    lp.num_col_, lp.num_row_ = n, len(rows)
    lp.col_cost_, lp.col_lower_, lp.col_upper_ = p.cost, p.lower, p.upper
    lp.row_lower_ = np.concatenate([p.b_eq, np.full(len(p.b), -np.inf)])
    lp.row_upper_ = np.concatenate([p.b_eq, p.b])
    lp.a_matrix_.format_ = highspy.MatrixFormat.kRowwise
    lp.a_matrix_.start_ = np.concatenate([[0], np.cumsum((rows != 0).sum(axis=1))])
    lp.a_matrix_.index_ = np.nonzero(rows)[1]
    lp.a_matrix_.value_ = rows[np.nonzero(rows)]
    lower_part = np.tril(p.hessian).T  # by columns
    model.hessian_.dim_ = n
    model.hessian_.format_ = highspy.HessianFormat.kTriangular
    model.hessian_.start_ = np.concatenate([[0], np.cumsum((lower_part != 0).sum(axis=1))])
    model.hessian_.index_ = np.nonzero(lower_part)[1]
    model.hessian_.value_ = lower_part[np.nonzero(lower_part)]
    h.passModel(model)
    h.run()
    status = h.getModelStatus()
    if status == highspy.HighsModelStatus.kUnbounded:
        return "unbounded", -np.inf, point
    if status != highspy.HighsModelStatus.kOptimal:
        raise ArithmeticError(f"quadratic program: {status}")
    z = np.array(h.getSolution().col_value)
    return "optimal", float(z @ p.hessian @ z / 2 + p.cost @ z) + p.offset, z


def _leaf(p: _Program) -> tuple[str, float, np.ndarray | None]:
    """A program with all sides chosen, on the null space of its equalities and fixed columns."""
    start = _minimise(replace(p, hessian=np.zeros_like(p.hessian), cost=np.zeros_like(p.cost)))[2]
    if start is None:
        return "infeasible", np.inf, None
    fixed = p.lower == p.upper
    basis = null_space(np.vstack([p.a_eq, np.eye(len(p.cost))[fixed]]))
    reduced = basis.T @ p.hessian @ basis
    reduced[np.abs(reduced) < 1e-9] = 0.0
    if reduced.size and np.linalg.eigvalsh(reduced).min() < -1e-9:
        raise ArithmeticError("the leader's objective is not convex even with all sides chosen")
    low, high = np.isfinite(p.lower) & ~fixed, np.isfinite(p.upper) & ~fixed
    rows = np.vstack([p.a, -np.eye(len(start))[low], np.eye(len(start))[high]])
    right = np.concatenate([p.b, -p.lower[low], p.upper[high]])
    slope = basis.T @ (p.cost + p.hessian @ start)
    size = 1.0 + np.abs(p.cost).max() + np.abs(p.hessian).max() * np.abs(start).max()
    slope[np.abs(slope) < 1e-9 * size] = 0.0  # noise must not look like a way down
    k = basis.shape[1]
    small = _Program(
        reduced, slope,
        p.offset + float(start @ p.hessian @ start / 2 + p.cost @ start),
        np.zeros((0, k)), np.zeros(0), rows @ basis, np.maximum(right - rows @ start, 0.0),
        np.full(k, -np.inf), np.full(k, np.inf),
    )  # fmt: skip
    if not k:
        return "optimal", small.offset, start
    status, value, w = _minimise(small)
    return status, value, None if w is None else start + basis @ w


@dataclass(frozen=True)
class Known:
    """What the search found: kind (optimal, infeasible, unbounded), value in the leader's sense, point, nodes visited."""

    kind: str
    optimum: float
    point: dict[str, float]
    nodes: int


def switches(entry: Mapping[str, Any]) -> list[str]:
    """The leader's binaries that stand in a product of some row."""
    levels = (entry["leader"], *entry["followers"].values())
    names = {name: Poly({(name,): 1.0}) for level in levels for name in level["variables"]}
    rows = [row for level in levels for part in _rows(level, names) for row in part]
    used = {name for row in rows for key in row.terms if len(key) > 1 for name in key}
    return [name for name, given in entry["leader"]["variables"].items() if given[2:] == ["Binary"] and name in used]


def solve(entry: Mapping[str, Any], rewrite: bool = True, most_nodes: int = 200_000) -> Known:
    """The optimum of an entry by search over sides and integers, for each choice of its `switches`; `rewrite` as in the module's
    docstring."""
    names = switches(entry)
    if not names:
        return _solve(entry, rewrite, most_nodes)
    found = []
    for values in itertools.product((0.0, 1.0), repeat=len(names)):
        held = dict(zip(names, values, strict=True))
        known = _solve(entry, rewrite, most_nodes, held)
        found.append(replace(known, point={**held, **known.point}))
    sign = 1.0 if entry["leader"]["sense"] == "min" else -1.0
    order = {"unbounded": -np.inf, "infeasible": np.inf}
    return min(found, key=lambda known: order.get(known.kind, sign * known.optimum))


def _solve(entry: Mapping[str, Any], rewrite: bool, most_nodes: int, held: Mapping[str, float] | None = None) -> Known:
    """The optimum where some of the leader's variables are held."""
    found = conditions(entry, rewrite, held)
    at = {name: k for k, name in enumerate(found.columns)}
    pairs = [(row, at[multiplier]) for row, multiplier in found.pairs]
    integer = [at[name] for name in found.integer]
    root = _program(found)
    convex = not root.hessian.any() or np.linalg.eigvalsh(root.hessian).min() >= -1e-9
    best, point, nodes = np.inf, None, 0
    stack: list[tuple[_Program, frozenset[int]]] = [(root, frozenset())]
    while stack:
        p, chosen = stack.pop()
        nodes += 1
        assert nodes <= most_nodes, f"{entry['name']}: too many sides"
        free = [k for k in range(len(pairs)) if k not in chosen]
        leaf = not free and not convex
        status, value, z = _leaf(p) if leaf else _minimise(p)
        if z is None or (convex and value >= best - 1e-10 * max(1.0, abs(best))):
            continue
        split = _split_integer(p, z, integer)
        if split:
            stack += [(child, chosen) for child in split]
            continue
        k = _most_broken(p, z, pairs, free)
        if k is None and free and not (convex and status == "optimal"):
            k = free[0]
        if k is not None:
            stack += [(child, chosen | {k}) for child in _split_pair(p, pairs[k])]
        elif status == "unbounded":
            return Known("unbounded", np.nan, {}, nodes)
        elif value < best:
            best, point = value, z
    if point is None:
        return Known("infeasible", np.nan, {}, nodes)
    sign = 1.0 if entry["leader"]["sense"] == "min" else -1.0
    shown = {name: float(point[k]) for name, k in at.items() if not name.startswith(("lam_", "mu_"))}
    return Known("optimal", sign * best, shown, nodes)


def _split_integer(p: _Program, z: np.ndarray, integer: list[int]) -> list[_Program]:
    off = [k for k in integer if abs(z[k] - round(z[k])) > _ZERO]
    if not off:
        return []
    lower, upper = p.lower.copy(), p.upper.copy()
    upper[off[0]], lower[off[0]] = math.floor(z[off[0]]), math.ceil(z[off[0]])
    return [replace(p, upper=upper), replace(p, lower=lower)]


def _most_broken(p: _Program, z: np.ndarray, pairs: list[tuple[int, int]], free: list[int]) -> int | None:
    broken = {k: min(float(p.b[pairs[k][0]] - p.a[pairs[k][0]] @ z), float(z[pairs[k][1]])) for k in free}
    worst = max(broken, key=broken.__getitem__, default=None)
    return worst if worst is not None and broken[worst] > _ZERO else None


def _split_pair(p: _Program, pair: tuple[int, int]) -> list[_Program]:
    """Children: the row is tight, or its multiplier is 0."""
    row, column = pair
    upper = p.upper.copy()
    upper[column] = 0.0
    tight = replace(p, a_eq=np.vstack([p.a_eq, p.a[row]]), b_eq=np.append(p.b_eq, p.b[row]))
    return [tight, replace(p, upper=upper)]


def follower_excess(entry: Mapping[str, Any], point: Mapping[str, float]) -> float:
    """How much better the followers could do at a point, the others' variables fixed, over max(1, |cost|)."""
    worst = 0.0
    for data in entry["followers"].values():
        own = data["variables"]
        names = {name: Poly({(name,): 1.0}) if name in own else Poly({(): value}) for name, value in point.items()}
        sign = 1.0 if data["sense"] == "min" else -1.0
        cost = _poly(evaluate(data["objective"], names)) * sign
        equal, below = _rows(data, names)
        # A constant row says nothing of this follower; `solve` holds it
        equal, below = ([row for row in rows if any(row.terms)] for rows in (equal, below))
        _, least, _ = _minimise(_program(Conditions(cost, equal, below, columns=list(own))))
        here = _poly(evaluate(data["objective"], {name: Poly({(): v}) for name, v in point.items()})) * sign
        value = here.terms.get((), 0.0)
        worst = max(worst, abs(value - least) / max(1.0, abs(value)))
    return worst
