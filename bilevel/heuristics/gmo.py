"""Geometric mean optimizer: every agent follows its own weighted mean of the elite's best positions.

Source: Rezaei et al., *Soft Computing* 27 (2023) 10571-10606, doi 10.1007/s00500-023-08202-z, as restated by Xin et al. 2023,
equations (15) to (24).  With Z_j the best fitness of agent j so far, in step k of K:

    membership      M_j = 1 / (1 + exp(-4 (Z_j - mean) / (std sqrt(e))))                        (18)
    dual fitness    DFI_j = product of M_i over the agents i other than j                       (17)
    elite           the round(N - (N - 2) k / K) agents of largest dual fitness
    guide           Y_j = DFI-weighted mean of the best positions of the elite other than j     (19)
    mutation        Y'_j = Y_j + w normal (std_max - std),   w = 1 - k / K                      (20), (21)
    velocity        V_j = w V_j + (1 + (2 r - 1) w) (Y'_j - X_j),   then X_j = X_j + V_j        (22) to (24)

Sign: fitness is minimised, so M grows with fitness and is near 1 for the worst agents.  The product leaves agent j's own M out, so
DFI_j is (product of all M) / M_j: the better the agent, the larger its dual fitness, and only 1 / M_j matters between agents.

Three things that the sources leave open or do otherwise.  The weights of a guide are normalised over the agents it uses; the
published program divides by the sum over the whole elite, which draws the guides of elite agents towards the origin of the box.
Standard deviations are of a sample (n - 1).  As in the published program, velocities start at random within `velocity_limit`, a
tenth of the range, and are cut there; an agent that meets a wall stays on it and turns back (its velocity changes sign).

Agents without a finite fitness so far have M = 1, the limit for ever worse fitness, stay out of mean and standard deviation, and
guide nobody while two others can.  Where all finite fitness is equal, all agents weigh the same.
"""

import math
from collections.abc import Mapping

import numpy as np
from scipy.special import softmax

from bilevel.heuristics.base import Array, Option, Search, remember

name = "gmo"

OPTIONS: Mapping[str, Option] = {
    "velocity_limit": Option(0.1, 1e-6, 1),  # of a gene in one step, as a share of the range
}


def search(first: Array, values: Array, rng: np.random.Generator, steps: int, *, velocity_limit: float) -> Search:
    """See `bilevel.heuristics.base.Heuristic.search`."""
    positions, best, worth = first, first, values
    velocity = velocity_limit * (2 * rng.random(first.shape) - 1)
    # Step 1 was the first population
    for k in range(2, steps + 1):
        weight = 1 - k / steps
        deviation = best.std(axis=0, ddof=1)
        noise = rng.standard_normal(first.shape) * (deviation.max() - deviation)
        target = guides(best, worth, elite_size(len(first), k, steps)) + weight * noise
        pull = 1 + (2 * rng.random(first.shape) - 1) * weight
        velocity = weight * velocity + pull * (target - positions)
        positions, velocity = fly(positions, np.clip(velocity, -velocity_limit, velocity_limit))
        values = yield positions
        best, worth = remember(best, worth, positions, values)


def elite_size(agents: int, step: int, steps: int) -> int:
    """How many agents guide in this step: from nearly all down to two; halves round up."""
    return math.floor(agents - (agents - 2) * step / steps + 0.5)


def log_membership(worth: Array) -> Array:
    """log M (agents,), equation (18): near 0 for the worst, ever more negative for better fitness (minimised)."""
    finite = np.isfinite(worth)
    known = worth[finite]
    # In units of the largest, so that sums of squares of large penalties do not overflow; M does not change
    size = np.abs(known).max(initial=0.0) or 1.0
    mean, deviation = (known / size).mean() if len(known) else 0.0, 0.0
    if len(known) > 1:
        deviation = float((known / size).std(ddof=1))
    slope = 4 / (deviation * math.sqrt(math.e)) if deviation > 0 else 0.0
    # Those without fitness stand at the mean, so that infinity is in no difference; they get M = 1 below
    rise = slope * (np.where(finite, worth / size, mean) - mean)
    return np.where(finite, -np.logaddexp(0, -rise), 0.0)


def log_dual_fitness(worth: Array) -> Array:
    """log DFI (agents,), equation (17): larger for better agents."""
    # As logarithms, because the product over a large population may underflow
    membership = log_membership(worth)
    dual: Array = membership.sum() - membership
    return dual


def guides(best: Array, worth: Array, size: int) -> Array:
    """Guides Y (agents, genes), equation (19): each a convex combination of the best positions of other elite agents."""
    fitness = log_dual_fitness(worth)
    elite = np.zeros(len(worth), dtype=bool)
    # Sorted by fitness first where the dual fitness of poor agents differs by less than rounding
    elite[np.lexsort((worth, -fitness))[:size]] = True
    finite = np.isfinite(worth)
    if np.count_nonzero(elite & finite) >= 2:
        elite &= finite
    used = elite & ~np.eye(len(worth), dtype=bool)
    shares: Array = softmax(np.where(used, fitness, -np.inf), axis=1)
    return shares @ best


def fly(positions: Array, velocity: Array) -> tuple[Array, Array]:
    """Positions one step on, within the box, and velocities, turned round in the genes that met a wall."""
    wanted = positions + velocity
    inside = np.clip(wanted, 0, 1)
    return inside, np.where(inside == wanted, velocity, -velocity)
