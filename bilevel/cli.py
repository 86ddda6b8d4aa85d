"""The command `bilevel`: the only module of this package that knows grids; it wires instances, formulations and the solver.

Every refusal is one sentence on standard error and exit code 2; see `EXIT_CODES`.
"""

import math
import os
import sys
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

import instances
from bilevel import report
from bilevel.cones import CONES
from bilevel.errors import BilevelError
from bilevel.modes import MODES
from bilevel.results import Solution
from bilevel.solve import AUTO
from bilevel.solve import solve as solve_model
from bilevel.solvers import SOLVERS
from formulations import charging_pricing, objectives, results
from formulations.followers import FOLLOWERS
from formulations.tariffs import TARIFFS
from instances import Instance, InstanceError, Network

MOST_EVS = 1_000_000
BAD_INPUT, INTERRUPTED, CLOSED_PIPE = 2, 130, 1
EXIT_CODES = {
    "certified": 0,
    "conditional": 3,
    "feasible": 3,
    "unattained": 3,
    "infeasible": 4,
    "unbounded": 5,
    "unknown": 5,
    "rejected": 5,
}

_CODES = """\b
Exit codes of every command:
  0    done; of solve: the answer is certified
  2    bad input, nothing was written
  3    solve: a feasible answer, but not certified
  4    solve: proven infeasible
  5    solve: no usable answer (nothing found in the time given, unbounded,
       or the point was rejected by its recheck)
  130  interrupted by a second Ctrl-C (the first stops a solve and keeps its
       best point)
"""

# Typer does not export click's UsageError, the base of all its refusals, in every version
_UsageError: Any = typer.BadParameter.__mro__[1]

app = typer.Typer(
    name="bilevel", add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False, epilog=_CODES
)


def main() -> None:
    """Run the command line and leave with its exit code."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run one command; every refusal becomes one sentence on standard error. Gives the exit code."""
    try:
        return int(app(arguments, standalone_mode=False, prog_name="bilevel") or 0)
    except _UsageError as error:
        refusal = f"{error.format_message().rstrip('.')}; see 'bilevel --help'"
    except (BilevelError, InstanceError) as error:
        refusal = str(error)
    except BrokenPipeError:
        # Whoever read the output has gone: nothing more can be said, not even at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return CLOSED_PIPE
    except OSError as error:
        refusal = f"{error.filename or 'the system'}: {error.strerror or error}; check the path and its permissions"
    except (KeyboardInterrupt, typer.Abort):
        return INTERRUPTED
    print("bilevel:", " ".join(refusal.split()), file=sys.stderr)
    return BAD_INPUT


def _names(registry: Iterable[str]) -> str:
    return ", ".join(registry)


def _positive(text: object) -> float:
    """A positive number; raises typer's refusal, which names the option."""
    try:
        value = float(str(text))
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and value > 0):
        raise typer.BadParameter(f"{text} is no positive number; give one, such as 1e-4 or 60")
    return value


def _whole(text: object, least: int, most: int) -> int:
    """A whole number from `least` to `most`; raises typer's refusal, which names the option."""
    try:
        value = int(str(text))
    except ValueError:
        value = least - 1
    if not least <= value <= most:
        raise typer.BadParameter(f"{text} is no whole number from {least} to {most}; give one")
    return value


def _fleet(text: object) -> int:
    return _whole(text, 1, MOST_EVS)


def _seed(text: object) -> int:
    return _whole(text, 0, 2**63 - 1)


