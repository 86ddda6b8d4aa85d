"""The command `bilevel security`: what it costs the leader that no user is indifferent."""

import math
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from bilevel.search.plan import AUTO
from formulations import objectives
from formulations.objectives import OBJECTIVES
from studies.command_line import display
from studies.command_line.options import (
    DONE,
    NOTHING,
    PARTLY,
    CaseName,
    ConeTreatment,
    Evs,
    Follower,
    Gap,
    Mode,
    Objective,
    Problem,
    Quiet,
    Seed,
    Solver,
    Tariff,
    add_command,
    finish,
    problem,
)
from studies.command_line.refusals.numbers import number, positive
from studies.security import MARGINS, MarginRow, SecurityPrice, price_of_security, results
from studies.security.price import TIME_LIMIT, Search

LISTED = ",".join(f"{margin:g}" for margin in MARGINS)


def _margins(text: object) -> str:
    for part in str(text).split(","):
        if not (math.isfinite(number(part)) and number(part) >= 0):
            raise typer.BadParameter(f"{part or text} is no margin; give numbers of at least 0, such as 0,0.001,0.01")
    return str(text)


Margins = Annotated[
    str,
    typer.Option(
        parser=_margins, metavar="PRICES", help="In currency/kWh, with commas between them; 0 is the optimistic answer."
    ),
]
MarginTime = Annotated[float, typer.Option(parser=positive, metavar="SECONDS", help="Of each margin.")]
RowsOut = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR", help="Folder for the results, and for every margin as it is solved (needed by --resume)."
    ),
]
Resume = Annotated[
    bool,
    typer.Option(
        "--resume",
        help="Go on with the margins in --out; those that a shorter --time-limit left open are solved again.",
    ),
]


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    add_command(app, "security", security)


def security(
    case: CaseName,
    objective: Objective = "profit",
    margins: Margins = LISTED,
    follower: Follower = "ev_user",
    tariff: Tariff = "free",
    solver: Solver = AUTO,
    mode: Mode = "auto",
    cones: ConeTreatment = "tangent",
    gap: Gap = 1e-4,
    time_limit: MarginTime = TIME_LIMIT,
    evs: Evs = None,
    seed: Seed = 0,
    out: RowsOut = None,
    resume: Resume = False,
    quiet: Quiet = False,
    **options: Any,
) -> int:
    """Find what it costs the leader that every user's response is unique, by a margin of prices after the other.

    Margin 0 is the optimistic answer, told with what its ties may cost.  The worst tie is that of ties which keep the network's
    limits; the row of the network that another tie breaks is named.

    Every margin is kept in --out as it is solved: after a kill, the same command with --resume solves only what is missing.  Ctrl-C
    keeps the margins that are solved, and still writes the files.

    Example: bilevel security ieee33 --evs 20 --out results/security

    Example: bilevel security ieee33 --evs 20 --margins 0,0.001,0.01 --objective loss=1,profit=1
    """
    weights = objectives.parse(objective)
    asked = problem(case, evs, seed, options, follower=follower, tariff=tariff)
    if out is not None:
        results.check(out, resume)
    elif resume:
        raise typer.BadParameter("--resume needs the folder of the earlier run; give it with --out DIR")
    about = {**asked.facts(solver), "objective": weights}
    found = price_of_security(
        asked.model(weights), asked.case, map(float, margins.split(",")), Search(solver, mode, cones, gap, time_limit),
        _unit(asked, weights), out, {key: value for key, value in about.items() if key != "versions"},
        None if quiet else _say(asked.case.currency), not quiet,
    )  # fmt: skip
    finish(
        out,
        lambda into: [results.write(found, into, about)],
        lambda files: _show(found, asked, objective, files),
        quiet,
    )
    return code(found)


def _unit(asked: Problem, weights: dict[str, float]) -> str:
    """The unit of an objective that is one quantity; "" of weighted sums."""
    ((name, weight), *others) = weights.items()
    return (OBJECTIVES[name].unit or asked.case.currency) if not others and weight == 1 else ""


def _say(currency: str) -> Any:
    console = display.console(stderr=True)

    def say(done: int, total: int, row: MarginRow) -> None:
        console.print(
            f"margin {done} of {total}: {row.margin_per_kwh:g} {currency}/kWh, {row.status}, objective "
            f"{results.fixed(row.objective, 2)}, {row.seconds:.1f} s",
            soft_wrap=True,
        )

    return say


def code(found: SecurityPrice) -> int:
    """The exit code: done where every margin is certified or proven to have no answer."""
    if not any(row.found or row.closed for row in found.rows):
        return NOTHING
    return DONE if found.closed else PARTLY


def verdict(found: SecurityPrice) -> Text:
    """What security costs, in one sentence."""
    certified = sum(row.status == "certified" for row in found.rows)
    none = sum(row.status == "infeasible" for row in found.rows)
    word = "closed" if found.closed else "open" if found.complete else "incomplete"
    said = f": {len(found.rows)} of {len(found.margins)} margins, {certified} certified"
    said += f", {none} proven to have no answer" if none else ""
    least = next((row for row in found.rows if row.margin_per_kwh > 0 and row.found), None)
    if least is not None and math.isfinite(found.price(least)):
        cost, first = found.price(least), abs(found.rows[0].objective)
        share = f" ({cost / first:.2%})" if first > 0 else ""
        said += f"; a margin of {least.margin_per_kwh:g} costs {cost:.2f} {found.unit}".rstrip() + share
    return Text(word, "bold green" if found.closed else "bold yellow") + Text(said, "")


def _show(found: SecurityPrice, asked: Problem, objective: str, files: display.Fact) -> None:
    console = display.console()
    console.print(verdict(found))
    console.print()
    leader = f"{'minimises' if found.sense > 0 else 'maximises'} {objective}"
    console.print(display.facts_table([*asked.about(leader), *_notes(found), files]))
    if found.rows:
        console.print()
        console.print(_table(found))


def _notes(found: SecurityPrice) -> list[display.Fact]:
    """What the table has no room for: rows that a tie breaks, and why a margin has no certified answer."""
    notes = [
        (f"margin {row.margin_per_kwh:g}", f"some tie breaks {row.broken_row} by {row.broken_by:.3g}")
        for row in found.rows
        if row.broken_row
    ]
    notes += [
        (f"margin {row.margin_per_kwh:g}", f"{row.status}: {row.reason}")
        for row in found.rows
        if row.status != "certified"
    ]
    return notes


def _table(found: SecurityPrice) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    for word, unit in zip(*results.heads(found), strict=True):
        table.add_column(f"{word}\n{unit}", justify="right", no_wrap=True)
    table.add_column("status", no_wrap=True)
    for row in found.rows:
        status = Text(row.status, display.STYLES.get(row.status, "bold red"))
        table.add_row(*results.cells(found, row), status)
    return table
