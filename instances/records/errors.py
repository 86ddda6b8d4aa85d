"""The one error of this package, and the hint that goes with a misspelt name."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

__all__ = ["InstanceError", "nearest", "quoted", "shown"]

MOST_SHOWN = 80
"""Characters of a value in a refusal."""


class InstanceError(ValueError):
    """Bad data, in one sentence that names the object, its value and the remedy.

    What is no printable sign is written as Python does, so that data cannot steer a terminal; a long sentence is cut in its middle.
    """

    most_signs = 500

    def __str__(self) -> str:
        """Return the sentence."""
        said = "".join(sign if sign.isprintable() else repr(sign)[1:-1] for sign in super().__str__())
        half = self.most_signs // 2
        return said if len(said) <= self.most_signs else f"{said[:half]} ... {said[-half:]}"


def nearest(word: object, options: Iterable[str]) -> str:
    """Return ``, did you mean "x"?`` for the option closest to ``word``, or "" when none is close."""
    by_lower = {option.lower(): option for option in options}
    found = difflib.get_close_matches(str(word).lower(), by_lower, n=1)
    return f', did you mean "{by_lower[found[0]]}"?' if found else ""


def shown(value: object) -> str:
    """Return a value for a refusal: text as it is, anything else as Python writes it, cut where it is long."""
    # To write a list of a million numbers only to cut it would take its time
    if isinstance(value, (list, tuple, dict, set)) and len(value) > MOST_SHOWN:
        return f"{type(value).__name__} of {len(value)} items"
    return _cut(value if isinstance(value, str) else repr(value))


def quoted(value: object) -> str:
    """Return a value for a refusal as Python writes it, text in quotes, cut where it is long."""
    return _cut(repr(value)) if isinstance(value, str) else shown(value)


def _cut(said: str) -> str:
    """Return the text, or its beginning and its length where it is long."""
    return said if len(said) <= MOST_SHOWN else f"{said[:MOST_SHOWN]}... ({len(said)} characters)"
