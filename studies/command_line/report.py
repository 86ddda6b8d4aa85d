"""The command `bilevel report`: a results folder as one page of HTML."""

from pathlib import Path
from typing import Annotated

import typer

from studies import page
from studies.command_line import display
from studies.command_line.options import CODES, DONE, PARTLY, Quiet
from studies.command_line.refusals import output

Folder = Annotated[Path, typer.Argument(metavar="DIR", help="A folder that another command wrote with --out.")]
PageOut = Annotated[Path, typer.Option(metavar="FILE", help="The page; a file of that name is replaced.")]


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command("report", epilog=CODES)(write)


def write(directory: Folder, out: PageOut = Path("report.html"), quiet: Quiet = False) -> int:
    """Write a results folder as one page of HTML that needs no network: front, prices, charging, feeder, certificate, command.

    What the folder does not hold is left out, and the page says so.  A panel that fails, on a damaged file say, is named there and
    on standard error, and the exit code is 3.

    Example: bilevel report results/front --out front.html
    """
    found = page.write(page.read(directory), out)
    for sentence in found.failed:
        output.remark(sentence)
    if not quiet:
        display.console().print(display.facts_table([("page", f"{out}, {out.stat().st_size / 1000:.0f} kB")]))
    return PARTLY if found.failed else DONE
