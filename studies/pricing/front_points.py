"""What every point of a front, and the last of an equilibrium, decides, as tables: prices, charging power, voltages, the feeder."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from bilevel import EquilibriumTrace, ParetoFront
from instances import Instance, Scenarios
from studies.pricing import scenarios, tables
from studies.writing import files, frames

DECISIONS, VOLTAGES, DAYS = "points.csv", "point_voltages.csv", "point_scenarios.csv"
POINT_FILES = (DECISIONS, VOLTAGES, frames.FEEDER)
OVER_DAYS = (*POINT_FILES, DAYS)
"""The files of points over days that may come."""
END, END_VOLTAGES = "equilibrium.csv", "equilibrium_voltages.csv"
END_FILES = (END, END_VOLTAGES, frames.FEEDER)


def point_files(front: ParetoFront, case: Instance, days: Scenarios | None = None) -> dict[str, str | bytes]:
    """Files of the points of a front, name to content; none without points.  The values of the model are those of the last point
    afterwards.

    `days`: the scenarios of the model.  Charging is then expected, voltages are extreme over all days, and `DAYS` has a row a
    point and day.
    """
    if not front.points:
        return {}
    found: dict[str, list[pd.DataFrame]] = {}
    for at in range(len(front)):
        front.load(at)
        for name, table in _of_point(front.model, case, days):
            found.setdefault(name, []).append(_numbered(at, table))
    written: dict[str, str | bytes] = {name: files.csv(pd.concat(parts)) for name, parts in found.items()}
    return written | {frames.FEEDER: files.csv(frames.feeder(front.model, case))}


def _of_point(model: Any, case: Instance, days: Scenarios | None) -> Iterator[tuple[str, pd.DataFrame]]:
    """The tables of the point that stands in the model, by the names of their files."""
    if days is None:
        yield DECISIONS, _decisions(model, case, tables.station_power_kw(model, case))
        yield VOLTAGES, _extremes(frames.voltages(model, case))
        return
    yield DECISIONS, _decisions(model, case, scenarios.station_power_kw(model, case, days))
    yield VOLTAGES, _extremes(scenarios.voltage(model, case, days))
    # The leader of a front has two objectives, and the model one of them
    yield DAYS, scenarios.by_scenario(model, case, days).drop(columns="leader_objective")


def end_files(trace: EquilibriumTrace, case: Instance) -> dict[str, str | bytes]:
    """Files of the last point of an equilibrium, name to content; none without a point.

    The values of the trace's model are those of the point afterwards.
    """
    if not trace.solution.certificate.checks:
        return {}
    trace.load()
    return {
        END: files.csv(_decisions(trace.model, case, tables.station_power_kw(trace.model, case))),
        END_VOLTAGES: files.csv(_extremes(frames.voltages(trace.model, case))),
        frames.FEEDER: files.csv(frames.feeder(trace.model, case)),
    }


def _numbered(at: int, table: pd.DataFrame) -> pd.DataFrame:
    table.insert(0, "point", at + 1)
    return table


def _decisions(model: Any, case: Instance, power: pd.DataFrame) -> pd.DataFrame:
    """One row a period and station: period, hour (it begins), station, price_per_kwh, power_kw (of `power`)."""
    prices = tables.prices(model, case)
    names = [station.name for station in case.stations]
    return pd.DataFrame(
        {
            "period": np.repeat(prices["period"].to_numpy(), len(names)),
            "hour": np.repeat(prices["hour"].to_numpy(), len(names)),
            "station": np.tile(names, len(prices)),
            "price_per_kwh": prices[[f"price_{name}_per_kwh" for name in names]].to_numpy().ravel(),
            "power_kw": power[names].to_numpy().ravel(),
        }
    )


def _extremes(voltages: pd.DataFrame) -> pd.DataFrame:
    """One row a bus: bus, its lowest and its highest voltage."""
    found = voltages.groupby("bus", sort=False)["voltage_pu"]
    return found.agg(voltage_lowest_pu="min", voltage_highest_pu="max").reset_index()
