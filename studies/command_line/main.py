"""The command `bilevel`.  The modules `cli*` alone of this package know grids; they wire instances, formulations and the solver.

Every refusal is one sentence on standard error and exit code 2; see `EXIT_CODES`.
"""

import sys
from importlib import metadata
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

import instances
from bilevel.errors import BilevelError
from bilevel.interrupts import hearing
from bilevel.reformulate.ties import OPTIMISTIC, wanted
from bilevel.search.plan import AUTO
from bilevel.solution import Solution
from bilevel.solve import solve as solve_model
from bilevel.solvers import tested
from formulations import objectives
from formulations.objectives import OBJECTIVES
from instances import Instance, InstanceError, Network
from studies.command_line import (
    compare,
    compare_equilibrium,
    display,
    equilibrium,
    front,
    market,
    solve_file,
)
from studies.command_line import (
    report as command_line_report,
)
from studies.command_line.fronts import security
from studies.command_line.options import (
    CODES,
    EXIT_CODES,
    CaseName,
    ConeTreatment,
    Evs,
    Flow,
    Follower,
    Gap,
    Margin,
    Mode,
    Objective,
    Out,
    Problem,
    ProofFile,
    Quiet,
    Solver,
    Tariff,
    Ties,
    TimeLimit,
    add_command,
    check_place,
    find_case,
    finish,
    problem,
    write_proof,
)
from studies.command_line.refusals import output, sentences
from studies.command_line.scenarios import draw as scenarios_draw
from studies.command_line.scenarios import out_of_sample
from studies.command_line.scenarios import shown as scenarios_shown
from studies.command_line.scenarios.days import ONE_DAY, Days, DrawSeed, take_days
from studies.pricing import results

BAD_INPUT, INTERRUPTED = 2, 130

# Typer does not export click's UsageError, the base of all its refusals, in every version
_UsageError: Any = typer.BadParameter.__mro__[1]

app = typer.Typer(
    name="bilevel", add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False, epilog=CODES
)


def main() -> None:
    """Run the command line and leave with its exit code."""
    output.spare()
    with hearing.whole():
        code = run(sys.argv[1:])
        # All is written and said: a signal has nothing left to stop
        hearing.deaf()
    sys.exit(output.code(code))


def run(arguments: list[str]) -> int:
    """Run one command; every refusal becomes one sentence on standard error. Gives the exit code.

    The first signal (Ctrl-C, SIGTERM, SIGHUP) stops a search, whose answer is kept and written; the code is that of this answer.
    """
    with hearing.whole() as heard:
        try:
            code = _run(arguments)
        except (KeyboardInterrupt, typer.Abort):
            code = INTERRUPTED
        # What comes now has nothing left to stop
        heard.keeping = True
        if code == INTERRUPTED and heard.count == 1:
            output.remark(f"{heard.why} before anything was found: nothing was written; run it again")
        return code


def _run(arguments: list[str]) -> int:
    untested = tested.remark()
    if untested and "--quiet" not in arguments:
        output.remark(untested)
    try:
        return int(app(arguments, standalone_mode=False, prog_name="bilevel") or 0)
    except _UsageError as error:
        refusal = f"{error.format_message().rstrip('.')}; see 'bilevel --help'"
    except (BilevelError, InstanceError) as error:
        refusal = str(error)
    except OSError as error:
        refusal = sentences.of_system(error)
    # Solvers' std::bad_alloc comes as one too
    except MemoryError:
        refusal = sentences.MEMORY
    output.remark(sentences.sentence(refusal))
    return BAD_INPUT


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


@app.command(epilog=CODES)
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
    display.console().print(table)


@app.command(epilog=CODES)
def check(case: CaseName) -> None:
    """Read a case with all its checks, its scenarios if it has some, and print what it holds.

    Example: bilevel check my_case

    Example: bilevel check case33bw.m
    """
    found = find_case(case)
    display.console().print(display.facts_table([*_summary(found), *scenarios_shown.facts(case)]))
    if doubt := instances.implausible(Network.of(found.feeder)):
        output.remark(f"warning: {doubt}")
    print("ok")


