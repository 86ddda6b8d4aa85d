"""Follower models by name; a new one is one file with `name` and `add`, and a line here."""

from collections.abc import Callable
from typing import Any

from bilevel.errors import UnknownNameError
from formulations.followers import ev_user

FOLLOWERS: dict[str, Callable[..., None]] = {ev_user.name: ev_user.add}


def find(name: str) -> Callable[..., Any]:
    """The registered follower; raises `UnknownNameError` with the nearest name."""
    if name not in FOLLOWERS:
        raise UnknownNameError("follower", name, FOLLOWERS)
    return FOLLOWERS[name]
