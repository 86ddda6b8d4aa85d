"""A store's runs in figures: medians by spec, ratios to the default, families that differ in one size, answers that disagree."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

import instances
from formulations import power_flow
from studies.benchmarks.measure import PHASES, SIZES
from studies.benchmarks.reading.fits import PowerLaw, power_law
from studies.benchmarks.spec import CONFIGURATION, DEFAULT, FIELDS, PROBLEM, is_default, words_of

PROVEN = ("certified", "conditional")
TIMES = tuple(f"{phase}_seconds" for phase in PHASES)
MEASURE = "solve_seconds"
"""What configurations are compared by."""

DIMENSIONS = {"evs": ("evs", "EVs"), "buses": ("feeder", "buses"), "periods": ("periods", "periods")}
"""Column of a size: the field of a spec that sets it, and its word on an axis."""

_ALWAYS = ("cones", "solver", "mode")
_MEDIANS = (*TIMES, "cpu_seconds", "peak_memory_mb", "nodes")
_FIRST = ("status", "value", "bound", "gap_reached", *SIZES, "reason")


def medians(runs: pd.DataFrame) -> pd.DataFrame:
    """One row a spec, in the order of the store: medians over its repeats, answer and sizes of the first.

    - `timeout`: any repeat timed out (the medians are then of times recorded at the limit), `repeats`;
    - `solved`: every repeat ended in time with a certified answer, or, of an approximate power flow, with its gap closed;
    - `ratio`: its `MEASURE` over that of the default configuration on the same problem, NaN without one that is solved.
    """
    groups = runs.groupby("key", sort=False)
    table = groups[[*FIELDS, *_FIRST]].first().join(groups[list(_MEDIANS)].median())
    table["repeats"] = groups.size()
    table["timeout"] = groups["timeout"].any()
    fine = pd.Series([_solved(row) for row in runs.to_dict("records")], index=runs.index, dtype=bool)
    table["solved"] = fine.groupby(runs["key"], sort=False).all()
    default = table[table["solved"] & np.array([is_default(row) for row in table.to_dict("records")])]
    base = default.set_index(list(PROBLEM))[MEASURE]
    own = pd.MultiIndex.from_frame(table[list(PROBLEM)])
    table["ratio"] = table[MEASURE].to_numpy() / base.reindex(own).to_numpy(dtype=float)
    return table.reset_index()


def _solved(row: dict[Any, Any]) -> bool:
    approximate = not power_flow.find(row["flow"]).exact
    closed = row["status"] == "feasible" and approximate and row["gap_reached"] <= row["gap"]
    return not row["timeout"] and (row["status"] in PROVEN or closed)


def labels(rows: pd.DataFrame, among: Iterable[str]) -> list[str]:
    """A name for each row by those of its fields in which the rows differ, "default" where there are none.

    Of a configuration's fields but `_ALWAYS`, only those are told that are not as in the default.
    """
    names = [name for name in among if len(rows[name].unique()) > 1]
    return [", ".join(_words(row, names)) or "default" for row in rows[list(FIELDS)].to_dict("records")]


def _words(row: dict[Any, Any], names: list[str]) -> Iterator[str]:
    units = {"periods": "{} periods", "evs": "{} EVs", "seed": "seed {}", "gap": "gap {}", "time_limit": "{} s"}
    for name in names:
        if name not in CONFIGURATION:
            yield units.get(name, "{}").format(row[name])
        elif name in _ALWAYS or row[name] != DEFAULT[name]:
            yield words_of(name, row[name])


def contests(table: pd.DataFrame) -> Iterator[pd.DataFrame]:
    """The rows of problems that the same two or more configurations ran on: what a performance profile is drawn of.

    Approximate power flows solve another problem, and take no part.
    """
    exact = [name for name, flow in power_flow.POWER_FLOWS.items() if flow.exact]
    ran = table[table["flow"].isin(exact)].groupby(list(PROBLEM), sort=False)
    together: dict[frozenset[tuple[Any, ...]], list[pd.DataFrame]] = {}
    for _, rows in ran:
        ways = frozenset(rows[list(CONFIGURATION)].itertuples(index=False, name=None))
        together.setdefault(ways, []).append(rows)
    for ways, problems in sorted(together.items(), key=lambda item: -len(item[1])):
        if len(ways) > 1:
            yield pd.concat(problems)


@dataclass(frozen=True)
class Family:
    """Specs that differ in one size only (and in seeds, of which medians are taken): `size`, and their median rows in order."""

    dimension: str
    rows: pd.DataFrame

    @property
    def default(self) -> bool:
        """Whether it is in the default configuration."""
        return is_default(self.rows.iloc[0].to_dict())

    def points(self, column: str) -> pd.DataFrame:
        """`x`, `y` and whether all were `solved`, one row a size, where the column has a value."""
        known = self.rows[self.rows[column].notna() & (self.rows[column] > 0)]
        by_size = known.groupby(self.dimension)
        points = pd.DataFrame({"y": by_size[column].median(), "solved": by_size["solved"].all()})
        return points.rename_axis("x").reset_index()

    def law(self, column: str) -> PowerLaw | None:
        """The power law of a column; None with fewer than two sizes.  Times of searches that solved nothing are left out."""
        points = self.points(column)
        if column == MEASURE:
            points = points[points["solved"]]
        return power_law(points["x"].tolist(), points["y"].tolist()) if len(points) > 1 else None


def families(table: pd.DataFrame, dimension: str) -> list[Family]:
    """All families of two or more sizes in a dimension of `DIMENSIONS`: those of the default before others, then the largest."""
    own, _ = DIMENSIONS[dimension]
    fixed = [name for name in FIELDS if name not in (own, "seed")]
    known = table[table[dimension].notna()]
    if own == "feeder":
        # Cases have stations and fleets of their own; generated ones differ in the feeder only
        known = known[~known["feeder"].isin(instances.list_cases())]
    found = [
        Family(dimension, rows) for _, rows in known.groupby(fixed, sort=False) if len(rows[dimension].unique()) > 1
    ]
    return sorted(found, key=lambda family: (not family.default, -family.rows[dimension].nunique()))


def laws(table: pd.DataFrame) -> pd.DataFrame:
    """Fitted exponents of every family and phase: dimension, fields, phase, exponent, its range, points, range of sizes, factor."""
    found = []
    for dimension, (own, _) in DIMENSIONS.items():
        for family in families(table, dimension):
            first = family.rows.iloc[0]
            fields = {name: first[name] for name in FIELDS if name not in (own, "seed")}
            for column in TIMES:
                law = family.law(column)
                if law is not None:
                    found.append({"dimension": dimension, **fields, "column": column, **vars(law)})
    return pd.DataFrame(found)


def disagreements(table: pd.DataFrame) -> list[str]:
    """Certified answers to one problem that cannot both be right, as sentences: between objective and bound lies the optimum."""
    found = []
    proven = table[table["status"].isin(PROVEN)]
    for _, rows in proven.groupby([name for name in PROBLEM if name not in ("gap", "time_limit")], sort=False):
        ends = np.sort(rows[["value", "bound"]].to_numpy(dtype=float), axis=1)
        under, over = int(ends[:, 1].argmin()), int(ends[:, 0].argmax())
        if ends[over, 0] - ends[under, 1] > rows["gap"].max() * np.abs(ends).max():
            told = [f"{row['key']} says {row['value']:.9g}" for row in rows.iloc[[under, over]].to_dict("records")]
            found.append(f"{told[0]}, but {told[1]}")
    return found
