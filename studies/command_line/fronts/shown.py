"""What is printed of a front, and the exit code that it ends with."""

from rich.table import Table
from rich.text import Text

from bilevel.front.pareto_front import ParetoFront
from studies.command_line import display
from studies.command_line.options import DONE, NOTHING, PARTLY, Problem

WORDS = {"checked": "proof checked", "solver": "solver's bound", "none": "no bound"}
"""Whose word a bound is."""


def code(front: ParetoFront) -> int:
    """The exit code of a front."""
    if not front.points:
        return NOTHING
    return DONE if front.complete and front.certified else PARTLY


def show(front: ParetoFront, asked: Problem, files: display.Fact | None) -> None:
    """Print a front, and what was written where `files` tells it."""
    console = display.console()
    console.print(verdict(front))
    console.print()
    leader = "maximises profit for every network loss"
    facts = asked.about(leader if asked.days.scenarios is None else f"{leader}, both expected")
    console.print(display.facts_table([*facts, *_facts(front, asked.case.currency), *([files] if files else [])]))
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
