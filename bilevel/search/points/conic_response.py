"""The best response of followers with quadratic rows, from a solver's point to machine precision.

A solver that keeps strong duality within e leaves such a response off by the square root of e, in the leader's favour.  With the
leader's decisions held and the limits and cones that bind read from the point, optimality is a smooth system: Newton's method on

    rates(x, y) - A'lam - D'mu + sum theta (2 S's - w U' - u W') = 0,   binding limits = 0,   |s|^2 - u w = 0 where theta > 0

(the multipliers of a cone off its tip are p = -2 theta s, q = theta w, r = theta u).  Steps of least norm stay near the point where
the response is not unique, which keeps the tie that the leader chose.
"""

from dataclasses import dataclass

import numpy as np

from bilevel import tolerances
from bilevel.program.rows import Index, Vector
from bilevel.program.sparse import magnitude
from bilevel.reformulate.single_level import Reformulation, dual_sizes

_STEPS = 20


def respond(form: Reformulation, point: Vector) -> tuple[Vector, bool]:
    """`point` (KKT columns) with every conic follower's columns and multipliers replaced, and whether all steps converged.

    A follower whose steps do not is left as it is.
    """
    x, exact = point.copy(), True
    for follower in np.flatnonzero(form.program.followers.conic).tolist():
        found = _System(form, follower, x).solve(x)
        exact = exact and found is not None
        x = x if found is None else found
    return x, exact


@dataclass(frozen=True)
class _Residual:
    value: Vector
    slope: Vector


