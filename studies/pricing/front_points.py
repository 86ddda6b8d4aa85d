"""What every point of a front, and the last of an equilibrium, decides, as tables: prices, charging power, voltages, the feeder."""

from typing import Any

import numpy as np
import pandas as pd

from bilevel import EquilibriumTrace, ParetoFront
from instances import Instance
from studies.pricing import tables
from studies.writing import files, frames

DECISIONS, VOLTAGES = "points.csv", "point_voltages.csv"
POINT_FILES = (DECISIONS, VOLTAGES, frames.FEEDER)
END, END_VOLTAGES = "equilibrium.csv", "equilibrium_voltages.csv"
END_FILES = (END, END_VOLTAGES, frames.FEEDER)


def point_files(front: ParetoFront, case: Instance) -> dict[str, str | bytes]:
    """Files of the points of a front, name to content; none without points.  The values of the model are those of the last point
    afterwards."""
    if not front.points:
        return {}
    chosen, voltages = [], []
    for at in range(len(front)):
        front.load(at)
        chosen.append(_numbered(at, _decisions(front.model, case)))
        voltages.append(_numbered(at, _extremes(front.model, case)))
    return {
        DECISIONS: files.csv(pd.concat(chosen)),
        VOLTAGES: files.csv(pd.concat(voltages)),
        frames.FEEDER: files.csv(frames.feeder(front.model, case)),
    }


def end_files(trace: EquilibriumTrace, case: Instance) -> dict[str, str | bytes]:
    """Files of the last point of an equilibrium, name to content; none without a point.

    The values of the trace's model are those of the point afterwards.
    """
    if not trace.solution.certificate.checks:
        return {}
    trace.load()
    return {
        END: files.csv(_decisions(trace.model, case)),
        END_VOLTAGES: files.csv(_extremes(trace.model, case)),
        frames.FEEDER: files.csv(frames.feeder(trace.model, case)),
    }


def _numbered(at: int, table: pd.DataFrame) -> pd.DataFrame:
    table.insert(0, "point", at + 1)
    return table


def _decisions(model: Any, case: Instance) -> pd.DataFrame:
    """One row a period and station: period, hour (it begins), station, price_per_kwh, power_kw."""
    prices, power = tables.prices(model, case), tables.station_power_kw(model, case)
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


def _extremes(model: Any, case: Instance) -> pd.DataFrame:
    """One row a bus: bus, its lowest and its highest voltage of the day."""
    found = frames.voltages(model, case).groupby("bus", sort=False)["voltage_pu"]
    return found.agg(voltage_lowest_pu="min", voltage_highest_pu="max").reset_index()
