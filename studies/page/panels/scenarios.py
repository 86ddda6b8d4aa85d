"""What the answer comes to on every day that may come."""

import pandas as pd

from studies.page.panels.schedule import WAYS
from studies.page.parts.folder import ResultsFolder
from studies.page.parts.html import folded, number, table, text
from studies.pricing.front_points import DAYS
from studies.pricing.scenarios import SCENARIOS

_WORDS = {
    "leader_objective": "objective", "network_loss_kwh": "loss, kWh", "station_profit": "profit", "ev_bill": "bill",
    "supply_cost": "cost of supply", "loss_kwh": "loss, kWh", "dso_cost": "operator's cost", "peak_kw": "peak, kW",
}  # fmt: skip


def draw(results: ResultsFolder) -> str:
    """A row a scenario, of a front one table a point, of a market one a way; empty for results of one day."""
    if results.has(DAYS):
        parts = results.table(DAYS).groupby("point")
        return "".join(folded(f"Days at point {k}", _days(results, part, f"point {k}")) for k, part in parts)
    if results.kind == "market":
        named = [(way, f"scenarios_{way}.csv") for way in WAYS]
        return "".join(_days(results, results.table(name), f"{way} way") for way, name in named if results.has(name))
    return _days(results, results.table(SCENARIOS)) if results.has(SCENARIOS) else ""


def _days(results: ResultsFolder, found: pd.DataFrame, what: str = "") -> str:
    shown = [str(name) for name in found if name not in ("point", "scenario", "probability")]
    heads = ["scenario", "probability", *(_WORDS.get(name, name.replace("_", " ")) for name in shown)]
    rows = [
        [text(row["scenario"]), number(row["probability"], 4), *(number(row[name]) for name in shown)]
        for row in found.to_dict("records")
    ]
    of = f", {what}" if what else ""
    caption = f"Days that may come{of}, money in {results.currency}; equal days stand once"
    return table(heads, rows, caption, range(1, len(heads)))
