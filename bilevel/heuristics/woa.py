"""Whale optimization algorithm.

Source: Mirjalili and Lewis, *Advances in Engineering Software* 95 (2016) 51-67, doi 10.1016/j.advengsoft.2016.01.008.  In step t of
T, with a = 2 - 2 t / T and r uniform in [0, 1], A = 2 a r - a and C = 2 r; each whale tosses a coin:

    heads, |A| < 1     X = X* - A |C X* - X|                     the prey X* is the best position so far
    heads, |A| >= 1    X = X' - A |C X' - X|                     X' is a whale of the population, drawn at random
    tails              X = |X* - X| exp(b l) cos(2 pi l) + X*    l uniform in [-1, 1], one a whale

Reading of A and C.  They are vectors, as in the paper's text: r is drawn for every gene, and each gene asks for its own |A|.  The
published program draws one A and one C a whale, which leaves a whale few directions, and finds optima away from the corner at 0
of the box far worse.  Positions outside the box are clipped, and all whales move before any is evaluated.

C scales a position from the corner at 0 of the box, so the search depends on where in the box the optimum lies.  A gene that the
prey and all whales have at 0 stays at 0 for good.
"""

from collections.abc import Mapping

import numpy as np

from bilevel.heuristics.base import Array, Option, Search, remember

name = "woa"

OPTIONS: Mapping[str, Option] = {
    "spiral": Option(1, 0, 10),  # b, the shape of the logarithmic spiral
}


def search(first: Array, values: Array, rng: np.random.Generator, steps: int, *, spiral: float) -> Search:
    """See `bilevel.heuristics.base.Heuristic.search`."""
    agents = len(first)
    positions = first
    # A population of one, which `remember` takes
    prey, least = first[[np.argmin(values)]], values[[np.argmin(values)]]
    for t in range(steps - 1):
        reach = (2 - 2 * t / steps) * (2 * rng.random(first.shape) - 1)
        scale = 2 * rng.random(first.shape)
        turn = 2 * rng.random((agents, 1)) - 1
        other = positions[rng.integers(agents, size=agents)]
        heads = rng.random((agents, 1)) < 0.5
        target = np.where(np.abs(reach) < 1, prey, other)
        positions = np.where(heads, encircle(positions, target, reach, scale), spin(positions, prey, turn, spiral))
        positions = np.clip(positions, 0, 1)
        values = yield positions
        leader = np.argmin(values)
        prey, least = remember(prey, least, positions[[leader]], values[[leader]])


def encircle(positions: Array, target: Array, reach: Array, scale: Array) -> Array:
    """Positions around the target: target - A |C target - X|."""
    return target - reach * np.abs(scale * target - positions)


def spin(positions: Array, prey: Array, turn: Array, spiral: float) -> Array:
    """Positions on the spiral towards the prey: at `turn` 0 as far beyond the prey as |prey - X|, nearer at -1, further at 1."""
    return np.abs(prey - positions) * np.exp(spiral * turn) * np.cos(2 * np.pi * turn) + prey
