"""What the answer comes to on every day that may come."""

from studies.page.parts.folder import ResultsFolder
from studies.page.parts.html import number, table, text
from studies.pricing.scenarios import SCENARIOS

_WORDS = {"leader_objective": "objective", "network_loss_kwh": "loss, kWh", "station_profit": "profit", "ev_bill": "bill",
          "supply_cost": "cost of supply"}  # fmt: skip


def draw(results: ResultsFolder) -> str:
    """A row a scenario; empty for results of one day."""
    if not results.has(SCENARIOS):
        return ""
    found = results.table(SCENARIOS)
    shown = [str(name) for name in found if name not in ("scenario", "probability")]
    heads = ["scenario", "probability", *(_WORDS.get(name, name.replace("_", " ")) for name in shown)]
    rows = [
        [text(row["scenario"]), number(row["probability"], 4), *(number(row[name]) for name in shown)]
        for row in found.to_dict("records")
    ]
    caption = f"Days that may come, money in {results.currency}; equal days stand once"
    return table(heads, rows, caption, range(1, len(heads)))
