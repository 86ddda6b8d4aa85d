"""A compiled bilevel program to one single-level program: leader rows, follower rows, KKT rows, linear revenue."""

from dataclasses import dataclass

import numpy as np

from bilevel import bounds as bounds_module
from bilevel import revenue
from bilevel.bounds import Bounds
from bilevel.canonical import Program
from bilevel.kkt import Kkt, optimality_conditions
from bilevel.program import Mip, Rows, Vector, stack_rows, widen


@dataclass(frozen=True)
class Reformulation:
    """The program, its KKT system, the proven limits, and `mip`: all rows but the complementarity pairs.

    The columns of `mip` are the program's, then lam, then mu; its rows are the leader's, the followers', stationarity.
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
        """Size of each pair's slack: its proven limit where finite, else 1."""
        return _positive(self.bounds.slack_upper)

    def dual_scale(self) -> Vector:
        """Size of each pair's dual: its proven limit where finite, else the cost rates of its follower."""
        return _positive(np.where(np.isfinite(self.bounds.mu_upper), self.bounds.mu_upper, self._rate_size()))

    def _rate_size(self) -> Vector:
        followers = self.program.followers
        size = _follower_rate_size(self.program)
        return size[self.kkt.pairs.owner] if len(followers.names) else np.ones(0)


def reformulate(program: Program) -> Reformulation:
    """Replace the followers by their optimality conditions, without the complementarity pairs."""
    kkt = optimality_conditions(program)
    limits = bounds_module.derive(program, kkt)
    linear = revenue.linearise(program, kkt)
    n, extra = kkt.columns, kkt.columns - program.columns
    leader = Rows(
        widen(program.rows.matrix, n) + linear.rows,
        program.rows.lower,
        program.rows.upper,
        program.rows.names,
    )
    rate = _follower_rate_size(program)
    lam_size = np.maximum(np.abs(limits.lam_lower), np.abs(limits.lam_upper))
    dual_lower = np.concatenate([limits.lam_lower, np.zeros(kkt.pairs.count)])
    dual_upper = np.concatenate([limits.lam_upper, limits.mu_upper])
    size = np.concatenate([lam_size, limits.mu_upper])
    fallback = rate[np.concatenate([kkt.equal_owner, kkt.pairs.owner])]
    mip = Mip(
        cost=np.concatenate([program.cost, np.zeros(extra)]) + linear.cost,
        offset=program.offset,
        lower=np.concatenate([program.lower, dual_lower]),
        upper=np.concatenate([program.upper, dual_upper]),
        integer=np.concatenate([program.integer, np.zeros(extra, dtype=bool)]),
        rows=stack_rows([leader, program.followers.rows.widened(n), kkt.stationarity]),
        cones=program.cones.widened(n),
        sos1=(),
        scale=np.concatenate([program.scale, _positive(np.where(np.isfinite(size), size, fallback))]),
    )
    return Reformulation(program, kkt, limits, mip)


def _follower_rate_size(program: Program) -> Vector:
    """Largest absolute cost rate of each follower over the leader's column scales; 1 for a follower without costs."""
    followers = program.followers
    rate = np.abs(followers.cost) + abs(followers.price).T @ program.scale
    size = np.zeros(len(followers.names))
    mine = followers.columns
    np.maximum.at(size, followers.owner[mine], rate[mine])
    return _positive(size)


def _positive(size: Vector) -> Vector:
    return np.where(np.isfinite(size) & (size > 0), size, 1.0)
