"""What a population heuristic is to the loop of `bilevel.heuristics.population`.

Candidates are rows of an (agents x genes) array in the box [0, 1]; fitness is minimised and +inf where a candidate has none.
"""

from collections.abc import Generator, Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Index = NDArray[np.int64]
Search = Generator[Array, Array, None]
"""Yields positions (agents, genes) to evaluate, all within the box, and is sent their fitness (agents,)."""


@dataclass(frozen=True)
class Option:
    """A setting of a heuristic: its default and the closed range of its values; `whole` where only whole numbers make sense."""

    default: float
    lowest: float
    highest: float
    whole: bool = False


class Heuristic(Protocol):
    """One file a heuristic: its name, its settings, and the search itself."""

    name: str
    OPTIONS: Mapping[str, Option]

    def search(self, first: Array, values: Array, rng: np.random.Generator, steps: int, **options: float) -> Search:
        """`steps` - 1 populations after the `first`, whose fitness is `values`; every option of `OPTIONS` is given by name."""


def remember(best: Array, worth: Array, positions: Array, values: Array) -> tuple[Array, Array]:
    """Each agent's best position so far (agents, genes) and its fitness (agents,); equal fitness keeps the older position."""
    better = values < worth
    return np.where(better[:, None], positions, best), np.where(better, values, worth)
