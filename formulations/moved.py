"""Names that live in `studies` now, and are found where they were: imported when they are asked for, so that no arrow points up."""

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any


def moved(module: str, places: Mapping[str, str]) -> Callable[[str], Any]:
    """A module's `__getattr__`: `places` tells where each name is now, a module or a name in one."""

    def find(name: str) -> Any:
        if name not in places:
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        home, _, own = places[name].rpartition(".")
        # The last word is a name in a module, or else a module itself
        found = getattr(import_module(home), own, None)
        return import_module(places[name]) if found is None else found

    return find
