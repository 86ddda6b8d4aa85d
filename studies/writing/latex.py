"""LaTeX tables: escaped names, numbers at a common precision, booktabs."""

import math
from collections.abc import Sequence

from studies import tolerances

NONE = "--"


def escaped(text: str) -> str:
    """Text with the characters escaped that mean something to LaTeX."""
    return "".join(f"\\{letter}" if letter in "&%$#_{}" else letter for letter in text)


def booktabs(
    heads: Sequence[Sequence[str]], rows: Sequence[Sequence[str]], comments: Sequence[str] = (), align: str = ""
) -> str:
    """A table for the LaTeX package booktabs; texts are escaped, comments stand above it.

    `align` has a letter a column; without it the first is to the left, the others to the right.
    """
    lines = [" & ".join(map(escaped, line)).rstrip() + r" \\" for line in (*heads, *rows)]
    return "\n".join([
        *(f"% {comment}" for comment in (*comments, r"needs \usepackage{booktabs}")),
        rf"\begin{{tabular}}{{{align or 'l' + 'r' * (len(heads[0]) - 1)}}}", r"\toprule", *lines[: len(heads)], r"\midrule",
        *lines[len(heads) :], r"\bottomrule", r"\end{tabular}", "",
    ])  # fmt: skip


def digits(value: float, count: int) -> str:
    """A number with so many digits at least and no power of ten aside, "--" where it is none; what is next to 0 is "0"."""
    if not math.isfinite(value):
        return NONE
    if abs(value) < tolerances.SHOWN_AS_ZERO:
        return "0"
    return f"{value:.{max(0, count - 1 - math.floor(math.log10(abs(value))))}f}"
