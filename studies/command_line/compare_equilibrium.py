"""The command `bilevel compare-equilibrium`: what the iteration of nodal prices gives away beside the front."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.text import Text

from bilevel.equilibrium.iteration import EquilibriumTrace
from bilevel.front.pareto_front import ParetoFront
from studies.command_line import display, equilibrium
from studies.command_line import front as command_line_front
from studies.command_line.equilibrium import Damping, Fee, Iterations, LoadTolerance, Scheme
from studies.command_line.front import Folder, Front, FrontOut, Method, Points, Resume, Workers
from studies.command_line.fronts import shown
from studies.command_line.options import (
    NOTHING,
    CaseName,
    ConeTreatment,
    Evs,
    Follower,
    Gap,
    Mode,
    Problem,
    Quiet,
    Seed,
    Solver,
    add_command,
    finish,
    problem,
)
from studies.command_line.refusals.numbers import positive
from studies.pricing import front_comparison, front_results
from studies.pricing.front_comparison import LOSS, PROFIT, Comparison, EquilibriumPoint

PartTime = Annotated[
    float | None,
    typer.Option(
        parser=positive, metavar="SECONDS", help="Of the iteration, and of each point; without it there is no limit."
    ),
]


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    add_command(app, "compare-equilibrium", compare)


def compare(
    case: CaseName,
    method: Method = "augmented",
    points: Points = 11,
    workers: Workers = 1,
    damping: Damping = 0.5,
    tolerance: LoadTolerance = 1e-4,
    max_iterations: Iterations = 100,
    fee: Fee = None,
    follower: Follower = "ev_user",
    solver: Solver = "highs",
    mode: Mode = "auto",
    cones: ConeTreatment = "tangent",
    gap: Gap = 1e-4,
    time_limit: PartTime = None,
    evs: Evs = None,
    seed: Seed = 0,
    out: FrontOut = None,
    resume: Resume = False,
    quiet: Quiet = False,
    **options: Any,
) -> int:
    """Draw the equilibrium of nodal prices beside the Pareto front, and measure what the iteration gives away.

    The distances are those of the front to the equilibrium: in profit at its loss, in loss at its profit, each from the points
    found (at least) and from the proven bounds (at most).  --out takes the folder of an earlier `bilevel pareto` with --resume.

    Example: bilevel compare-equilibrium ieee33 --evs 3 --points 11 --out results/comparison
    """
    asked = problem(case, evs, seed, options, follower=follower)
    folder = Folder(out, resume)
    folder.check(asked)
    scheme = Scheme(damping, tolerance, max_iterations, fee)
    wanted = Front(method, points, None, workers, solver, mode, cones, gap, time_limit)
    trace, point = scheme.run(asked, quiet, time_limit)
    front = wanted.trace(asked, folder, quiet)
    found = _Compared(asked, scheme, front, trace, point)
    finish(out, lambda into: found.write(solver, into), found.show, quiet)
    return _code(front, point, found.comparison)


@dataclass(frozen=True)
class _Compared:
    """A front and an equilibrium of one problem."""

    asked: Problem
    scheme: Scheme
    front: ParetoFront
    trace: EquilibriumTrace
    point: EquilibriumPoint

    @cached_property
    def comparison(self) -> Comparison | None:
        """The distances; None where the front or the equilibrium has no point."""
        loss, profit = self.point.network_loss_kwh, self.point.station_profit
        if not self.front.points or loss is None or profit is None:
            return None
        return front_comparison.compare(self.front, loss, profit, self.point.valid)

    def write(self, solver: str, out: Path) -> Iterator[tuple[str, ...]]:
        """Write the files of both and of the comparison, one after the other; gives their names."""
        about = self.asked.facts(solver)
        yield command_line_front.write(self.front, self.asked, solver, out)
        yield self.scheme.write(self.trace, self.point, self.asked, solver, out)
        files = front_results.comparison_files(self.front, self.trace, self.comparison, about)
        yield front_results.write(out, files, front_results.COMPARISON_FILES)

    def show(self, files: display.Fact) -> None:
        """Print what was found."""
        console, currency = display.console(), self.asked.case.currency
        if self.comparison is not None and self.comparison.contradiction:
            console.print(_contradiction(self.comparison, currency))
        console.print(Text("front ", "bold") + shown.verdict(self.front))
        console.print(Text("equilibrium ", "bold") + equilibrium.end(self.trace))
        console.print()
        facts = [
            *self.asked.about("front: the most profit for every loss; equilibrium: nodal prices"),
            *_distances(self.trace, self.comparison, currency),
        ]
        console.print(display.facts_table([*facts, files]))


def _contradiction(found: Comparison, currency: str) -> Text:
    said = (
        f": the equilibrium is feasible and has {found.station_profit:.6g} {currency} at {found.network_loss_kwh:.6g} kWh, "
        f"in front of the proven bound of {found.bound_profit:.6g} {currency} there: one of both is wrong, report it"
    )
    return Text("CONTRADICTION", "bold red") + Text(said, "")


def _code(front: ParetoFront, point: EquilibriumPoint, found: Comparison | None) -> int:
    if found is not None and found.contradiction:
        return NOTHING
    return max(shown.code(front), equilibrium.code(point))


def _distances(trace: EquilibriumTrace, found: Comparison | None, currency: str) -> list[display.Fact]:
    facts = [("residual", f"{trace.iterations[-1].residual:.3g}, after {len(trace.iterations)} iterations")]
    if found is None:
        return [*facts, ("comparison", "none: the front or the equilibrium has no point")]
    where = {"undecided": "undecided: the front is not known finely enough there; give more --points"}
    shares = found.to_frame().set_index("quantity")
    return [
        *facts,
        ("final point", f"{found.network_loss_kwh:.3f} kWh, {found.station_profit:.2f} {currency}"),
        ("feasible", "yes" if found.valid else f"no: {trace.solution.reason}"),
        ("beside the front", where.get(found.side, found.side)),
        ("price of iteration", "what the front has more, at the same loss or the same profit"),
        ("  in profit", _range(found.profit_forgone, currency, shares.loc[PROFIT], 2)),
        ("  in loss", _range(found.loss_excess, "kWh", shares.loc[LOSS], 3)),
    ]


def _range(distance: tuple[float, float], unit: str, shares: Any, decimals: int) -> str:
    """From ... to ..., or what is known of it."""
    words = []
    for word, value, share in zip(
        ("at least", "at most"), distance, (shares["share_least"], shares["share_most"]), strict=True
    ):
        if math.isfinite(value):
            words.append(
                f"{word} {value:.{decimals}f} {unit}" + (f" ({100 * share:.2f} %)" if math.isfinite(share) else "")
            )
    return ", ".join(words) or "out of the front's reach"
