"""Random small bilevel problems as raw numbers, drawn from a seed.

`fuzz_writing` makes Pyomo models of them, `fuzz_changes` and `fuzz_loose` change them and keep their answer, `fuzz_oracles` solves
them from the same numbers, `fuzz_verdicts` compares with `bilevel.solve`.  Minimised forms throughout: `sense` -1 only says that
the model writes the negative, to be maximised.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
INF = np.inf


@dataclass(frozen=True)
class Lower:
    """min y'Qy/2 + (c + C'x)'y  s.t.  low <= A y + B x <= high, y_low <= y <= y_high.

    `read`: what the leader pays for each row's multiplier, d(optimum of this minimum)/d(right-hand side); () for nothing.
    """

    sense: float
    c: Array
    C: Array
    Q: Array
    A: Array
    B: Array
    low: Array
    high: Array
    y_low: Array
    y_high: Array
    read: Array = field(default_factory=lambda: np.zeros(0))

    @property
    def prices(self) -> Array:
        """`read` with a number for every row."""
        return self.read if len(self.read) else np.zeros(len(self.low))


@dataclass(frozen=True)
class Problem:
    """min c x + d y + sum_f weight_f x'C_f y_f + |S (x, y)|^2  s.t.  low <= G x + H y + sum_f pay_f x'C_f y_f <= high.

    y are the followers' variables one after the other, x has bounds and an integrality mask; `pay` is (rows x followers).
    `pieces`: for each x () or the intervals (a, b) that its values lie in, within its bounds too; () for none at all.
    """

    sense: float
    c: Array
    d: Array
    weight: Array
    S: Array
    G: Array
    H: Array
    pay: Array
    low: Array
    high: Array
    x_low: Array
    x_high: Array
    integer: NDArray[np.bool_]
    followers: tuple[Lower, ...]
    pieces: tuple[tuple[tuple[float, float], ...], ...] = ()

    @property
    def domains(self) -> tuple[tuple[tuple[float, float], ...], ...]:
        """`pieces` with an entry for every x."""
        return self.pieces or ((),) * len(self.c)

    @property
    def reads(self) -> bool:
        """Whether the leader pays for multipliers."""
        return any(f.prices.any() for f in self.followers)

    @property
    def starts(self) -> list[int]:
        """Where each follower's variables start in y, and where the last ends."""
        return [0, *np.cumsum([len(f.c) for f in self.followers]).tolist()]

    def parts(self, y: Array) -> list[Array]:
        """y split by follower."""
        return np.split(y, self.starts[1:-1])

    def revenue(self, x: Array, y: Array) -> Array:
        """x'C_f y_f of each follower."""
        return np.array([x @ f.C @ part for f, part in zip(self.followers, self.parts(y), strict=True)])

    def objective(self, x: Array, y: Array) -> float:
        """The leader's minimised objective."""
        square = self.S @ np.concatenate([x, y])
        return float(self.c @ x + self.d @ y + self.weight @ self.revenue(x, y) + square @ square)


# Drawing


def _ints(rng: np.random.Generator, most: int, *shape: int, density: float = 0.8) -> Array:
    return rng.integers(-most, most + 1, shape) * (rng.random(shape) < density) + 0.0


def _limits(rng: np.random.Generator, at: Array, free: bool) -> tuple[Array, Array]:
    """Limits of every kind around values: two-sided mostly, also one-sided, fixed, and free where allowed."""
    low, high = at - rng.integers(0, 4, len(at)), at + rng.integers(0, 6, len(at))
    kind = rng.choice(5, len(at), p=[0.62, 0.16, 0.1, 0.06, 0.06] if free else [0.9, 0, 0, 0, 0.1])
    low = np.where(np.isin(kind, (2, 3)), -INF, np.where(kind == 4, at, low))
    high = np.where(np.isin(kind, (1, 3)), INF, np.where(kind == 4, at, high))
    return low, high


def _sides(rng: np.random.Generator, at: Array) -> tuple[Array, Array]:
    """Row limits that hold at the activities, or now and then anywhere: <=, >=, =, ranges."""
    at = at + np.where(rng.random(len(at)) < 0.06, rng.integers(-5, 6, len(at)), 0)
    low, high = at - rng.integers(0, 5, len(at)), at + rng.integers(0, 5, len(at))
    kind = rng.choice(4, len(at), p=[0.4, 0.3, 0.18, 0.12])
    return (
        np.where(kind == 0, -INF, np.where(kind == 2, at, low)),
        np.where(kind == 1, INF, np.where(kind == 2, at, high)),
    )


