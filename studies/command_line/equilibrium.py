"""The command `bilevel equilibrium`: the iteration of nodal prices and users' responses."""

import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.text import Text

from bilevel.equilibrium.iteration import EquilibriumTrace, equilibrium
from formulations import nodal_prices
from studies.command_line import display
from studies.command_line.options import (
    DONE,
    PARTLY,
    CaseName,
    Evs,
    Follower,
    Problem,
    Quiet,
    Seed,
    TimeLimit,
    add_command,
    finish,
    problem,
)
from studies.command_line.refusals.numbers import finite, number, positive, whole
from studies.pricing import front_points, front_results
from studies.pricing.front_comparison import EquilibriumPoint, equilibrium_point

MOST_ITERATIONS = 1_000_000


def _iterations(text: object) -> int:
    return whole(text, 1, MOST_ITERATIONS)


def _damping(text: object) -> float | str:
    value = number(text)
    return str(text) if math.isnan(value) else value


Damping = Annotated[
    Any,
    typer.Option(
        parser=_damping,
        metavar="X|averaging",
        help="Share of the wanted change of loads, above 0 and at most 1, or averaging: 1/2, 1/3, 1/4, ...",
    ),
]
Iterations = Annotated[int, typer.Option(parser=_iterations, metavar="N", help="The most iterations.")]
Fee = Annotated[
    float | None,
    typer.Option(
        parser=finite,
        metavar="PRICE",
        help="Per kWh, on every nodal price. [default: what the mean price cap leaves, less losses]",
    ),
]
LoadTolerance = Annotated[
    float, typer.Option(parser=positive, metavar="X", help="Of the iteration: the most that loads may want to change.")
]
TraceOut = Annotated[Path | None, typer.Option(metavar="DIR", help="Folder for the results.")]


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    add_command(app, "equilibrium", iterate)


def iterate(
    case: CaseName,
    damping: Damping = 0.5,
    tolerance: LoadTolerance = 1e-4,
    max_iterations: Iterations = 100,
    fee: Fee = None,
    follower: Follower = "ev_user",
    time_limit: TimeLimit = None,
    evs: Evs = None,
    seed: Seed = 0,
    out: TraceOut = None,
    quiet: Quiet = False,
    **options: Any,
) -> int:
    """Iterate nodal prices and users' best responses, as much of the literature does, and certify where that ends.

    The leader wants the least cost of supply; its free prices are nodal prices and a fee.  Nothing says that the end is the best
    for anyone: compare-equilibrium measures that.

    Example: bilevel equilibrium ieee33 --evs 3 --damping 0.5 --out results/equilibrium
    """
    asked = problem(case, evs, seed, options, follower=follower)
    if out is not None:
        front_results.check(out)
    scheme = Scheme(damping, tolerance, max_iterations, fee)
    trace, point = scheme.run(asked, quiet, time_limit)
    solver = trace.solution.settings["solver"]
    finish(
        out,
        lambda into: [scheme.write(trace, point, asked, solver, into)],
        lambda files: _show(trace, point, asked, files),
        quiet,
    )
    return code(point)


@dataclass(frozen=True)
class Scheme:
    """How an equilibrium is sought."""

    damping: Any
    tolerance: float
    max_iterations: int
    fee_per_kwh: float | None

    def run(self, asked: Problem, quiet: bool, time_limit: float | None) -> tuple[EquilibriumTrace, EquilibriumPoint]:
        """The trace, and its last point; the iteration ends after `time_limit` seconds, None for no limit."""
        model = asked.model("cost")
        prices = nodal_prices(model, asked.case, self.fee_per_kwh)
        trace = equilibrium(
            model, prices, self.damping, self.tolerance, self.max_iterations, progress=not quiet, time_limit=time_limit
        )
        return trace, equilibrium_point(model, trace)

    def write(
        self, trace: EquilibriumTrace, point: EquilibriumPoint, asked: Problem, solver: str, out: Path
    ) -> tuple[str, ...]:
        """Write the files of an equilibrium and of its last point; gives their names."""
        files = front_results.trace_files(trace, point, asked.facts(solver), asdict(self))
        # Prices alone are no point: there is nothing that anybody charges
        if point.network_loss_kwh is not None:
            files |= front_points.end_files(trace, asked.case)
        return front_results.write(out, files, (*front_results.TRACE_FILES, *front_points.END_FILES))


def code(point: EquilibriumPoint) -> int:
    """The exit code of an equilibrium."""
    return DONE if point.valid else PARTLY


def _show(trace: EquilibriumTrace, point: EquilibriumPoint, asked: Problem, files: display.Fact) -> None:
    console = display.console()
    console.print(end(trace))
    console.print()
    facts = asked.about("posts nodal prices of the least cost of supply")
    console.print(display.facts_table([*facts, *_facts(trace, point, asked.case.currency), files]))


def end(trace: EquilibriumTrace) -> Text:
    """How an iteration ended."""
    style = "bold green" if trace.status == "converged" else "bold yellow"
    return Text(trace.status, style) + Text(f": {trace.reason}", "")


def _facts(trace: EquilibriumTrace, point: EquilibriumPoint, currency: str) -> list[display.Fact]:
    found = [
        ("iterations", str(len(trace.iterations))),
        ("residual", f"{trace.iterations[-1].residual:.3g}"),
        ("final point", f"{point.status}: {trace.solution.reason}"),
    ]
    if point.network_loss_kwh is not None and point.station_profit is not None:
        found += [
            ("network loss", f"{point.network_loss_kwh:.3f} kWh"),
            ("station profit", f"{point.station_profit:.2f} {currency}"),
        ]
    return found
