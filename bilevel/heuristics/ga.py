"""Genetic algorithm on real genes: tournaments, simulated binary crossover, polynomial mutation, the best survive.

Sources: Deb and Agrawal, *Complex Systems* 9 (1995) 115-148 (crossover), Deb and Goyal, *Computer Science and Informatics* 26
(1996) 30-45 (mutation), both with the distributions cut at the bounds, so that no child leaves the box.  The next population is
the best of parents and children together (elitism without a parameter).  Published tables name a genetic algorithm without its
operators; these are the usual ones for real genes.
"""

from collections.abc import Mapping

import numpy as np

from bilevel.heuristics.base import Array, Index, Option, Search

name = "ga"

OPTIONS: Mapping[str, Option] = {
    "tournament": Option(2, 1, 100, whole=True),  # candidates a parent is the best of
    "crossover": Option(0.9, 0, 1),  # share of pairs that cross, in about half of their genes
    "crossover_index": Option(15, 0, 1000),  # the larger, the nearer children are to their parents
    "mutations": Option(1, 0, 1e6),  # mutated genes a child on average, at most all
    "mutation_index": Option(20, 0, 1000),
}

_APART = 1e-14
"""Parents nearer than this in a gene pass it on unchanged: the spread factor divides by their distance."""


def search(
    first: Array, values: Array, rng: np.random.Generator, steps: int, *, tournament: float, crossover: float,
    crossover_index: float, mutations: float, mutation_index: float,
) -> Search:  # fmt: skip
    """See `bilevel.heuristics.base.Heuristic.search`."""
    agents, genes = first.shape
    parents, worth = first, values
    for _ in range(1, steps):
        # Parents come in pairs; where that makes a child too many, it is dropped
        chosen = select(worth, agents + agents % 2, int(tournament), rng)
        pairs = parents[chosen].reshape(2, -1, genes)
        children = cross(pairs[0], pairs[1], crossover, crossover_index, rng)[:agents]
        draws = rng.random(children.shape)
        hit = rng.random(children.shape) < mutations / genes
        children = np.where(hit, mutated(children, draws, mutation_index), children)
        values = yield children
        everyone, every_worth = np.concatenate([parents, children]), np.concatenate([worth, values])
        # Stable, with parents first: of equals the older one stays
        survivors = np.argsort(every_worth, kind="stable")[:agents]
        parents, worth = everyone[survivors], every_worth[survivors]


def select(worth: Array, count: int, tournament: int, rng: np.random.Generator) -> Index:
    """Winners (count,) of tournaments between candidates drawn with replacement; equal fitness lets the first drawn win."""
    drawn = rng.integers(len(worth), size=(count, tournament))
    winners: Index = drawn[np.arange(count), np.argmin(worth[drawn], axis=1)]
    return winners


def cross(mothers: Array, fathers: Array, share: float, index: float, rng: np.random.Generator) -> Array:
    """Two children (2 pairs, genes) of each pair; genes that do not cross pass unchanged."""
    low, high = children_of(mothers, fathers, rng.random(mothers.shape), index)
    # Else the first child would have the lower of both genes everywhere
    swap = rng.random(mothers.shape) < 0.5
    low, high = np.where(swap, high, low), np.where(swap, low, high)
    crossing = (rng.random(len(mothers)) < share)[:, None] & (rng.random(mothers.shape) < 0.5)
    crossing &= np.abs(mothers - fathers) > _APART
    return np.concatenate([np.where(crossing, low, mothers), np.where(crossing, high, fathers)])


def children_of(mothers: Array, fathers: Array, draws: Array, index: float) -> tuple[Array, Array]:
    """The lower and the upper child of each pair of genes by simulated binary crossover cut at 0 and 1.

    `draws` are uniform in [0, 1): a draw of 0 puts both at the middle of the parents, a draw near 1 puts them at the bounds.
    """
    lower, upper = np.minimum(mothers, fathers), np.maximum(mothers, fathers)
    apart = np.maximum(upper - lower, _APART)
    middle = (lower + upper) / 2
    low = middle - _spread(1 + 2 * lower / apart, draws, index) * apart / 2
    high = middle + _spread(1 + 2 * (1 - upper) / apart, draws, index) * apart / 2
    # The distribution ends at the bounds, which only rounding passes
    return np.clip(low, 0, 1), np.clip(high, 0, 1)


def _spread(limit: Array, draws: Array, index: float) -> Array:
    """Spread factor at the draws where `limit` is the factor at which the child meets its bound."""
    power = 1 / (index + 1)
    # The last factor is twice the mass up to the limit, so that every draw falls within it
    share = draws * (2 - limit ** -(index + 1))
    return np.where(share <= 1, share**power, (1 / (2 - np.maximum(share, 1))) ** power)


def mutated(genes: Array, draws: Array, index: float) -> Array:
    """Genes moved by polynomial mutation cut at 0 and 1 at uniform `draws`: 0 gives 0, 0.5 the gene itself, 1 gives 1."""
    power = 1 / (index + 1)
    # Both ways are computed for every draw, and the one not taken may be the root of a number below zero
    down = (2 * draws + (1 - 2 * draws) * (1 - genes) ** (index + 1)).clip(min=0) ** power - 1
    up = 1 - (2 * (1 - draws) + (2 * draws - 1) * genes ** (index + 1)).clip(min=0) ** power
    return np.clip(genes + np.where(draws <= 0.5, down, up), 0, 1)
