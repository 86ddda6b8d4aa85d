"""Parts of a model by name, each with the options that it takes."""

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any

from bilevel.errors import BilevelError, UnknownNameError


def choose(kind: str, name: str, registry: Mapping[str, Callable[..., None]], **options: Any) -> Callable[..., None]:
    """The registered `add` of that name, with the options that are not None bound to it.

    Options are the keyword-only parameters of an `add`.  Raises `UnknownNameError` with the nearest name for an unknown one, and
    `BilevelError` for an option that belongs to other parts only.
    """
    if name not in registry:
        raise UnknownNameError(kind, name, registry)
    given = {option: value for option, value in options.items() if value is not None}
    for option in given:
        if option not in _taken(registry[name]):
            takers = " or ".join(repr(other) for other, add in registry.items() if option in _taken(add))
            raise BilevelError(f"{kind} {name!r} takes no {option}: leave it out, or choose {kind} {takers}")
    return functools.partial(registry[name], **given)


def _taken(add: Callable[..., None]) -> set[str]:
    parameters = inspect.signature(add).parameters.values()
    return {parameter.name for parameter in parameters if parameter.kind is parameter.KEYWORD_ONLY}
