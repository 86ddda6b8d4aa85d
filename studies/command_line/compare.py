"""The command `bilevel compare`: the exact answer beside heuristics of equal budgets."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from bilevel.reformulate.ties import OPTIMISTIC
from formulations.objectives import OBJECTIVES
from studies import contest
from studies.command_line import display
from studies.command_line.contests import progress
from studies.command_line.options import (
    CODES,
    DONE,
    EXIT_CODES,
    NOTHING,
    PARTLY,
    CaseName,
    Evs,
    Margin,
    Quiet,
    Ties,
    find_case,
    finish,
    names,
)
from studies.command_line.part_options import alone
from studies.command_line.refusals.numbers import draw_seed, positive, whole, workers
from studies.command_line.scenarios.days import ONE_DAY, Days, take_days
from studies.command_line.workers import pool
from studies.contest import Comparison, Problem, Settings, cells, results
from studies.pricing.scenarios import Uncertainty

MOST = 1_000_000_000
WITHOUT = Uncertainty()
EVERY = ",".join(contest.METHODS)


def _count(text: object) -> int:
    return whole(text, 1, MOST)


Methods = Annotated[
    str, typer.Option(metavar="NAMES", help="Which to compare, in the order of the table, with commas between them.")
]
ProblemName = Annotated[
    str | None,
    typer.Option("--problem", metavar="NAME", help=f"{names(contest.PROBLEMS)}. [default: what the case has data for]"),
]
Objective = Annotated[
    str | None, typer.Option(metavar="NAMES", help=f"Of pricing: {names(OBJECTIVES)}, or weights. [default: loss]")
]
Runs = Annotated[int, typer.Option(parser=_count, metavar="N", help="Of each heuristic, with seeds one apart.")]
Budget = Annotated[int, typer.Option(parser=_count, metavar="N", help="Evaluations of each run.")]
Population = Annotated[int, typer.Option(parser=_count, metavar="N", help="Candidates of a heuristic at a time.")]
Workers = Annotated[
    int,
    typer.Option(
        parser=workers, metavar="N", help="Processes that run heuristics side by side; exact runs before, alone."
    ),
]
RunSeed = Annotated[
    int,
    typer.Option(
        parser=draw_seed,
        metavar="N",
        help="Seed of each heuristic's first run, and of the draws by --evs and --scenarios N.",
    ),
]
ExactGap = Annotated[
    float | None,
    typer.Option(parser=positive, metavar="GAP", help="Relative gap to close. [default: 1e-4; 1e-3 for carbon]"),
]
ExactTime = Annotated[
    float, typer.Option(parser=positive, metavar="SECONDS", help="Of an exact search (two by --ties).")
]
RunsOut = Annotated[
    Path | None,
    typer.Option(metavar="DIR", help="Folder for the results, and for every run as it ends (needed by --resume)."),
]
Resume = Annotated[
    bool, typer.Option("--resume", help="Go on with the runs in --out; without it a folder with runs is refused.")
]


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command("compare", epilog=CODES)(alone(compare))


@take_days
def compare(
    case: CaseName,
    methods: Methods = EVERY,
    problem: ProblemName = None,
    objective: Objective = None,
    runs: Runs = 20,
    budget: Budget = 3000,
    population: Population = 30,
    workers: Workers = 1,
    gap: ExactGap = None,
    time_limit: ExactTime = 300.0,
    evs: Evs = None,
    seed: RunSeed = 0,
    days: Days = ONE_DAY,
    out: RunsOut = None,
    resume: Resume = False,
    ties: Ties = OPTIMISTIC,
    margin: Margin = None,
    quiet: Quiet = False,
) -> int:
    """Compare the exact answer with heuristics that get equal budgets, equal seeds and exact followers.

    Statistics are over the runs that end with a decision that breaks no limit; a run without one counts as infeasible, and its
    penalised fitness is reported as nothing else.  Where followers are indifferent, the exact answer takes their choice that is
    best for the leader (optimistic, unless --ties asks for another), and heuristics one by a fixed rule, so that the exact optimum
    may lie beyond their reach.  No run may be better than the optimistic bound: that is checked, and a breach is exit code 5.

    With --scenarios prices are for all of the days, values are expected or weighed by --risk, and a decision is feasible only if it
    breaks no limit on any day.

    Every run is kept in --out as it ends: after a kill, the same command with --resume makes only what is missing, and more runs
    or methods may be asked for.  The first Ctrl-C keeps what is finished and still writes the files.

    Example: bilevel compare ieee33 --evs 20 --workers 2 --out results/compare

    Example: bilevel compare ieee33 --methods exact,pso,gmo --objective loss=1,profit=1 --runs 5 --budget 600

    Example: bilevel compare ieee33 --evs 3 --objective profit --ties secure --margin 0.001

    Example: bilevel compare ieee33 --evs 3 --objective profit --scenarios 4 --risk cvar=0.5 --runs 3 --budget 600
    """
    days.refuse("chance", "heuristics keep the limits of every day", "bilevel solve")
    found_case = find_case(case, evs, seed)
    over = days.of(found_case, seed, evs)
    asked = _Asked(
        contest.pick(found_case, problem, objective, ties, margin, over.scenarios, over.risk),
        Settings(_listed(methods), runs, budget, population, seed, gap, time_limit),
        None if evs is None else seed,
        over,
    )
    _check(out, resume)
    found = asked.run(out, workers, quiet)
    finish(
        out,
        lambda into: [results.write(found, into, asked.choices())],
        lambda files: _show(found, files, over),
        quiet,
    )
    return code(found)


@dataclass(frozen=True)
class _Asked:
    """A problem, and how it is compared; `drawn` is the seed of the fleet, None for the case's own."""

    problem: Problem
    settings: Settings
    drawn: int | None
    days: Uncertainty

    def choices(self) -> dict[str, Any]:
        """What files say of the case besides its name."""
        return {"seed": self.drawn, **self.days.choices()}

    def run(self, out: Path | None, workers: int, quiet: bool) -> Comparison:
        """Make all runs."""
        with progress.bar(self.problem, quiet) as show, pool(workers) as executor:
            return contest.compare(self.problem, self.settings, executor, out, show, not quiet)


