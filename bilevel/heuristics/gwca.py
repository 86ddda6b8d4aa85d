"""Great wall construction algorithm: in each step every worker draws one of three roles and follows one of the three best.

Source: Guan et al., *Expert Systems with Applications* 233 (2023) 120905, doi 10.1016/j.eswa.2023.120905.  In step t of T, with
L1, L2, L3 the best three positions so far of different fitness, r uniform in [0, 1] and theta in [0, 80] for every gene anew:

    engineer     X = L1 + s r (L1 - X) + r v X          v = (T_h h / m - g h / sin theta) C density(t),  s = 1 or -1
    soldier      X = X + sign(Z_p - Z) r v (X_p - X) + r (L2 - X)    v = m g h / sin theta C density(t / T)
    labourer     X = X + 2 r (L3 - X) + density(t / T) (X_best - X)
    with         h = 1 - t / T,   C = log((e^3 - e^2) h + e^2)

where T_h is the thrust of the tools, p the worker whose fitness Z_p is nearest, X_best the worker's own best position.  Positions
outside the box are clipped.  After each step the worst `eliminated` workers are replaced by random ones.

Reading of the Gamma density.  It is taken here as what its name says, x^(P-1) exp(-x/Q) / (Gamma(P) Q^P).  The published program
divides by Gamma(x) instead of Gamma(P): its factor of the engineers is at most 0.0007 (in step 5) and soon nothing, where the
density rises to 0.023 (in step 48) at the default P and Q.

The first population is uniform (the paper draws it by a logistic map), all workers move before any is evaluated, and an angle is
in radians, as in the published program.  The term v X scales a position from the corner at 0 of the box, so the search depends on
where in the box the optimum lies.
"""

import math
from collections.abc import Mapping

import numpy as np
from scipy.special import gammaln

from bilevel.heuristics.base import Array, Option, Search, remember

name = "gwca"

OPTIONS: Mapping[str, Option] = {
    "thrust": Option(8.3, 0, 1e3),
    "mass": Option(3, 1e-3, 1e3),
    "gravity": Option(9.8, 0, 1e3),
    "shape": Option(9, 1, 1e3),  # P of the Gamma density
    "scale": Option(6, 1e-3, 1e3),  # Q of the Gamma density
    "eliminated": Option(0.1, 0, 0.9),  # share of the workers, rounded up
}


def search(
    first: Array, values: Array, rng: np.random.Generator, steps: int, *, thrust: float, mass: float, gravity: float,
    shape: float, scale: float, eliminated: float,
) -> Search:  # fmt: skip
    """See `bilevel.heuristics.base.Heuristic.search`."""
    agents, genes = first.shape
    replaced = math.ceil(eliminated * agents)
    positions, best, worth = first, first, values
    leaders, top = three_best(first, values)
    for t in range(1, steps):
        # T counts moves, and the first population is none
        share = t / (steps - 1)
        height, late = 1 - share, density(share, shape, scale)
        # The angle is never 0, as draws stay below 1: its sine is divided by
        climb = gravity * height / np.sin(80 * (1 - rng.random(first.shape)))
        speed = (thrust * height / mass - climb) * spread(height) * density(t, shape, scale)
        side = 2 * rng.integers(2, size=(agents, 1)) - 1
        # A worker has one role, so that the same draws serve all three
        r = rng.random((2, agents, genes))
        engineers = leaders[0] + side * r[0] * (leaders[0] - positions) + r[1] * speed * positions
        flight = away_from_nearest(positions, values) * mass * climb * spread(height) * late
        soldiers = positions + r[0] * flight + r[1] * (leaders[1] - positions)
        labourers = positions + 2 * r[0] * (leaders[2] - positions) + late * (best - positions)
        role = rng.integers(3, size=(agents, 1))
        moved = np.clip(np.choose(role, [engineers, soldiers, labourers]), 0, 1)
        values = yield moved
        best, worth = remember(best, worth, moved, values)
        # Leaders first: of equal fitness the older position stays
        leaders, top = three_best(np.concatenate([leaders, moved]), np.concatenate([top, values]))
        positions = moved.copy()
        # They go by the fitness of those they replace until they have moved: evaluating them would cost budget
        positions[np.argsort(-values, kind="stable")[:replaced]] = rng.random((replaced, genes))


def density(x: float, shape: float, scale: float) -> float:
    """Density of the Gamma distribution at x > 0."""
    return math.exp((shape - 1) * math.log(x) - x / scale - shape * math.log(scale) - float(gammaln(shape)))


def spread(height: float) -> float:
    """The factor C, from 3 at the start (height 1) down to 2 at the end."""
    return math.log((math.e**3 - math.e**2) * height + math.e**2)


def three_best(positions: Array, values: Array) -> tuple[Array, Array]:
    """The three best positions (3, genes) of different fitness and their fitness (3,); repeated where there are fewer."""
    _, first_of = np.unique(values, return_index=True)
    chosen = np.resize(first_of[:3], 3)
    return positions[chosen], values[chosen]


def away_from_nearest(positions: Array, values: Array) -> Array:
    """sign(Z_p - Z) (X_p - X) for every worker, p the other worker of nearest fitness: away from a better, towards a worse one."""
    # Workers without fitness count as one step worse than the worst, so that differences stay numbers
    finite = values[np.isfinite(values)]
    worth = np.where(np.isfinite(values), values, finite.max(initial=0.0) + 1)
    gap = np.abs(worth[:, None] - worth)
    np.fill_diagonal(gap, np.inf)
    peer = gap.argmin(axis=1)
    away: Array = np.sign(worth[peer] - worth)[:, None] * (positions[peer] - positions)
    return away
