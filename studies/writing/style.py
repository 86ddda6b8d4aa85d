"""The style of all figures: colours of Okabe and Ito that the colour-blind tell apart, sizes of papers, reproducible files."""

import io
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

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
SMALL = STYLE | {
    "font.size": 8, "axes.labelsize": 8, "xtick.labelsize": 7.5, "ytick.labelsize": 7.5, "legend.fontsize": 7.5,
    "lines.linewidth": 1.2, "axes.grid": False, "legend.handlelength": 1.6, "legend.columnspacing": 1.2,
}  # fmt: skip
COLOURS = (BLUE, ORANGE, GREEN, PURPLE, AMBER, GREY)
LINES = ("-", "--", "-.", (0, (5, 1, 1, 1, 1, 1)), ":")


def lay_out(figure: Figure) -> None:
    """Find the places of everything once, for all formats: each `render` would find them again, and draw twice for it."""
    with mpl.rc_context(STYLE):
        figure.dpi = DPI
        figure.draw_without_rendering()
    figure.set_layout_engine("none")


def render(figure: Figure, kind: str) -> bytes:
    """The figure as a file of that kind ("png", "pdf"), the same bytes every time."""
    buffer = io.BytesIO()
    with mpl.rc_context(STYLE):
        figure.savefig(buffer, format=kind, dpi=DPI, metadata={"CreationDate": None} if kind == "pdf" else None)
    return buffer.getvalue()
