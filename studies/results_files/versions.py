"""The version of every JSON file of results, and how files of older versions become the newest.

Files say their version as `format`; those without are of version 1, whose words for a status have changed since.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from bilevel.status import Status
from studies.results_files.refusals import DamagedFileError, shown

FORMAT = 2
"""That which is written now."""

_STATUSES: Mapping[str, Sequence[str]] = {
    "solution.json": ("status",),
    "front.json": ("points.*.status",),
    "trace.json": ("solution.status",),
    "comparison.json": ("equilibrium.point",),
    "market.json": ("ways.*.status", "verdict.status"),
    "compare.json": ("exact.status", "exact.optimistic_status"),
    "security.json": ("rows.*.status",),
}
"""Where the files hold the status of an answer; * stands for every member."""


def stamped(data: Mapping[str, Any]) -> dict[str, Any]:
    """What is to be written, with the version in front."""
    return {"format": FORMAT, **data}


def newest(path: Path, data: dict[str, Any]) -> dict[str, Any]:
    """The content of the file at `path` as the newest version has it; raises `DamagedFileError` for a version that there is not.

    Only what fits is changed: what does not is for the file's model to refuse.
    """
    found = data.get("format", 1)
    if type(found) is not int or found < 1:
        raise DamagedFileError(path, f"format is {shown(found)}, expected a whole number of at least 1")
    if found > FORMAT:
        said = f"format is {shown(found)}, and this version of bilevel-grid reads up to {FORMAT}"
        raise DamagedFileError(path, said, remedy="take a newer version")
    for step in _STEPS[found - 1 :]:
        data = step(path.name, data)
    return data


def _from_1(name: str, data: dict[str, Any]) -> dict[str, Any]:
    """Statuses in the words of today; the verdict of a market, which was that of its exact way."""
    for place in _STATUSES[name]:
        *steps, last = place.split(".")
        for owner in _members(data, steps):
            if isinstance(owner, dict) and isinstance(owner.get(last), str):
                owner[last] = current_word(owner[last])
    if name == "market.json" and "verdict" not in data and isinstance(data.get("ways"), dict):
        exact = data["ways"].get("exact")
        if isinstance(exact, dict):
            data["verdict"] = {key: exact[key] for key in ("status", "reason") if key in exact}
    return data


_STEPS: tuple[Callable[[str, dict[str, Any]], dict[str, Any]], ...] = (_from_1,)
"""What leads from each version to the next."""


def _members(data: Any, steps: Sequence[str]) -> list[Any]:
    found = [data]
    for step in steps:
        below = []
        for each in found:
            if step == "*":
                below += list(each.values()) if isinstance(each, dict) else each if isinstance(each, list) else []
            elif isinstance(each, dict) and step in each:
                below.append(each[step])
        found = below
    return found


def current_word(text: str) -> str:
    """The word of today for a status; what is none stays as it is."""
    try:
        return str(Status.read(text))
    except ValueError:
        return text