def _listed(methods: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in methods.split(","))


def _check(out: Path | None, resume: bool) -> None:
    """Refuse what could not be written, and runs of an earlier comparison, before the work."""
    if out is not None:
        results.check(out, resume)
    elif resume:
        raise typer.BadParameter("--resume needs the folder of the earlier run; give it with --out DIR")


def code(found: Comparison) -> int:
    """The exit code of a comparison."""
    exact = found.exact
    if found.verdict().contradiction:
        return NOTHING
    if exact is not None and exact.status == "infeasible":
        return EXIT_CODES["infeasible"]
    if not found.has_point:
        return NOTHING
    proven = exact is None or exact.status == "certified"
    return DONE if found.complete and proven else PARTLY


# The answer for people


def _show(found: Comparison, files: display.Fact, days: Uncertainty = WITHOUT) -> None:
    console = display.console()
    console.print(_verdict(found))
    console.print()
    console.print(display.facts_table([*_facts(found), *days.facts(), files]))
    columns = cells.statistics(found)
    for part in (columns, [columns[0], *cells.quantities(found)]):
        console.print()
        console.print(_table(part))
    console.print()
    console.print(found.problem.note, style="dim")


def _verdict(found: Comparison) -> Text:
    verdict, status = found.verdict(), code(found)
    if verdict.contradiction:
        return Text.assemble(("CONTRADICTION", "bold red"), f": {verdict.sentence}")
    partly = "not certified" if found.complete else "incomplete"
    word = {DONE: "done", PARTLY: partly, NOTHING: "nothing"}.get(status, "infeasible")
    none = f"none of {len(found.runs)} runs found a decision that breaks no limit; " if word == "nothing" else ""
    style = {DONE: "bold green", NOTHING: "bold red"}.get(status, "bold yellow")
    return Text.assemble((word, style), f": {none}{verdict.sentence}")


def _facts(found: Comparison) -> list[display.Fact]:
    problem, settings = found.problem, found.settings
    case, exact = problem.case, found.exact
    wish = "minimise" if problem.sense > 0 else "maximise"
    made = f"{len(found.runs)} of {len(settings.tasks)}, {found.new} of them now"
    return [
        ("case", f"{case.name}: {len(case.sessions)} sessions at {len(case.stations)} stations"),
        ("problem", f"{problem.name}: {wish} {problem.objective} ({problem.unit})"),
        ("exact", "not asked for" if exact is None else f"{exact.status}: {exact.reason}"),
        *_ties(found),
        *_by_rule(found),
        ("heuristics", f"{settings.budget} evaluations a run, populations of {settings.population}"),
        ("runs", made),
    ]


def _ties(found: Comparison) -> list[display.Fact]:
    """The convention of the exact answer and what holds for runs, where these are two things."""
    exact, ties = found.exact, found.problem.ties
    if exact is None or ties.name == OPTIMISTIC:
        return []
    limit, status = exact.for_runs
    known = f"{limit:.7g} {found.problem.unit} ({status})" if math.isfinite(limit) else f"none ({status})"
    kept = ties.name if ties.margin is None else f"{ties.name}, margin {ties.margin:g}"
    return [("  ties", kept), ("  optimistic bound", f"{known}, which holds for runs too")]


def _by_rule(found: Comparison) -> list[display.Fact]:
    """What the exact decisions would be worth as a candidate of a heuristic."""
    if found.exact is None or not math.isfinite(found.exact.objective):
        return []
    value = found.exact.by_rule
    worth = f"{value:.7g} {found.problem.unit}" if math.isfinite(value) else "breaks a limit"
    return [("  ties by rule", f"{worth}, the same decisions where the indifferent choose as for heuristics")]


def _table(columns: Sequence[cells.Column]) -> Table:
    title = next((f"{text} ties" for text in columns[0].texts if ", " in text), None)
    table = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False, padding=(0, 1, 0, 0),
                  header_style="bold")  # fmt: skip
    for k, column in enumerate(columns):
        table.add_column(f"{column.head}\n{column.unit}", justify="right" if k else "left", no_wrap=True)
    for row in zip(*(column.texts for column in columns), strict=True):
        # Its convention of ties has no room beside the method where a table fills 80 columns, and is the title
        table.add_row(row[0].partition(", ")[0], *row[1:])
    return table
