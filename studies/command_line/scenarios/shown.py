"""Scenarios for people: a row each, and what a folder has in a few words."""

import math
import os
from pathlib import Path

from rich.table import Table

import instances
from instances import Instance, Network, Scenario, Scenarios
from studies.command_line.display import Fact


def facts(name: str) -> list[Fact]:
    """What `bilevel check` says of the scenarios in the folder of this name: nothing where there are none.

    Raises `InstanceError` for scenarios that are wrong or do not fit the case.
    """
    path = Path(name)
    if path.is_file() or not (path.exists() or os.sep in name) or not instances.has_scenarios(path):
        return []
    found = instances.read_scenarios(path).scenarios
    least, most = (choose(scenario.probability for scenario in found) for choose in (min, max))
    return [("scenarios", f"{len(found)}, each with a probability of {least:.3g} to {most:.3g}")]


def table(case: Instance, scenarios: Scenarios) -> Table:
    """One row a scenario.

    Probability, sessions, energy into batteries, mean price, peak of base load and uncontrolled charging, and the share of the
    energy that follows prices.
    """
    found = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    found.add_column("scenario", overflow="fold")
    for name in ("probability", "sessions", "energy kWh", f"mean {case.currency}/kWh", "peak kW", "willing"):
        found.add_column(name, justify="right")
    network = Network.of(case.feeder)
    for scenario in scenarios.scenarios:
        found.add_row(scenario.name, *_cells(case, network, scenario))
    return found


def _cells(case: Instance, network: Network, scenario: Scenario) -> tuple[str, ...]:
    day = instances.realise(case, scenario)
    sessions = case.sessions if scenario.sessions is None else scenario.sessions
    shares = {share.session: share.willing_share for share in scenario.willing}
    energy_kwh = math.fsum(s.count * s.energy_kwh for s in sessions)
    willing_kwh = math.fsum(shares.get(s.name, scenario.willing_share) * s.count * s.energy_kwh for s in sessions)
    load_kw = instances.base_load_kw(day, network).sum(axis=1) + instances.uncontrolled_load_kw(day).sum(axis=0)
    return (
        f"{scenario.probability:.4f}",
        str(len(sessions)),
        f"{energy_kwh:.1f}",
        f"{math.fsum(day.wholesale_price_per_kwh) / day.horizon.periods:.4f}",
        f"{float(load_kw.max()):.1f}",
        f"{willing_kwh / energy_kwh if energy_kwh > 0 else scenario.willing_share:.2f}",
    )
