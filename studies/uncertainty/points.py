"""Whether credit points pay where users may not follow prices: [YZ]'s claim that points guide users, put to the test.

The paper says that points make users keep to what they reserved, and gives no numbers.  What is assumed here: of each session's
vehicles a share is willing to shift, drawn by scenario; where the fee that the session's station asks at its arrival (equation (C3)
of `formulations.credit`) is below the fee without points, more of them are, in proportion:

    willing = drawn + response * (flat fee - fee) / flat fee,    within 0 and 1.

`response` 0 says that points move nobody, 1 that a fee of nothing makes everybody willing who was not.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import pandas as pd
import pyomo.environ as pyo

import bilevel
from bilevel.errors import BilevelError
from bilevel.progress import Progress
from bilevel.solution import VALID
from formulations import aggregator_market
from formulations.case_parts import rules
from formulations.prices import credit
from instances import Instance, Scenario, Scenarios, Willing, realise, uncontrolled_load_kw
from studies.uncertainty.value import Say

COLUMNS = (
    "points", "response", "status", "mean_willing_share", "mean_fee_per_kwh", "dso_cost", "dso_cost_bound", "network_loss_kwh",
    "ev_peak_kw",
)  # fmt: skip
"""Of `table`, in order."""


def willing_by_points(case: Instance, scenarios: Scenarios, response: float) -> Scenarios:
    """The scenarios with the willing share of every session raised or lowered by its fee, as above.

    Raises `BilevelError` for a response that is not from 0 to 1 and a case without credit rules or with a flat fee of 0.
    """
    if not 0 <= response <= 1:
        raise BilevelError(f"response is {response!r}: give a number from 0 to 1")
    flat = rules(case).fee_factor_per_kwh
    if flat <= 0:
        raise BilevelError(f"case {case.name!r} has the fee factor {flat}: points move no fee; give a positive one")
    saved = response * (flat - credit.fees(case)) / flat
    station = {item.name: at for at, item in enumerate(case.stations)}

    def moved(scenario: Scenario) -> Scenario:
        drawn = {item.session: item.willing_share for item in scenario.willing}
        willing = tuple(
            Willing(
                s.name,
                float(
                    np.clip(
                        drawn.get(s.name, scenario.willing_share) + saved[station[s.station], s.arrival_period], 0, 1
                    )
                ),
            )
            for s in (case.sessions if scenario.sessions is None else scenario.sessions)
        )
        return replace(scenario, willing=willing)

    return Scenarios(tuple(map(moved, scenarios.scenarios)))


def table(
    case: Instance,
    scenarios: Scenarios,
    responses: Iterable[float] = (0.25, 0.5, 1.0),
    gap: float = 1e-3,
    time_limit: float = 120.0,
    say: Say | None = None,
) -> pd.DataFrame:
    """The market of `formulations.aggregator_market` without points, and with points for each response; the columns are `COLUMNS`.

    `mean_willing_share` is of the energy that users want; `dso_cost` (currency) with its proven bound, `network_loss_kwh` and
    `ev_peak_kw` (the largest charging power of a day) are expectations over the scenarios.  Ctrl-C ends the solve that runs, and
    the rows that are there stay.
    """
    flat: float | None = rules(case).fee_factor_per_kwh
    runs = [("off", 0.0, scenarios, flat)]
    runs += [("on", response, willing_by_points(case, scenarios, response), None) for response in responses]
    rows = []
    with Progress(False) as line:
        for points, response, days, fee in runs:
            if line.interrupted:
                break
            model = aggregator_market(case, scenarios=days, fee_per_kwh=fee)
            found = bilevel.solve(model, gap=gap, time_limit=time_limit, progress=False)
            if say is not None:
                say(f"points {points}, response {response:g}", str(found.status), sum(found.seconds.values()))
            there = found.status in VALID
            fees = credit.fees(case) if fee is None else np.full((len(case.stations), case.horizon.periods), fee)
            rows.append((
                points, response, str(found.status), mean_willing(case, days), _mean_fee(case, days, fees),
                found.objective if there else math.nan, found.bound, float(pyo.value(model.network_loss)) if there else math.nan,
                _peak(model) if there else math.nan,
            ))  # fmt: skip
    return pd.DataFrame(rows, columns=list(COLUMNS))


def mean_willing(case: Instance, scenarios: Scenarios) -> float:
    """Of the energy that users want over all scenarios, the share that follows prices."""
    follows = wanted = 0.0
    for scenario in scenarios.scenarios:
        shares = {item.session: item.willing_share for item in scenario.willing}
        for session in case.sessions if scenario.sessions is None else scenario.sessions:
            energy = scenario.probability * session.count * session.energy_kwh
            follows, wanted = follows + shares.get(session.name, scenario.willing_share) * energy, wanted + energy
    return follows / wanted if wanted else 1.0


def _mean_fee(case: Instance, scenarios: Scenarios, fees: credit.FloatArray) -> float:
    """What a kWh pays on average, charged on arrival."""
    drawn = sum(
        scenario.probability * uncontrolled_load_kw(realise(case, scenario)) for scenario in scenarios.scenarios
    )
    return float((fees * drawn).sum() / np.sum(drawn))


def _peak(model: pyo.ConcreteModel) -> float:
    """The expectation of the day's largest charging power over all aggregators, kW."""
    total = 0.0
    for name, block in model.scenario.items():
        power = [sum(pyo.value(agent.ev[t]) for agent in block.aggregator.values()) for t in model.T]
        total += float(model.probability[name]) * float(model.per_unit.kw(max(power)))
    return total
