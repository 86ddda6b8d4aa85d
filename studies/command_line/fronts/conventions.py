"""Fronts of several conventions of ties beside each other: `bilevel pareto --ties optimistic,secure`.

The first one's folder is --out itself, every other one's a folder of its name in it; each goes on by itself with --resume.
"""

from collections.abc import Mapping
from pathlib import Path

from rich.text import Text

from bilevel.errors import BilevelError
from bilevel.front.pareto_front import ParetoFront
from bilevel.reformulate.ties import PESSIMISTIC, SECURE, wanted
from studies.command_line import display
from studies.command_line.fronts import shown
from studies.command_line.options import PARTLY, Problem
from studies.pricing import front_results

Kinds = dict[str, float | None]
"""Conventions in the order asked for, with the margin of each."""


def listed(ties: str, margin: float | None, proofs: bool) -> Kinds:
    """The conventions in `--ties`; raises `BilevelError` for one that is none, that comes twice, or that fronts do not have."""
    names = [name.strip() for name in ties.split(",")]
    several = len(names) > 1 and SECURE in names
    kinds: Kinds = {}
    for name in names:
        own = None if several and name != SECURE else margin
        wanted(name, own, proofs)
        if name == PESSIMISTIC:
            raise BilevelError(f"fronts have no ties={name!r}: give optimistic, secure, or optimistic,secure")
        if name in kinds:
            raise BilevelError(f"--ties names {name!r} twice: give each convention once, such as optimistic,secure")
        kinds[name] = own
    return kinds


def place(out: Path | None, name: str, kinds: Kinds) -> Path | None:
    """The folder of a convention's front."""
    return out if out is None or name == next(iter(kinds)) else out / name


def code(fronts: Mapping[str, ParetoFront], kinds: Kinds) -> int:
    """The worst exit code of the fronts; where one is missing, at least that of a part."""
    return max([shown.code(front) for front in fronts.values()] + [PARTLY] * (len(fronts) < len(kinds)))


def write(fronts: Mapping[str, ParetoFront], currency: str, out: Path) -> tuple[str, ...]:
    """Write table and figure of several fronts, and remove those of an earlier run; gives their names."""
    files = front_results.fronts_files(fronts, currency) if len(fronts) > 1 else {}
    return front_results.write(out, files, front_results.FRONTS_FILES)


def show(fronts: Mapping[str, ParetoFront], asked: Problem, files: display.Fact) -> None:
    """Print one front after the other, each under its convention where there are several."""
    for at, (name, front) in enumerate(fronts.items(), 1):
        if len(fronts) > 1:
            display.console().print(Text(f"ties {name}", "bold"))
        shown.show(front, asked, files if at == len(fronts) else None)
        if at < len(fronts):
            display.console().print()
