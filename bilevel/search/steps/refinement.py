"""Making the best point of a search precise: of interior points, below a bound, or with loose cones."""

from bilevel import tolerances
from bilevel.program.rows import Vector
from bilevel.search.evaluate import by_interior_point, holds
from bilevel.search.points.tight_state import tight_state
from bilevel.search.sides import every_pair
from bilevel.search.state import SearchState


def agreement(state: SearchState) -> None:
    """A point a little below the bound breaks cones that tangents laid later hold: take it again with these."""
    found, form = state.incumbent, state.form
    if not state.splits_into_linear or found.x is None or found.slack_zero is None or found.objective >= found.bound:
        return
    point = state.precise.decided(every_pair(form, found.slack_zero), found.x)
    if point.x is not None and state.objective(point.x) > found.objective:
        # Worse and true: what it was better by, it owed to broken cones
        state.take(point.x, found.slack_zero)


def polishing(state: SearchState) -> None:
    """Where the gap is open, the best point once more by an interior point, with its sides fixed.

    Tangents come near the curve of a quadratic objective only as far as the solver sees them, an interior point to all digits.
    """
    found, form = state.incumbent, state.form
    if found.x is None or found.slack_zero is None or not (state.splits_into_linear and form.mip.cones.count):
        return
    true = _as_written(state, found.x)
    # Squares of the objective as they were written, of which tangents see a little less
    if true - found.bound <= state.budget.gap * max(abs(true), state.floor):
        return
    state.finish()
    x = by_interior_point(state, found.slack_zero, found.x)
    if x is None:
        return
    point = form.mip.cones.snapped(x)
    if _as_written(state, point) < true and holds(state, point, found.slack_zero, tolerances.FEASIBILITY / 3):
        state.take(point, found.slack_zero)


def _as_written(state: SearchState, x: Vector) -> float:
    """The minimised objective at a point, with squares and products evaluated as the model has them."""
    program = state.form.program
    return program.sign * program.objective(program.part_of(x))


def sharpened(state: SearchState) -> bool:
    """Make the best point of an interior point precise; false where it is given up.

    With its own decisions, and the network's state of tight cones; if that does not hold, by linear programs, whose corners
    keep rows as no interior point does.  A point that they do not confirm is given up while there is time for another, and
    else left to the certificate.
    """
    found = state.incumbent
    if found.x is None or found.slack_zero is None:
        return True
    stopped = state.finished or state.budget.over()
    state.finish()
    state.budget.progress.phase("making precise")
    # The network's own state of this decision is exact where linear programs would need many tangents
    near = tight_state(state.form, found.x, state.budget.seconds)
    kept = near is not None and holds(state, near, found.slack_zero, tolerances.FEASIBILITY / 3)
    if near is not None and kept and state.objective(near) <= state.as_good():
        state.take(near, found.slack_zero)
        return True
    state.precise.add_active_tangents(found.x)
    point = state.precise.decided(every_pair(state.form, found.slack_zero), found.x)
    if point.x is not None:
        state.take(point.x, found.slack_zero)
    # There is time for another point
    elif not stopped:
        state.drop_incumbent()
    return point.x is not None or stopped


def tightening(state: SearchState) -> None:
    """Where the objective leaves cones loose, take the optimum whose cones are tight, at no loss."""
    found, precise = state.incumbent, state.precise
    if found.x is None or found.slack_zero is None or not precise.cones.count:
        return
    if float(precise.cones.gaps(state.padded(found.x)).max()) <= tolerances.CONE_GAP / 10:
        return
    state.finish()
    state.budget.progress.phase("tightening cones")
    point = precise.tightened(every_pair(state.form, found.slack_zero), state.padded(found.x))
    if point.x is not None:
        state.take(point.x, found.slack_zero)
