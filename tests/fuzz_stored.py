"""Random problems that were kept, as numbers in a file: what found a bug stays, however drawing from seeds changes.

`stored_problems.json` holds them with the cause, the setting, and the optimum in minimised form ("unbounded" where there is none);
null is a limit that is not there.  To keep one more: `python tests/fuzz_stored.py 4914` prints the problem of a seed.
"""

from __future__ import annotations

import json
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
from fuzzing import INF, Lower, Problem, draw

STORED = {
    entry["cause"]: entry for entry in json.loads(Path(__file__).with_name("stored_problems.json").read_text("utf-8"))
}
_HIGH = ("high", "x_high", "y_high")


def problem(numbers: dict[str, Any]) -> Problem:
    """The problem of an entry's `problem`, or of its `written`: the same with other limits that change nothing."""
    followers = tuple(Lower(**_arrays(follower)) for follower in numbers["followers"])
    rest = _arrays({key: value for key, value in numbers.items() if key != "followers"})
    return Problem(**{**rest, "integer": rest["integer"].astype(bool)}, followers=followers)


def optimum(entry: dict[str, Any]) -> float:
    """The stored optimum, -inf where the leader has no end."""
    return -INF if entry["optimum"] == "unbounded" else float(entry["optimum"])


def _arrays(numbers: dict[str, Any]) -> dict[str, Any]:
    """Lists as arrays; matrices without rows or columns keep their shape."""
    found: dict[str, Any] = {}
    for key, value in numbers.items():
        if isinstance(value, dict):
            found[key] = np.zeros(value["shape"])
        elif isinstance(value, list):
            array = np.array(value, dtype=float)
            found[key] = np.where(np.isnan(array), INF if key in _HIGH else -INF, array)
        else:
            found[key] = float(value)
    return found


def _numbers(part: Problem | Lower) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for field in fields(part):
        value = getattr(part, field.name)
        if field.name == "pieces":
            if value:
                raise ValueError("a problem with domains is not written")
        elif field.name == "followers":
            found[field.name] = [_numbers(follower) for follower in value]
        elif isinstance(value, np.ndarray) and value.ndim == 2 and not value.size:
            found[field.name] = {"shape": list(value.shape)}
        elif isinstance(value, np.ndarray):
            found[field.name] = [_plain(entry) for entry in value]
        else:
            found[field.name] = value
    return found


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return [_plain(entry) for entry in value]
    return bool(value) if isinstance(value, np.bool_) else float(value) if np.isfinite(value) else None


if __name__ == "__main__":
    print(json.dumps(_numbers(draw(int(sys.argv[1])))))
