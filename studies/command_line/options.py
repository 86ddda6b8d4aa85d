"""What the commands of `bilevel` share: their options, the problem that the options describe, the exit codes."""

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any

import typer

import instances
from bilevel import solvers
from bilevel.errors import BilevelError
from bilevel.interrupts import hearing
from bilevel.reading.target import target
from bilevel.reformulate.modes import MODES
from bilevel.reformulate.ties import CONVENTIONS
from bilevel.relax import CONES
from bilevel.search.plan import AUTO
from bilevel.search.proving import proof as proving
from bilevel.solution import Solution
from bilevel.solve import solve
from bilevel.solvers import SOLVERS, Feature
from bilevel.status import Status
from formulations import charging_pricing, power_flow
from formulations.followers import FOLLOWERS
from formulations.objectives import OBJECTIVES
from formulations.options import declared
from formulations.parts import ALL, PRICING
from formulations.power_flow import POWER_FLOWS
from formulations.tariffs import TARIFFS
from instances import Instance
from studies.command_line import display
from studies.command_line.part_options import alone, listed, take_options
from studies.command_line.refusals import output
from studies.command_line.refusals.numbers import draw_seed, fleet, positive
from studies.pricing.scenarios import Uncertainty
from studies.writing import files as writing_files

EXIT_CODES: dict[str, int] = {
    Status.CERTIFIED: 0,
    Status.CONDITIONAL: 3,
    Status.FEASIBLE: 3,
    Status.NOT_ATTAINED: 3,
    Status.INFEASIBLE: 4,
    Status.UNBOUNDED: 5,
    Status.UNKNOWN: 5,
    Status.REJECTED: 5,
}
"""Exit code by the status of a solution."""

DONE, PARTLY, NOTHING = 0, 3, 5
"""Exit codes of fronts, equilibria and comparisons."""

CODES = """\b
Exit codes of every command:
  0    done; of solve: the answer is certified; of market: every way is, or
       the iteration has provably no point at its prices; of pareto: the
       front is complete and every point certified; of equilibrium: its last
       point is valid; of compare-equilibrium: all of these; of compare:
       every run is made, and the exact answer, if it is asked for, certified
  1    done, but standard output was closed or could not be written: what
       was to be printed is lost, files that were asked for are written
  2    bad input, or no memory or room for a file: nothing was written, what
       stood there stands
  3    solve, market: a feasible answer, but not certified; pareto: points,
       but not all, or not all certified; equilibrium: its last point is not
       valid; compare-equilibrium: one of these; compare: runs are missing,
       or the exact answer is not certified; security: a margin is missing or
       open
  4    solve, market, compare: proven infeasible
  5    solve, market: no usable answer (nothing found in the time given,
       unbounded, or the point was rejected by its recheck); pareto,
       security, compare-equilibrium: no point; compare: neither a run nor
       the exact answer has a point; market, compare, compare-equilibrium: a
       valid point in front of a proven bound
  130  interrupted by a second Ctrl-C (the first stops a run and writes what
       it found), or before anything was found; SIGTERM acts as Ctrl-C
"""


def names(registry: Iterable[str]) -> str:
    """Names in one line."""
    return ", ".join(registry)


def objectives_listed() -> str:
    """Objectives with units and senses, in one line."""
    said = (
        f"{o.name} ({o.about}, {o.unit or 'currency'}, {'small' if o.sense > 0 else 'large'})"
        for o in OBJECTIVES.values()
    )
    return f"{', '.join(said)}, or weights, such as loss=1,profit=0.5"


def add_command(app: typer.Typer, name: str, command: Callable[..., int]) -> None:
    """Add a command to the command line, with the options of the parts that it chooses."""
    app.command(name, epilog=CODES)(alone(take_options(command, ALL)))


# Options that commands share; each keeps its default in the command's signature
CaseName = Annotated[
    str,
    typer.Argument(
        metavar="CASE|DIR|FILE",
        help="The name of a case, a folder, or a MATPOWER (.m) or pandapower (.json) file, whose stations and sessions are drawn.",
    ),
]
Evs = Annotated[
    int | None,
    typer.Option(parser=fleet, metavar="N", help="Draw a fleet of this many sessions from the case's own."),
]
Seed = Annotated[int, typer.Option(parser=draw_seed, metavar="N", help="Seed of the draw by --evs.")]
Objective = Annotated[str, typer.Option(help=f"What the leader wants: {objectives_listed()}.")]
Follower = Annotated[str, typer.Option(help=f"How users respond: {listed(FOLLOWERS)}.")]
Tariff = Annotated[str, typer.Option(help=f"Prices that the leader may set: {listed(TARIFFS)}.")]
Flow = Annotated[str, typer.Option(help=f"Power flow: {listed(POWER_FLOWS)}.")]
Solver = Annotated[str, typer.Option(help=f"{names([AUTO, *SOLVERS])}, or pyomo:NAME; highs and scip need no licence.")]
Mode = Annotated[str, typer.Option(help=f"How complementarity is written: {names([AUTO, *MODES])}.")]
ConeTreatment = Annotated[str, typer.Option(help=f"How convex quadratic rows are treated: {names(CONES)}.")]
Gap = Annotated[float, typer.Option(parser=positive, metavar="GAP", help="Relative gap to close.")]
TimeLimit = Annotated[
    float | None, typer.Option(parser=positive, metavar="SECONDS", help="Without it there is no limit.")
]
Out = Annotated[
    Path | None, typer.Option(metavar="DIR", help="Folder for the results; replaced as a whole if it holds some.")
]
ProofFile = Annotated[
    Path | None,
    typer.Option(
        "--proof",
        metavar="FILE",
        help="Prove the bound, and write the proof (.json or .json.gz), for python -m bilevel.verify to check.",
    ),
]
Ties = Annotated[
    str,
    typer.Option(help=f"What is asked of users who are indifferent: {names(CONVENTIONS)} (nobody is, by --margin)."),
]
Margin = Annotated[
    float | None,
    typer.Option(
        parser=positive,
        metavar="PRICE",
        help="Of secure answers: prices may be off by this much. [default: 1e-4 of the prices' range]",
    ),
]
Quiet = Annotated[bool, typer.Option("--quiet", help="Print nothing but refusals.")]


