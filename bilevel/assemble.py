"""A compiled bilevel program to one single-level program: leader rows, follower rows, KKT rows, linear revenue."""

from dataclasses import dataclass, replace

import numpy as np

from bilevel import products, revenue
from bilevel.bounds import Bounds
from bilevel.canonical import Program
from bilevel.interior import interiors
from bilevel.kkt import Kkt, cone_dual_size, optimality_conditions
from bilevel.program import Mask, Mip, Rows, Vector, coo, stack_cones, stack_rows, widen
from bilevel.prove import best_bounds

_NOISE = 1e-9


@dataclass(frozen=True)
class Reformulation:
    """The program, its KKT system, the proven limits, and `mip`: all rows but complementarity.

    The columns of `mip` are the KKT system's, then the t of `bilevel.revenue`; its rows are the leader's, the followers',
    stationarity, the multipliers that the leader reads; its cones the leader's, the followers', those of the followers'
    multipliers, those of the t.  `interior` says of each follower whether its quadratic rows have a proven interior.
    """

    program: Program
    kkt: Kkt
    bounds: Bounds
    mip: Mip
    interior: Mask

    @property
    def first_follower_row(self) -> int:
        """Where the follower rows start in `mip.rows`."""
        return self.program.rows.count

    @property
    def first_curved_cone(self) -> int:
        """Where the cones of the t start in `mip.cones`."""
        return self.program.cones.count + 2 * self.program.followers.cones.count

    @property
    def conic(self) -> bool:
        """Whether any follower has quadratic rows."""
        return self.program.followers.cones.count > 0

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
    inner = interiors(program, kkt)
    cone_limit = inner.cone_limit
    limits = replace(limits, mu_upper=np.minimum(limits.mu_upper, inner.pair_limit))
    linear = revenue.linearise(program, kkt, nonconvex)
    n = kkt.columns + len(linear.curved)
    extra = n - program.columns
    cones = program.cones.widened(n)
    for more in (
        program.followers.cones,
        kkt.conic.cones,
        revenue.curvature(program, np.unique(linear.curved).tolist(), n),
    ):
        cones = stack_cones(cones, more.widened(n))
    far = np.full(len(linear.curved), np.inf)
    leader = Rows(
        widen(program.rows.matrix, n) + linear.rows,
        program.rows.lower,
        program.rows.upper,
        program.rows.names,
    )
    rate = program.followers.rate_size(program.scale)
    lam_size = np.maximum(np.abs(limits.lam_lower), np.abs(limits.lam_upper))
    terms = len(kkt.conic.p)
    cone_lower = np.concatenate([-cone_limit[:terms], np.zeros(len(cone_limit) - terms)])
    dual_lower = np.concatenate([limits.lam_lower, np.zeros(kkt.pairs.count), cone_lower, np.zeros(len(far))])
    dual_upper = np.concatenate([limits.lam_upper, limits.mu_upper, cone_limit, far])
    curved = cones.w_scale[len(cones.w_scale) - len(far) :]
    size = np.concatenate([lam_size, limits.mu_upper, cone_dual_size(program), curved])
    owners = [kkt.equal_owner, kkt.pairs.owner, np.zeros(len(cone_limit)), linear.curved]
    fallback = rate[np.concatenate(owners).astype(np.int64)]
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
    mip = mip if linear.left is None else products.keep(mip, linear.left)
    return Reformulation(program, kkt, limits, mip, inner.inside)


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
