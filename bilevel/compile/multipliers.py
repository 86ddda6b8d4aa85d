"""What a model says of multipliers of follower rows: the leader variables that read some, and the user's limits."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from bilevel.compile.columns import Columns, direction
from bilevel.compile.refusals import refuse_strange_limit
from bilevel.compile.walk import require_own
from bilevel.errors import ModelError
from bilevel.program.bilevel_program import DualLinks
from bilevel.program.rows import Vector


@dataclass(frozen=True)
class Read:
    """The model, its followers, and the rows (ids) that are not linear, whose multipliers can be neither read nor limited."""

    model: Any
    followers: list[Any]
    curved: set[int] = field(default_factory=set)

    def refuse_curved(self, row: Any, block: Any) -> None:
        """Refuses the multiplier of a row that is not linear."""
        if id(row) in self.curved:
            raise ModelError(
                f"the dual of row {row.name!r} of follower {block.name!r} is used, but the row is quadratic: only duals of "
                "linear rows can be read or limited, so put its linear part into a row of its own with an auxiliary variable"
            )


def asked(block: Any) -> list[Any]:
    """The rows and variables of a follower whose multipliers are read or limited."""
    return [*block.__dict__.get("dual_of", {}), *block.__dict__.get("dual_limit", {})]


def limits(read: Read, places: dict[int, int], count: int) -> Vector:
    """The user's limits by row or column (`places` by id), infinite where there is none."""
    found = np.full(count, np.inf)
    for block in read.followers:
        for component, limit in block.__dict__.get("dual_limit", {}).items():
            refuse_strange_limit(component, block)
            read.refuse_curved(component, block)
            # Limits of rows and of columns come in one list; what the program does not use has no multiplier
            if id(component) in places:
                found[places[id(component)]] = limit
    return found


def links(read: Read, columns: Columns, row_at: dict[int, int], sense: list[float]) -> DualLinks:
    """Multipliers that the leader reads; `row_at` are the followers' linear rows by id, `sense` is the followers'."""
    found = []
    for at, block in enumerate(read.followers):
        own = {key for key, owner in columns.owners.items() if owner == at}
        for row, variable in block.__dict__.get("dual_of", {}).items():
            # A multiplier that the leader uses nowhere has no column
            if id(variable) not in columns.position:
                continue
            require_own(row, read.model, "the dual is used of row")
            read.refuse_curved(row, block)
            if id(row) not in row_at:
                raise ModelError(
                    f"the dual of row {row.name!r} is used, but the row is no active row of follower {block.name!r}: "
                    "activate it, or leave the dual out"
                )
            # Costs are minimised here: multipliers of a maximised objective have the other sign
            found.append((columns.position[id(variable)], row_at[id(row)], sense[at] * direction(row, own)))
    table = np.array(found, dtype=float).reshape(-1, 3)
    return DualLinks(table[:, 0].astype(np.int64), table[:, 1].astype(np.int64), table[:, 2])