class _System:
    """One follower's equations over (y, lam, mu of binding limits, theta of binding cones), in the program's scales."""

    def __init__(self, form: Reformulation, follower: int, x: Vector) -> None:
        program, kkt = form.program, form.kkt
        stack, pairs, cones = program.followers, kkt.pairs, program.followers.cones
        self.form, self.n = form, program.columns
        self.mine = np.flatnonzero(stack.owner == follower)
        self.equal = np.flatnonzero(kkt.equal_owner == follower)
        own = np.flatnonzero(pairs.owner == follower)
        slack, dual = np.abs(pairs.slack(x)) / form.slack_scale(), np.abs(x[pairs.dual]) / form.dual_scale()
        self.pairs = own[slack[own] < dual[own]]
        self.free = own[slack[own] >= dual[own]]
        self.cones = np.flatnonzero(stack.cone_owner == follower)
        _, total, u, w = cones.parts(x[: self.n])
        expected = np.maximum(np.abs(u) * cones.w_scale, tolerances.LEAST_PRODUCT)
        size = form.mip.scale
        self.theta = x[kkt.conic.r] / np.maximum(u, tolerances.LEAST_PRODUCT)
        priced = np.abs(x[kkt.conic.r]) / size[kkt.conic.r]
        self.active = self.cones[(np.abs(u * w - total) / expected)[self.cones] < priced[self.cones]]
        self.rates = dual_sizes(program)[1][self.mine]

    def solve(self, x: Vector) -> Vector | None:
        """Newton steps from x; None without convergence, or where the signs come out wrong."""
        kkt = self.form.kkt
        x = x.copy()
        columns = np.concatenate([self.mine, kkt.lam[self.equal], kkt.pairs.dual[self.pairs]])
        # The equations leave these out, so that they have to be zero in the point
        x[kkt.pairs.dual[self.free]] = 0.0
        unit = np.concatenate([self.form.mip.scale[columns], self._theta_size()])
        theta = self.theta[self.active].copy()
        for _ in range(_STEPS):
            now = self._residual(x, theta)
            if float(np.abs(now.value).max(initial=0.0)) <= tolerances.RESPONSE_SOLVED:
                return self._with_multipliers(x, theta)
            # In the sizes of the columns, as a least norm over different units means nothing
            step = unit * np.linalg.lstsq(now.slope * unit, -now.value, rcond=tolerances.RESPONSE_SINGULAR)[0]
            x[columns] += step[: len(columns)]
            theta += step[len(columns) :]
        return None

    def _theta_size(self) -> Vector:
        cones = self.form.program.followers.cones
        size = self.form.mip.scale[self.form.kkt.conic.r]
        u = np.maximum(magnitude(cones.u, self.form.program.scale) + np.abs(cones.u0), tolerances.LEAST_SIZE)
        return np.asarray((size / u)[self.active])

    def _residual(self, x: Vector, theta: Vector) -> _Residual:
        """Scaled residuals and their derivatives; rows: stationarity, binding limits, binding cones."""
        program, kkt = self.form.program, self.form.kkt
        stack, cones, mine, n = program.followers, program.followers.cones, self.mine, self.n
        z = x[:n]
        limits = np.vstack([_dense(kkt.equal_matrix, self.equal), _dense(kkt.pairs.slack_matrix, self.pairs)])
        price = np.concatenate([x[kkt.lam[self.equal]], x[kkt.pairs.dual[self.pairs]]])
        levels = np.concatenate(
            [(kkt.equal_matrix @ z)[self.equal] - kkt.equal_value[self.equal], kkt.pairs.slack(z)[self.pairs]]
        )
        s, total, u, w = cones.parts(z)
        gradient = np.zeros((len(self.active), len(mine)))
        curve = stack.quadratic[mine][:, mine].toarray()
        for at, cone in enumerate(self.active.tolist()):
            terms = np.flatnonzero(cones.owner == cone)
            rows = cones.squares[terms][:, mine].toarray()
            a, b = cones.u[[cone]][:, mine].toarray().ravel(), cones.w[[cone]][:, mine].toarray().ravel()
            gradient[at] = 2 * s[terms] @ rows - w[cone] * a - u[cone] * b
            curve += theta[at] * (2 * rows.T @ rows - np.outer(a, b) - np.outer(b, a))
        own = limits[:, mine]
        stationary = stack.rates(z)[mine] - own.T @ price + gradient.T @ theta
        size = np.maximum(np.abs(limits) @ program.scale, tolerances.LEAST_SIZE)
        expected = np.maximum(np.abs(u) * cones.w_scale, tolerances.LEAST_SIZE)[self.active]
        value = np.concatenate([stationary / self.rates, levels / size, (total - u * w)[self.active] / expected])
        count = len(size)
        slope = np.zeros((len(value), len(mine) + count + len(theta)))
        first = len(mine)
        slope[:first, :first] = curve / self.rates[:, None]
        slope[:first, first : first + count] = -own.T / self.rates[:, None]
        slope[:first, first + count :] = gradient.T / self.rates[:, None]
        slope[first : first + count, :first] = own / size[:, None]
        slope[first + count :, :first] = gradient / expected[:, None]
        return _Residual(value, slope)

    def _with_multipliers(self, x: Vector, theta: Vector) -> Vector | None:
        """The point with p, q, r from theta, if all signs are right."""
        kkt, form = self.form.kkt, self.form
        cones = form.program.followers.cones
        every = np.zeros(cones.count)
        every[self.active] = theta
        z = x[: self.n]
        s, total, u, w = cones.parts(z)
        mine = np.isin(cones.owner, self.cones)
        x[kkt.conic.p[mine]] = (-2.0 * every[cones.owner] * s)[mine]
        x[kkt.conic.q[self.cones]], x[kkt.conic.r[self.cones]] = (every * w)[self.cones], (every * u)[self.cones]
        slack = kkt.pairs.slack(z)[self.free] / form.slack_scale()[self.free]
        dual = x[kkt.pairs.dual[self.pairs]] / form.dual_scale()[self.pairs]
        depth = (u * w - total)[self.cones] / np.maximum(np.abs(u) * cones.w_scale, tolerances.LEAST_SIZE)[self.cones]
        # The equations know no signs: limits and cones that were wrongly taken to bind, or not to, show here
        least = min(slack.min(initial=0.0), dual.min(initial=0.0), depth.min(initial=0.0), theta.min(initial=0.0))
        return x if least >= -tolerances.RESPONSE_SIGN else None


def _dense(matrix: object, rows: Index) -> Vector:
    return np.asarray(matrix[rows].toarray())  # type: ignore[index]
