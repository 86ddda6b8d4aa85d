"""Block prices: one for every station and block of periods, such as peak, shoulder and valley (docs/model.md section 5)."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pyomo.environ as pyo

from bilevel.errors import BilevelError, short
from bilevel.reading import numbers
from formulations.options import Option
from formulations.tariffs.limits import add_prices
from instances import Instance

name, about = "blocks", "any, by block of periods"
options = (
    Option(
        name="blocks",
        help="periods of each block",
        example="night=0-6+22-23,day=7-21",
        kind=str,
        default_words="valley, shoulder and peak by the load",
        metavar="BLOCKS",
    ),
)

Blocks = str | Mapping[str, Iterable[int]]
"""The periods of each block, by its name: {"night": [0, 1, 2, 23], "day": range(3, 23)}, or "night=0-2+23,day=3-22"."""


def add(model: Any, case: Instance, *, blocks: Blocks | None) -> None:
    """Add `price[c, t]` with its limits, the set B of blocks, `block_price[c, b]` (currency/kWh) and the rows that equate them.

    Row (8): price[c, t] = block_price[c, b] for every period t of block b (`price_of_block`).  Without `blocks` the case's load
    gives them (`by_load`).  Raises `BilevelError` for blocks that do not hold every period of the horizon exactly once.
    """
    periods_of = by_load(case) if blocks is None else parse(case, blocks)
    add_prices(model, case)
    limits = case.price_limits
    model.B = pyo.Set(initialize=list(periods_of), ordered=True)
    model.block_price = pyo.Var(model.C, model.B, bounds=(limits.price_min_per_kwh, limits.price_max_per_kwh))
    block_of = {t: block for block, periods in periods_of.items() for t in periods}
    # Prices stay variables by period, which followers and results read whatever the tariff
    model.price_of_block = pyo.Constraint(
        model.C, model.T, rule=lambda m, c, t: m.price[c, t] == m.block_price[c, block_of[t]]
    )


def by_load(case: Instance) -> dict[str, list[int]]:
    """Valley, shoulder and peak: periods whose load factor lies in the lowest, middle and highest third of its distribution.

    Blocks without a period are left out: a constant load has a valley only.
    """
    factor = np.array(case.load_factor)
    third = np.searchsorted(np.quantile(factor, [1 / 3, 2 / 3]), factor)
    periods_of = {block: np.flatnonzero(third == k).tolist() for k, block in enumerate(("valley", "shoulder", "peak"))}
    return {block: periods for block, periods in periods_of.items() if periods}


def parse(case: Instance, blocks: Blocks) -> dict[str, list[int]]:
    """The periods of each block, in order; raises `BilevelError` unless every period is in exactly one block."""
    last = case.horizon.periods - 1
    given: Mapping[str, Iterable[int]] = _read(blocks, last) if isinstance(blocks, str) else blocks
    found: dict[str, list[int]] = {}
    block_of: dict[int, str] = {}
    for block, periods in given.items():
        found[block] = []
        # One by one: a range may go on for ever
        for t in periods:
            if not 0 <= t <= last:
                raise _outside(block, str(t), last)
            if t in block_of:
                where = f"blocks {block_of[t]!r} and {block!r}" if block_of[t] != block else f"block {block!r} twice"
                raise BilevelError(f"period {t} is in {where}: put every period into one block, once")
            block_of[t] = block
            found[block].append(t)
        if not found[block]:
            raise BilevelError(f"block {block!r} has no periods: give it some, or leave it out")
    missing = [str(t) for t in range(last + 1) if t not in block_of]
    if missing:
        raise BilevelError(
            f"no block holds {'periods' if len(missing) > 1 else 'period'} {', '.join(missing)}: put every period from 0 to "
            f"{last} into one block"
        )
    return {block: sorted(periods) for block, periods in found.items()}


def _outside(block: str, period: str, last: int) -> BilevelError:
    return BilevelError(f"block {block!r} has period {short(period)}: give periods from 0 to {last}, the case's last")


def _read(text: str, last: int) -> dict[str, list[int]]:
    """The blocks of a text such as "night=0-5+22-23,day=6-21", periods up to `last`."""
    given: dict[str, list[int]] = {}
    for part in text.split(","):
        block, _, ranges = (word.strip() for word in part.partition("="))
        if not block:
            raise BilevelError(
                f"blocks {short(text)!r} hold {short(part.strip())!r}: give a name before its periods, such as day=6-21"
            )
        if block in given:
            raise BilevelError(
                f"blocks {short(text)!r} name {block!r} twice: join its periods by +, such as {block}=0-5+22-23"
            )
        try:
            given[block] = [t for piece in ranges.split("+") for t in _range(block, piece, last)]
        except ValueError as error:
            raise BilevelError(
                f"blocks {short(text)!r} hold {short(part.strip())!r}: give a name and its periods, such as "
                "night=0-5+22-23,day=6-21"
            ) from error
    return given


def _range(block: str, text: str, last: int) -> range:
    """The periods of "7" or "7-21"; raises `ValueError` for another text."""
    first, dash, end = text.partition("-")
    low, high = numbers.whole(first), numbers.whole(end if dash else first)
    if low is None or high is None or low > high:
        raise ValueError(text)
    # Not counted up to where it ends, which may take for ever
    if high > last:
        raise _outside(block, str(high), last)
    return range(low, high + 1)
