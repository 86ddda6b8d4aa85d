"""An answer that was solved too coarsely is solved again in finer units, which its own values give.

The certificate's check `objective resolution` asks what tolerances hide in the objective where columns have their scales.  Where
bounds are hundreds of times as large as the values at the answer that is more than the gap asked for, and no fault of the model.
A bound that stays too coarse is none.

Tangents of a quadratic objective are not seen below a share of what its squares are at the columns' scales, which may keep a gap
open that nothing in the model does.
"""

from dataclasses import replace

import numpy as np

from bilevel import tolerances
from bilevel.certify.resolution import cancelled, resolution, unseen
from bilevel.program.bilevel_program import Program
from bilevel.program.layout import Group
from bilevel.program.rows import Vector
from bilevel.program.sparse import magnitude
from bilevel.reformulate.single_level import Reformulation
from bilevel.search.incumbent import Incumbent

_FINEST = 1e-4
"""Least share of its scale that a column is measured in: beyond that its values would be too large for a solver's tolerances."""


def finer(form: Reformulation, x: Vector | None, open_gap: float = np.inf) -> Reformulation | None:
    """The same program with columns measured in their values at x, or in the share of their scale that the objective asks for.

    None without a point, where the scales are fine enough, and where no share serves.  Where an `open_gap` was asked for and is not
    closed, only squares of the objective count, as nothing else that is coarse keeps it open.
    """
    if x is None:
        return None
    program = form.program
    x = program.part_of(x)
    value, squares = resolution(program, x), _squares(program)
    # A gap is relative to the objective, of which terms may cancel
    size = max(abs(program.objective(x)), program.objective_floor(x))
    hidden = tolerances.TANGENT_UNSEEN * float(squares.max(initial=0.0)) / size
    closed, allowed = np.isinf(open_gap), min(open_gap, tolerances.RESOLUTION)
    share = tolerances.RESOLUTION / max(value, tolerances.NOT_ZERO) / 2.0
    if not closed:
        # Squares fall with the square of the unit
        share = min(share, float(np.sqrt(allowed / max(hidden, tolerances.NOT_ZERO) / 2.0)))
    if (value if closed else hidden) <= allowed or share < _FINEST:
        return None
    # A value of 0 is no unit: no column is measured finer than the objective asks for
    scale = np.maximum(np.minimum(np.abs(x), program.scale), share * program.scale)
    # Multipliers keep their sizes: what is mended here is the resolution of the variables
    whole = np.concatenate([scale, form.mip.scale[form.columns.after(Group.VARIABLES)]])
    program = replace(program, scale=scale)
    if closed:
        return replace(form, program=program, mip=replace(form.mip, scale=whole))
    squares = _squares(program)
    w_scale = np.where(squares > 0, squares, program.cones.w_scale)
    program = replace(program, cones=replace(program.cones, w_scale=w_scale))
    cones = replace(form.mip.cones, w_scale=np.concatenate([w_scale, form.mip.cones.w_scale[len(w_scale) :]]))
    return replace(form, program=program, mip=replace(form.mip, scale=whole, cones=cones))


def _squares(program: Program) -> Vector:
    """What the squares of every cone over an epigraph are at the columns' scales; 0 of other cones."""
    cones = program.cones
    epigraph = np.array([variable is None for variable in program.variables], dtype=float)
    size = np.bincount(cones.owner, weights=magnitude(cones.squares, program.scale) ** 2, minlength=cones.count)
    return np.where(abs(cones.w) @ epigraph > 0, size, 0.0)


def resolved(program: Program, form: Reformulation | None, found: Incumbent, valid: bool = True) -> Incumbent:
    """What was found, without its bound where the solvers' tolerances may hide more in it than a certificate allows.

    It cannot be mended by lowering it so much: a rate that is not seen may belong to a column without an end.  A point that is
    not `valid` says nothing of the objective's size.
    """
    if not np.isfinite(found.bound):
        return found
    if valid and found.x is not None and cancelled(program, program.part_of(found.x)) > tolerances.RESOLUTION:
        return replace(found, bound=-np.inf)
    coarse = unseen(program, form)
    floors = [program.objective_floor(x) / tolerances.OBJECTIVE_FLOOR for x in (found.x if valid else None, None)]
    # Terms may cancel in a bound near 0: what is hidden is held against the largest of them
    term = max(abs(found.bound), *floors)
    return replace(found, bound=-np.inf) if coarse > tolerances.RESOLUTION * term else found
