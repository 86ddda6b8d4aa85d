"""Prices and charging of a solve, of a market's ways, and of the end of an iteration."""

import re

import pandas as pd

from studies.page.parts.day import day
from studies.page.parts.folder import MissingPieceError, ResultsFolder
from studies.pricing.front_points import END
from studies.pricing.scenarios import CHARGING, SCENARIOS
from studies.results_files.refusals import shown

WAYS = ("exact", "equilibrium", "cooperative")
_TIME = ["period", "hour"]
_PRICE = re.compile(r"^price\[(.+),(\d{1,9})\]$", re.ASCII)


def draw(results: ResultsFolder) -> str:
    """Empty for fronts, whose points carry their own, and for comparisons of methods, which keep no decisions."""
    if results.kind == "solve":
        what = "expected over days" if results.has(SCENARIOS) else "the answer"
        return day(solved(results), results.currency, what)
    if results.kind == "market":
        return "".join(_way(results, way) for way in WAYS)
    if results.kind in ("equilibrium", "compare-equilibrium"):
        return day(_end(results), results.currency, "end of the iteration")
    return ""


def solved(results: ResultsFolder) -> pd.DataFrame:
    """One row a period and station of a solve: period, hour, station, price_per_kwh, power_kw."""
    prices, (name_of_charging, charging) = results.table("prices.csv"), _charging(results)
    stations = {
        name.removeprefix("price_").removesuffix("_per_kwh"): name for name in map(str, prices) if name not in _TIME
    }
    parts = [prices[_TIME].assign(station=name, price_per_kwh=prices[column]) for name, column in stations.items()]
    if not parts:
        raise results.damaged("prices.csv", "there is no column with prices of a station, such as price_NAME_per_kwh")
    long = pd.concat(parts, ignore_index=True)
    for name in charging["station"].unique():
        if name not in stations:
            raise results.damaged(name_of_charging, f"station {shown(name)} has no column in prices.csv")
    if not set(charging["period"]) <= set(prices["period"]):
        raise results.damaged(name_of_charging, f"period {charging['period'].max()} is not in prices.csv")
    power = charging.groupby(["period", "station"], as_index=False)["power_kw"].sum()
    return long.merge(power, "left", ["period", "station"]).fillna({"power_kw": 0.0})


def _charging(results: ResultsFolder) -> tuple[str, pd.DataFrame]:
    """The table of charging and its name; over days that may come, power counts with the probability of its day."""
    if not results.has(SCENARIOS):
        return "charging.csv", results.table("charging.csv")
    charging = results.table(CHARGING)
    share = _shares(results, CHARGING, charging, SCENARIOS)
    return CHARGING, charging.assign(power_kw=charging["power_kw"] * share)


def _way(results: ResultsFolder, way: str) -> str:
    """EVs' power at each station; an aggregator's own trade is in the files.  Over days that may come power is expected."""
    one, several = f"aggregators_{way}.csv", f"scenario_aggregators_{way}.csv"
    if results.has(one):
        found, what = results.table(one), f"{way} way"
    elif results.has(several):
        found = results.table(several)
        found = found.assign(ev_kw=found["ev_kw"] * _shares(results, several, found, f"scenarios_{way}.csv"))
        kept = ["aggregator", "station", "period", "price_per_kwh"]
        found = found.pivot_table("ev_kw", kept, aggfunc="sum", sort=False).reset_index()
        what = f"{way} way, expected over days"
    else:
        return ""
    return f"<h3>{way}</h3>" + day(found.rename(columns={"ev_kw": "power_kw"}), results.currency, what)


def _shares(results: ResultsFolder, name: str, found: pd.DataFrame, days: str) -> pd.Series:
    """The probability of each row's day; raises `DamagedFileError` where the table of days has none."""
    share = found["scenario"].map(results.table(days).set_index("scenario")["probability"])
    if share.isna().any():
        raise results.damaged(name, f"scenario {shown(found['scenario'][share.isna()].iloc[0])} is not in {days}")
    return share


def _end(results: ResultsFolder) -> pd.DataFrame:
    """The last point's decisions, or, where it has none, the prices of the last iteration."""
    if results.has(END):
        return results.table(END)
    parts = [(_PRICE.match(name), value) for name, value in results.json("trace.json")["prices"].items()]
    rows = [(int(m[2]), m[1].strip("'"), value) for m, value in parts if m]
    if not rows:
        raise MissingPieceError(f"{END} is not in the folder, and trace.json holds no price of a station and period")
    return pd.DataFrame(rows, columns=["period", "station", "price_per_kwh"]).astype({"price_per_kwh": float})
