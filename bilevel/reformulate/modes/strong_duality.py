"""Optimality by strong duality: one row a follower, cost <= dual objective, instead of complementarity pairs.

With stationarity, cost minus dual objective is the sum of slack * mu, so the row (model page section 4)

    c'y + x'C'y + y'Qy - sum lam (r - b'x) + sum mu (its slack at y = 0) + sum (p's + q u + r w at y = 0) <= 0

is linear for a linear follower without leader variables in its prices or rows, a cone if only y'Qy is left, and otherwise a
nonconvex product row.
"""

from dataclasses import replace

import numpy as np
import scipy.sparse as sp

from bilevel import tolerances
from bilevel.program.cones import stack_cones
from bilevel.program.products import Products, stack_products
from bilevel.program.rows import Rows, widen
from bilevel.program.solver_program import SolverProgram
from bilevel.reformulate.curvature import curvature, squares
from bilevel.reformulate.revenue import dual_objectives
from bilevel.reformulate.single_level import Reformulation
from bilevel.solvers import Feature

name = "strong_duality"
needs_bounds, conic, branches, pairs = False, True, False, False
needs: frozenset[Feature] = frozenset()


def features(form: Reformulation) -> frozenset[Feature]:
    """Nonconvex rows, if any follower has a product of a leader variable with its own variables or duals."""
    return frozenset({Feature.NONCONVEX}) if len(_products(form)[0]) else frozenset()


def apply(form: Reformulation) -> SolverProgram:
    """Append, for every follower, one row, and for each square of a quadratic cost a column t >= it."""
    stack = form.program.followers
    found = squares(form.program, _curved(form))
    first, count = form.mip.columns, found.count
    cones = curvature(form.program, found, first + count)
    mip = form.mip.with_columns(
        np.zeros(count), np.full(count, np.inf), np.maximum(cones.w_scale, tolerances.LEAST_TERM)
    )
    mip = replace(mip, cones=stack_cones(mip.cones, cones))
    place = found.owner, first + np.arange(count)
    t = sp.csr_array((np.ones(count), place), shape=(len(stack.names), mip.columns))
    rows = sp.csr_array(t - widen(dual_objectives(form.program, form.kkt), mip.columns))
    zero, far = np.zeros(len(stack.names)), np.full(len(stack.names), -np.inf)
    owner, i, j, value = _products(form)
    product = np.unique(owner)
    # Only followers with products need nonconvex rows, and a solver that takes them
    plain = np.setdiff1d(np.arange(len(stack.names)), product)
    # At most is enough: by weak duality no cost is under the dual objective
    mip = mip.with_rows(Rows(sp.csr_array(rows[plain]), far[plain], zero[plain]))
    if not len(product):
        return mip
    linear = Rows(sp.csr_array(rows[product]), far[product], zero[product])
    products = Products(np.searchsorted(product, owner), i, j, value, linear)
    # Alignments are products too, so they come only where the solver takes such anyway
    products = stack_products(products, form.kkt.conic.alignment.widened(mip.columns))
    return replace(mip, products=stack_products(mip.products, products))


def _curved(form: Reformulation) -> list[int]:
    """The followers with a quadratic cost."""
    stack = form.program.followers
    return [int(k) for k in np.unique(stack.owner[np.unique(stack.quadratic.indices)])]


def _products(form: Reformulation) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """(follower, leader column, column, coefficient) of x'C'y, lam b'x, mu h'x and p'Sx + q Ux + r Wx."""
    stack, kkt = form.program.followers, form.kkt
    leader = stack.owner < 0
    price = sp.coo_array(stack.price)
    equal, slack = sp.coo_array(kkt.equal_matrix), sp.coo_array(kkt.pairs.slack_matrix)
    at_equal, at_slack = leader[equal.coords[1]], leader[slack.coords[1]]
    row_equal, row_slack = equal.coords[0][at_equal], slack.coords[0][at_slack]
    conic = kkt.conic.complementarity
    # Products of a follower's own columns and multipliers have left the row by stationarity
    mine = leader[conic.first]
    owners = [stack.owner[price.coords[1]], kkt.equal_owner[row_equal], kkt.pairs.owner[row_slack]]
    owner = np.concatenate([*owners, stack.cone_owner[conic.row[mine]]])
    first = np.concatenate([price.coords[0], equal.coords[1][at_equal], slack.coords[1][at_slack], conic.first[mine]])
    second = np.concatenate([price.coords[1], kkt.lam[row_equal], kkt.pairs.dual[row_slack], conic.second[mine]])
    value = np.concatenate([price.data, equal.data[at_equal], slack.data[at_slack], conic.value[mine]])
    return owner.astype(np.int64), first.astype(np.int64), second.astype(np.int64), value
