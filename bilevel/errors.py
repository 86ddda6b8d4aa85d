"""The refusals of this package: each one names the object, the value and the remedy in one sentence."""

import difflib
from collections.abc import Iterable
from typing import Any

MOST_SHOWN = 80
"""Characters of a value in a message."""


def did_you_mean(name: str, names: Iterable[str], cutoff: float = 0.5) -> str:
    """The question with the nearest name and a space, or nothing where none is near."""
    near = difflib.get_close_matches(name, list(names), n=1, cutoff=cutoff)
    return f"did you mean {near[0]!r}? " if near else ""


def short(text: str) -> str:
    """A text for a message, cut where it is long."""
    return text if len(text) <= MOST_SHOWN else f"{text[:MOST_SHOWN]}..."


class BilevelError(Exception):
    """Base of every refusal that a user can cause and mend; the command line turns it into exit code 2."""


def require(name: str, value: object, ok: bool, wanted: str) -> None:
    """Raise `BilevelError` for an argument that is none: its name, its value (cut short) and what is wanted."""
    if not ok:
        raise BilevelError(f"{name} is {short(repr(value))}: give {wanted}")


class ModelError(BilevelError):
    """The Pyomo model is outside what can be solved exactly; the message names the component."""


class LooseConeError(ModelError):
    """A cone that stands for an equality is loose at the point `x` (columns of the program), so that duals mean nothing there."""

    def __init__(self, message: str, x: Any) -> None:
        super().__init__(message)
        self.x = x


class UnknownNameError(BilevelError):
    """A mode, cone treatment, solver or objective of that name is not registered."""

    def __init__(self, kind: str, name: object, known: Iterable[str]) -> None:
        names = sorted(known)
        known_are = f"known are {', '.join(names)}" if names else "there are none"
        near = did_you_mean(name, names) if isinstance(name, str) else ""
        super().__init__(f"unknown {kind} {repr(name)[:MOST_SHOWN]}: {near}{known_are}")


class FeatureError(BilevelError):
    """The chosen solver lacks a feature that the mode or the cone treatment needs."""


class LicenceError(BilevelError):
    """The solver's licence is missing or too small for the model."""


class UnboundedDualError(ModelError):
    """A follower's dual has no proven bound, so no valid big-M exists for its row."""
