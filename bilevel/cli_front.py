"""The commands of fronts and equilibria: `bilevel pareto`, `bilevel equilibrium`, `bilevel compare-equilibrium`."""

import math
import multiprocessing
import os
import signal
from collections.abc import Iterator, Mapping
from concurrent.futures import Executor, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from bilevel import report
from bilevel.cli_options import (
    CODES,
    Blocks,
    CaseName,
    ConeTreatment,
    Discomfort,
    Evs,
    Follower,
    Gap,
    Levels,
    Mode,
    Problem,
    Quiet,
    Seed,
    Solver,
    Tariff,
    names,
    positive,
    problem,
    whole,
)
from bilevel.equilibrium import EquilibriumTrace, equilibrium
from bilevel.errors import BilevelError
from bilevel.front import ParetoFront
from bilevel.pareto import METHODS, pareto
from formulations import front_results, nodal_prices
from formulations.front_results import Comparison, EquilibriumPoint

MOST_POINTS, MOST_WORKERS, MOST_ITERATIONS = 1000, 1024, 1_000_000
DONE, PARTLY, NOTHING = 0, 3, 5


def _points(text: object) -> int:
    return whole(text, 2, MOST_POINTS)


def _workers(text: object) -> int:
    return whole(text, 1, MOST_WORKERS)


def _iterations(text: object) -> int:
    return whole(text, 1, MOST_ITERATIONS)


def _damping(text: object) -> float | str:
    try:
        return float(str(text))
    except ValueError:
        return str(text)


Method = Annotated[
    str,
    typer.Option(
        help=f"{names(METHODS)}. Limits at equal distances; the widest gap split again and again; every limit below the last."
    ),
]
Points = Annotated[
    int, typer.Option(parser=_points, metavar="N", help="Of augmented the number, else the most points.")
]
Workers = Annotated[int, typer.Option(parser=_workers, metavar="N", help="Processes that solve points side by side.")]
PointTime = Annotated[
    float | None,
    typer.Option(parser=positive, metavar="SECONDS", help="Of each point; without it there is no limit."),
]
FrontOut = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR", help="Folder for the results, and for every point as it is found (needed by --resume)."
    ),
]
TraceOut = Annotated[Path | None, typer.Option(metavar="DIR", help="Folder for the results.")]
Resume = Annotated[
    bool, typer.Option("--resume", help="Go on with the points in --out; without it a folder with points is refused.")
]
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
        metavar="PRICE", help="Per kWh, on every nodal price. [default: what the mean price cap leaves, less losses]"
    ),
]
LoadTolerance = Annotated[
    float, typer.Option(parser=positive, metavar="X", help="Of the iteration: the most that loads may want to change.")
]


