"""A compiled bilevel program to one single-level program: leader rows, follower rows, KKT rows, linear revenue."""

from dataclasses import dataclass

import numpy as np

from bilevel import products, revenue
from bilevel.bounds import Bounds
from bilevel.canonical import Program
from bilevel.kkt import Kkt, optimality_conditions
from bilevel.program import Mip, Rows, Vector, coo, stack_cones, stack_rows, widen
from bilevel.prove import best_bounds

_NOISE = 1e-9


@dataclass(frozen=True)
class Reformulation:
    """The program, its KKT system, the proven limits, and `mip`: all rows but the complementarity pairs.

    The columns of `mip` are the program's, then lam, then mu, then the t of `bilevel.revenue`; its rows are the leader's, the
    followers', stationarity, the multipliers that the leader reads.
    """

    program: Program
    kkt: Kkt
    bounds: Bounds
    mip: Mip

    @property
    def first_follower_row(self) -> int:
        """Where the follower rows start in `mip.rows`."""
        return self.program.rows.count

    def slack_scale(self) -> Vector:
        """Size of each pair's slack: its proven limit, or that of its terms where the limit is none or rounding noise; else 1."""
        pairs, limit = self.kkt.pairs, self.bounds.slack_upper
        terms = abs(pairs.slack_matrix) @ self.program.scale + np.abs(pairs.slack_constant)
        return _positive(np.where(np.isfinite(limit) & (limit <= _NOISE * terms), terms, limit))

    def dual_scale(self) -> Vector:
        """Size of each pair's dual: its proven limit, or the cost rates of its follower where that is none or rounding noise."""
        rate = self.program.followers.rate_size(self.program.scale)[self.kkt.pairs.owner]
        limit = self.bounds.mu_upper
        return _positive(np.where(np.isfinite(limit) & (limit > _NOISE * rate), limit, rate))


def assemble(program: Program, nonconvex: bool = False) -> Reformulation:
    """Replace the followers by their optimality conditions, without the complementarity pairs.

    Leader products without a linear form stay as product rows for a `nonconvex` solver, and are refused without one.
    """
    kkt = optimality_conditions(program)
    limits = best_bounds(program, kkt)
    linear = revenue.linearise(program, kkt, nonconvex)
    n = kkt.columns + len(linear.curved)
    extra = n - program.columns
    cones = stack_cones(program.cones.widened(n), revenue.curvature(program, linear.curved, n))
    far = np.full(len(linear.curved), np.inf)
    leader = Rows(
        widen(program.rows.matrix, n) + linear.rows,
        program.rows.lower,
        program.rows.upper,
        program.rows.names,
    )
    rate = program.followers.rate_size(program.scale)
    lam_size = np.maximum(np.abs(limits.lam_lower), np.abs(limits.lam_upper))
    dual_lower = np.concatenate([limits.lam_lower, np.zeros(kkt.pairs.count), np.zeros(len(far))])
    dual_upper = np.concatenate([limits.lam_upper, limits.mu_upper, far])
    size = np.concatenate([lam_size, limits.mu_upper, cones.w_scale[program.cones.count :]])
    fallback = rate[np.concatenate([kkt.equal_owner, kkt.pairs.owner, np.array(linear.curved, dtype=np.int64)])]
    mip = Mip(
        cost=np.concatenate([program.cost, np.zeros(extra)]) + linear.cost,
        offset=program.offset,
        lower=np.concatenate([program.lower, dual_lower]),
        upper=np.concatenate([program.upper, dual_upper]),
        integer=np.concatenate([program.integer, np.zeros(extra, dtype=bool)]),
        rows=stack_rows(
            [leader, program.followers.rows.widened(n), kkt.stationarity.widened(n), dual_links(program, kkt, n)]
        ),
        cones=cones,
        sos1=(),
        scale=np.concatenate([program.scale, _positive(np.where(np.isfinite(size), size, fallback))]),
    )
    return Reformulation(program, kkt, limits, mip if linear.left is None else products.keep(mip, linear.left))


def dual_links(program: Program, kkt: Kkt, columns: int) -> Rows:
    """Rows z - sign * (net multiplier) = 0 for every multiplier z that the leader reads."""
    links, pairs = program.links, kkt.pairs
    count = len(links.column)
    at = {int(row): k for k, row in enumerate(links.row)}
    entries = [(k, int(column), 1.0) for k, column in enumerate(links.column)]
    for row, column, side in (
        *zip(kkt.equal_row, kkt.lam, np.ones(len(kkt.lam)), strict=True),
        *zip(pairs.row, pairs.dual, pairs.side, strict=True),
    ):
        if int(row) in at:
            entries.append((at[int(row)], int(column), -float(links.sign[at[int(row)]] * side)))
    names = tuple(f"dual of {program.followers.rows.names[row]}" for row in links.row)
    return Rows(coo(entries, (count, columns)), np.zeros(count), np.zeros(count), names)


def _positive(size: Vector) -> Vector:
    return np.where(np.isfinite(size) & (size > 0), size, 1.0)
