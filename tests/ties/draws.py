"""Random problems with integer leaders whose followers are often indifferent, as entries in the form of the literature set.

One to three integers of the leader, two to four columns of one or two followers with limits, costs that repeat, now and then prices
(a leader variable times a column in the follower's cost, and perhaps in the leader's objective), energy rows, and leader rows that
see answers.  `draw(seed)` gives the same entry each time, `draw_line(seed)`
one with a single continuous decision, whose pessimistic optimum is often not attained.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

Rng = np.random.Generator
MARGIN = 0.75
"""Of the secure optima: between the multipliers that integer costs give, so that rounding decides nothing."""


def draw(seed: int, even: bool = False) -> dict[str, Any]:
    """The entry of a seed; if `even`, prices see all or none of a follower's columns, so that no margin depends on sizes."""
    rng = np.random.default_rng([seed, 20])
    x = [f"x{k}" for k in range(1, int(rng.integers(1, 4)) + 1)]
    most = 4 if len(x) == 1 else 2
    variables = {name: [0, int(rng.integers(1, most + 1)), "Integers"] for name in x}
    return _entry(rng, f"{'even' * even or 'random'}_{seed}", variables, 0.5, even)


def draw_line(seed: int, even: bool = False) -> dict[str, Any]:
    """The entry of a seed with one continuous decision, mostly a price; `even` as of `draw`."""
    return _entry(np.random.default_rng([seed, 21]), f"{'even_' * even}line_{seed}", {"x": [-1, 2]}, 0.9, even)


def _entry(rng: Rng, name: str, variables: Mapping[str, list[Any]], priced: float, even: bool) -> dict[str, Any]:
    x = list(variables)
    y = [f"y{k}" for k in range(1, int(rng.integers(2, 5)) + 1)]
    cut = len(y) // 2 if len(y) > 2 and rng.random() < 0.3 else len(y)
    groups = {"f": y[:cut], "g": y[cut:]} if cut < len(y) else {"f": y}
    limits = {name: int(rng.integers(1, 4)) for name in y}
    prices = {name: str(rng.choice(x)) for name in y if rng.random() < 0.5} if rng.random() < priced else {}
    if even:
        first = {follower: [prices[name] for name in own if name in prices][:1] for follower, own in groups.items()}
        prices = {
            name: prices.get(name, price)
            for follower, own in groups.items()
            for name in own
            for price in first[follower]
        }
    followers = {follower: _follower(rng, x, own, limits, prices) for follower, own in groups.items()}
    return {"name": name, "class": "random", "leader": _leader(rng, variables, y, prices), "followers": followers}


def _follower(
    rng: Rng, x: list[str], own: list[str], limits: Mapping[str, int], prices: Mapping[str, str]
) -> dict[str, Any]:
    usual = int(rng.integers(-2, 3))
    cost = {name: usual if rng.random() < 0.65 else int(rng.integers(-2, 3)) for name in own}
    terms = [f"({value})*{name}" for name, value in cost.items()]
    terms += [f"({rng.choice((-1, 1))})*{prices[name]}*{name}" for name in own if name in prices]
    rows = [_row(rng, x, own) for _ in range(int(rng.integers(1, 3)))]
    if rng.random() < 0.25:
        rows[0] = f"{' + '.join(own)} == {int(rng.integers(1, sum(limits[name] for name in own) + 1))}"
    return {
        "sense": "min", "objective": " + ".join(terms),
        "variables": {name: [0, limits[name]] for name in own}, "rows": rows,
    }  # fmt: skip


def _row(rng: Rng, x: list[str], own: list[str]) -> str:
    """A row with two or more columns: one alone would be a limit, whose unit a solver may change."""
    own = list(rng.permutation(own))[: max(2, int(rng.integers(2, len(own) + 1)) if len(own) > 1 else 1)]
    body = " + ".join(f"({rng.choice((1, 1, 1, 2, -1))})*{name}" for name in own)
    moved = " + ".join(f"({rng.integers(-1, 2)})*{name}" for name in x)
    if len(own) == 1:
        body += f" - {rng.choice(x)}"
    return f"{body} <= {int(rng.integers(1, 5))} + {moved}" if rng.random() < 0.7 else f"{body} >= 1 + {moved}"


def _leader(rng: Rng, variables: Mapping[str, list[Any]], y: list[str], prices: Mapping[str, str]) -> dict[str, Any]:
    terms = [f"({rng.integers(-3, 4)})*{name}" for name in (*variables, *y)]
    if prices and rng.random() < 0.6:
        terms += [f"({rng.choice((-1, 1))})*{price}*{name}" for name, price in prices.items()]
    rows = []
    if rng.random() < 0.55:
        body = " + ".join(f"({rng.integers(-1, 2)})*{name}" for name in (*y, *variables))
        rows.append(f"{body} <= {int(rng.integers(0, 4))}")
    if rng.random() < 0.2:
        rows.append(f"{' + '.join(variables)} >= {0 if variables.keys() == {'x'} else 1}")
    return {
        "sense": str(rng.choice(("min", "max"))), "objective": " + ".join(terms), "variables": dict(variables), "rows": rows,
    }  # fmt: skip