def register(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    app.command("pareto", epilog=CODES)(trace_front)
    app.command("equilibrium", epilog=CODES)(iterate)
    app.command("compare-equilibrium", epilog=CODES)(compare)


@dataclass(frozen=True)
class _Folder:
    """`--out` and `--resume`."""

    out: Path | None
    resume: bool = False

    def check(self, asked: Problem | None = None) -> None:
        """Refuse what could not be written, before the work; points of an earlier run too where a front is `asked` for."""
        if self.out is None:
            if self.resume:
                raise typer.BadParameter("--resume needs the folder of the earlier run; give it with --out DIR")
            return
        front_results.check(self.out)
        if asked is not None:
            front_results.check_store(self.out, asked.case, asked.choices(), self.resume)

    def store(self, asked: Problem) -> AbstractContextManager[Path | None]:
        """Where the front keeps its points."""
        if self.out is None:
            return nullcontext()
        return front_results.open_store(self.out, asked.case, asked.choices())

    def write(self, contents: Mapping[str, str | bytes], known: tuple[str, ...]) -> tuple[str, ...]:
        """Write the files of one result; gives their names."""
        return () if self.out is None else front_results.write(self.out, contents, known)

    def fact(self, written: tuple[str, ...]) -> report.Fact:
        """What was written, for people."""
        return (
            "files",
            f"{self.out}{os.sep}: {', '.join(written)}" if written else "none written; --out DIR writes them",
        )


def trace_front(
    case: CaseName,
    method: Method = "augmented",
    points: Points = 11,
    tolerance: Annotated[
        float | None,
        typer.Option(
            parser=positive,
            metavar="X",
            help="adaptive: the widest gap allowed, of the front (default 0.05); scaling: the step, of the loss (default 0.01).",
        ),
    ] = None,
    workers: Workers = 1,
    follower: Follower = "ev_user",
    discomfort: Discomfort = None,
    tariff: Tariff = "free",
    blocks: Blocks = None,
    levels: Levels = None,
    solver: Solver = "highs",
    mode: Mode = "auto",
    cones: ConeTreatment = "tangent",
    gap: Gap = 1e-4,
    time_limit: PointTime = None,
    evs: Evs = None,
    seed: Seed = 0,
    out: FrontOut = None,
    resume: Resume = False,
    quiet: Quiet = False,
) -> int:
    """Trace the Pareto front of network loss (kWh, small) against station profit (large), every point globally solved.

    Every point is kept in --out as it is found: after a kill, the same command with --resume solves only what is missing.  Ctrl-C
    keeps the points found and still writes the files.

    Example: bilevel pareto ieee33 --evs 20 --points 11 --workers 2 --out results/front

    Example: bilevel pareto ieee33 --evs 20 --method adaptive --tolerance 0.02 --points 30 --out results/front
    """
    asked = problem(case, evs, seed, follower, discomfort, tariff, blocks, levels)
    folder = _Folder(out, resume)
    folder.check(asked)
    wanted = _Front(method, points, tolerance, workers, solver, mode, cones, gap, time_limit)
    front = wanted.trace(asked, folder, quiet)
    written: tuple[str, ...] = ()
    try:
        files = front_results.front_files(front, front_results.facts(asked.case, asked.choices(), solver))
        written = folder.write(files, front_results.FRONT_FILES)
    finally:
        if not quiet:
            _show_front(front, asked, folder.fact(written))
    return _front_code(front)


def iterate(
    case: CaseName,
    damping: Damping = 0.5,
    tolerance: LoadTolerance = 1e-4,
    max_iterations: Iterations = 100,
    fee: Fee = None,
    follower: Follower = "ev_user",
    discomfort: Discomfort = None,
    evs: Evs = None,
    seed: Seed = 0,
    out: TraceOut = None,
    quiet: Quiet = False,
) -> int:
    """Iterate nodal prices and users' best responses, as much of the literature does, and certify where that ends.

    The leader wants the least cost of supply; its free prices are nodal prices and a fee.  Nothing says that the end is the best
    for anyone: compare-equilibrium measures that.

    Example: bilevel equilibrium ieee33 --evs 3 --damping 0.5 --out results/equilibrium
    """
    asked = problem(case, evs, seed, follower, discomfort)
    folder = _Folder(out)
    folder.check()
    scheme = _Scheme(damping, tolerance, max_iterations, fee)
    trace, point = scheme.run(asked, quiet)
    written: tuple[str, ...] = ()
    try:
        about = front_results.facts(asked.case, asked.choices(), trace.solution.settings["solver"])
        files = front_results.trace_files(trace, point, about, scheme.settings())
        written = folder.write(files, front_results.TRACE_FILES)
    finally:
        if not quiet:
            _show_trace(trace, point, asked, folder.fact(written))
    return DONE if point.valid else PARTLY


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
    discomfort: Discomfort = None,
    solver: Solver = "highs",
    mode: Mode = "auto",
    cones: ConeTreatment = "tangent",
    gap: Gap = 1e-4,
    time_limit: PointTime = None,
    evs: Evs = None,
    seed: Seed = 0,
    out: FrontOut = None,
    resume: Resume = False,
    quiet: Quiet = False,
) -> int:
    """Draw the equilibrium of nodal prices beside the Pareto front, and measure what the iteration gives away.

    The distances are those of the front to the equilibrium: in profit at its loss, in loss at its profit, each from the points
    found (at least) and from the proven bounds (at most).  --out takes the folder of an earlier `bilevel pareto` with --resume.

    Example: bilevel compare-equilibrium ieee33 --evs 3 --points 11 --out results/comparison
    """
    asked = problem(case, evs, seed, follower, discomfort)
    folder = _Folder(out, resume)
    folder.check(asked)
    scheme = _Scheme(damping, tolerance, max_iterations, fee)
    wanted = _Front(method, points, None, workers, solver, mode, cones, gap, time_limit)
    trace, point = scheme.run(asked, quiet)
    front = wanted.trace(asked, folder, quiet)
    found = _compared(front, point)
    written: tuple[str, ...] = ()
    try:
        about = front_results.facts(asked.case, asked.choices(), solver)
        for files, known in (
            (front_results.front_files(front, about), front_results.FRONT_FILES),
            (front_results.trace_files(trace, point, about, scheme.settings()), front_results.TRACE_FILES),
            (front_results.comparison_files(front, trace, found, about), front_results.COMPARISON_FILES),
        ):
            written += folder.write(files, known)
    finally:
        if not quiet:
            _show_comparison(front, trace, found, asked, folder.fact(written))
    return _comparison_code(front, point, found)


