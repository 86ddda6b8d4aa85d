"""Tariffs by name; a new one is one file with `name` and `add`, and a line here.

A keyword-only parameter of `add` is an option of the tariff; `add` leaves the leader's `price[c, t]` in the model.
"""

from collections.abc import Callable

from formulations.tariffs import block_levels, blocks, free, levels
from formulations.tariffs.limits import add_prices

__all__ = ["TARIFFS", "add_prices"]

TARIFFS: dict[str, Callable[..., None]] = {
    free.name: free.add,
    blocks.name: blocks.add,
    levels.name: levels.add,
    block_levels.name: block_levels.add,
}