def _curve(rng: np.random.Generator, n: int) -> Array:
    """Q: none mostly; diagonal, dense, or singular."""
    kind = rng.choice(4, p=[0.6, 0.12, 0.12, 0.16])
    if kind == 0:
        return np.zeros((n, n))
    if kind == 1:
        return np.diag(rng.integers(1, 4, n) * 1.0)
    factor = _ints(rng, 2, n if kind == 2 else 1, n)
    return factor.T @ factor + (np.eye(n) if kind == 2 else 0.0)


def _degenerate(rng: np.random.Generator, f: Lower) -> Lower:
    """Repeated, multiplied, added and empty rows; a column that no row holds."""
    picks = [(f.A[[k]], f.B[[k]], f.low[[k]], f.high[[k]]) for k in range(len(f.low)) if rng.random() < 0.3]
    picks = [(s * A, s * B, s * low, s * high) for A, B, low, high in picks for s in (rng.choice([1.0, 2.0]),)]
    if rng.random() < 0.1:
        picks.append((np.zeros((1, len(f.c))), np.zeros((1, len(f.C))), np.array([-1.0]), np.ones(1)))
    rows = [np.concatenate(group) for group in zip((f.A, f.B, f.low, f.high), *picks, strict=True)]
    if rng.random() < 0.1:
        rows[0][:, rng.integers(rows[0].shape[1])] = 0.0
    order = rng.permutation(len(rows[2]))
    return replace(f, A=rows[0][order], B=rows[1][order], low=rows[2][order], high=rows[3][order])


def _lower(rng: np.random.Generator, x: Array, n: int, free: bool, prices: bool, moves: bool) -> tuple[Lower, Array]:
    rows, y = int(rng.integers(0, 4 if n > 1 else 3)), rng.integers(0, 4, n) * 1.0
    A = _ints(rng, 3, rows, n)
    B = _ints(rng, 2, rows, len(x), density=0.6) if moves else np.zeros((rows, len(x)))
    low, high = _sides(rng, A @ y + B @ x)
    y_low, y_high = _limits(rng, y, free)
    C = _ints(rng, 2, len(x), n, density=0.6) if prices else np.zeros((len(x), n))
    f = Lower(float(rng.choice([1, -1])), _ints(rng, 4, n), C, _curve(rng, n), A, B, low, high, y_low, y_high)
    return (_degenerate(rng, f) if rng.random() < 0.3 else f), y


def draw(seed: int) -> Problem:
    """The problem of a seed: mostly feasible and bounded, every feature of the engine's model class now and then."""
    rng = np.random.default_rng([seed, 1])
    nx, count, free = int(rng.integers(1, 4)), int(rng.choice([1, 2, 3], p=[0.6, 0.28, 0.12])), bool(rng.random() < 0.4)
    x = rng.integers(0, 4, nx) * 1.0
    earns = rng.random(count) < 0.3
    prices, moves = earns | (rng.random(count) < 0.4), (~earns & (rng.random(count) < 0.7)) | (rng.random(count) < 0.03)
    drawn = [
        _lower(rng, x, int(rng.integers(1, 4 if count < 3 else 3)), free, *with_)
        for with_ in zip(prices, moves, strict=True)
    ]  # fmt: skip
    y = np.concatenate([at for _, at in drawn])
    rows = int(rng.choice([0, 1, 2], p=[0.45, 0.35, 0.2]))
    G, H = _ints(rng, 2, rows, nx, density=0.5), _ints(rng, 2, rows, len(y), density=0.5)
    pay = np.where((rng.random((rows, count)) < 0.25) & earns, rng.choice([-1.0, 1.0], (rows, count)), 0.0)
    revenue = np.array([x @ f.C @ at for f, at in drawn])
    low, high = _sides(rng, G @ x + H @ y + pay @ revenue)
    x_low, x_high = _limits(rng, x, free=free and bool(rng.random() < 0.25))
    weight = np.where(earns, -rng.choice([1.0, 1.0, 0.5, 2.0, -1.0], count, p=[0.5, 0.2, 0.1, 0.1, 0.1]), 0.0)
    S = (
        _ints(rng, 1, int(rng.integers(1, 3)), nx + len(y), density=0.5)
        if rng.random() < 0.15
        else np.zeros((0, nx + len(y)))
    )
    if rng.random() < 0.8:
        S[:, nx:] = 0.0
    whole = (rng.random(nx) < 0.5) & (rng.random() < 0.25) & np.isfinite(x_low) & np.isfinite(x_high)
    return Problem(
        float(rng.choice([1, -1])), _ints(rng, 4, nx), _ints(rng, 5, len(y)), weight, S, G, H, pay, low, high,
        x_low, x_high, whole, tuple(f for f, _ in drawn),
    )  # fmt: skip