# What the commands run


@dataclass(frozen=True)
class _Front:
    """How a front is traced."""

    method: str
    points: int
    tolerance: float | None
    workers: int
    solver: str
    mode: str
    cones: str
    gap: float
    time_limit: float | None

    def trace(self, asked: Problem, folder: _Folder, quiet: bool) -> ParetoFront:
        """Loss against profit."""
        model = asked.model("loss")
        with folder.store(asked) as store, _pool(self.workers) as executor:
            return pareto(
                model, maximize=model.station_profit, limit=model.network_loss, method=self.method, points=self.points,
                tolerance=self.tolerance, executor=executor, store=store, progress=not quiet,
                solver=self.solver, mode=self.mode, cones=self.cones, gap=self.gap, time_limit=self.time_limit,
            )  # fmt: skip


@contextmanager
def _pool(workers: int) -> Iterator[Executor | None]:
    """Processes that solve points; none for one worker."""
    if workers == 1:
        yield None
        return
    pool = ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), initializer=_leave_ctrl_c)
    try:
        yield pool
    except BrokenProcessPool as error:
        raise BilevelError(
            f"one of {workers} worker processes died, perhaps for lack of memory: give fewer --workers; points in --out are "
            "kept for --resume"
        ) from error
    finally:
        # Every answer that counts is in: whatever a worker still solves after Ctrl-C is not waited for
        for process in multiprocessing.active_children():
            process.terminate()
        pool.shutdown(cancel_futures=True)


