"""Pessimistic problems (`problems.json`) whose optimistic and pessimistic optima are derived in closed form.

An entry has the data of a problem of the literature set (`literature`: its name there), or data of its own in the same form with
its `optimistic` optimum (null where there is no decision), and a `source`, which is "our own" where nothing published has it:

    {"name": ..., "literature": ..., "pessimistic": -1, "attained": false, "derivation": ..., "secure": [[0.25, -0.75]]}

`pessimistic` is the infimum over decisions of the worst tie in the leader's own sense (the supremum where it maximises), null where
no decision keeps its rows for every tie; `attained` whether some decision has it; `secure` holds pairs of a margin and the optimum
over decisions whose answer is unique with it, `shares` the share of a margin that columns without a price have where it is not 1.
The optima are found again by enumeration (`responses`, `line`, `several`).
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import literature_loader

FILE = Path(__file__).parent / "problems.json"


@cache
def problems() -> tuple[dict[str, Any], ...]:
    """All entries in the form of the literature set, with the fields above."""
    published = {entry["name"]: entry for entry in literature_loader.problems()}
    return tuple(_whole(entry, published) for entry in json.loads(FILE.read_text(encoding="utf-8")))


def _whole(entry: dict[str, Any], published: dict[str, dict[str, Any]]) -> dict[str, Any]:
    if "literature" not in entry:
        return entry
    known = published[entry["literature"]]
    shared = {key: known[key] for key in ("class", "source", "leader", "followers")}
    return {**shared, "optimistic": known.get("optimum"), **entry}


load = literature_loader.load
"""An entry as a fresh Pyomo model with `bilevel.Follower` blocks."""