@dataclass(frozen=True)
class Problem:
    """A case, its parts, and the `options` that they declare, by name (None where an option was left out)."""

    case: Instance
    seed: int | None
    options: Mapping[str, Any]
    follower: str
    tariff: str = "free"
    flow: str = "distflow"
    days: Uncertainty = field(default_factory=Uncertainty)

    def over(self, days: Uncertainty) -> "Problem":
        """The problem over days that may come."""
        return replace(self, days=days)

    def model(self, objective: str | Mapping[str, float]) -> Any:
        """The pricing model with this objective of the leader."""
        days = self.days.options()
        return charging_pricing(self.case, objective, self.follower, self.flow, self.tariff, **days, **self.options)

    def start(
        self,
        model: Any,
        objective: str | Mapping[str, float],
        solver: str,
        gap: float,
        time_limit: float | None,
        quiet: bool,
    ) -> bool:
        """Give a model with a nonconvex power flow the point of its relaxation as a start; whether there is one."""
        # What a solver by name cannot take is refused at once
        able = solver == AUTO or Feature.NONCONVEX in solvers.find(solver).features
        if POWER_FLOWS[self.flow].convex or not able:
            return False
        others = declared({kind: registry for kind, registry in PRICING.items() if kind != "flow"})
        kept = {name: value for name, value in self.options.items() if name in others}
        relaxed = replace(self, flow="distflow", options=kept).model(objective)
        found = solve(relaxed, gap=gap, time_limit=time_limit, progress=not quiet)
        if found.values:
            power_flow.start_at(model, relaxed)
        return bool(found.values)

    def choices(self) -> dict[str, Any]:
        """The options for files, None where the default holds."""
        chosen = {"seed": self.seed, "tariff": self.tariff, "follower": self.follower, "flow": self.flow}
        return {**chosen, **dict.fromkeys(declared(PRICING)), **self.options, **self.days.choices()}

    def kept(self) -> dict[str, Any]:
        """The options for a store, which has to be of the same days."""
        return {**self.choices(), **self.days.told()}

    def facts(self, solver: str) -> dict[str, Any]:
        """What every file of a result says first."""
        return writing_files.facts(self.case, self.choices(), solver)

    def about(self, leader: str) -> list[display.Fact]:
        """The problem in four lines, `leader` saying what the leader does."""
        case = self.case
        counts = f"{len(case.sessions)} sessions at {len(case.stations)} stations"
        horizon = f"{case.horizon.periods} periods of {case.horizon.period_hours:g} h"
        return [
            ("case", f"{case.name}: {counts}, {horizon}"),
            ("leader", f"{leader}, by tariff {self.tariff}"),
            ("users", self.follower),
            ("power flow", self.flow),
            *self.days.facts(),
        ]


def problem(name: str, evs: int | None, seed: int, options: Mapping[str, Any], **parts: Any) -> Problem:
    """What a command describes by `options` that parts declare and the names of `parts`; raises `InstanceError` for the case."""
    drawn = None if evs is None else seed
    return Problem(find_case(name, evs, seed), drawn, options, **parts)


def find_case(name: str, evs: int | None = None, seed: int = 0) -> Instance:
    """The case in a folder or on the feeder of a file, or else the shipped case of that name, with `evs` drawn sessions if given.

    Raises `InstanceError` with the nearest name.
    """
    path = Path(name)
    if path.is_file() or (path.suffix.lower() in instances.FILE_KINDS and not path.exists()):
        return instances.read_file(name, evs, seed)
    found = instances.read(name) if Path(name).exists() or os.sep in name else instances.load(name)
    return found if evs is None else instances.scale(found, evs, seed)


def check_place(proof: Path | None) -> None:
    """Refuse a place where no proof can be written, before any work; raises `BilevelError`."""
    if proof is None:
        return
    if not proof.name.endswith((".json", ".json.gz")):
        raise BilevelError(f"{str(proof)!r} is no name of a proof: let it end in .json or .json.gz")
    target(proof)


def write_proof(solution: Solution, path: Path | None) -> None:
    """Write the proof of a solution where one was asked for; says why there is none."""
    if path is None:
        return
    if solution.proof is None:
        why = [check.detail for check in solution.certificate.checks if check.name == proving.NAME] or [solution.reason]
        output.remark(f"no proof was written: {why[0]}")
        return
    solution.proof.write(path)


def finish(
    out: Path | None,
    write: Callable[[Path], Iterable[tuple[str, ...]]],
    show: Callable[[display.Fact], None],
    quiet: bool,
) -> None:
    """Write, then show: also when the disk refuses, because the answer took its time.

    `write` gives the names of the files of one result after the other, and `show` is told what was written.
    """
    written: tuple[str, ...] = ()
    try:
        if out is not None:
            for files in write(out):
                written += files
    finally:
        # Of what a second Ctrl-C kept from being written nothing is said
        if not quiet and not hearing.ending():
            said = f"{out}{os.sep}: {', '.join(written)}" if written else "none written; --out DIR writes them"
            show(("files", said))
