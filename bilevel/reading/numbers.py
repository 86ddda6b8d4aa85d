"""Numbers in texts, as every tool writes them: Python alone would also take 1_000 and digits of other scripts."""

import math


def number(text: object) -> float:
    """The number that a text holds, NaN where it holds none; "nan" and "inf" are numbers to Python and are given as they are."""
    said = str(text)
    if "_" in said or not said.isascii():
        return math.nan
    try:
        return float(said)
    except ValueError:
        return math.nan


def whole(text: object) -> int | None:
    """The whole number that a text holds; None where it holds none."""
    said = str(text)
    if "_" in said or not said.isascii():
        return None
    try:
        return int(said)
    except ValueError:
        return None
