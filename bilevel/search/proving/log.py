"""A reformulated program as a proof writes it: the problem's matrices, and how its products are made linear."""

from typing import Any

import numpy as np
import scipy.sparse as sp

from bilevel.certify.proof.checker import FORMAT, VERSION, fingerprint
from bilevel.program.bilevel_program import Program
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
    problem = problem_of(program)
    counted = envelopes.followers(form) if with_envelopes else np.zeros(0, dtype=np.int64)
    price = sp.coo_array(program.followers.price)
    kept = np.isin(program.followers.owner[price.coords[1]], counted) & (price.data != 0)
    return {
        "format": FORMAT, "version": VERSION, "fingerprint": fingerprint(problem), "problem": problem,
        "replacements": _replacements(form), "squares": _squares(form),
        "products": np.stack([part[kept] for part in price.coords], axis=1).tolist(),
        "identities": [_duality(form, int(k)) for k in counted] if kept.any() else [],
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
    found: dict[str, Any] = {}
    for used in form.linear.used:
        told = found.setdefault(str(used.row), {"links": _links(form, used.row)})
        for name, weights in _weights(form, used.potential).items():
            told.setdefault(name, {}).update(weights)
        told.setdefault("squares", {}).update({str(k): used.weight for k in used.squares})
    return found


def _weights(form: Reformulation, potential: Vector) -> dict[str, dict[str, float]]:
    """Multiples of conditions, by the places at which a checker has them."""
    kkt, n = form.kkt, form.program.columns
    parts = {
        "stationarity": potential[:n],
        "equalities": potential[n + kkt.lam],
        "pairs": potential[n + kkt.pairs.dual],
    }
    return {name: _sparse(values) for name, values in parts.items()}


def _links(form: Reformulation, row: int) -> list[list[float]]:
    """What takes a multiplier's own columns in the place of the leader's that reads it: [link, column, weight]."""
    b, read = form.program.bilinear, {int(column): at for at, column in enumerate(form.program.links.column)}
    found = []
    for at in np.flatnonzero(b.row == row).tolist():
        first, second, value = int(b.leader[at]), int(b.follower[at]), float(b.coefficient[at])
        # A price that is itself a multiplier is paid as a price
        if first in read and not form.program.followers.price[first, second]:
            found.append([read[first], second, -value])
        elif second in read:
            found.append([read[second], first, -value])
    return found


def _duality(form: Reformulation, follower: int) -> dict[str, Any]:
    """All of a follower's conditions with one weight: strong duality, with the squares that stand for its y'Qy."""
    squares = {str(k): 1.0 for k in np.flatnonzero(form.linear.squares.owner == follower).tolist()}
    return {**_weights(form, revenue.everything(form.program, form.kkt, follower)), "squares": squares}


def _squares(form: Reformulation) -> list[list[list[float]]]:
    """Linear forms of which the leader's revenue has squares, each as [column, value]."""
    forms = form.linear.squares.forms
    return [[list(entry) for entry in zip(part.indices.tolist(), part.data.tolist(), strict=True)]
            for part in (forms[[k]] for k in range(forms.shape[0]))]  # fmt: skip


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
