"""Complementarity as it stands: slack * mu <= 0 for every pair, for solvers that take nonconvex quadratic rows."""

from dataclasses import replace

import numpy as np

from bilevel.program.products import Products, stack_products
from bilevel.program.rows import empty_rows
from bilevel.program.solver_program import SolverProgram
from bilevel.reformulate.modes.slacks import with_marks, with_slacks
from bilevel.reformulate.security import Secure
from bilevel.reformulate.single_level import Reformulation
from bilevel.solvers import Feature

name = "product"
needs_bounds, conic, branches, pairs = False, True, False, True
needs = frozenset({Feature.NONCONVEX})


def features(_form: Reformulation) -> frozenset[Feature]:
    """Nonconvex quadratic rows."""
    return needs


def apply(form: Reformulation) -> SolverProgram:
    """Append one slack column a pair, one product row for each pair, and one for each quadratic row of a follower."""
    mip, slack = with_slacks(form)
    count = form.kkt.pairs.count
    linear = replace(empty_rows(count, mip.columns), upper=np.zeros(count))
    # Slack and dual are at least 0 by their bounds, so at most 0 is all that their product lacks
    products = Products(np.arange(count), slack, form.kkt.pairs.dual, np.ones(count), linear)
    if form.secure is not None:
        mip, z = with_marks(form, form.secure, mip)
        products = stack_products(products.widened(mip.columns), _marked(form, form.secure, mip.columns, z))
    # Alignments follow from the rest: an error that complementarity lets grow to its root stays what it is in them
    for conic in (form.kkt.conic.complementarity, form.kkt.conic.alignment):
        products = stack_products(products, conic.widened(mip.columns))
    return replace(mip, products=stack_products(mip.products, products))


def _marked(form: Reformulation, secure: Secure, columns: int, z: list[int]) -> Products:
    """mu * z <= 0 for every pair with a margin."""
    count = len(z)
    linear = replace(empty_rows(count, columns), upper=np.zeros(count))
    dual = form.kkt.pairs.dual[secure.asked]
    return Products(np.arange(count), dual, np.array(z, dtype=np.int64), np.ones(count), linear)
