"""A reformulated program as a proof writes it: the problem's matrices, and how its products are made linear."""

from typing import Any

import numpy as np
import scipy.sparse as sp

from bilevel.certify.proof.checker import FORMAT, VERSION, fingerprint
from bilevel.errors import ModelError
from bilevel.program.bilevel_program import LEADER, Program
from bilevel.program.layout import Group
from bilevel.program.rows import Rows, Vector
from bilevel.reformulate import revenue
from bilevel.reformulate.single_level import Reformulation
from bilevel.reformulate.tightenings import envelopes


class NoProofError(Exception):
    """No proof can be written of this program, and why."""


def skeleton(form: Reformulation, with_envelopes: bool) -> dict[str, Any]:
    """A proof without tangents and tree; raises `NoProofError`."""
    program = form.program
    if form.conic:
        raise NoProofError("a follower has quadratic rows, whose multipliers no proof holds yet")
    if form.mip.products is not None:
        raise NoProofError("nonconvex products are left, for which linear programs prove nothing")
    if form.columns.count(Group.REVENUE):
        raise NoProofError("the revenue from a quadratic follower has squares, which no proof holds yet")
    problem = problem_of(program)
    counted = envelopes.followers(form) if with_envelopes else np.zeros(0, dtype=np.int64)
    price = sp.coo_array(program.followers.price)
    kept = np.isin(program.followers.owner[price.coords[1]], counted) & (price.data != 0)
    return {
        "format": FORMAT, "version": VERSION, "fingerprint": fingerprint(problem), "problem": problem,
        "replacements": _replacements(form),
        "products": np.stack([part[kept] for part in price.coords], axis=1).tolist(),
        "identities": [_all_of(form, int(k), 1.0) for k in counted] if kept.any() else [],
        "tangents": [],
    }  # fmt: skip


def problem_of(program: Program) -> dict[str, Any]:
    """The compiled problem; infinite limits are null, costs are minimised."""
    stack, b, links, cones = program.followers, program.bilinear, program.links, program.cones
    return {
        "names": [program.name(j) for j in range(program.columns)],
        "owner": stack.owner.tolist(), "integer": np.flatnonzero(program.integer).tolist(),
        "lower": _ends(program.lower), "upper": _ends(program.upper),
        "sign": program.sign, "constant": program.offset, "cost": _sparse(program.cost),
        "products": [list(each) for each in zip(b.row.tolist(), b.leader.tolist(), b.follower.tolist(), b.coefficient.tolist(),
                                                strict=True)],
        "leader_rows": _rows(program.rows),
        "follower_rows": {**_rows(stack.rows), "owner": stack.row_owner.tolist()},
        "follower_cost": _sparse(stack.cost), "price": _triples(stack.price), "quadratic": _triples(stack.quadratic),
        "links": [list(each) for each in zip(links.column.tolist(), links.row.tolist(), links.sign.tolist(), strict=True)],
        "cones": {"squares": _triples(cones.squares), "owner": cones.owner.tolist(), "u": _triples(cones.u),
                  "u0": cones.u0.tolist(), "w": _triples(cones.w), "w0": cones.w0.tolist()},
    }  # fmt: skip


def _replacements(form: Reformulation) -> dict[str, Any]:
    """Weights that take the leader's products away, by row; the objective is row -1."""
    b, owner = form.program.bilinear, form.program.followers.owner
    found: dict[str, Any] = {}
    for row in np.unique(b.row).tolist():
        total: dict[str, Any] = {"stationarity": {}, "equalities": {}, "pairs": {}}
        for follower in np.unique(owner[b.follower[b.row == row]]).tolist():
            mask = (b.row == row) & (owner[b.follower] == follower)
            try:
                weight = LEADER if follower == LEADER else revenue.weight_of_bill(form.program, follower, mask)
            except ModelError as error:
                raise NoProofError(f"products are made linear in a way that no proof holds yet ({error})") from error
            for name, weights in _all_of(form, follower, -weight).items():
                total[name] |= weights
        found[str(row)] = total
    return found


def _all_of(form: Reformulation, follower: int, weight: float) -> dict[str, dict[str, float]]:
    """All optimality conditions of a follower with one weight: strong duality."""
    kkt, owner = form.kkt, form.program.followers.owner
    places = {
        "stationarity": owner == follower,
        "equalities": kkt.equal_owner == follower,
        "pairs": kkt.pairs.owner == follower,
    }
    return {name: {str(k): weight for k in np.flatnonzero(mask).tolist()} for name, mask in places.items()}


def _ends(values: Vector) -> list[float | None]:
    return [value if np.isfinite(value) else None for value in values.tolist()]


def _sparse(values: Vector) -> dict[str, float]:
    return {str(j): float(values[j]) for j in np.flatnonzero(values).tolist()}


def _triples(matrix: sp.csr_array) -> list[list[float]]:
    part = sp.coo_array(matrix)
    rows, columns = (each.tolist() for each in part.coords)
    return [[row, column, value] for row, column, value in zip(rows, columns, part.data.tolist(), strict=True) if value]


def _rows(rows: Rows) -> dict[str, Any]:
    return {
        "names": list(rows.names),
        "entries": _triples(rows.matrix),
        "lower": _ends(rows.lower),
        "upper": _ends(rows.upper),
    }
