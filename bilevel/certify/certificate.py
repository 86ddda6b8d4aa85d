"""An independent recheck of a point of a bilevel model (model page section 9): it reads values, never a solver's status."""

from dataclasses import replace
from typing import Any

import numpy as np

from bilevel.certify import integer_answers, multiplier_checks, point_checks
from bilevel.certify.record import Certificate as Certificate
from bilevel.certify.repair import mended_objective, multipliers
from bilevel.certify.resolution import resolution_check
from bilevel.certify.ties import tie_checks
from bilevel.compile.compiler import compile_model
from bilevel.errors import ModelError
from bilevel.followers.optimal_cost import Response, respond
from bilevel.model import Check, own_checks
from bilevel.program.bilevel_program import Program
from bilevel.program.rows import Vector
from bilevel.reformulate.single_level import Reformulation, assemble


def certify(model: Any, bound: float | None = None, gap: float = 1e-4) -> Certificate:
    """Recheck the values that stand in a Pyomo bilevel model now.

    `bound` is the best bound of the leader's objective, in its own sense, for the global gap; without one the point can
    be feasible but not certified.  Raises `ModelError` when a variable has no value.
    """
    program = compile_model(model)
    x = program.values()
    # What follows from variables has no value only where one of them has none
    missing = [at for at, _ in program.own if np.isnan(x[at])]
    if missing:
        raise ModelError(f"variable {program.name(missing[0])!r} has no value: solve the model, or set its value")
    x = _fill_epigraphs(program, x)
    # Values alone say nothing of multipliers; only a leader that reads some needs them
    if not len(program.links.column):
        return check_point(model, program, x, None, None, bound, gap)
    # The program itself is not solved here, so products without a linear form may stay
    form = assemble(program, nonconvex=True)
    return check_point(model, program, x, form, multipliers(form, x), bound, gap)


def check_point(
    model: Any, program: Program, x: Vector, form: Reformulation | None, duals: Vector | None,
    bound: float | None, gap: float, more: tuple[Check, ...] = (), worst: bool = False,
) -> Certificate:  # fmt: skip
    """Every check of a point x (program columns); with `duals` (lam, then mu) also of its multipliers; `more` join them.

    `worst`: the bound is one of worst ties, which better ties at the same decisions do not refute.
    """
    if len(program.whole_answers):
        whole = integer_answers.checks(program, x, bound, gap)
        return Certificate((*whole, *own_checks(model), *more))
    # Followers are solved again here, so that nothing rests on the multipliers that the search found
    response = respond(program, x)
    found = [
        point_checks.leader_rows(program, x),
        point_checks.follower_rows(program, x),
        point_checks.optimality(program, x, response),
    ]
    # Before optimality: outside its cones a point may be cheaper than any within, and the first failure is named
    if program.followers.cones.count:
        found.insert(2, point_checks.cones("follower cones", program.followers.cones, x))
    if form is not None:
        found += _of_multipliers(program, x, form, duals, response)
    ties = tie_checks(program, x, response)
    found += [
        point_checks.global_gap(program, x, bound, gap)
        if worst
        else point_checks.believed_gap(program, x, bound, gap, ties[0], response),
        resolution_check(program, x, form),
    ]
    # What a broken point owes means nothing, and its program may have no end
    if Certificate(tuple(found)).valid:
        found.append(mended_objective(program, x, form, duals, gap))
    if program.cones.count:
        found.append(point_checks.cones("cones", program.cones, program.tight(x)))
    found.extend(own_checks(model))
    found.extend(more)
    found.extend(ties)
    return Certificate(tuple(found))


def _of_multipliers(
    program: Program, x: Vector, form: Reformulation, duals: Vector | None, response: Response
) -> list[Check]:
    """The checks of a point's multipliers; without any, whether followers have room for them."""
    if duals is None:
        return [multiplier_checks.interior(form)] if form.conic else []
    full = np.concatenate([x, duals])
    found = [
        multiplier_checks.stationarity(program, form.kkt, full),
        multiplier_checks.complementarity(form, full, response),
        multiplier_checks.bounds_used(form),
    ]
    if form.conic:
        found += [multiplier_checks.cone_multipliers(form, full, response), multiplier_checks.interior(form)]
    if form.secure is not None:
        found.append(multiplier_checks.response_unique(form, form.secure, full))
    if len(program.links.column):
        found.append(multiplier_checks.duals_read(program, form.kkt, full))
    return found


def feasible_checks(program: Program, x: Vector, response: Response | None) -> list[Check]:
    """Rows and cones, which may be loose; with a `response` the followers' optimality too."""
    found = [point_checks.leader_rows(program, x), point_checks.follower_rows(program, x)]
    cones = (("follower cones", program.followers.cones, x), ("cones", program.cones, program.tight(x)))
    loose = [
        (name, replace(part, relaxes_equality=np.zeros(part.count, dtype=bool)), at)
        for name, part, at in cones
        if part.count
    ]
    found += [point_checks.cones(*each) for each in loose]
    return found if response is None else [*found, point_checks.optimality(program, x, response)]


def check_relaxation(model: Any, program: Program, x: Vector, bound: float, gap: float) -> Certificate:
    """The checks of a point at which followers need not be optimal: rows, cones, gap, and the model's own."""
    found = [point_checks.leader_rows(program, x), point_checks.follower_rows(program, x)]
    if program.followers.cones.count:
        found.append(point_checks.cones("follower cones", program.followers.cones, x))
    found += [point_checks.global_gap(program, x, bound, gap), resolution_check(program, x)]
    if program.cones.count:
        found.append(point_checks.cones("cones", program.cones, program.tight(x)))
    found.extend(own_checks(model))
    return Certificate(tuple(found))


def _fill_epigraphs(program: Program, x: Vector) -> Vector:
    """Epigraph columns have no Pyomo variable: their least value follows from the others."""
    filled = np.where(np.isnan(x), 0.0, x)
    _, total, _, w = program.cones.parts(filled)
    for column in np.flatnonzero(np.isnan(x)):
        # Its cone is squares <= 1 * (t + rest), so with t at 0 the least t is what the squares are above w
        cone = int(program.cones.w[:, [column]].tocoo().coords[0][0])
        filled[column] = total[cone] - w[cone]
    return filled
