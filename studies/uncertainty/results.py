"""The folder of a study of uncertain days: tables, JSON, a LaTeX table and the figure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import pandas as pd

from studies.uncertainty.study import POLICIES, Study
from studies.writing import files as writing_files
from studies.writing import latex as writing_latex

OUTCOMES, SUMMARY, VALUE, PRICES = "outcomes.csv", "policies.csv", "value.csv", "prices.csv"
JSON, LATEX, FIGURE = "uncertainty.json", "policies.tex", "distributions"
FILES = (OUTCOMES, SUMMARY, VALUE, PRICES, JSON, LATEX, *(f"{FIGURE}.{kind}" for kind in writing_files.FORMATS))
_FORMAT = 1


def contents(found: Study, about: Mapping[str, Any]) -> dict[str, str | bytes]:
    """Every file, name to content.  `about` is `studies.writing.files.facts`."""
    # Loaded where figures are drawn: matplotlib takes longer to load than a small case to solve
    from studies.uncertainty import figures

    return {
        OUTCOMES: writing_files.csv(found.outcomes),
        SUMMARY: writing_files.csv(found.summary),
        VALUE: writing_files.csv(found.value.to_frame()),
        PRICES: writing_files.csv(prices(found)),
        JSON: writing_files.json_text({"format": _FORMAT, **_data(found, about)}),
        LATEX: latex(found),
        **writing_files.figures(FIGURE, figures.distributions(found)),
    }


def prices(found: Study) -> pd.DataFrame:
    """One row a policy, station and period: policy, station, period, price_per_kwh (currency)."""
    rows = [
        (policy, station.name, t, float(given[at, t]))
        for policy, given in found.prices.items()
        for at, station in enumerate(found.case.stations)
        for t in range(found.case.horizon.periods)
    ]
    return pd.DataFrame(rows, columns=["policy", "station", "period", "price_per_kwh"])


def _data(found: Study, about: Mapping[str, Any]) -> dict[str, Any]:
    asked, value = found.asked, found.value
    return {
        **about,
        "settings": {
            "objective": asked.objective if isinstance(asked.objective, str) else dict(asked.objective), "level": asked.level,
            "gap": asked.gap, "time_limit": asked.time_limit, "confidence": asked.confidence, "seed": asked.seed,
        },
        "sense": "minimise" if found.sense > 0 else "maximise",
        "planned": len(found.planned.scenarios),
        "fresh": len(found.fresh.scenarios),
        "complete": found.complete,
        "closed": found.closed,
        "missing": [policy for policy in POLICIES if policy not in found.prices],
        "value": {row["quantity"]: [_plain(row["low"]), _plain(row["high"])] for _, row in value.to_frame().iterrows()},
        "statuses": dict(value.statuses),
        "seconds": dict(value.seconds),
        "policies": [{name: _plain(cell) for name, cell in row.items()} for row in found.summary.to_dict("records")],
    }  # fmt: skip


def _plain(value: Any) -> Any:
    """A number as JSON has it, None where there is none."""
    if isinstance(value, str):
        return value
    return float(value) if math.isfinite(value) else None


def cells(row: Mapping[Any, Any]) -> tuple[str, ...]:
    """A policy for people: mean, CVaR and gain with their intervals, share of days with a broken limit."""
    shown = [with_interval(row, name) for name in ("mean", "cvar", "gain")]
    return str(row["policy"]), *shown, with_interval(row, "violation_rate", 100.0)


TIES = "planned in the leader's favour; valued by lowest base load first, then the earlier period"
"""What users do whom prices leave indifferent, for people."""
HEADS = ("policy", "mean", "CVaR", "gain", "limits broken [%]")


def with_interval(row: Mapping[Any, Any], name: str, unit: float = 1.0) -> str:
    """A number with its interval behind it, in brackets, as far as there is one."""
    # Added to 0, so that nothing is not -0
    value, low, high = (unit * float(row[name + end]) + 0.0 for end in ("", "_low", "_high"))
    if not math.isfinite(value):
        return writing_latex.NONE
    decimals = max(0, 3 - math.floor(math.log10(max(abs(value), 1.0))))
    told = f"{value:.{min(decimals, 3)}f}"
    if not (math.isfinite(low) and math.isfinite(high)):
        return told
    return f"{told} [{low:.{min(decimals, 3)}f}, {high:.{min(decimals, 3)}f}]"


def latex(found: Study) -> str:
    """The policies as a table for the LaTeX package booktabs."""
    planned, fresh = len(found.planned.scenarios), len(found.fresh.scenarios)
    about = (
        f"case {found.case.name}: prices planned for {planned} scenarios, valued on {fresh} others; intervals of "
        f"{found.asked.confidence:.0%}; CVaR at {found.asked.level:g}"
    )
    rows = [cells(row) for row in found.summary.to_dict("records")]
    return writing_latex.booktabs((HEADS,), rows, [about])
