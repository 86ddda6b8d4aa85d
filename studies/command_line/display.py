"""A solution for people: status, numbers and the certificate as plain text that reads at 80 columns, in a terminal or a log."""

import math
from collections.abc import Iterable

from rich.console import Console
from rich.table import Table
from rich.text import Text

from bilevel.certify.certificate import Certificate
from bilevel.model import Check
from bilevel.solution import Solution

Fact = tuple[str, str]
"""A label and its value."""
STYLES = {"certified": "bold green", "feasible": "bold yellow", "pass": "green", "FAIL": "bold red"}


def console(stderr: bool = False) -> Console:
    """A console that takes text as it is: names with brackets or colons are no markup."""
    return Console(stderr=stderr, markup=False, highlight=False, emoji=False)


def show(solution: Solution, about: Iterable[Fact], outcome: Iterable[Fact], to: Console) -> None:
    """Print the status with its reason, `about`, the objective with bound and gap, `outcome`, the seconds, the certificate."""
    to.print(Text(solution.status, STYLES.get(solution.status, "bold red")) + Text(f": {solution.reason}", ""))
    to.print()
    to.print(facts_table((*about, *_numbers(solution), ("seconds", _seconds(solution)), *outcome)))
    if solution.certificate.checks:
        to.print()
        to.print(certificate_table(solution.certificate))


def facts_table(facts: Iterable[Fact]) -> Table:
    """Labels and values in two columns."""
    grid = Table.grid(padding=(0, 2))
    for fact in facts:
        grid.add_row(*fact)
    return grid


def certificate_table(certificate: Certificate) -> Table:
    """One row a check: its value, what is allowed, and where or how."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for name, justify in (("check", "left"), ("verdict", "left"), ("value", "right"), ("allowed", "right")):
        table.add_column(name, justify=justify, no_wrap=True)  # type: ignore[arg-type]
    table.add_column("note", overflow="fold")
    for check in certificate.checks:
        word = verdict(check)
        allowed = "" if check.tolerance is None else f"{check.tolerance:.3g}"
        table.add_row(check.name, Text(word, STYLES.get(word, "")), _value(check), allowed, _note(check))
    return table


def verdict(check: Check) -> str:
    """pass, FAIL, or reported for a check that has no tolerance."""
    return "reported" if check.tolerance is None else "pass" if check.ok else "FAIL"


def _numbers(solution: Solution) -> tuple[Fact, ...]:
    asked = f" (asked: {solution.settings['gap']:g})" if "gap" in solution.settings else ""
    return (
        ("objective", _number(solution.objective)),
        ("bound", _number(solution.bound)),
        ("gap", "none" if math.isinf(solution.gap) else f"{solution.gap:.2e}{asked}"),
    )


def _number(value: float) -> str:
    return f"{value:.9g}" if math.isfinite(value) else "none"


def _seconds(solution: Solution) -> str:
    return ", ".join(f"{phase} {value:.2f}" for phase, value in solution.seconds.items())


def _value(check: Check) -> str:
    if check.tolerance is None:
        return f"{check.value:.6g}"
    unit = "" if check.unit == "relative" or not check.tolerance else f" {check.unit}"
    return f"{check.value:.2g}{unit}"


def _note(check: Check) -> str:
    """The detail; the place too where a check fails, or where there is nothing else to say."""
    return "; ".join(filter(None, (check.where, check.detail))) if not check.ok else check.detail or check.where
