"""The command `bilevel pareto`: the front of network loss against station profit."""

import re
import sys
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from bilevel.errors import BilevelError
from bilevel.front.methods import METHODS
from bilevel.front.pareto import pareto
from bilevel.front.pareto_front import ParetoFront
from bilevel.reformulate.ties import OPTIMISTIC
from bilevel.search.proving import proof as proving
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
    Margin,
    Mode,
    Problem,
    Quiet,
    Seed,
    Solver,
    Tariff,
    Ties,
    add_command,
    finish,
    names,
    positive,
    problem,
    whole,
)
from studies.command_line.workers import pool
from studies.pricing import front_points, front_results

MOST_POINTS, MOST_WORKERS = 1000, 1024
WORDS = {"checked": "proof checked", "solver": "solver's bound", "none": "no bound"}
"""Whose word a bound is."""

_PROOF = re.compile(r"(point-\d{3,4}|least_limited|most_maximized)\.json\.gz|\..*\.json\.gz\..*")
"""Files of proofs, and what a write that was killed leaves of one."""


def _points(text: object) -> int:
    return whole(text, 2, MOST_POINTS)


def _workers(text: object) -> int:
    return whole(text, 1, MOST_WORKERS)


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
Resume = Annotated[
    bool, typer.Option("--resume", help="Go on with the points in --out; without it a folder with points is refused.")
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
    tariff: Tariff = "free",
    solver: Solver = "highs",
    mode: Mode = "auto",
    cones: ConeTreatment = "tangent",
    gap: Gap = 1e-4,
    time_limit: PointTime = None,
    evs: Evs = None,
    seed: Seed = 0,
    out: FrontOut = None,
    resume: Resume = False,
    proofs: Proofs = None,
    ties: Ties = OPTIMISTIC,
    margin: Margin = None,
    quiet: Quiet = False,
    **options: Any,
) -> int:
    """Trace the Pareto front of network loss (kWh, small) against station profit (large), every point globally solved.

    Every point is kept in --out as it is found, and every proof as it is made: after a kill, the same command with --resume solves
    and proves only what is missing.  Ctrl-C keeps the points found and the proofs made, and still writes the files.

    Example: bilevel pareto ieee33 --evs 20 --points 11 --workers 2 --out results/front

    Example: bilevel pareto ieee33 --evs 20 --points 5 --proofs proofs; python -m bilevel.verify proofs/point-001.json.gz

    Example: bilevel pareto ieee33 --evs 20 --method adaptive --tolerance 0.02 --points 30 --out results/front
    """
    asked = problem(case, evs, seed, options, follower=follower, tariff=tariff)
    folder = Folder(out, resume)
    folder.check(asked)
    _check_proofs(proofs)
    made = proofs is not None
    wanted = Front(method, points, tolerance, workers, solver, mode, cones, gap, time_limit, made, ties, margin)
    front = wanted.trace(asked, folder, quiet)
    finish(out, lambda into: [write(front, asked, solver, into)], lambda files: _show(front, asked, files), quiet)
    _write_proofs(front, proofs)
    return code(front)


def write(front: ParetoFront, asked: Problem, solver: str, out: Path) -> tuple[str, ...]:
    """Write the files of a front and of its points; gives their names."""
    files = front_results.front_files(front, asked.facts(solver)) | front_points.point_files(front, asked.case)
    return front_results.write(out, files, (*front_results.FRONT_FILES, *front_points.POINT_FILES))


def _check_proofs(folder: Path | None) -> None:
    """Refuse a folder with other files than proofs, before the work; raises `BilevelError`."""
    if folder is None or not folder.exists():
        return
    if not folder.is_dir():
        raise BilevelError(f"{str(folder)!r} is no folder: give one for the proofs")
    if other := [file.name for file in folder.iterdir() if not _PROOF.fullmatch(file.name)]:
        raise BilevelError(
            f"folder {str(folder)!r} holds {other[0]!r}, which is no proof: give another one for the proofs"
        )


def _write_proofs(front: ParetoFront, folder: Path | None) -> None:
    """A file a point, in the order of the front, and one an end; says which of them have none, and why."""
    if folder is None:
        return
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.iterdir():
        if _PROOF.fullmatch(old.name):
            old.unlink()
    bounds = [(end, front.end_proofs.get(end), [check]) for end, check in front.end_checks.items()]
    bounds += [(f"point-{k:03}", p.proof, [*p.certificate.checks]) for k, p in enumerate(front.points, 1)]
    for name, proof, checks in bounds:
        if proof is None:
            why = [check.detail for check in checks if check.name == proving.NAME]
            print(f"bilevel: no proof was written for {name}: {', '.join(why)}", file=sys.stderr)
        else:
            proof.write(folder / f"{name}.json.gz")


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
        front_results.check_store(self.out, asked.case, asked.choices(), self.resume)

    def store(self, asked: Problem) -> AbstractContextManager[Path | None]:
        """Where the front keeps its points."""
        if self.out is None:
            return nullcontext()
        return front_results.open_store(self.out, asked.case, asked.choices())


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


def code(front: ParetoFront) -> int:
    """The exit code of a front."""
    if not front.points:
        return NOTHING
    return DONE if front.complete and front.certified else PARTLY


def _show(front: ParetoFront, asked: Problem, files: display.Fact) -> None:
    console = display.console()
    console.print(verdict(front))
    console.print()
    facts = asked.about("maximises profit for every network loss")
    console.print(display.facts_table([*facts, *_facts(front, asked.case.currency), files]))
    if front.points:
        console.print()
        console.print(_table(front, asked.case.currency))


def verdict(front: ParetoFront) -> Text:
    """The front in one sentence."""
    found = code(front)
    if found == NOTHING:
        return Text("no points", "bold red") + Text(f": {front.reason}", "")
    if found == DONE:
        return Text("certified", "bold green") + Text(f": {len(front)} points, {front.reason}", "")
    good = sum(point.certified for point in front.points)
    word = "not certified" if front.complete else "incomplete"
    return Text(word, "bold yellow") + Text(f": {len(front)} points, {good} certified; {front.reason}", "")


def _facts(front: ParetoFront, currency: str) -> list[display.Fact]:
    low, high = front.hypervolume()
    widest = f"{front.regions()['share'].max():.2e} of the front" if len(front) > 1 else "none"
    checked, bounds = front.checked()
    return [
        ("least loss", f"{front.least_limited:.3f} kWh ({WORDS[front.end_proven('least_limited')]})"),
        ("most profit", f"{front.most_maximized:.2f} {currency} ({WORDS[front.end_proven('most_maximized')]})"),
        ("proofs checked", f"{checked} of {bounds} bounds"),
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