@take_days
def solve(
    case: CaseName,
    objective: Objective = "loss",
    follower: Follower = "ev_user",
    tariff: Tariff = "free",
    flow: Flow = "distflow",
    solver: Solver = AUTO,
    mode: Mode = "auto",
    cones: ConeTreatment = "tangent",
    gap: Gap = 1e-4,
    time_limit: TimeLimit = None,
    evs: Evs = None,
    seed: DrawSeed = 0,
    days: Days = ONE_DAY,
    out: Out = None,
    proof: ProofFile = None,
    ties: Ties = OPTIMISTIC,
    margin: Margin = None,
    quiet: Quiet = False,
    **options: Any,
) -> int:
    """Find the prices that are best for the leader when every EV user responds at the least cost, and certify them.

    Ctrl-C and the time limit keep the best point with its bound.

    Example: bilevel solve ieee33 --objective loss=1,profit=0.5 --evs 20 --out results/ieee33

    Example: bilevel solve ieee33 --objective loss=1,profit=1 --proof proof.json.gz; python -m bilevel.verify proof.json.gz

    Example: bilevel solve ieee33 --objective profit --ties secure --margin 1e-4

    Example: bilevel solve ieee33 --objective profit --scenarios my_days --risk cvar=0.9,weight=0.5 --gap 1e-3

    Example: bilevel solve ieee33 --objective profit --evs 20 --scenarios 10 --willing 0.5-0.9 --seed 1 --gap 1e-3

    Example: bilevel solve ieee33 --objective profit --evs 5 --tariff block_levels --levels 0.15,0.25,0.45 --follower elastic
    """
    weights = objectives.parse(objective)
    asked = problem(case, evs, seed, options, follower=follower, tariff=tariff, flow=flow)
    asked = asked.over(days.of(asked.case, seed, evs))
    if out is not None:
        results.check(out)
    check_place(proof)
    wanted(ties, margin, proof is not None)
    model = asked.model(weights)
    started = asked.start(model, weights, solver, gap, time_limit, quiet)
    solution = solve_model(
        model, solver, mode, cones, gap, time_limit, not quiet, warm_start=started, proof=proof is not None, ties=ties,
        margin=margin,
    )  # fmt: skip
    _finish(model, asked, solution, weights, out, quiet)
    write_proof(solution, proof)
    return EXIT_CODES[solution.status]


def _finish(
    model: Any, asked: Problem, solution: Solution, weights: dict[str, float], out: Path | None, quiet: bool
) -> None:
    def write(into: Path) -> list[tuple[str, ...]]:
        return [results.write(model, asked.case, solution, weights, into, asked.choices(), asked.days.scenarios)]

    def show(files: display.Fact) -> None:
        outcome = [*_outcome(model, asked.case, solution, weights), files]
        display.show(solution, asked.about(_wish(weights)), outcome, display.console())

    finish(out, write, show, quiet)


def _wish(weights: dict[str, float]) -> str:
    """What the leader does, in words."""
    if len(weights) == 1:
        ((name, weight),) = weights.items()
        return f"{'minimises' if OBJECTIVES[name].sense == 1 else 'maximises'} {weight:g} {name}"
    return "minimises " + " ".join(f"{OBJECTIVES[name].sense * weight:+g} {name}" for name, weight in weights.items())


def _outcome(model: Any, case: Instance, solution: Solution, weights: dict[str, float]) -> list[display.Fact]:
    if not solution.values:
        return []
    found = results.outcome(model, case, solution, weights)
    return [
        (
            item.words,
            f"{found[item.column]:.3f} {item.unit}" if item.unit else f"{found[item.column]:.2f} {case.currency}",
        )
        for item in results.valued(weights)
    ]


def _summary(case: Instance) -> list[display.Fact]:
    network = Network.of(case.feeder)
    flow = instances.ac_power_flow(network, network.load_kw, network.load_kvar)
    voltage = abs(flow.voltage_pu)
    vehicles = sum(session.count for session in case.sessions)
    energy_kwh = sum(session.count * session.energy_kwh for session in case.sessions)
    peak_kw = float(instances.uncontrolled_load_kw(case).sum(axis=0).max())
    peak = case.peak_load_kw
    share = f" ({100 * peak_kw / peak:.1f} % of the feeder's {peak:.0f} kW)" if peak > 0 else ""
    return [
        ("case", case.name),
        ("buses", str(len(network.buses))),
        ("base losses", f"{float(flow.loss_kw):.3f} kW"),
        ("lowest voltage", f"{voltage.min():.5f} pu at bus {network.buses[int(voltage.argmin())]}"),
        ("stations", f"{len(case.stations)}: {', '.join(f'{s.name} (bus {s.bus})' for s in case.stations)}"),
        ("sessions", f"{len(case.sessions)}, for {vehicles:.1f} vehicles"),
        ("energy", f"{energy_kwh:.1f} kWh into the batteries"),
        ("uncontrolled peak", f"{peak_kw:.1f} kW{share}"),
        ("horizon", f"{case.horizon.periods} periods of {case.horizon.period_hours:g} h from {case.horizon.start}"),
        ("currency", case.currency),
    ]


add_command(app, "solve", solve)
for module in (
    solve_file, front, security, equilibrium, compare_equilibrium, market, compare, scenarios_draw, out_of_sample,
    command_line_report,
):  # fmt: skip
    module.register(app)
