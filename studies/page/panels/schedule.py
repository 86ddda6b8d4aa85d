"""Prices and charging of a solve, of a market's ways, and of the end of an iteration."""

import re

import pandas as pd

from studies.page.parts.day import day
from studies.page.parts.folder import ResultsFolder
from studies.pricing.front_points import END

WAYS = ("exact", "equilibrium", "cooperative")
_PRICE = re.compile(r"^price\[(.+),(\d+)\]$")


def draw(results: ResultsFolder) -> str:
    """Empty for fronts, whose points carry their own, and for comparisons of methods, which keep no decisions."""
    if results.kind == "solve":
        return day(solved(results), results.currency, "the answer")
    if results.kind == "market":
        kept = [way for way in WAYS if results.has(f"aggregators_{way}.csv")]
        return "".join(_way(results, way) for way in kept)
    if results.kind in ("equilibrium", "compare-equilibrium"):
        return day(_end(results), results.currency, "end of the iteration")
    return ""


def solved(results: ResultsFolder) -> pd.DataFrame:
    """One row a period and station of a solve: period, hour, station, price_per_kwh, power_kw."""
    prices, charging = results.table("prices.csv"), results.table("charging.csv")
    columns = [str(name) for name in prices if str(name).startswith("price_")]
    names = {name: name.removeprefix("price_").removesuffix("_per_kwh") for name in columns}
    long = prices.rename(columns=names).melt(["period", "hour"], list(names.values()), "station", "price_per_kwh")
    power = charging.groupby(["period", "station"], as_index=False)["power_kw"].sum()
    return long.merge(power, "left", ["period", "station"]).fillna({"power_kw": 0.0})


def _way(results: ResultsFolder, way: str) -> str:
    """EVs' power at each station; an aggregator's own trade is in the files."""
    found = results.table(f"aggregators_{way}.csv").rename(columns={"ev_kw": "power_kw"})
    return f"<h3>{way}</h3>" + day(found, results.currency, f"{way} way")


def _end(results: ResultsFolder) -> pd.DataFrame:
    """The last point's decisions, or, where it has none, the prices of the last iteration."""
    if results.has(END):
        return results.table(END)
    parts = [(_PRICE.match(name), value) for name, value in results.json("trace.json")["prices"].items()]
    rows = [(int(m[2]), m[1].strip("'"), value) for m, value in parts if m]
    return pd.DataFrame(rows, columns=["period", "station", "price_per_kwh"])