def _leave_ctrl_c() -> None:
    """Ctrl-C reaches every process of a terminal: a worker between two points leaves it to the command."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


@dataclass(frozen=True)
class _Scheme:
    """How an equilibrium is sought."""

    damping: Any
    tolerance: float
    max_iterations: int
    fee: float | None

    def run(self, asked: Problem, quiet: bool) -> tuple[EquilibriumTrace, EquilibriumPoint]:
        """The trace, and its last point."""
        model = asked.model("cost")
        prices = nodal_prices(model, asked.case, self.fee)
        trace = equilibrium(model, prices, self.damping, self.tolerance, self.max_iterations, progress=not quiet)
        return trace, front_results.equilibrium_point(model, trace)

    def settings(self) -> dict[str, Any]:
        """For files."""
        return {"damping": self.damping, "tolerance": self.tolerance, "max_iterations": self.max_iterations,
                "fee_per_kwh": self.fee}  # fmt: skip


def _compared(front: ParetoFront, point: EquilibriumPoint) -> Comparison | None:
    if not front.points or point.network_loss_kwh is None or point.station_profit is None:
        return None
    return front_results.compare(front, point.network_loss_kwh, point.station_profit, point.valid)


def _front_code(front: ParetoFront) -> int:
    if not front.points:
        return NOTHING
    return DONE if front.complete and front.certified else PARTLY


def _comparison_code(front: ParetoFront, point: EquilibriumPoint, found: Comparison | None) -> int:
    if found is not None and found.contradiction:
        return NOTHING
    return max(_front_code(front), DONE if point.valid else PARTLY)


# What the commands print


def _show_front(front: ParetoFront, asked: Problem, files: report.Fact) -> None:
    console = report.console()
    console.print(_verdict(front))
    console.print()
    facts = asked.about("maximises profit for every network loss")
    console.print(report.facts_table([*facts, *_front_facts(front, asked.case.currency), files]))
    if front.points:
        console.print()
        console.print(_table(front, asked.case.currency))


def _verdict(front: ParetoFront) -> Text:
    code = _front_code(front)
    if code == NOTHING:
        return Text("no points", "bold red") + Text(f": {front.reason}", "")
    if code == DONE:
        return Text("certified", "bold green") + Text(f": {len(front)} points, {front.reason}", "")
    good = sum(point.certified for point in front.points)
    word = "not certified" if front.complete else "incomplete"
    return Text(word, "bold yellow") + Text(f": {len(front)} points, {good} certified; {front.reason}", "")


def _front_facts(front: ParetoFront, currency: str) -> list[report.Fact]:
    low, high = front.hypervolume()
    widest = f"{front.regions()['share'].max():.2e} of the front" if len(front) > 1 else "none"
    return [
        ("least loss", f"proven {front.least_limited:.3f} kWh"),
        ("most profit", f"proven {front.most_maximized:.2f} {currency}"),
        ("hypervolume", f"{low:.6g} to {high:.6g} kWh {currency}"),
        ("widest region", widest),
        ("solved now", f"{front.solved} programs"),
        ("seconds", ", ".join(f"{phase} {value:.2f}" for phase, value in front.seconds.items())),
    ]


def _table(front: ParetoFront, currency: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for name in ("loss kWh", f"profit {currency}", f"bound {currency}", "gap"):
        table.add_column(name, justify="right")
    table.add_column("certified")
    table.add_column("seconds", justify="right")
    for p in front.points:
        numbers = (f"{p.limited:.3f}", f"{p.maximized:.2f}", f"{p.bound:.2f}", f"{p.gap:.1e}")
        word = Text("yes", "green") if p.certified else Text(p.status, "bold yellow")
        table.add_row(*numbers, word, f"{p.seconds:.2f}")
    return table


def _show_trace(trace: EquilibriumTrace, point: EquilibriumPoint, asked: Problem, files: report.Fact) -> None:
    console = report.console()
    console.print(_end(trace))
    console.print()
    facts = asked.about("posts nodal prices of the least cost of supply")
    console.print(report.facts_table([*facts, *_trace_facts(trace, point, asked.case.currency), files]))


def _end(trace: EquilibriumTrace) -> Text:
    style = "bold green" if trace.status == "converged" else "bold yellow"
    return Text(trace.status, style) + Text(f": {trace.reason}", "")


def _trace_facts(trace: EquilibriumTrace, point: EquilibriumPoint, currency: str) -> list[report.Fact]:
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


def _show_comparison(
    front: ParetoFront, trace: EquilibriumTrace, found: Comparison | None, asked: Problem, files: report.Fact
) -> None:
    console, currency = report.console(), asked.case.currency
    if found is not None and found.contradiction:
        console.print(
            Text("CONTRADICTION", "bold red") + Text(
                f": the equilibrium is feasible and has {found.station_profit:.6g} {currency} at {found.network_loss_kwh:.6g} kWh, "
                f"in front of the proven bound of {found.bound_profit:.6g} {currency} there: one of both is wrong, report it",
                "",
            )
        )  # fmt: skip
    console.print(Text("front ", "bold") + _verdict(front))
    console.print(Text("equilibrium ", "bold") + _end(trace))
    console.print()
    facts = [
        *asked.about("front: the most profit for every loss; equilibrium: nodal prices"),
        *_distances(trace, found, currency),
    ]
    console.print(report.facts_table([*facts, files]))


def _distances(trace: EquilibriumTrace, found: Comparison | None, currency: str) -> list[report.Fact]:
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
        ("  in profit", _range(found.profit_forgone, currency, shares.loc[front_results.PROFIT], 2)),
        ("  in loss", _range(found.loss_excess, "kWh", shares.loc[front_results.LOSS], 3)),
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