# Options that commands share; each keeps its default in the command's signature
CaseName = Annotated[str, typer.Argument(metavar="CASE|DIR", help="The name of a case, or a folder.")]
Objective = Annotated[
    str,
    typer.Option(
        help="loss (kWh), bill or cost of supply (currency), all small, profit (currency, large), or weights."
    ),
]
Evs = Annotated[
    int | None,
    typer.Option(parser=_fleet, metavar="N", help="Draw a fleet of this many sessions from the case's own."),
]
Seed = Annotated[int, typer.Option(parser=_seed, metavar="N", help="Seed of the draw by --evs.")]
Follower = Annotated[
    str,
    typer.Option(
        help=f"How users respond: {_names(FOLLOWERS)}. elastic users also mind fast charging, so their response is unique."
    ),
]
Discomfort = Annotated[
    float | None,
    typer.Option(
        parser=_positive,
        metavar="PRICE",
        help="Of elastic users, per kWh: an hour at full power must be this much cheaper than an idle one. [default: 0.05]",
    ),
]
Tariff = Annotated[
    str,
    typer.Option(
        help=f"Prices that the leader may set: {_names(TARIFFS)}. By period and free, by block, by period from a few levels, "
        "by block from a few levels."
    ),
]
Blocks = Annotated[
    str | None,
    typer.Option(
        metavar="BLOCKS",
        help="Periods of each block, such as night=0-6+22-23,day=7-21. [default: valley, shoulder and peak by the load]",
    ),
]
Levels = Annotated[
    str | None,
    typer.Option(
        metavar="PRICES", help="Per kWh, such as 0.15,0.25,0.45. [default: four, equidistant between the price limits]"
    ),
]
Solver = Annotated[str, typer.Option(help=f"{_names(SOLVERS)}, or pyomo:NAME; highs needs no licence.")]
Mode = Annotated[str, typer.Option(help=f"How complementarity is written: {_names([AUTO, *MODES])}.")]
ConeTreatment = Annotated[str, typer.Option(help=f"How convex quadratic rows are treated: {_names(CONES)}.")]
Gap = Annotated[float, typer.Option(parser=_positive, metavar="GAP", help="Relative gap to close.")]
TimeLimit = Annotated[
    float | None, typer.Option(parser=_positive, metavar="SECONDS", help="Without it there is no limit.")
]
Out = Annotated[
    Path | None, typer.Option(metavar="DIR", help="Folder for the results; replaced as a whole if it holds some.")
]
Quiet = Annotated[bool, typer.Option("--quiet", help="Print nothing but refusals.")]


