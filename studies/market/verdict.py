"""What a market solved three ways comes to: how the ways stand to each other, and one status from all of their certificates."""

import math
from dataclasses import dataclass

from bilevel import solution, tolerances
from studies.market.three_ways import COOPERATIVE, EQUILIBRIUM, EXACT, MarketComparison

CERTIFIED, FEASIBLE, CONTRADICTION = "certified", "feasible", "contradiction"


@dataclass(frozen=True)
class Difference:
    """What the iteration costs the operator more than the exact optimum, in currency; NaN where one of both has no valid point.

    - `found`: the equilibrium's cost less the exact point's; `proven`: at most the iteration's cost less the exact bound, the most
      that any prices could save; `share`: `found` over the equilibrium's cost;
    - `contradiction`: one sentence where the ways break cooperative <= exact <= equilibrium by more than their gaps allow, else
      empty.
    """

    found: float
    proven: float
    share: float
    contradiction: str


@dataclass(frozen=True)
class Verdict:
    """The market's `status`, with `reason`, one sentence.

    Certified: the exact answer and the cooperative one are, and the equilibrium, where there is one, is certified or proven to have
    no point at its prices.  Feasible: the exact answer is valid, but one of these is not so.  Contradiction: the ways do not fit
    each other.  Else the exact answer's own status.
    """

    status: str
    reason: str


def verdict(found: MarketComparison) -> Verdict:
    """One status from the three certificates and the order of the ways."""
    said = difference(found).contradiction
    if said:
        return Verdict(CONTRADICTION, said)
    exact = found.runs[EXACT].solution
    if exact.status != CERTIFIED:
        return Verdict(exact.status, f"the exact answer is {exact.status}: {exact.reason}")
    for way, enough in ((COOPERATIVE, (CERTIFIED,)), (EQUILIBRIUM, (CERTIFIED, "infeasible"))):
        # Days that may come have no equilibrium
        if way not in found.runs:
            continue
        other = found.runs[way].solution
        if other.status not in enough:
            return Verdict(FEASIBLE, f"the exact answer is certified, the {way} one is {other.status}: {other.reason}")
    return Verdict(CERTIFIED, "every certificate passes, and the ways are in order")


def difference(found: MarketComparison) -> Difference:
    """The exact way beside the iteration, and whether points and bounds of the three ways fit each other."""
    exact = found.runs[EXACT].solution
    more = share = proven = math.nan
    if EQUILIBRIUM in _valid(found):
        iterated = found.runs[EQUILIBRIUM].solution
        proven = iterated.objective - exact.bound
        if EXACT in _valid(found):
            more = iterated.objective - exact.objective
            share = more / abs(iterated.objective) if iterated.objective else math.nan
    return Difference(more, proven, share, _bounds_broken(found) or _order_broken(found))


def _valid(found: MarketComparison) -> set[str]:
    return {way for way, run in found.runs.items() if run.solution.status in solution.VALID}


def _bounds_broken(found: MarketComparison) -> str:
    """The first valid point below a bound that is proven for it; a bound that is no number bounds nothing."""
    for way, whose in ((EQUILIBRIUM, EXACT), (EXACT, COOPERATIVE), (EQUILIBRIUM, COOPERATIVE)):
        if way not in _valid(found):
            continue
        cost, bound = found.runs[way].solution.objective, found.runs[whose].solution.bound
        if cost < bound - tolerances.RESOLUTION * abs(bound):
            return f"the {way} way costs {cost:.6g}, below the proven {whose} bound {bound:.6g}: one of both is wrong, report it"
    return ""


def _order_broken(found: MarketComparison) -> str:
    """The first certified point that costs more than a valid one of a way that it is no worse than, by more than its own gap."""
    for way, dearer in ((COOPERATIVE, EXACT), (EXACT, EQUILIBRIUM), (COOPERATIVE, EQUILIBRIUM)):
        if dearer not in _valid(found) or found.runs[way].solution.status != CERTIFIED:
            continue
        first, second = found.runs[way].solution, found.runs[dearer].solution
        room = (float(first.settings["gap"]) + tolerances.RESOLUTION) * max(abs(first.objective), abs(second.objective))
        if first.objective > second.objective + room:
            return (
                f"the {way} way costs {first.objective:.6g}, more than the {dearer} way's {second.objective:.6g} by more than its "
                "gap: one of both is wrong, report it"
            )
    return ""
