"""What a `fuzzing.Problem` is worth at sampled decisions of its leader, from its raw numbers."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from fuzz_lp import Lp
from fuzz_oracles import Enumeration, intervals
from fuzzing import INF, Array, Lower, Problem

_OUTSIDE = 1e-6


def respond(f: Lower, x: Array) -> Array | None:
    """A follower's optimum at x, None without one; a quadratic one comes from enumeration and is checked by its gradient."""
    rows = [(f.A[i], f.low[i] - f.B[i] @ x, f.high[i] - f.B[i] @ x) for i in range(len(f.low))]
    if not f.Q.any():
        status, y = Lp(f.c + x @ f.C, rows, f.y_low, f.y_high, []).solve()
        return y if status == "optimal" else None
    alone = Enumeration(_alone(f, x))
    alone.optimum()
    y = alone.y
    if not len(y):
        return None
    near = Lp(f.c + x @ f.C + f.Q @ y, rows, np.maximum(f.y_low, y - 1), np.minimum(f.y_high, y + 1), [])
    status, other = near.solve()
    if status != "optimal" or near.cost @ (y - other) > 1e-6 * max(1.0, float(np.abs(near.cost).max())):
        raise AssertionError(f"enumeration gives y = {y}, but {other} is better for the follower")
    return y


def _alone(f: Lower, x: Array) -> Problem:
    """The follower with the leader's decisions fixed and nothing to win."""
    nx, ny, none = len(x), len(f.c), np.zeros(0)
    return Problem(
        1.0, np.zeros(nx), np.zeros(ny), np.zeros(1), np.zeros((0, nx + ny)), np.zeros((0, nx)), np.zeros((0, ny)),
        np.zeros((0, 1)), none, none, x, x, np.zeros(nx, dtype=bool), (f,),
    )  # fmt: skip


def reach(p: Problem, x: Array, room: float = 1e-7) -> float:
    """The leader's best minimised objective at x over the followers' ties; inf where rows break or a follower has no optimum.

    Rows of the leader may be broken by `room`, over their limit where that is more than 1, and followers may be off their best
    cost by as much of its terms.
    """
    if outside(p, x) > _OUTSIDE:
        return INF
    answers = [respond(f, x) for f in p.followers]
    rows: list[tuple[Array, float, float]] = []
    ny, n = len(p.d), len(p.d) + len(p.S)
    for start, f, y in zip(p.starts, p.followers, answers, strict=False):
        if y is None:
            return INF
        rate, at = f.c + x @ f.C, slice(start, start + len(y))
        parts = [(a, low - b @ x, high - b @ x) for a, b, low, high in zip(f.A, f.B, f.low, f.high, strict=True)]
        # Near a tie the terms of a cost cancel
        near = max(1e-6, room * float((np.abs(f.c) + np.abs(x) @ np.abs(f.C)) @ np.maximum(np.abs(y), 1.0)))
        parts += [(q, q @ y - 1e-6, q @ y + 1e-6) for q in f.Q if q.any()] + [(rate, -INF, rate @ y + near)]
        for body, low, high in parts:
            wide = np.zeros(n)
            wide[at] = body
            rows.append((wide, float(low), float(high)))
    pays = np.concatenate([x @ f.C for f in p.followers])
    owner = np.repeat(np.arange(len(p.followers)), np.diff(p.starts))
    for k in range(len(p.low)):
        body = np.concatenate([p.H[k] + p.pay[k][owner] * pays, np.zeros(len(p.S))])
        wide = room * max([1.0, *(abs(end) for end in (p.low[k], p.high[k]) if np.isfinite(end))])
        rows.append((body, p.low[k] - p.G[k] @ x - wide, p.high[k] - p.G[k] @ x + wide))
    cost = np.concatenate([p.d + p.weight[owner] * pays, np.ones(len(p.S))])
    # The constant part of each square is carried by a column fixed at 1
    shift = p.S[:, : len(x)] @ x
    squares = [(np.concatenate([s[len(x) :], np.zeros(len(p.S)), [shift[k]]]), ny + k) for k, s in enumerate(p.S)]
    rows = [(np.append(body, 0.0), low, high) for body, low, high in rows]
    low = np.concatenate([*(f.y_low for f in p.followers), np.zeros(len(p.S)), [1.0]])
    high = np.concatenate([*(f.y_high for f in p.followers), np.full(len(p.S), INF), [1.0]])
    lp = Lp(np.append(cost, 0.0), rows, low, high, squares)
    status, z = lp.solve()
    return {"infeasible": INF, "unbounded": -INF}.get(status, float(lp.cost @ z + p.c @ x))


def samples(p: Problem, rng: np.random.Generator, count: int) -> Iterator[Array]:
    """Leader decisions that leader and followers together could live with: corners, and points between them."""
    nx, ny = len(p.c), len(p.d)
    rows = [(np.concatenate([g, h]), low, high) for g, h, low, high, pay in zip(p.G, p.H, p.low, p.high, p.pay, strict=True)
            if not pay.any()]  # fmt: skip
    for start, f in zip(p.starts, p.followers, strict=False):
        for a, b, low, high in zip(f.A, f.B, f.low, f.high, strict=True):
            body = np.concatenate([b, np.zeros(ny)])
            body[nx + start : nx + start + len(a)] = a
            rows.append((body, low, high))
    box = [
        np.concatenate([p.x_low, *(f.y_low for f in p.followers)]),
        np.concatenate([p.x_high, *(f.y_high for f in p.followers)]),
    ]
    lp = Lp(np.zeros(nx + ny), rows, np.maximum(box[0], -50.0), np.minimum(box[1], 50.0), [])
    last = None
    for _ in range(count):
        lp.set_cost(rng.normal(size=nx + ny) * (np.arange(nx + ny) < nx))
        status, z = lp.solve()
        if status != "optimal":
            return
        x = z[:nx] if last is None or rng.random() < 0.5 else last + rng.random() * (z[:nx] - last)
        last = z[:nx]
        yield snapped(p, x)


def snapped(p: Problem, x: Array) -> Array:
    """The nearest decision within bounds and domains; as it is where these leave nothing."""
    near = x.copy()
    for k, at in enumerate(x.tolist()):
        ends = [float(np.clip(at, a, b)) for a, b in intervals(p, k)]
        near[k] = min(ends, key=lambda end, at=at: abs(end - at)) if ends else at
    return near


def outside(p: Problem, x: Array) -> float:
    """How far the decisions are from bounds, integers and domains."""
    if not all(intervals(p, k) for k in range(len(x))):
        return INF
    return float(np.max(np.abs(x - snapped(p, x))))
