"""The command `bilevel pareto`: the front of network loss against station profit."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from bilevel.front.methods import METHODS
from bilevel.front.pareto import pareto
from bilevel.front.pareto_front import ParetoFront
from bilevel.interrupts import hearing
from bilevel.reformulate.ties import OPTIMISTIC
from studies.command_line.fronts import conventions, proof_files
from studies.command_line.options import (
    CaseName,
    ConeTreatment,
    Evs,
    Follower,
    Gap,
    Margin,
    Mode,
    Problem,
    Quiet,
    Solver,
    Tariff,
    add_command,
    finish,
    names,
    problem,
)
from studies.command_line.refusals.numbers import positive, whole, workers
from studies.command_line.scenarios.days import ONE_DAY, Days, DrawSeed, take_days
from studies.command_line.workers import pool
from studies.pricing import front_points, front_results

MOST_POINTS = 1000


def _points(text: object) -> int:
    return whole(text, 2, MOST_POINTS)


Method = Annotated[
    str,
    typer.Option(
        help=f"{names(METHODS)}. Limits at equal distances; the widest gap split again and again; every limit below the last."
    ),
]
Points = Annotated[
    int, typer.Option(parser=_points, metavar="N", help="Of augmented the number, else the most points.")
]
Tolerance = Annotated[
    float | None,
    typer.Option(
        parser=positive,
        metavar="X",
        help="adaptive: the widest gap allowed, of the front (default 0.05); scaling: the step, of the loss (default 0.01).",
    ),
]
Workers = Annotated[int, typer.Option(parser=workers, metavar="N", help="Processes that solve points side by side.")]
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
Resume = Annotated[
    bool, typer.Option("--resume", help="Go on with the points in --out; without it a folder with points is refused.")
]

FrontTies = Annotated[
    str,
    typer.Option(
        metavar="NAMES",
        help="What is asked of users who are indifferent: optimistic, secure (nobody is, by --margin), or optimistic,secure for "
        "both fronts beside each other.",
    ),
]
Proofs = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR",
        help="Prove the bounds of points and ends, and write the proofs into this folder, for python -m bilevel.verify to check.",
    ),
]


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    add_command(app, "pareto", trace_front)


@take_days
def trace_front(
    case: CaseName,
    method: Method = "augmented",
    points: Points = 11,
    tolerance: Tolerance = None,
    workers: Workers = 1,
    follower: Follower = "ev_user",
    tariff: Tariff = "free",
    solver: Solver = "highs",
    mode: Mode = "auto",
    cones: ConeTreatment = "tangent",
    gap: Gap = 1e-4,
    time_limit: PointTime = None,
    evs: Evs = None,
    seed: DrawSeed = 0,
    days: Days = ONE_DAY,
    out: FrontOut = None,
    resume: Resume = False,
    proofs: Proofs = None,
    ties: FrontTies = OPTIMISTIC,
    margin: Margin = None,
    quiet: Quiet = False,
    **options: Any,
) -> int:
    """Trace the Pareto front of network loss (kWh, small) against station profit (large), every point globally solved.

    With --scenarios both are expected over the days, and a point's prices are those of all days.

    Every point is kept in --out as it is found, and every proof as it is made: after a kill, the same command with --resume solves
    and proves only what is missing.  Ctrl-C keeps the points found and the proofs made, and still writes the files.

    Example: bilevel pareto ieee33 --evs 20 --points 11 --workers 2 --out results/front

    Example: bilevel pareto ieee33 --evs 20 --points 5 --proofs proofs; python -m bilevel.verify proofs/point-001.json.gz

    Example: bilevel pareto ieee33 --evs 3 --ties optimistic,secure --margin 0.01 --out results/fronts

    Example: bilevel pareto ieee33 --evs 5 --scenarios 3 --willing 0.5-0.9 --points 5 --gap 1e-3 --out results/front

    Example: bilevel pareto ieee33 --evs 20 --method adaptive --tolerance 0.02 --points 30 --out results/front
    """
    days.refuse(
        "risk", "a front is of expected loss against expected profit, neither of which it weighs", "bilevel solve"
    )
    asked = problem(case, evs, seed, options, follower=follower, tariff=tariff)
    asked = asked.over(days.of(asked.case, seed, evs))
    kinds = conventions.listed(ties, margin, proofs is not None)
    folders = _folders(out, resume, kinds, asked)
    proof_files.check(proofs)
    wanted = Front(method, points, tolerance, workers, solver, mode, cones, gap, time_limit, proofs is not None)
    fronts = wanted.each(kinds, folders, asked, quiet)
    writing = partial(_written, fronts, kinds, asked, solver)
    finish(out, writing, lambda files: conventions.show(fronts, asked, files), quiet)
    proof_files.write(next(iter(fronts.values())), proofs)
    return conventions.code(fronts, kinds)


def _folders(out: Path | None, resume: bool, kinds: conventions.Kinds, asked: Problem) -> dict[str, "Folder"]:
    """The folder of every convention, checked."""
    folders = {name: Folder(conventions.place(out, name, kinds), resume) for name in kinds}
    for folder in folders.values():
        folder.check(asked)
    return folders


def _written(
    fronts: dict[str, ParetoFront], kinds: conventions.Kinds, asked: Problem, solver: str, out: Path
) -> Iterator[tuple[str, ...]]:
    """Write front after front, and what shows several of them; gives names below `out`."""
    for name, front in fronts.items():
        place = conventions.place(out, name, kinds) or out
        yield tuple(str((place / file).relative_to(out)) for file in write(front, asked, solver, place))
    yield conventions.write(fronts, asked.case.currency, out)


def write(front: ParetoFront, asked: Problem, solver: str, out: Path) -> tuple[str, ...]:
    """Write the files of a front and of its points; gives their names."""
    files = front_results.front_files(front, asked.facts(solver))
    files |= front_points.point_files(front, asked.case, asked.days.scenarios)
    return front_results.write(out, files, (*front_results.FRONT_FILES, *front_points.OVER_DAYS))


@dataclass(frozen=True)
class Folder:
    """`--out` and `--resume`."""

    out: Path | None
    resume: bool

    def check(self, asked: Problem) -> None:
        """Refuse what could not be written, and points of another run, before the work."""
        if self.out is None:
            if self.resume:
                raise typer.BadParameter("--resume needs the folder of the earlier run; give it with --out DIR")
            return
        front_results.check(self.out)
        front_results.check_store(self.out, asked.case, asked.kept(), self.resume)

    def store(self, asked: Problem) -> AbstractContextManager[Path | None]:
        """Where the front keeps its points."""
        if self.out is None:
            return nullcontext()
        return front_results.open_store(self.out, asked.case, asked.kept())


@dataclass(frozen=True)
class Front:
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
    proofs: bool = False
    ties: str = OPTIMISTIC
    margin: float | None = None

    def each(
        self, kinds: conventions.Kinds, folders: dict[str, Folder], asked: Problem, quiet: bool
    ) -> dict[str, ParetoFront]:
        """A front a convention; Ctrl-C leaves those out that were not begun."""
        fronts: dict[str, ParetoFront] = {}
        for name, margin in kinds.items():
            if not (fronts and hearing.asked()):
                fronts[name] = replace(self, ties=name, margin=margin).trace(asked, folders[name], quiet)
        return fronts

    def trace(self, asked: Problem, folder: Folder, quiet: bool) -> ParetoFront:
        """Loss against profit."""
        model = asked.model("loss")
        with folder.store(asked) as store, pool(self.workers) as executor:
            return pareto(
                model, maximize=model.station_profit, limit=model.network_loss, method=self.method, points=self.points,
                tolerance=self.tolerance, executor=executor, store=store, progress=not quiet,
                solver=self.solver, mode=self.mode, cones=self.cones, gap=self.gap, time_limit=self.time_limit,
                proofs=self.proofs, ties=self.ties, margin=self.margin,
            )  # fmt: skip
