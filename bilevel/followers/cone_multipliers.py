"""Multipliers of the followers' quadratic rows (model page section 4).

A quadratic row |s|^2 <= u w, with s = S z, u = U z + u0 >= 0, w = W z + w0 >= 0 over all variables z, has multipliers (p, q, r) in
the dual of that cone, |p|^2 <= 4 q r with q, r >= 0.  Stationarity loses S'p + U'q + W'r, complementarity is p's + q u + r w = 0.
(For a row sum of squares + linear <= limit, u = 1 and r is -d(cost)/d(limit).)  These conditions are enough for an optimum; that
every optimum has such multipliers needs an interior of the cones at that leader decision: `bilevel.bounds.slater`.
"""

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from bilevel import tolerances
from bilevel.program.bilevel_program import Program
from bilevel.program.cones import Cones
from bilevel.program.products import Products, stack_products
from bilevel.program.rows import Index, Rows, Vector
from bilevel.program.sparse import magnitude, scaled


@dataclass(frozen=True)
class ConeDuals:
    """Columns of the multipliers of the followers' cones: `p` one a square term, `q` and `r` one a cone.

    `cones` are |p|^2 <= 4 q r, `complementarity` the rows p's + q u + r w <= 0 (one a cone), over the KKT columns.  `alignment`
    are the rows u p + 2 r s = 0 (two a square term, one for each sign), which follow from both: an error e in complementarity
    leaves s off by the square root of e, in an alignment by e.
    """

    p: Index
    q: Index
    r: Index
    cones: Cones
    complementarity: Products
    alignment: Products

    @property
    def columns(self) -> Index:
        """All of them, in order."""
        return np.concatenate([self.p, self.q, self.r])


def cone_duals(program: Program, first: int) -> ConeDuals:
    """Columns from `first` on, their cones, and the products with what they price."""
    cones = program.followers.cones
    terms, count = len(cones.owner), cones.count
    p, q, r = first + np.arange(terms), first + terms + np.arange(count), first + terms + count + np.arange(count)
    total = first + terms + 2 * count
    size = cone_dual_size(program)
    # They relax nothing: where s, u and w are all 0, multipliers may lie anywhere inside their cone
    duals = Cones(
        squares=_pick(p, total), owner=cones.owner, u=_pick(q, total), u0=np.zeros(count), w=sp.csr_array(4.0 * _pick(r, total)),
        w0=np.zeros(count), w_scale=4.0 * size[terms + count :], relaxes_equality=np.zeros(count, dtype=bool),
        names=tuple(f"multipliers of {name}" for name in cones.names),
    )  # fmt: skip
    parts = [(cones.squares, p, cones.owner), (cones.u, q, np.arange(count)), (cones.w, r, np.arange(count))]
    entries = [sp.coo_array(matrix) for matrix, _, _ in parts]
    row = np.concatenate([owner[e.coords[0]] for e, (_, _, owner) in zip(entries, parts, strict=True)])
    dual = np.concatenate([column[e.coords[0]] for e, (_, column, _) in zip(entries, parts, strict=True)])
    # Squares have no constant, so that only u0 and w0 leave a linear part
    constant = sp.csr_array(scaled(_pick(q, total), cones.u0) + scaled(_pick(r, total), cones.w0))
    products = Products(
        row=row, first=np.concatenate([e.coords[1] for e in entries]), second=dual,
        value=np.concatenate([e.data for e in entries]),
        linear=Rows(constant, np.full(count, -np.inf), np.zeros(count)),
    )  # fmt: skip
    return ConeDuals(p, q, r, duals, products, _alignment(cones, p, r, total))


def _alignment(cones: Cones, p: Index, r: Index, total: int) -> Products:
    """u p + 2 r s <= 0 of every square term, then >= 0."""
    owner, terms = cones.owner, len(cones.owner)
    u, s = sp.coo_array(cones.u[owner]), sp.coo_array(cones.squares)
    row = np.concatenate([u.coords[0], s.coords[0]])
    first = np.concatenate([u.coords[1], s.coords[1]])
    second = np.concatenate([p[u.coords[0]], r[owner[s.coords[0]]]])
    value = np.concatenate([u.data, 2.0 * s.data])
    linear = scaled(_pick(p, total), cones.u0[owner])
    far, zero = np.full(terms, -np.inf), np.zeros(terms)
    # Two rows for one equality, as product rows have upper limits alone
    return stack_products(
        Products(row, first, second, value, Rows(linear, far, zero)),
        Products(row, first, second, -value, Rows(sp.csr_array(-linear), far, zero)),
    )


def _pick(columns: Index, total: int) -> sp.csr_array:
    """(len(columns) x total): row k is column `columns[k]`."""
    at = np.arange(len(columns))
    return sp.csr_array((np.ones(len(columns)), (at, columns)), shape=(len(columns), total))


def cone_dual_size(program: Program) -> Vector:
    """Expected sizes of p, q, r: the follower's largest cost term over the size of what they price."""
    stack, cones = program.followers, program.followers.cones
    cost = stack.cost_size(program.size)[stack.cone_owner]
    w = np.maximum(cones.w_scale, tolerances.LEAST_SIZE)
    u = np.maximum(magnitude(cones.u, program.size) + np.abs(cones.u0), tolerances.LEAST_SIZE)
    # No s is larger than the root of u w
    s = np.sqrt(u * w)[cones.owner]
    return np.concatenate([cost[cones.owner] / s, cost / u, cost / w])
