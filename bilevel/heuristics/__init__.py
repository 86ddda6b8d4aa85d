"""Population heuristics over one loop, to compare exact answers with; a new one is one file and a line here.

A heuristic minimises any function of genes in the box [0, 1].  For a bilevel problem the genes are the leader's decisions and the
function solves the followers exactly, runs the network and adds a penalty for broken limits.  No heuristic proves a bound.
"""

from collections.abc import Callable
from typing import cast

from bilevel.errors import UnknownNameError
from bilevel.heuristics import ga, gmo, gwca, pso, woa
from bilevel.heuristics.base import Heuristic, Option
from bilevel.heuristics.population import Evaluate, HeuristicRun, History, run

__all__ = ["HEURISTICS", "Heuristic", "HeuristicRun", "History", "Option", "find", "minimize"]

HEURISTICS: dict[str, Heuristic] = {h.name: h for h in (cast(Heuristic, m) for m in (ga, pso, gmo, gwca, woa))}


def find(name: str) -> Heuristic:
    """The registered heuristic; raises `UnknownNameError` with the nearest name."""
    if name not in HEURISTICS:
        raise UnknownNameError("heuristic", name, HEURISTICS)
    return HEURISTICS[name]


def minimize(
    evaluate: Evaluate,
    genes: int,
    method: str = "gmo",
    *,
    budget: int = 3000,
    population: int = 30,
    seed: int = 0,
    stop: Callable[[], bool] | None = None,
    progress: Callable[[int, float], None] | None = None,
    **options: float,
) -> HeuristicRun:
    """The best candidate that a heuristic finds within a budget of evaluations.

    `evaluate` takes positions (n, genes) in [0, 1], n at most `population`, and gives their fitness (n,), minimised; +inf is a
    candidate without fitness, and so is NaN.  The first population is uniform in the box and the same for every method of one
    seed, population and number of genes.  Exactly `budget` candidates are evaluated (the last batch is cut to fit), unless `stop`
    gives True; it is asked between batches, after the first.  `progress` is called after each batch with the evaluations so far
    and the best fitness.  The same arguments give the same run bit for bit, apart from its seconds.

    `options` are the method's own, listed in `HEURISTICS[method].OPTIONS`.  Raises `UnknownNameError` for an unknown method or
    option and `BilevelError` for a number out of its range or an `evaluate` that gives something else.
    """
    return run(
        find(method), evaluate, genes, budget=budget, population=population, seed=seed, stop=stop, progress=progress,
        options=options,
    )  # fmt: skip
