"""The command `bilevel market`: the market of an operator and aggregators, solved three ways."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from bilevel import solvers
from bilevel.progress import Progress
from formulations.aggregators import AGGREGATORS
from formulations.case_parts import market_of
from formulations.scenarios.uncertain import Asked
from instances import Instance, InstanceError
from studies.command_line import display
from studies.command_line.equilibrium import Damping, Iterations
from studies.command_line.options import (
    EXIT_CODES,
    CaseName,
    Evs,
    Gap,
    Out,
    ProofFile,
    Quiet,
    Solver,
    add_command,
    check_place,
    find_case,
    finish,
    write_proof,
)
from studies.command_line.part_options import listed
from studies.command_line.refusals.numbers import finite, positive
from studies.command_line.scenarios.days import ONE_DAY, Days, DrawSeed, take_days
from studies.market import results as market_results
from studies.market import verdict
from studies.market.over_days import LEFT_OUT, over_days
from studies.market.three_ways import COOPERATIVE, EQUILIBRIUM, EXACT, TIME_LIMIT, MarketComparison, three_ways
from studies.pricing.scenarios import Uncertainty

CONTRADICTION = 5
DAMPING, ITERATIONS = 0.5, 50
ITERATION = ("damping", "max_iterations")
PROVES = {
    EXACT: "certified: no prices within the limits cost the operator less than the bound",
    EQUILIBRIUM: "certified: a valid point, and the best for the operator at its own prices alone",
    COOPERATIVE: "certified: a bound for the others, with aggregators that ignore their profits",
}


def _at_least_zero(text: object) -> float:
    value = finite(text)
    if value < 0:
        raise typer.BadParameter(f"{text} is below 0; give a number of at least 0")
    return value


Demand = Annotated[
    str,
    typer.Option(help=f"What aggregators sell: {listed(AGGREGATORS)}."),
]
ServiceFee = Annotated[
    float | None,
    typer.Option(
        parser=finite,
        metavar="PRICE",
        help="Per kWh, of every station. [default: the fees of the case's credit points]",
    ),
]
LossPrice = Annotated[
    float | None,
    typer.Option(
        parser=_at_least_zero,
        metavar="PRICE",
        help="Of a kWh of losses, beside the cost of supply. [default: the case's]",
    ),
]
WayTime = Annotated[float, typer.Option(parser=positive, metavar="SECONDS", help="Of all three ways together.")]


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    add_command(app, "market", market)


@dataclass(frozen=True)
class _Settings:
    """How the three ways are solved."""

    solver: str
    gap: float
    time_limit: float
    damping: Any
    max_iterations: int | None


@dataclass(frozen=True)
class _Asked:
    """A case, and what the options say of its market (None where the case decides)."""

    case: Instance
    seed: int | None
    demand: str
    fee_per_kwh: float | None
    loss_price_per_kwh: float | None
    options: Mapping[str, Any]
    days: Uncertainty

    def solve(self, settings: _Settings, quiet: bool, proof: bool) -> MarketComparison:
        """The three ways, or over days the two that they have."""
        prices = {"fee_per_kwh": self.fee_per_kwh, "loss_price_per_kwh": self.loss_price_per_kwh}
        given = {**asdict(settings), **prices, **self.options, "progress": not quiet, "proof": proof}
        # Between two parts no search listens for Ctrl-C: this keeps a first one there from losing everything
        with Progress(False):
            if self.days.scenarios is None:
                return three_ways(self.case, self.demand, **given)
            own = {name: value for name, value in given.items() if name not in ITERATION}
            return over_days(self.case, demand=self.demand, **self.days.options(), **own)

    def choices(self) -> dict[str, Any]:
        """The options for files."""
        own = {name: getattr(self, name) for name in ("seed", "demand", "fee_per_kwh", "loss_price_per_kwh")}
        return own | dict(self.options) | self.days.choices()


@take_days
def market(
    case: CaseName,
    demand: Demand = "scheduled",
    gap: Gap = 1e-3,
    time_limit: WayTime = TIME_LIMIT,
    damping: Damping = DAMPING,
    max_iterations: Iterations = ITERATIONS,
    fee: ServiceFee = None,
    loss_price: LossPrice = None,
    solver: Solver = "highs",
    evs: Evs = None,
    seed: DrawSeed = 0,
    days: Days = ONE_DAY,
    out: Out = None,
    proof: ProofFile = None,
    quiet: Quiet = False,
    **options: Any,
) -> int:
    """Solve the market of an operator and aggregators three ways: exactly, by iterated nodal prices, and in cooperation.

    The operator posts charging prices and wants the least cost of supply and losses; each aggregator schedules, buys, sells and
    stores for its own profit.

    With --scenarios the prices are posted for all of the days, and the iteration is left out, as nodal prices are those of one day.

    Ctrl-C stops all ways and keeps what was found; a second one ends the command and writes nothing.

    Example: bilevel market ieee33_aggregator --out results/market

    Example: bilevel market ieee33_aggregator --proof market.proof.json.gz

    Example: bilevel market ieee33_aggregator --evs 10 --fee 0.05 --gap 1e-4

    Example: bilevel market ieee33_aggregator --evs 10 --scenarios 3 --risk cvar=0.9,weight=0.5 --gap 1e-2 --out results/market
    """
    found_case = find_case(case, evs, seed)
    over = days.of(found_case, seed, evs)
    asked = _Asked(found_case, None if evs is None else seed, demand, fee, loss_price, options, over)
    if out is not None:
        market_results.check(out)
    check_place(proof)
    solvers.find(solver)
    settings = _Settings(solver, gap, time_limit, *_iteration(over, damping, max_iterations))
    found = asked.solve(settings, quiet, proof is not None)
    finish(
        out,
        lambda into: [market_results.write(found, into, asked.choices(), asdict(settings), solver)],
        lambda files: _show(found, over, files),
        quiet,
    )
    write_proof(found.runs[EXACT].solution, proof)
    return _code(found)


def _iteration(days: Uncertainty, damping: Any, max_iterations: int) -> tuple[Any, int | None]:
    """How the iteration goes, None over days, which have none; raises `InstanceError` for what was asked of it there."""
    if days.scenarios is None:
        if days.risk is not None or days.chance is not None:
            # Refused as the model does, and before the work
            Asked.of(None, days.risk, days.chance)
        return damping, max_iterations
    for name, value, default in (("damping", damping, DAMPING), ("max-iterations", max_iterations, ITERATIONS)):
        if value != default:
            raise InstanceError(f"--{name} {value} is given with --scenarios, and {LEFT_OUT}: leave it out")
    return None, None


def _code(found: MarketComparison) -> int:
    said = verdict.verdict(found)
    return CONTRADICTION if said.status == verdict.CONTRADICTION else EXIT_CODES[said.status]


def _show(found: MarketComparison, days: Uncertainty, files: display.Fact) -> None:
    console = display.console()
    apart = verdict.difference(found)
    said = verdict.verdict(found)
    word = said.status.upper() if said.status == verdict.CONTRADICTION else said.status
    console.print(Text(word, display.STYLES.get(word, "bold red")) + Text(f": {_verdict(found, apart)}", ""))
    if said.status != verdict.CERTIFIED:
        console.print(f"not certified: {said.reason}")
    console.print()
    console.print(display.facts_table([*_about(found.case, found.demand), *days.facts()]))
    console.print()
    console.print(_table(found))
    console.print()
    console.print(display.facts_table([*_reasons(found), files]))


def _verdict(found: MarketComparison, apart: verdict.Difference) -> str:
    """The comparison in one sentence."""
    money, exact = found.case.currency, found.runs[EXACT].solution
    if not math.isfinite(exact.objective):
        return f"no exact answer: {exact.reason}"
    own = f"exact {exact.objective:.2f} {money}"
    if EQUILIBRIUM not in found.runs:
        together = found.runs[COOPERATIVE].solution.objective
        bound = f"; in cooperation {together:.2f} {money}" if math.isfinite(together) else ""
        return f"{own} over {len(found.runs[EXACT].days)} days{bound}"
    if math.isfinite(apart.found):
        sign = "<=" if apart.found >= 0 else ">"
        return f"{own} {sign} equilibrium, by {abs(apart.found):.2f} {money} ({abs(100 * apart.share):.2f} %)"
    return f"{own}; the equilibrium has no valid point"


def _about(case: Instance, demand: str) -> list[display.Fact]:
    owners = len(market_of(case).aggregators)
    counts = f"{owners} aggregators, {len(case.sessions)} sessions, {len(case.generators)} generators"
    return [
        ("case", f"{case.name}: {counts}, {case.horizon.periods} periods of {case.horizon.period_hours:g} h"),
        ("leader", "the operator minimises cost of supply and losses, by charging prices"),
        ("followers", f"aggregators, demand {demand}"),
    ]


def _table(found: MarketComparison) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("quantity", overflow="fold")
    table.add_column("unit", no_wrap=True)
    for way in found.runs:
        table.add_column(way, justify="right", no_wrap=True)
    for quantity in market_results.quantities(found):
        table.add_row(quantity.words, quantity.unit, *market_results.cells(found, quantity))
    words = [run.solution.status for run in found.runs.values()]
    table.add_row("status", "", *(Text(word, display.STYLES.get(word, "bold red")) for word in words))
    table.add_row("seconds", "s", *(f"{sum(run.solution.seconds.values()):.2f}" for run in found.runs.values()))
    return table


def _reasons(found: MarketComparison) -> list[display.Fact]:
    """Why each way is labelled as it is, and how the iteration ended."""
    facts = []
    for way, run in found.runs.items():
        status = run.solution.status
        facts.append((way, PROVES[way] if status == "certified" else f"{status}: {run.solution.reason}"))
    end = LEFT_OUT if found.trace is None else f"{found.trace.status}: {found.trace.reason}"
    return [*facts, ("iteration", end)]
