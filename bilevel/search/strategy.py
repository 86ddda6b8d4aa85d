"""Which steps a search takes, in which order: the one place that chooses them.

A step is a function of the state in a file of `bilevel.search.steps`.  Steps of `search` are taken until the gap is closed or the
budget is spent; those of `opening` and `closing` always.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from bilevel.program.rows import Mask, Vector
from bilevel.search.incumbent import Known
from bilevel.search.state import ALTERNATING, SearchState
from bilevel.search.steps.alternating import alternating
from bilevel.search.steps.branch_and_bound import branch_and_bound, restricted
from bilevel.search.steps.candidates import answer, apart, earlier_points, given_point, guess, known_point
from bilevel.search.steps.exhaustion import exhaustion
from bilevel.search.steps.pair_branching import pair_branching
from bilevel.search.steps.refinement import agreement, polishing, tightening
from bilevel.search.steps.relaxation import relaxation, relaxation_apart, wall
from bilevel.search.steps.small_tree import small_tree


@dataclass(frozen=True)
class Step:
    """What is done to the state, under a name for people."""

    name: str
    act: Callable[[SearchState], None]


@dataclass(frozen=True)
class Strategy:
    """The steps of one search, in order."""

    opening: tuple[Step, ...]
    search: tuple[Step, ...]
    closing: tuple[Step, ...]


def strategy(
    state: SearchState,
    starts: tuple[tuple[Mask, Vector], ...] = (),
    decisions: tuple[Vector, ...] = (),
    known: Known | None = None,
) -> Strategy:
    """The steps for this program and solver.

    `starts` are points of a program with other objectives or bounds: which slacks were zero there, and the point; `decisions` are
    points of which only the leader's part counts; `known` is a point with a bound, as parts that share nothing give.
    """
    # HiGHS says that a relaxation has no end; others may invent one
    opening = () if state.incremental else (Step("wall", wall),)
    if known is not None:
        opening = (*opening, Step("independent parts", partial(known_point, known=known)))
    # In this order, as tightening keeps the objective of the point that it is given
    closing = (Step("polishing", polishing), Step("agreement", agreement), Step("tightening", tightening))
    last = Step("exhaustion", exhaustion)
    complete = (Step("branch and bound", branch_and_bound), last)
    if state.holds_cones:
        given = tuple(Step("given point", partial(given_point, x=x)) for x in decisions)
        # A bound of linear programs can end the search only where there is a point already
        first = (*given, Step("relaxation apart", relaxation_apart)) if decisions else ()
        return Strategy(opening, (*first, *complete), closing)
    search = (
        # With a point at hand the relaxation's rounds end as soon as its bound suffices
        Step("earlier points", partial(earlier_points, starts=starts)),
        Step("relaxation", relaxation),
        *(Step("answer", partial(answer, x=x)) for x in decisions),
        Step("guesses", guess),
        *([Step("prices apart", apart)] if state.form.secure is not None else []),
        *([Step("alternating directions", alternating)] if ALTERNATING in state.root else []),
    )
    if state.mode.branches:
        return Strategy(opening, (*search, Step("branching on pairs", pair_branching), last), closing)
    search = (
        *search,
        Step("small tree", small_tree),
        # It proves nothing, but the complete search only looks for better points than its own
        Step("restricted search", restricted),
        *complete,
    )
    return Strategy(opening, search, closing)
