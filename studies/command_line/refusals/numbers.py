"""Numbers of options; each refusal is typer's, which names the option."""

import math

import typer

from bilevel.reading import numbers
from studies.command_line.refusals import sentences

MOST_EVS, MOST_WORKERS, MOST_SCENARIOS = 1_000_000, 1024, 10_000


def number(text: object) -> float:
    """A number; NaN where the text is none."""
    return numbers.number(text)


def positive(text: object) -> float:
    """A positive number; raises typer's refusal, which names the option."""
    value = number(text)
    if not (math.isfinite(value) and value > 0):
        raise typer.BadParameter(f"{sentences.shown(text)} is no positive number; give one, such as 1e-4 or 60")
    return value


def finite(text: object) -> float:
    """A finite number; raises typer's refusal, which names the option."""
    value = number(text)
    if not math.isfinite(value):
        raise typer.BadParameter(f"{sentences.shown(text)} is no finite number; give one, such as 0.05")
    return value


def whole(text: object, least: int, most: int) -> int:
    """A whole number from `least` to `most`; raises typer's refusal, which names the option."""
    value = numbers.whole(text)
    if value is None or not least <= value <= most:
        raise typer.BadParameter(f"{sentences.shown(text)} is no whole number from {least} to {most}; give one")
    return value


def fleet(text: object) -> int:
    """A number of sessions."""
    return whole(text, 1, MOST_EVS)


def workers(text: object) -> int:
    """A number of processes."""
    return whole(text, 1, MOST_WORKERS)


def draw_seed(text: object) -> int:
    """A seed."""
    return whole(text, 0, 2**63 - 1)


def scenario_count(text: object) -> int:
    """A number of scenarios."""
    return whole(text, 1, MOST_SCENARIOS)


def share_range(text: object) -> tuple[float, float]:
    """Two shares, the lower one first, as in 0.5-0.9; one share alone is both."""
    parts = [number(part) for part in str(text).split("-")]
    low, high = parts[0], parts[-1]
    if len(parts) > 2 or not 0 <= low <= high <= 1:
        raise typer.BadParameter(
            f"{sentences.shown(text)} is no range of shares from 0 to 1; give one, such as 0.5-0.9"
        )
    return low, high
