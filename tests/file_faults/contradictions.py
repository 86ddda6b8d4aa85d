"""What a folder of results says against itself: a claim that its own numbers deny."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

CERTIFIED = "certified"
SLACK = 1.01
"""Over a gap that was asked for: files hold it rounded."""


def found(folder: Path) -> list[str]:
    """Why a page that repeats the claims of the folder would be wrong."""
    said: list[str] = []
    for name, judge in JUDGES.items():
        if (folder / name).is_file():
            try:
                data = json.loads((folder / name).read_text(encoding="utf-8-sig"))
                said += [f"{name}: {fault}" for fault in judge(data)]
            except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
                said.append(f"{name} cannot be judged: {type(error).__name__}: {error}")
    return said


def _answer(data: Any) -> Iterator[str]:
    """A certified answer has a bound, a gap that follows from both, and no check that failed."""
    if data["status"] != CERTIFIED:
        return
    objective, bound, gap = data["objective"], data["bound"], data["gap"]
    numbers = [objective, bound, gap]
    if not all(isinstance(x, int | float) and not isinstance(x, bool) and math.isfinite(x) for x in numbers):
        yield f"certified with objective, bound and gap {numbers!r}"
        return
    if abs(objective - bound) > _allowed(data) * max(1.0, abs(objective), abs(bound)):
        yield f"certified at a gap of {abs(objective - bound)}"
    for check in data.get("certificate", ()):
        if check["ok"] is not True:
            yield f"certified although the check {check['check']} failed"


def _allowed(data: Any) -> float:
    gap = data.get("settings", {}).get("gap", 1e-4)
    return SLACK * max(gap if isinstance(gap, float) else 1e-4, 1e-4)


def _front(data: Any) -> Iterator[str]:
    if data["certified"] and any(point["status"] != CERTIFIED for point in data["points"]):
        yield "a certified front with a point that is not"
    gap = data["settings"]["gap"]
    for point in data["points"]:
        if point["status"] == CERTIFIED and point["gap"] > SLACK * max(gap, 1e-4):
            yield f"a certified point at a gap of {point['gap']}"


def _security(data: Any) -> Iterator[str]:
    if data["closed"] and any(row["status"] not in (CERTIFIED, "infeasible") for row in data["rows"]):
        yield "closed with a margin that is open"


def _contest(data: Any) -> Iterator[str]:
    exact = data["exact"]
    if exact and exact["status"] == CERTIFIED:
        yield from _answer(exact | {"gap": 0.0, "settings": data["settings"]})


JUDGES = {"solution.json": _answer, "front.json": _front, "security.json": _security, "compare.json": _contest}
