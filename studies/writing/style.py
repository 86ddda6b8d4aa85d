"""The style of all figures: colours of Okabe and Ito that the colour-blind tell apart, sizes of papers, reproducible files."""

import io
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.ticker import FuncFormatter

BLUE, ORANGE, GREEN, GREY, BLACK = "#0072B2", "#D55E00", "#009E73", "#767676", "#000000"
PURPLE, AMBER, SKY = "#CC79A7", "#E69F00", "#56B4E9"
WIDTH_IN, AXIS_IN = 7.2, 6.4
DPI = 200
STYLE: Any = {
    "font.size": 9, "axes.titlesize": 9, "axes.labelsize": 9, "xtick.labelsize": 8, "ytick.labelsize": 8,
    "legend.fontsize": 8, "legend.frameon": False, "axes.spines.top": False, "axes.spines.right": False,
    "axes.grid": True, "axes.grid.axis": "y", "grid.color": "#e4e4e4", "grid.linewidth": 0.6, "axes.axisbelow": True,
    "lines.linewidth": 1.4, "pdf.fonttype": 42, "text.parse_math": False, "figure.constrained_layout.use": True,
}  # fmt: skip
COLUMN_IN = 3.5
LONGEST = 60
"""Signs of a line of text in a figure; beside an axis a third of them."""
SMALL = STYLE | {
    "font.size": 8, "axes.labelsize": 8, "xtick.labelsize": 7.5, "ytick.labelsize": 7.5, "legend.fontsize": 7.5,
    "lines.linewidth": 1.2, "axes.grid": False, "legend.handlelength": 1.6, "legend.columnspacing": 1.2,
}  # fmt: skip
COLOURS = (BLUE, ORANGE, GREEN, PURPLE, AMBER, GREY)
LINES = ("-", "--", "-.", (0, (5, 1, 1, 1, 1, 1)), ":")


def shown(name: str) -> str:
    """A name from data as the label of a line: Matplotlib leaves labels that begin with an underscore out of legends."""
    return f" {name}" if name.startswith("_") else name


def brief(text: str, most: int = LONGEST) -> str:
    """Text that fits into a figure: a line of more than so many signs without its middle."""
    head, tail = most * 2 // 3, most // 3
    return "\n".join(line if len(line) <= most else f"{line[:head]}\u2026{line[-tail:]}" for line in text.split("\n"))


def _brief_label(label: Callable[[float, Any], str], value: float, position: Any) -> str:
    return brief(label(value, position), LONGEST // 3)


def _shorten(figure: Figure) -> None:
    """Every text `brief`, as names in data may be longer than any figure is wide, which leaves its axes no room."""
    for ax in figure.axes:
        for axis in (ax.xaxis, ax.yaxis):
            formatter = axis.get_major_formatter()
            # What `set_yticks` makes of labels; numbers have another one
            if isinstance(formatter, FuncFormatter):
                axis.set_major_formatter(partial(_brief_label, formatter.func))
    for label in figure.findobj(Text):
        if isinstance(label, Text):
            label.set_text(brief(label.get_text()))


@contextmanager
def _drawing() -> Iterator[None]:
    """The style, without a word on signs that its font lacks: they are drawn as boxes, and files of data have them."""
    with mpl.rc_context(STYLE), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from font", UserWarning)
        yield


def lay_out(figure: Figure) -> None:
    """Find the places of everything once, for all formats: each `render` would find them again, and draw twice for it."""
    _shorten(figure)
    with _drawing():
        figure.dpi = DPI
        figure.draw_without_rendering()
    figure.set_layout_engine("none")


def render(figure: Figure, kind: str) -> bytes:
    """The figure as a file of that kind ("png", "pdf"), the same bytes every time."""
    buffer = io.BytesIO()
    with _drawing():
        figure.savefig(buffer, format=kind, dpi=DPI, metadata={"CreationDate": None} if kind == "pdf" else None)
    return buffer.getvalue()
