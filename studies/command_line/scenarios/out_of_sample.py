"""The command `bilevel out-of-sample`: what prices that were set before the day come to on days that were not known."""

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

import instances
from formulations import objectives
from instances import InstanceError
from studies.command_line import display
from studies.command_line.options import (
    DONE,
    NOTHING,
    PARTLY,
    CaseName,
    Evs,
    Gap,
    Objective,
    Out,
    Quiet,
    add_command,
    find_case,
    finish,
)
from studies.command_line.refusals.numbers import number, positive
from studies.command_line.refusals.numbers import workers as worker_count
from studies.command_line.scenarios.days import DrawSeed, WillingRange, days, require_drawn
from studies.command_line.workers import pool
from studies.uncertainty import results
from studies.uncertainty.study import Asked, Study, study
from studies.writing import files as writing_files


def _level(text: object) -> float:
    value = number(text)
    if not 0 <= value < 1:
        raise typer.BadParameter(f"{text} is no level; give a number from 0 to below 1, such as 0.9")
    return value


Planned = Annotated[
    str,
    typer.Option("--scenarios", metavar="N|DIR", help="Days that prices are planned for: drawn, or of a folder."),
]
Fresh = Annotated[
    str, typer.Option("--fresh", metavar="N|DIR", help="Days that prices are valued on: drawn apart, or of a folder.")
]
Level = Annotated[
    float, typer.Option(parser=_level, metavar="SHARE", help="Of the CVaR: 0.9 is the mean of the worst tenth.")
]
Workers = Annotated[
    int, typer.Option(parser=worker_count, metavar="N", help="Processes that solve the days planned for side by side.")
]
SolveTime = Annotated[float, typer.Option("--time-limit", parser=positive, metavar="SECONDS", help="Of each solve.")]


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    add_command(app, "out-of-sample", out_of_sample)


def out_of_sample(
    case: CaseName,
    objective: Objective = "profit",
    scenarios: Planned = "10",
    fresh: Fresh = "200",
    level: Level = 0.9,
    willing: WillingRange = None,
    gap: Gap = 1e-3,
    time_limit: SolveTime = 120.0,
    evs: Evs = None,
    seed: DrawSeed = 0,
    out: Out = None,
    workers: Workers = 1,
    quiet: Quiet = False,
) -> int:
    """Set prices in five ways before the day is known, and value each on days that were not planned for.

    Flat prices, the best for the case's own day, for the expected day, in expectation, and for the worst days (CVaR).  Users
    answer exactly and, where prices tie, not in the leader's favour; an AC power flow says whether limits hold.  Beside it: what
    planning with scenarios is worth, and what knowing the day would be worth, with proven bounds.

    Example: bilevel out-of-sample ieee33 --evs 20 --scenarios 5 --fresh 100 --willing 0.5-1 --out results/out_of_sample

    Example: bilevel out-of-sample ieee33 --scenarios my_days --fresh 500
    """
    found_case = find_case(case, evs, seed)
    # Refused before any work: solves take minutes
    weights = objectives.parse(objective)
    if out is not None:
        instances.check_folder(out, results.FILES, "a study of uncertain days")
    require_drawn(willing, scenarios, fresh)
    planned = days(scenarios, found_case, seed, evs, willing)
    others = days(fresh, found_case, seed + 1, evs, willing)
    if planned == others:
        raise InstanceError(
            f"--fresh {fresh} are the days of --scenarios {scenarios}: give days that prices were not planned for"
        )
    asked = Asked(weights, level, gap, time_limit, seed=seed)
    with pool(workers) as executor:
        found = study(found_case, planned, others, asked, None if quiet else _say(), executor)
    about = writing_files.facts(
        found_case, {"seed": seed, "scenarios": scenarios, "fresh": fresh, "willing": willing}, "auto"
    )
    finish(
        out,
        lambda into: [_write(found, into, about)],
        lambda files: _show(found, files),
        quiet,
    )
    return code(found)


def code(found: Study) -> int:
    """The exit code: done where every solve is certified, nothing where no policy was planned."""
    if found.planned_for == 0:
        return NOTHING
    return DONE if found.closed else PARTLY


def _write(found: Study, into: Path, about: dict[str, Any]) -> tuple[str, ...]:
    files = results.contents(found, about)
    instances.write_folder(into, files, results.FILES, "a study of uncertain days")
    return tuple(files)


def _say() -> Any:
    console = display.console(stderr=True)

    def say(name: str, status: str, seconds: float) -> None:
        console.print(f"{name}: {status}, {seconds:.1f} s", soft_wrap=True, markup=False)

    return say


def _show(found: Study, files: display.Fact) -> None:
    console = display.console()
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    for at, head in enumerate(results.HEADS):
        table.add_column(head, justify="left" if at == 0 else "right", no_wrap=True)
    for row in found.summary.to_dict("records"):
        # An interval stands below its number, as a terminal has no room beside it
        table.add_row(*(Text(cell.replace(" [", "\n[")) for cell in results.cells(row)))
    console.print(table)
    console.print()
    facts = [
        (str(row["quantity"]), f"{row['low']:.6g} to {row['high']:.6g}")
        for row in found.value.to_frame().to_dict("records")
    ]
    count = f"{len(found.planned.scenarios)} planned for, {len(found.fresh.scenarios)} others"
    console.print(display.facts_table([("days", count), *facts, ("ties", results.TIES), files]))
