"""Price levels on blocks: every station's price in every block of periods is one of a few (docs/model.md section 5)."""

from typing import Any

from formulations.tariffs import blocks as block_prices
from formulations.tariffs import levels as price_levels
from instances import Instance

name, about = "block_levels", "one of a few, by block of periods"
options = (*block_prices.options, *price_levels.options)


def add(
    model: Any,
    case: Instance,
    *,
    blocks: block_prices.Blocks | None,
    levels: price_levels.Levels | None,
) -> None:
    """Add everything of tariff "blocks", and the rows of tariff "levels" on `block_price[c, b]` (currency/kWh).

    That needs a binary for every station, block and level, far fewer than levels per period.  Raises `BilevelError` as the
    two tariffs do.
    """
    prices = price_levels.equidistant(case) if levels is None else price_levels.parse(case, levels)
    block_prices.add(model, case, blocks=blocks)
    price_levels.choose(model, model.block_price, prices)
