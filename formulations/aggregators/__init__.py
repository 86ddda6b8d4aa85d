"""Aggregators by how their users answer; a new one is one file with `name` and `add`, and a line here.

`several` says whether the follower can be split by patterns of open pairs (`formulations.exclusivity`).
`add(block, case, market, aggregator, price, per_unit, patterns)` leaves the charging power `ev[t]` and the trade (pu), and the
expressions `trading_cost`, `profit` and `bill` (currency) in the block.
"""

from types import ModuleType

from formulations.aggregators import elastic, scheduled

AGGREGATORS: dict[str, ModuleType] = {module.name: module for module in (scheduled, elastic)}
