"""A solved charging-pricing model as tidy tables: kW, kWh, per unit of voltage, currency per kWh.

Values are rounded to nine decimals, a million times finer than the tolerances of the certificate.
"""

from typing import Any

import numpy as np
import pandas as pd
import pyomo.environ as pyo

from formulations.followers import fleet
from instances import Instance
from studies.writing.frames import hours, rounded


def prices(model: Any, case: Instance) -> pd.DataFrame:
    """One row a period: period, hour (it begins), price_<station>_per_kwh of every station, wholesale_price_per_kwh."""
    table: dict[str, Any] = {"period": np.arange(case.horizon.periods), "hour": hours(case)[:-1]}
    for station in case.stations:
        table[f"price_{station.name}_per_kwh"] = [pyo.value(model.price[station.name, t]) for t in model.T]
    table["wholesale_price_per_kwh"] = np.array(case.wholesale_price_per_kwh)
    return rounded(pd.DataFrame(table))


def charging(model: Any, case: Instance) -> pd.DataFrame:
    """One row a session and period in which it is plugged in: power and energy at the grid side, its price and cost.

    Columns: session, station, bus, period, power_kw, energy_kwh, price_per_kwh, cost (currency).  Powers, energies and costs
    are of all `count` vehicles of the session together.
    """
    power = fleet.schedule_kw(model, case)
    rows = [
        (session.name, session.station, case.station_bus[session.station], t, float(power[k, t]),
         pyo.value(model.price[session.station, t]))
        for k, session in enumerate(case.sessions)
        for t in case.window(session)
    ]  # fmt: skip
    table = pd.DataFrame(rows, columns=["session", "station", "bus", "period", "power_kw", "price_per_kwh"])
    table.insert(5, "energy_kwh", table["power_kw"] * case.horizon.period_hours)
    table["cost"] = table["energy_kwh"] * table["price_per_kwh"]
    return rounded(table)


def station_power_kw(model: Any, case: Instance) -> pd.DataFrame:
    """Charging power in kW: one row a period, one column a station, in the order of `case.stations`."""
    power = charging(model, case).pivot_table(index="period", columns="station", values="power_kw", aggfunc="sum")
    return power.reindex(
        index=range(case.horizon.periods), columns=[station.name for station in case.stations], fill_value=0.0
    ).fillna(0.0)
