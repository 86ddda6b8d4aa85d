"""An answer that was solved too coarsely is solved again in finer units, which its own values give.

The certificate's check `objective resolution` asks what tolerances hide in the objective where columns have their scales.  Where
bounds are hundreds of times as large as the values at the answer that is more than the gap asked for, and no fault of the model.
A bound that stays too coarse is none.
"""

from dataclasses import replace

import numpy as np

from bilevel import tolerances
from bilevel.certify.resolution import cancelled, resolution, unseen
from bilevel.program.bilevel_program import Program
from bilevel.program.layout import Group
from bilevel.program.rows import Vector
from bilevel.reformulate.single_level import Reformulation
from bilevel.search.incumbent import Incumbent

_FINEST = 1e-4
"""Least share of its scale that a column is measured in: beyond that its values would be too large for a solver's tolerances."""


def finer(form: Reformulation, x: Vector | None) -> Reformulation | None:
    """The same program with columns measured in their values at x, or in the share of their scale that the objective asks for.

    None without a point, where the scales are fine enough, and where no share serves.
    """
    if x is None:
        return None
    program = form.program
    x = np.abs(program.part_of(x))
    value = resolution(program, x)
    share = tolerances.RESOLUTION / max(value, tolerances.NOT_ZERO) / 2.0
    if value <= tolerances.RESOLUTION or share < _FINEST:
        return None
    # A value of 0 is no unit: no column is measured finer than the objective asks for
    scale = np.maximum(np.minimum(x, program.scale), share * program.scale)
    # Multipliers keep their sizes: what is mended here is the resolution of the variables
    whole = np.concatenate([scale, form.mip.scale[form.columns.after(Group.VARIABLES)]])
    return replace(form, program=replace(program, scale=scale), mip=replace(form.mip, scale=whole))


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
