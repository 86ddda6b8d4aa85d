"""The one error of this package, and the hint that goes with a misspelt name."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

__all__ = ["InstanceError", "nearest"]


class InstanceError(ValueError):
    """Bad data, in one sentence that names the object, its value and the remedy."""


def nearest(word: object, options: Iterable[str]) -> str:
    """Return ``, did you mean "x"?`` for the option closest to ``word``, or "" when none is close."""
    by_lower = {option.lower(): option for option in options}
    found = difflib.get_close_matches(str(word).lower(), by_lower, n=1)
    return f', did you mean "{by_lower[found[0]]}"?' if found else ""
