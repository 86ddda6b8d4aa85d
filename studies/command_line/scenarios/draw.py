"""The command `bilevel scenarios`: days that may come, drawn for a case and written beside it."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

import instances
from bilevel.progress import Progress
from instances import Instance, InstanceError, Scenarios, Source
from studies.command_line import display
from studies.command_line.options import CaseName, Out, Quiet, add_command, find_case, finish
from studies.command_line.refusals.numbers import draw_seed, fleet, scenario_count
from studies.command_line.scenarios import shown
from studies.command_line.scenarios.days import WillingRange

Days = Annotated[int, typer.Option("--n", parser=scenario_count, metavar="N", help="How many days are drawn.")]
DaySeed = Annotated[
    int, typer.Option(parser=draw_seed, metavar="N", help="Seed of the draw; with a larger --n it begins alike.")
]
DayEvs = Annotated[
    int | None,
    typer.Option(
        parser=fleet, metavar="N", help="Sample each day to so many sessions, which take the energy of the whole day."
    ),
]
Reduced = Annotated[
    int | None,
    typer.Option(
        "--reduce", parser=scenario_count, metavar="N", help="Keep so many of the days, by forward selection."
    ),
]
NoSessions = Annotated[bool, typer.Option("--no-sessions", help="Leave the sessions as in the case.")]
NoPrices = Annotated[bool, typer.Option("--no-prices", help="Leave the wholesale prices as in the case.")]
NoLoads = Annotated[bool, typer.Option("--no-loads", help="Leave the load factors as in the case.")]
DRAWN = "by instances.draw_scenarios"
"""What the source of drawn scenarios says, by which they are told from others."""
NOT_LIMITS = "limits of the network are not looked at: prices have to hold them"


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    add_command(app, "scenarios", scenarios)


def scenarios(
    case: CaseName,
    n: Days = 20,
    seed: DaySeed = 0,
    evs: DayEvs = None,
    reduce: Reduced = None,
    willing: WillingRange = None,
    no_sessions: NoSessions = False,
    no_prices: NoPrices = False,
    no_loads: NoLoads = False,
    out: Out = None,
    quiet: Quiet = False,
) -> int:
    """Draw days that may come: arrivals, prices and loads of real days, at the size and level of the case.

    With --out: the case's folder with tables of scenarios.

    Example: bilevel scenarios ieee33 --n 20 --out my_days

    Example: bilevel scenarios ieee33 --n 200 --reduce 20 --evs 54 --willing 0.5-0.9 --seed 1 --out my_days
    """
    found = find_case(case)
    if out is not None:
        _check(out, found)
    if reduce is not None and reduce > n:
        raise typer.BadParameter(f"--reduce {reduce} is more than --n {n}; keep at most as many days as are drawn")
    wanted = {"sessions": not no_sessions, "prices": not no_prices, "loads": not no_loads}
    drawn = instances.draw_scenarios(found, n, seed, evs=evs, willing=willing, **wanted)
    told = f"{n} days {DRAWN} with seed {seed}"
    about = [("case", found.name), ("days", f"{n}, drawn with seed {seed} from working days of an autumn")]
    if reduce is not None:
        fewer = instances.reduce_scenarios(drawn, found, reduce)
        drawn = fewer.scenarios
        told += f"; reduced to {reduce}, Kantorovich distance {fewer.distance:.6g}"
        about.append(
            ("kept", f"{reduce}, at a distance of {fewer.distance:.3g} (the best single one: {fewer.spread:.3g})")
        )
    # A first Ctrl-C does not break what is found off
    with Progress(False):
        finish(
            out,
            lambda into: [_write(_with_sources(found, told, wanted), drawn, into)],
            lambda files: _show(found, drawn, [*about, ("limits", NOT_LIMITS), files]),
            quiet,
        )
    return 0


def _check(out: Path, case: Instance) -> None:
    """Refuse a folder that cannot be replaced, and one whose case or scenarios would be lost: another case, or days not drawn."""
    instances.check_folder(out, instances.CASE_FILES, "a case")
    if not (out / "instance.json").exists():
        return
    there = instances.read(out)
    if _bare(there) != _bare(case):
        raise InstanceError(
            f"{out} holds a case, {there.name}, that is not the one that days are drawn for; give a new folder"
        )
    if instances.has_scenarios(out) and not any(DRAWN in s.source for s in there.sources if s.item == "scenarios"):
        raise InstanceError(
            f"{out} holds scenarios that were not drawn by this command; give a new folder, or remove their tables"
        )


def _bare(case: Instance) -> Instance:
    """The case without a word of where scenarios come from."""
    return replace(case, sources=tuple(source for source in case.sources if not source.item.startswith("scenario")))


def _with_sources(case: Instance, told: str, wanted: dict[str, bool]) -> Instance:
    """The case with where its scenarios come from, in place of where earlier ones came from."""
    sources = (
        *_bare(case).sources,
        Source("scenarios", told, "as the tables of scenarios"),
        *instances.scenario_sources(**wanted),
    )
    return replace(case, sources=sources)


def _write(case: Instance, drawn: Scenarios, into: Path) -> tuple[str, ...]:
    instances.write(case, into, drawn)
    return tuple(sorted(path.name for path in into.iterdir() if path.name.startswith("scenario")))


def _show(case: Instance, drawn: Scenarios, about: list[display.Fact]) -> None:
    console = display.console()
    console.print(shown.table(case, drawn))
    console.print()
    console.print(display.facts_table(about))
