"""Tariffs by name; a new one is one file with `name`, `about` and `add`, and a line here.

`add(model, case)` leaves the leader's `price[c, t]` in the model.  Its keyword-only parameters are the options of the tariff, which
the file declares as `options`.
"""

from formulations.options import Part
from formulations.tariffs import block_levels, blocks, free, levels
from formulations.tariffs.limits import add_prices

__all__ = ["TARIFFS", "add_prices"]

TARIFFS: dict[str, Part] = {tariff.name: tariff for tariff in map(Part.of, (free, blocks, levels, block_levels))}
