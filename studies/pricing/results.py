"""The result folder of a solve: JSON, CSV tables and figures, replaced as a whole (docs/model.md, section 9)."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pyomo.environ as pyo

from bilevel import Solution
from formulations.objectives import OBJECTIVES
from formulations.objectives.objective import Objective
from instances import Instance, Scenarios, check_folder, write_folder
from studies.pricing import scenarios, tables
from studies.results_files import versions
from studies.writing import files as writing_files
from studies.writing import frames

SOLUTION, CERTIFICATE = "solution.json", "certificate.csv"
TABLES = {
    "prices.csv": tables.prices, "charging.csv": tables.charging, "voltages.csv": frames.voltages,
    frames.FEEDER: frames.feeder,
}  # fmt: skip
OVER_DAYS = (scenarios.PRICES, scenarios.SCENARIOS, scenarios.CHARGING, scenarios.VOLTAGES, frames.FEEDER)
FIGURES = ("prices_charging", "voltage_profile")
FILES = (SOLUTION, *TABLES, CERTIFICATE, *(f"{name}.{kind}" for name in FIGURES for kind in writing_files.FORMATS))
"""What a solve of one day writes; over days it writes the tables `OVER_DAYS` in the place of its own, and no figures."""
ALLOWED = tuple(dict.fromkeys((*FILES, *OVER_DAYS)))
USABLE = ("certified", "feasible")


def check(directory: str | Path) -> None:
    """Raise `InstanceError` when a later `write` to `directory` would be refused; writes nothing."""
    check_folder(directory, ALLOWED, "a solve")


def valued(objective: Iterable[str]) -> list[Objective]:
    """What a result tells the values of: losses, profit and bills, and what else the leader wants."""
    return [OBJECTIVES[name] for name in dict.fromkeys(["loss", "profit", "bill", *objective])]


def outcome(
    model: Any,
    case: Instance,
    solution: Solution,
    objective: Mapping[str, float],
    choices: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """What the case came to: name, evs (sessions), `choices`, objective weights, currency, and, where there is a point, the values
    of `valued`, such as network_loss_kwh, station_profit and ev_bill (currency); None where there is none."""
    found = bool(solution.values)
    return {
        "name": case.name,
        "evs": len(case.sessions),
        **(choices or {}),
        "objective": dict(objective),
        "currency": case.currency,
        **{o.column: float(pyo.value(model.component(o.expression))) if found else None for o in valued(objective)},
    }


def contents(
    model: Any,
    case: Instance,
    solution: Solution,
    objective: Mapping[str, float],
    choices: Mapping[str, Any] | None = None,
    days: Scenarios | None = None,
) -> dict[str, str | bytes]:
    """Every file of the result, name to content; `choices` (seed, tariff, follower, ...) join the case in solution.json.

    solution.json always; certificate.csv where there is a point; tables and figures where that point is usable, that is
    certified or feasible.  `days`: the scenarios of the model, whose tables are those of `studies.pricing.scenarios`.
    """
    data = solution.to_dict()
    values = data.pop("values")
    data |= {"case": outcome(model, case, solution, objective, choices), "values": values}
    files: dict[str, str | bytes] = {SOLUTION: writing_files.json_text(versions.stamped(data))}
    if solution.certificate.checks:
        files[CERTIFICATE] = writing_files.csv(solution.certificate.to_frame())
    if solution.status not in USABLE:
        return files
    if days is not None:
        named = [*scenarios.files(model, case, days, objective), (frames.FEEDER, frames.feeder(model, case))]
        return files | {name: writing_files.csv(table) for name, table in named}
    for name, table in TABLES.items():
        files[name] = writing_files.csv(table(model, case))
    # Loaded where figures are drawn: matplotlib takes longer to load than a small case to solve
    from studies.pricing import figures

    for name in FIGURES:
        files |= writing_files.figures(name, getattr(figures, name)(model, case))
    return files


def write(
    model: Any,
    case: Instance,
    solution: Solution,
    objective: Mapping[str, float],
    directory: str | Path,
    choices: Mapping[str, Any] | None = None,
    days: Scenarios | None = None,
) -> tuple[str, ...]:
    """Write the result as the folder `directory`, whole or not at all; gives the names of the files.

    Whatever kills the run, the folder holds the old result or the new one; between the two renames that swap them, the old one
    stands beside it as `.<name>.old`.  Raises `InstanceError` when the folder holds other files or cannot be written.
    """
    files = contents(model, case, solution, objective, choices, days)
    write_folder(directory, files, ALLOWED, "a solve")
    return tuple(files)
