"""The command `bilevel report`: a results folder as one page of HTML."""

from pathlib import Path
from typing import Annotated

import typer

from bilevel import report
from bilevel.cli_options import CODES, Quiet
from formulations import report_page

Folder = Annotated[Path, typer.Argument(metavar="DIR", help="A folder that another command wrote with --out.")]
PageOut = Annotated[Path, typer.Option(metavar="FILE", help="The page; a file of that name is replaced.")]


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command("report", epilog=CODES)(write)


def write(directory: Folder, out: PageOut = Path("report.html"), quiet: Quiet = False) -> int:
    """Write a results folder as one page of HTML that needs no network: front, prices, charging, feeder, certificate, command.

    What the folder does not hold is left out, and the page says so.

    Example: bilevel report results/front --out front.html
    """
    target = report_page.write(report_page.read(directory), out)
    if not quiet:
        report.console().print(report.facts_table([("page", f"{target}, {target.stat().st_size / 1000:.0f} kB")]))
    return 0
