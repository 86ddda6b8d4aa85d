"""LaTeX tables: escaped names, numbers at a common precision, booktabs."""

import math
from collections.abc import Sequence

from studies import tolerances

NONE = "--"


# A "[" or "*" that begins a row would be an argument of the "\\" before it
_ESCAPED = {letter: f"\\{letter}" for letter in "&%$#_{}"} | {
    "\\": r"\textbackslash{}", "^": r"\textasciicircum{}", "~": r"\textasciitilde{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "|": r"\textbar{}", "`": r"\textasciigrave{}", "[": "{[}", "]": "{]}", "*": "{*}",
}  # fmt: skip


def escaped(text: str) -> str:
    """Text on one line with everything escaped that means something to LaTeX."""
    return " ".join("".join(_ESCAPED.get(letter, letter) for letter in text).splitlines())


def commented(text: str) -> list[str]:
    """Text as comments: a line each, so that none of it leaves them."""
    return [f"% {line}" for line in text.splitlines()]


def booktabs(
    heads: Sequence[Sequence[str]], rows: Sequence[Sequence[str]], comments: Sequence[str] = (), align: str = ""
) -> str:
    """A table for the LaTeX package booktabs; texts are escaped, comments stand above it.

    `align` has a letter a column; without it the first is to the left, the others to the right.
    """
    lines = [" & ".join(map(escaped, line)).rstrip() + r" \\" for line in (*heads, *rows)]
    return "\n".join([
        *(line for comment in (*comments, r"needs \usepackage{booktabs}") for line in commented(comment)),
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
