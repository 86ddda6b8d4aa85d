"""The command `bilevel report`: a results folder as one page of HTML."""

from pathlib import Path
from typing import Annotated

import typer

from studies import page
from studies.command_line import display
from studies.command_line.options import CODES, DONE, Quiet

Folder = Annotated[Path, typer.Argument(metavar="DIR", help="A folder that another command wrote with --out.")]
PageOut = Annotated[Path, typer.Option(metavar="FILE", help="The page; a file of that name is replaced.")]


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command("report", epilog=CODES)(write)


def write(directory: Folder, out: PageOut = Path("report.html"), quiet: Quiet = False) -> int:
    """Write a results folder as one page of HTML that needs no network: front, prices, charging, feeder, certificate, command.

    What the folder does not hold is left out, and the page says so.  A file that is damaged, or that claims more than its numbers
    show, is refused with its line and field, and no page is written.

    Example: bilevel report results/front --out front.html
    """
    page.write(page.read(directory), out)
    if not quiet:
        display.console().print(display.facts_table([("page", f"{out}, {out.stat().st_size / 1000:.0f} kB")]))
    return DONE
