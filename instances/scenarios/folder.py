"""A case with its scenarios as one folder: none of the two is lost when the other is written.

docs/data-format.md describes the folder. Reading what was written gives back the same scenarios, to the last bit.
"""

from __future__ import annotations

import os
from pathlib import Path

from instances.files.case import CASE_FILES, JSON_FILE, case_texts, read
from instances.files.feeder import existing
from instances.files.folder import backup_of, write_folder
from instances.files.scenarios import found_tables, read_scenario_tables, scenario_texts
from instances.fleet.realise import realise
from instances.records.errors import InstanceError
from instances.records.scenarios import Scenarios
from instances.records.schema import Instance

__all__ = ["has_scenarios", "read_scenarios", "write"]


def has_scenarios(directory: str | os.PathLike[str]) -> bool:
    """Tell whether a case's folder has a table of scenarios, be it right or wrong."""
    return bool(found_tables(existing(directory, JSON_FILE)))


def read_scenarios(directory: str | os.PathLike[str]) -> Scenarios:
    """Read the scenarios of the case in ``directory``; refusals name file, line, column, value and remedy.

    The case is read too, and `realise` puts each scenario into it, so that what is returned fits the case. Raises `InstanceError`
    where one does not, and where the folder has no scenarios.
    """
    case = read(directory)
    folder = existing(directory, JSON_FILE)
    scenarios = read_scenario_tables(folder, case.horizon.periods)
    try:
        _check_fit(case, scenarios)
    except InstanceError as error:
        raise InstanceError(f"{folder}: {error}") from error
    return scenarios


def write(instance: Instance, directory: str | os.PathLike[str], scenarios: Scenarios | None = None) -> None:
    """Write the case as ``directory``, with its ``scenarios`` if there are some, whole or not at all.

    The files are written to a hidden folder beside it, which then takes its place; a killed run leaves the
    old case or the new one to `read`. Sources of the case whose item is a table of scenarios are put at its head. Raises
    `InstanceError` when ``directory`` is a file,
    holds files that are not a case's, or cannot be written; when a scenario does not fit the case; and when ``directory`` holds
    scenarios and none are given, as they would be lost.
    """
    texts = case_texts(instance)
    if scenarios is None:
        _check_nothing_lost(directory)
    else:
        _check_fit(instance, scenarios)
        texts |= scenario_texts(scenarios, instance.sources)
    write_folder(directory, texts, CASE_FILES, "a case")


def _check_fit(instance: Instance, scenarios: Scenarios) -> None:
    for scenario in scenarios.scenarios:
        realise(instance, scenario)


def _check_nothing_lost(directory: str | os.PathLike[str]) -> None:
    """Refuse a folder, or the backup that a killed write left of it, whose tables of scenarios a write would remove."""
    folder = Path(directory)
    if not folder.exists():
        folder = backup_of(folder)
    if found := sorted(found_tables(folder)):
        raise InstanceError(
            f"{folder} has {found[0]}.csv, which a write of the case alone would remove; give scenarios too, such as "
            "instances.read_scenarios of the folder, or another folder, or remove the tables of scenarios"
        )
