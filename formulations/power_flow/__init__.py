"""Power-flow models by name; a new one is one file with `name` and `add`, and a line here."""

from collections.abc import Callable

from bilevel.errors import UnknownNameError
from formulations.power_flow import distflow

POWER_FLOWS: dict[str, Callable[..., None]] = {distflow.name: distflow.add}


def find(name: str) -> Callable[..., None]:
    """The registered power flow; raises `UnknownNameError` with the nearest name."""
    if name not in POWER_FLOWS:
        raise UnknownNameError("power flow", name, POWER_FLOWS)
    return POWER_FLOWS[name]
