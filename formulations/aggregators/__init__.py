"""Aggregators by how their users answer; a new one is one file and a line here.

The file has `name`, `about` (what they sell), `several`, `add` and `paid_per_kwh`.
`several` says whether the follower can be split by patterns of open pairs (`formulations.aggregators.exclusivity`).
`add(block, case, market, aggregator, price, per_unit, patterns)` leaves the charging power `ev[t]` and the trade (pu), and the
expressions `paid[t]` (currency/kWh, what users pay), `trading_cost`, `profit` and `bill` (currency) in the block.
`paid_per_kwh(case, aggregator, posted_per_kwh, ev_kw)` gives what users pay by the data alone, for the certificate.

Keyword-only parameters of `add` are the options of the aggregator, which the file declares as `options`; `paid_per_kwh` gets those
of them that it takes too.
"""

import functools
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np

from formulations.aggregators import elastic, scheduled
from formulations.options import Part


@dataclass(frozen=True, kw_only=True)
class AggregatorModel(Part):
    """What an aggregator sells: `add` writes it as a follower, `several` and `paid_per_kwh` as above."""

    several: bool
    paid_per_kwh: Callable[..., np.ndarray]

    def with_options(self, given: Mapping[str, Any]) -> Self:
        """As `Part.with_options`, for `paid_per_kwh` too."""
        taken = inspect.signature(self.paid_per_kwh).parameters
        values = {name: value for name, value in self.values(given).items() if name in taken}
        return replace(super().with_options(given), paid_per_kwh=functools.partial(self.paid_per_kwh, **values))


AGGREGATORS: dict[str, AggregatorModel] = {part.name: part for part in map(AggregatorModel.of, (scheduled, elastic))}
