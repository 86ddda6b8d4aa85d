"""Names for the groups that columns, rows and cones of a program stand in, so that none is found by its position."""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from bilevel.program.rows import Index, Vector


class Group(StrEnum):
    """What a group of columns, rows or cones is; each value is what a reader is shown."""

    VARIABLES = "variables of the model"
    EQUALITY_MULTIPLIERS = "multipliers of equalities"
    LIMIT_MULTIPLIERS = "multipliers of limits"
    CONE_MULTIPLIERS = "multipliers of quadratic rows"
    REVENUE = "squares of revenue"
    OBJECTIVE = "products of the objective"
    LEADER = "leader"
    FOLLOWERS = "followers"
    STATIONARITY = "stationarity"
    DUALS_READ = "multipliers read"


@dataclass(frozen=True)
class Layout:
    """Consecutive groups of columns (or rows, or cones): each has a name and a number of members."""

    groups: tuple[tuple[Group, int], ...] = ()

    def then(self, group: Group, count: int) -> "Layout":
        """The same groups with one more after them; raises `ValueError` where its name is taken."""
        # Look-ups end at the first group of a name: a second one would never be found
        if any(known == group for known, _ in self.groups):
            raise ValueError(f"{group!r} is laid out already")
        return Layout((*self.groups, (group, count)))

    @property
    def size(self) -> int:
        """Members of all groups."""
        return sum(count for _, count in self.groups)

    def __getitem__(self, group: Group) -> slice:
        """Where a group's members stand; raises `KeyError` for one that is not laid out."""
        at = 0
        for known, count in self.groups:
            if known == group:
                return slice(at, at + count)
            at += count
        raise KeyError(f"{group!r} is none of {', '.join(repr(str(known)) for known, _ in self.groups)}")

    def count(self, group: Group) -> int:
        """Members of a group, 0 of one that is not laid out."""
        return dict(self.groups).get(group, 0)

    def after(self, group: Group) -> slice:
        """Everything that is laid out behind a group."""
        return slice(self[group].stop, self.size)

    def at(self, group: Group) -> Index:
        """The positions of a group's members."""
        place = self[group]
        return np.arange(place.start, place.stop)

    def part(self, values: Vector, group: Group) -> Vector:
        """A group's part of a vector over all members, and over whatever stands behind them."""
        return values[self[group]]

    def part_of(self, values: Vector) -> Vector:
        """The part of a vector that is laid out here, without what stands behind it."""
        return values[: self.size]

    def __str__(self) -> str:
        return ", ".join(f"{count} {group}" for group, count in self.groups if count)
