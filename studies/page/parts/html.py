"""Small pieces of HTML; every text that is not markup goes through `text`."""

import contextlib
import json
import math
from collections.abc import Container, Iterable, Sequence
from html import escape
from typing import Any

from bilevel.status import Status

DASH = "–"
MOST_COLUMNS = 9
"""Columns of numbers that fit a printed page."""


def text(value: object) -> str:
    """Text for an element or a quoted attribute; a replacement sign for what is no character, as in names of files."""
    return escape(readable(str(value)), quote=True)


def readable(name: str) -> str:
    """A name with replacement signs for bytes of it that are no UTF-8, which Python keeps as surrogates."""
    return name.encode("utf-8", "surrogatepass").decode("utf-8", "replace") if not name.isascii() else name


def number(value: Any, digits: int = 6) -> str:
    """A number with so many significant digits, whole numbers as they are; a dash for none."""
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return DASH
    if isinstance(value, int):
        return str(value)
    value = float(value)
    if value and not 1e-4 <= abs(value) < 1e7:
        return f"{value:.{min(digits, 3)}g}"
    return f"{value:.{digits}g}".replace("-0", "0") if value == 0 else f"{value:.{digits}g}"


def embedded(data: Any) -> str:
    """JSON that is safe inside a script element: no `<`, `>` or `&` is left, so that nothing in it can end the element."""
    found = json.dumps(data, allow_nan=False, separators=(",", ":"))
    return found.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def table(heads: Sequence[str], rows: Iterable[Sequence[str]], caption: str, numbers: Container[int]) -> str:
    """A table of ready-made cells; the columns in `numbers` hold numbers, which one of many columns may break in print."""
    kinds = [' class="n"' if k in numbers else "" for k in range(len(heads))]
    head = "".join(f'<th scope="col"{kind}>{text(name)}</th>' for name, kind in zip(heads, kinds, strict=True))
    body = "".join(
        "<tr>" + "".join(f"<td{kind}>{cell}</td>" for cell, kind in zip(row, kinds, strict=True)) + "</tr>"
        for row in rows
    )
    said = f"<caption>{text(caption)}</caption>"
    kind = ' class="many"' if len(heads) > MOST_COLUMNS else ""
    return f'<div class="wide"><table{kind}>{said}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def facts(pairs: Iterable[tuple[str, str]]) -> str:
    """Names and what is to be said of them."""
    rows = "".join(f"<div><dt>{text(name)}</dt><dd>{text(value)}</dd></div>" for name, value in pairs)
    return f'<dl class="facts">{rows}</dl>'


def folded(summary: str, body: str) -> str:
    """Content behind a line that opens it."""
    return f"<details><summary>{text(summary)}</summary>{body}</details>"


def light(verdict: str) -> str:
    """A traffic light: the word, and a mark that differs in shape as well as in colour."""
    with contextlib.suppress(ValueError):
        # Folders of older versions have older words
        verdict = Status.read(verdict)
    kind = {"pass": "pass", "certified": "pass", "FAIL": "fail", "rejected": "fail"}.get(verdict, "said")
    return f'<span class="light {kind}"><span class="dot" aria-hidden="true"></span>{text(verdict)}</span>'
