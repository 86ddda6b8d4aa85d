"""The page: panels one after the other, style and script in it, and a policy that forbids every request."""

import os
from dataclasses import dataclass
from importlib import metadata, resources
from pathlib import Path

from bilevel.atomic import write_text
from bilevel.errors import BilevelError
from bilevel.reading.target import target
from studies.page.panels import PANELS
from studies.page.parts.folder import MissingPieceError, ResultsFolder
from studies.page.parts.html import text

POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:"


@dataclass(frozen=True)
class Page:
    """The page's `html`."""

    html: str


def write(results: ResultsFolder, out: str | Path) -> Page:
    """Write the page as the file `out`, whole or not at all; gives what was written.

    Where `out` is a link, the file that it leads to is written.  Raises what `page` raises, and `BilevelError` when `out` is a
    folder, a pipe, a device or below the results, which their command would then refuse to replace.
    """
    if Path(out).is_dir():
        raise BilevelError(f"{out} is a folder: give the page a file name, such as {Path(out) / 'report.html'}")
    # A link stays one: the page is what it leads to
    real = Path(os.path.realpath(out))
    if results.path.resolve() in real.parents:
        raise BilevelError(
            f"{out} is inside the results folder, where its command refuses other files: give a path outside {results.path}"
        )
    real.parent.mkdir(parents=True, exist_ok=True)
    target(real)
    found = page(results)
    write_text(real, found.html)
    return found


def page(results: ResultsFolder) -> Page:
    """The whole page; a panel whose files are not there is named with the reason at the end of the page.

    Raises `DamagedFileError` for a file that is there and holds what its command never writes: such a folder has no page.
    """
    shown, left_out = [], []
    for name, (title, draw) in PANELS.items():
        try:
            body = draw(results)
        except MissingPieceError as error:
            left_out.append((title, str(error)))
            continue
        if body:
            shown.append((name, title, body))
    return Page(_assembled(results, shown, left_out))


def _assembled(results: ResultsFolder, shown: list[tuple[str, str, str]], left_out: list[tuple[str, str]]) -> str:
    case = results.about.get("case", "unnamed case")
    title = f"{case}: bilevel {results.kind}"
    links = "".join(f'<a href="#{name}">{text(heading)}</a>' for name, heading, _ in shown)
    sections = "".join(_section(*part) for part in shown)
    made = f"Made by bilevel-grid {metadata.version('bilevel-grid')} from the folder {results.path.resolve().name}."
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<title>{text(title)}</title><link rel="icon" href="data:,"><style>{_asset("style.css")}</style></head>\n'
        f"<body><header><h1>{text(case)}</h1><p>bilevel {text(results.kind)}</p>"
        f'<nav aria-label="Panels">{links}</nav></header>\n<main>{sections}{_left_out(left_out)}</main>\n'
        f'<footer><p>{text(made)}</p></footer><div id="tip" role="tooltip" hidden></div>'
        f"<script>{_asset('script.js')}</script></body></html>\n"
    )


def _section(name: str, heading: str, body: str) -> str:
    return f'<section id="{name}" aria-labelledby="{name}-title"><h2 id="{name}-title">{text(heading)}</h2>{body}</section>'


def _left_out(panels: list[tuple[str, str]]) -> str:
    if not panels:
        return ""
    items = "".join(f"<li><b>{text(title)}</b>: {text(reason)}</li>" for title, reason in panels)
    return _section("left-out", "Left out", f"<ul>{items}</ul>")


def _asset(name: str) -> str:
    return resources.files("studies.page").joinpath("assets", name).read_text(encoding="utf-8")