def _version(wanted: bool) -> None:
    if wanted:
        print(f"bilevel-grid {metadata.version('bilevel-grid')}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def bilevel(
    context: typer.Context,
    _version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Globally optimal charging prices on distribution feeders, with certificates.

    Example: bilevel solve ieee33 --objective loss=1,profit=1 --out results/ieee33
    """
    if context.invoked_subcommand is None:
        print(context.get_help())


@app.command(epilog=_CODES)
def cases() -> None:
    """List the cases that come with the package.

    Example: bilevel cases
    """
    columns = ("case", "buses", "stations", "sessions", "periods", "currency")
    table = Table(*columns, box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for name in instances.list_cases():
        case = instances.load(name)
        counts = (case.feeder.buses, case.stations, case.sessions, case.load_factor)
        table.add_row(name, *(str(len(items)) for items in counts), case.currency)
    report.console().print(table)


@app.command(epilog=_CODES)
def check(case: Annotated[str, typer.Argument(metavar="DIR|CASE", help="A folder, or the name of a case.")]) -> None:
    """Read a case with all its checks, and print what it holds.

    Example: bilevel check my_case
    """
    found = _case(case)
    report.console().print(report.facts_table(_summary(found)))
    print("ok")


@app.command(epilog=_CODES)
def solve(
    case: CaseName,
    objective: Annotated[
        str,
        typer.Option(
            help="loss (kWh), bill or cost of supply (currency), all small, profit (currency, large), or weights."
        ),
    ] = "loss",
    follower: Follower = "ev_user",
    discomfort: Discomfort = None,
    tariff: Tariff = "free",
    blocks: Blocks = None,
    levels: Levels = None,
    solver: Solver = "highs",
    mode: Mode = "auto",
    cones: ConeTreatment = "tangent",
    gap: Gap = 1e-4,
    time_limit: TimeLimit = None,
    evs: Evs = None,
    seed: Seed = 0,
    out: Out = None,
    quiet: Quiet = False,
) -> int:
    """Find the prices that are best for the leader when every EV user responds at the least cost, and certify them.

    Ctrl-C and the time limit keep the best point with its bound.

    Example: bilevel solve ieee33 --objective loss=1,profit=0.5 --evs 20 --out results/ieee33

    Example: bilevel solve ieee33 --objective profit --evs 5 --tariff block_levels --levels 0.15,0.25,0.45 --follower elastic
    """
    weights = objectives.parse(objective)
    found = _case(case, evs, seed)
    if out is not None:
        results.check(out)
    model = charging_pricing(
        found,
        weights,
        follower,
        tariff=tariff,
        blocks=blocks,
        levels=levels,
        discomfort_per_kwh=discomfort,
    )
    solution = solve_model(model, solver, mode, cones, gap, time_limit, progress=not quiet)
    about = _about(found, weights, follower, tariff)
    return _finish(model, found, solution, weights, about, out, quiet)


def _finish(
    model: Any,
    case: Instance,
    solution: Solution,
    weights: dict[str, float],
    about: list[report.Fact],
    out: Path | None,
    quiet: bool,
) -> int:
    """Write, then report: also when the disk refuses, because the answer took its time. Gives the exit code."""
    written: tuple[str, ...] = ()
    try:
        if out is not None:
            written = results.write(model, case, solution, weights, out)
    finally:
        if not quiet:
            files = f"{out}{os.sep}: {', '.join(written)}" if written else "none written; --out DIR writes them"
            outcome = [*_outcome(model, case, solution, weights), ("files", files)]
            report.show(solution, about, outcome, report.console())
    return EXIT_CODES[solution.status]


def _about(case: Instance, weights: dict[str, float], follower: str, tariff: str) -> list[report.Fact]:
    terms = [f"{objectives.TERMS[name][1] * weight:+g} {name}" for name, weight in weights.items()]
    wish = f"minimises {' '.join(terms)}"
    if len(weights) == 1:
        ((name, weight),) = weights.items()
        wish = f"{'minimises' if objectives.TERMS[name][1] == 1 else 'maximises'} {weight:g} {name}"
    counts = f"{len(case.sessions)} sessions at {len(case.stations)} stations"
    horizon = f"{case.horizon.periods} periods of {case.horizon.period_hours:g} h"
    return [
        ("case", f"{case.name}: {counts}, {horizon}"),
        ("leader", f"{wish}, by tariff {tariff}"),
        ("users", follower),
    ]


def _outcome(model: Any, case: Instance, solution: Solution, weights: dict[str, float]) -> list[report.Fact]:
    if not solution.values:
        return []
    found = results.outcome(model, case, solution, weights)
    return [
        ("network loss", f"{found['network_loss_kwh']:.3f} kWh"),
        ("station profit", f"{found['station_profit']:.2f} {case.currency}"),
        ("EV bill", f"{found['ev_bill']:.2f} {case.currency}"),
    ]


def _case(name: str, evs: int | None = None, seed: int = 0) -> Instance:
    """The case in a folder, or else the shipped case of that name, with a drawn fleet of `evs` sessions if given.

    Raises `InstanceError` with the nearest name.
    """
    found = instances.read(name) if Path(name).exists() or os.sep in name else instances.load(name)
    return found if evs is None else instances.scale(found, evs, seed)


def _summary(case: Instance) -> list[report.Fact]:
    network = Network.from_feeder(case.feeder)
    flow = instances.ac_power_flow(network, network.load_kw, network.load_kvar)
    voltage = abs(flow.voltage_pu)
    vehicles = sum(session.count for session in case.sessions)
    energy_kwh = sum(session.count * session.energy_kwh for session in case.sessions)
    peak_kw = float(instances.uncontrolled_load_kw(case).sum(axis=0).max())
    share = f" ({100 * peak_kw / case.peak_load_kw:.1f} % of the feeder's {case.peak_load_kw:.0f} kW)"
    return [
        ("case", case.name),
        ("buses", str(len(network.buses))),
        ("base losses", f"{float(flow.loss_kw):.3f} kW"),
        ("lowest voltage", f"{voltage.min():.5f} pu at bus {network.buses[int(voltage.argmin())]}"),
        ("stations", f"{len(case.stations)}: {', '.join(f'{s.name} (bus {s.bus})' for s in case.stations)}"),
        ("sessions", f"{len(case.sessions)}, for {vehicles:.1f} vehicles"),
        ("energy", f"{energy_kwh:.1f} kWh into the batteries"),
        ("uncontrolled peak", f"{peak_kw:.1f} kW{share if case.peak_load_kw > 0 else ''}"),
        ("horizon", f"{case.horizon.periods} periods of {case.horizon.period_hours:g} h from {case.horizon.start}"),
        ("currency", case.currency),
    ]
