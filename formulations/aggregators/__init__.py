"""Aggregators by how their users answer; a new one is one file with `name` and `add`, and a line here.

`several` says whether the follower can be split by patterns of open pairs (`formulations.aggregators.exclusivity`).
`add(block, case, market, aggregator, price, per_unit, patterns)` leaves the charging power `ev[t]` and the trade (pu), and the
expressions `paid[t]` (currency/kWh, what users pay), `trading_cost`, `profit` and `bill` (currency) in the block.
`paid_per_kwh(case, aggregator, posted_per_kwh, ev_kw)` gives what users pay by the data alone, for the certificate.
"""

from types import ModuleType

from formulations.aggregators import elastic, scheduled

AGGREGATORS: dict[str, ModuleType] = {module.name: module for module in (scheduled, elastic)}
