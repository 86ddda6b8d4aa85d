"""Tables that results of several kinds share, one row a bus, branch or period."""

import csv
import io
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pyomo.environ as pyo

from instances import Instance, Network

DECIMALS = 9


FEEDER = "feeder.csv"


def hours(case: Instance) -> np.ndarray:
    """Start of every period in hours after midnight of the first day, and the end of the last; shape (periods + 1,)."""
    start = datetime.fromisoformat(case.horizon.start)
    midnight = start.replace(hour=0, minute=0, second=0, microsecond=0)
    first: float = (start - midnight) / timedelta(hours=1)
    return first + case.horizon.period_hours * np.arange(case.horizon.periods + 1)


def voltages(model: Any, _case: Instance) -> pd.DataFrame:
    """One row a period and bus, in the order of `model.N`: period, bus, voltage_pu."""
    rows = [(t, bus, np.sqrt(max(pyo.value(model.v[bus, t]), 0.0))) for t in model.T for bus in model.N]
    return rounded(pd.DataFrame(rows, columns=["period", "bus", "voltage_pu"]))


def feeder(_model: Any, case: Instance) -> pd.DataFrame:
    """One row a bus, the substation first and every other bus after its parent: bus, parent (empty at the substation),
    voltage_min_pu, voltage_max_pu (its limits) and the names of its stations, as `joined` writes them."""
    network = Network.of(case.feeder)
    at: dict[str, list[str]] = {}
    for station in case.stations:
        at.setdefault(station.bus, []).append(station.name)
    return rounded(
        pd.DataFrame(
            {
                "bus": network.buses,
                "parent": ["" if up < 0 else network.buses[up] for up in network.parent],
                "voltage_min_pu": network.voltage_min_pu,
                "voltage_max_pu": network.voltage_max_pu,
                "stations": [joined(at.get(bus, ())) for bus in network.buses],
            }
        )
    )


def joined(names: Iterable[str]) -> str:
    """Names in one cell, with spaces between them; one with a space or a quote in it stands in quotes, as in a CSV file."""
    line = io.StringIO()
    csv.writer(line, delimiter=" ", lineterminator="").writerow(names)
    return line.getvalue()


def parted(text: str) -> list[str]:
    """The names that `joined` wrote."""
    return next(csv.reader([text], delimiter=" "), [])


def rounded(table: pd.DataFrame) -> pd.DataFrame:
    """The table with rounded numbers, and 0 for -0."""
    numbers = table.select_dtypes("number").columns
    table[numbers] = table[numbers].round(DECIMALS) + 0
    return table
