"""Particle swarm with one leader and Clerc's constriction.

Sources: Kennedy and Eberhart, *Proc. ICNN* (1995) 1942-1948; Clerc and Kennedy, *IEEE Trans. Evol. Comput.* 6 (2002) 58-73, whose
constriction at phi = 4.1 gives the three defaults 0.7298 and 1.49618; Eberhart and Shi, *Proc. CEC* (2000) 84-88, who limit a
velocity to the bound of a box that is symmetric about 0: half the range, here 0.5.  A particle that meets a wall stops there: its
position is clipped and its velocity in that gene is 0.  Velocities start at half the way to a random point of the box.
"""

from collections.abc import Mapping

import numpy as np

from bilevel.heuristics.base import Array, Option, Search, remember

name = "pso"

OPTIONS: Mapping[str, Option] = {
    "inertia": Option(0.7298, 0, 1),
    "own_pull": Option(1.49618, 0, 10),  # towards the particle's own best
    "leader_pull": Option(1.49618, 0, 10),  # towards the best of all
    "velocity_limit": Option(0.5, 1e-6, 1),  # of a gene in one step, as a share of the range
}


def search(
    first: Array, values: Array, rng: np.random.Generator, steps: int, *, inertia: float, own_pull: float,
    leader_pull: float, velocity_limit: float,
) -> Search:  # fmt: skip
    """See `bilevel.heuristics.base.Heuristic.search`."""
    positions, best, worth = first, first, values
    velocity = (rng.random(first.shape) - first) / 2
    for _ in range(1, steps):
        own = own_pull * rng.random(first.shape)
        social = leader_pull * rng.random(first.shape)
        leader = best[np.argmin(worth)]
        velocity = inertia * velocity + own * (best - positions) + social * (leader - positions)
        positions, velocity = fly(positions, np.clip(velocity, -velocity_limit, velocity_limit))
        values = yield positions
        best, worth = remember(best, worth, positions, values)


def fly(positions: Array, velocity: Array) -> tuple[Array, Array]:
    """Positions one step on, within the box, and velocities, 0 in the genes that met a wall."""
    wanted = positions + velocity
    inside = np.clip(wanted, 0, 1)
    # Clipping leaves what is inside as it is, to the last bit
    return inside, np.where(inside == wanted, velocity, 0.0)
