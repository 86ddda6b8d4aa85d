"""What answers can make of a block's forms: a cell in whose every corner the leader has a point, or a tie that leaves it none."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from bilevel import tolerances
from bilevel.certify.ties.blocks import Block
from bilevel.certify.ties.broken import Broken, of_block
from bilevel.certify.ties.cells import MOST_FORMS, Cell
from bilevel.certify.ties.face import Face, TieProblem
from bilevel.program.rows import Vector

_MOST_CUTS = 40


@dataclass(frozen=True)
class Reach:
    """A cell that holds all values that answers give a block's forms, None where none was proven; or the tie that breaks rows."""

    cell: Cell | None
    y: Vector | None = None
    broken: tuple[Broken, ...] = ()


def reach(problem: TieProblem, face: Face, block: Block, over: Callable[[], bool]) -> Reach:
    """The box of the forms, cut where a corner has no point: along the edge of what has one, as far out as answers go.

    A point in every corner gives one everywhere in the cell, as the leader's rows and cones are convex.
    """
    ends = []
    for form in block.forms:
        if over():
            return Reach(None)
        ends.append((-face.most(-form)[0], face.most(form)[0]))
    lower, upper = np.array(ends).T
    if not np.isfinite(ends).all():
        return Reach(None)
    # Rounding may put the ends of a form that no answer moves in the wrong order
    cell = Cell(np.minimum(lower, upper), np.maximum(lower, upper))
    for _ in range(_MOST_CUTS):
        without = []
        for corner in cell.corners:
            if over():
                return Reach(None)
            if not np.isfinite(block.value(corner).high):
                without.append(corner)
                # About many forms a simplex has corners far from any answer, and its cuts have too many
                if block.count > MOST_FORMS:
                    return Reach(None)
        if not without:
            return Reach(cell)
        cuts = []
        for corner in without:
            far, a, b = block.beyond(corner)
            most, y = face.most(a @ block.forms)
            # A corner that only rounding keeps from a point cannot be cut off
            if y is None or far <= tolerances.AS_GOOD:
                return Reach(None)
            # Beyond the edge no answer leaves the leader a point
            broken = of_block(problem, face, block, y) if most > b else ()
            if broken:
                return Reach(None, y, broken)
            cuts.append((a, most))
        before, cell = cell.corners, Cell(cell.lower, cell.upper, (*cell.cuts, *cuts))
        if not len(cell.corners) or np.array_equal(cell.corners, before):
            break
    return Reach(None)
