"""The folder of a market solved three ways: JSON, CSV and LaTeX tables and figures, replaced as a whole (docs/market.md)."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from bilevel import EquilibriumTrace
from bilevel.solution import plain
from formulations.case_parts import market_of
from instances import check_folder, write_folder
from studies.market import verdict
from studies.market.three_ways import COOPERATIVE, EQUILIBRIUM, EXACT, MarketComparison, MarketRun
from studies.results_files import versions
from studies.writing import files as writing_files
from studies.writing import latex as writing_latex

WAYS = (EXACT, EQUILIBRIUM, COOPERATIVE)
FIGURES = {
    "market_prices": ("nodal_prices", (EXACT, EQUILIBRIUM)),
    "market_storage": ("storages", WAYS),
    "market_balance": ("balances", (EXACT, EQUILIBRIUM)),
}
"""Name of a figure: its function in `studies.market.figures`, and the ways of which one must have a point."""
JSON, TABLE, LATEX, TRACE = "market.json", "comparison.csv", "comparison.tex", "trace.csv"
SCENARIOS = "scenarios"
TABLES = ("aggregators", "network", "nodal_prices", "certificate")
DAYS = ("scenario_aggregators", "scenario_network", "scenario_voltages", "certificate")
"""`TABLES` over days that may come, and beside them `scenarios`, a row a day."""
FILES = (
    JSON, TABLE, LATEX, TRACE, *(f"{table}_{way}.csv" for way in WAYS for table in TABLES),
    *(f"{name}.{kind}" for name in FIGURES for kind in writing_files.FORMATS),
)  # fmt: skip
ALLOWED = tuple(
    dict.fromkeys((*FILES, *(f"{table}_{way}.csv" for way in (EXACT, COOPERATIVE) for table in (SCENARIOS, *DAYS))))
)
"""What a market of one day writes, and what one over days that may come does."""


@dataclass(frozen=True)
class Quantity:
    """A row of the table of three ways: column of `MarketComparison.to_frame`, words, unit and decimals."""

    column: str
    words: str
    unit: str
    decimals: int


def check(directory: str | Path) -> None:
    """Raise `InstanceError` when a later `write` to `directory` would be refused; writes nothing."""
    check_folder(directory, ALLOWED, "a market")


def write(
    found: MarketComparison, directory: str | Path, choices: Mapping[str, Any], settings: Mapping[str, Any], solver: str
) -> tuple[str, ...]:
    """Write the result as the folder `directory`, whole or not at all; gives the names of the files.

    `choices` say which market it is (demand, seed, fee), `settings` how it was solved.  Raises `InstanceError` when the folder
    holds other files or cannot be written.
    """
    files = contents(found, choices, settings, solver)
    write_folder(directory, files, ALLOWED, "a market")
    return tuple(files)


def contents(
    found: MarketComparison, choices: Mapping[str, Any], settings: Mapping[str, Any], solver: str
) -> dict[str, str | bytes]:
    """Every file of the result, name to content.

    market.json and comparison always, the iteration's trace where there is one; the tables of a way where it has a point; figures
    of one day where a way in them has one.
    """
    about = writing_files.facts(found.case, choices, solver)
    files: dict[str, str | bytes] = {
        JSON: writing_files.json_text(versions.stamped(_data(found, about, settings))),
        TABLE: writing_files.csv(found.to_frame()),
        LATEX: latex(found),
    }
    if found.trace is not None:
        files[TRACE] = writing_files.csv(found.trace.to_frame())
    for way, run in found.runs.items():
        if not run.aggregators.empty:
            named = _named(run, TABLES if found.scenarios is None else DAYS)
            files |= {f"{name}_{way}.csv": writing_files.csv(frame) for name, frame in named.items()}
    return files | (_drawn(found) if found.scenarios is None else {})


def _named(run: MarketRun, names: Sequence[str]) -> dict[str, pd.DataFrame]:
    """The tables of a way that has a point, by name."""
    frames = (run.aggregators, run.network, run.buses, run.solution.certificate.to_frame())
    return dict(zip(names, frames, strict=True)) | ({} if run.days.empty else {SCENARIOS: run.days})


def _drawn(found: MarketComparison) -> dict[str, str | bytes]:
    # Loaded where figures are drawn: matplotlib takes longer to load than a small case to solve
    from studies.market import figures

    files: dict[str, str | bytes] = {}
    for name, (draw, ways) in FIGURES.items():
        if any(not found.runs[way].aggregators.empty for way in ways):
            files |= writing_files.figures(name, getattr(figures, draw)(found))
    return files


def quantities(found: MarketComparison) -> list[Quantity]:
    """The rows of the table of three ways, in currency, kWh and kW."""
    money = found.case.currency
    return [
        Quantity("dso_cost", "operator's cost", money, 2),
        Quantity("bound", "proven bound", money, 2),
        Quantity("gap", "gap", "%", 3),
        Quantity("supply_cost", "cost of supply", money, 2),
        Quantity("loss_kwh", "network loss", "kWh", 2),
        Quantity("peak_kw", "peak at substation", "kW", 1),
        Quantity("users_bill", "users' bill", money, 2),
        *(Quantity(f"profit_{a.name}", f"profit {a.name}", money, 2) for a in market_of(found.case).aggregators),
    ]


def cells(found: MarketComparison, quantity: Quantity) -> list[str]:
    """A quantity in every way, "--" where there is none; the gap in per cent."""
    values = found.to_frame().reindex(columns=[quantity.column])[quantity.column]
    scale = 100.0 if quantity.unit == "%" else 1.0
    return [f"{scale * value:.{quantity.decimals}f}" if math.isfinite(value) else "--" for value in values]


def latex(found: MarketComparison) -> str:
    """The three ways as a table for the LaTeX package booktabs, a row a quantity with its unit."""
    about = f"case {found.case.name}, {len(found.case.sessions)} sessions, demand {found.demand}"
    rows = [[quantity.words, quantity.unit, *cells(found, quantity)] for quantity in quantities(found)]
    rows.append(["status", "", *(run.solution.status for run in found.runs.values())])
    return writing_latex.booktabs([["quantity", "unit", *found.runs]], rows, [about], f"ll{'r' * len(found.runs)}")


def _data(found: MarketComparison, about: Mapping[str, Any], settings: Mapping[str, Any]) -> dict[str, Any]:
    apart, said = verdict.difference(found), verdict.verdict(found)
    return {
        **about,
        "settings": dict(settings),
        "difference": {"found": plain(apart.found), "proven_at_most": plain(apart.proven), "share": plain(apart.share),
                       "contradiction": apart.contradiction},
        "verdict": {"status": said.status, "reason": said.reason},
        "ways": {way: _way(run) for way, run in found.runs.items()},
        "trace": _trace(found.trace),
    }  # fmt: skip


def _trace(trace: EquilibriumTrace | None) -> dict[str, Any] | None:
    if trace is None:
        return None
    return {
        "status": trace.status, "reason": trace.reason, "period": trace.period, "iterations": len(trace.iterations),
        "residual": plain(trace.iterations[-1].residual), "solution_iteration": trace.solution_iteration,
        "solution_tick": trace.solution_tick,
    }  # fmt: skip


def _way(run: MarketRun) -> dict[str, Any]:
    solution = run.solution.to_dict()
    keys = ("status", "reason", "objective", "bound", "gap", "seconds", "settings", "certificate")
    return {key: solution[key] for key in keys} | {"figures": {k: plain(v) for k, v in run.figures.items()}}
