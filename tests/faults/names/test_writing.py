"""Text from data in files: no spreadsheet runs it, no LaTeX typesets it, no figure reads it, and all of it comes back."""

from __future__ import annotations

import csv
import io

import hypothesis.strategies as st
import numpy as np
import pandas as pd
import pytest
from faults.names.odd import POOL
from hypothesis import given
from matplotlib.figure import Figure
from matplotlib.text import Text

from studies.writing import files, frames, latex, style

NAME = st.sampled_from(POOL) | st.text(st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp")), min_size=1)


@given(st.text() | st.sampled_from(POOL) | st.from_regex(r"'*[=+@\-][^\n]*", fullmatch=True))
def test_no_cell_runs_and_every_one_comes_back(text: str) -> None:
    cell = files.cell(text)
    assert cell[:1] not in tuple("=+-@\t\r＝＋－＠")
    assert files.uncell(cell) == text


@pytest.mark.parametrize(
    ("text", "cell"),
    [("=1", "'=1"), ("-1+1", "'-1+1"), ("@x", "'@x"), ("'=1", "''=1"), ("'it", "'it"), ("a=1", "a=1"), ("#1", "#1"), ("", "")],
)  # fmt: skip
def test_cells(text: str, cell: str) -> None:
    assert files.cell(text) == cell


@given(st.lists(NAME, min_size=1, max_size=5))
def test_tables_keep_names_and_numbers(names: list[str]) -> None:
    table = pd.DataFrame(
        {"=name": names, "-value": np.arange(len(names)) - 1.5, "whole": -1, "none": [None] * len(names)}
    )
    rows = list(csv.reader(io.StringIO(files.csv(table), newline="")))
    assert rows[0] == ["'=name", "'-value", "whole", "none"]
    assert [files.uncell(row[0]) for row in rows[1:]] == names
    assert [row[1:] for row in rows[1:]] == [[repr(k - 1.5), "-1", ""] for k in range(len(names))]
    # As the docs say to read them with pandas
    read = pd.read_csv(io.StringIO(files.csv(table)), keep_default_na=False, dtype=str)
    assert [files.uncell(name) for name in read.columns] == list(table)
    assert [files.uncell(name) for name in read["'=name"]] == names


@given(st.lists(NAME, max_size=5))
def test_names_in_one_cell_come_back(names: list[str]) -> None:
    assert frames.parted(frames.joined(names)) == names


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("\\input{FILE}", r"\textbackslash{}input\{FILE\}"), ("a^b~c", r"a\textasciicircum{}b\textasciitilde{}c"),
        ("50 % & $x_1$ #", r"50 \% \& \$x\_1\$ \#"), ("[2pt]", "{[}2pt{]}"), ("*", "{*}"), ("a\nb\r\nc", "a b c"), ("--", "--"),
    ],
)  # fmt: skip
def test_latex_is_text(text: str, said: str) -> None:
    assert latex.escaped(text) == said


def test_no_comment_is_left() -> None:
    table = latex.booktabs([["a\n\\input{FILE}", "b"]], [["[1", "2"]], ["said\n\\input{FILE}\r\\input{FILE}"])
    lines = table.splitlines()
    assert lines[:3] == ["% said", r"% \input{FILE}", r"% \input{FILE}"]
    assert not any("\\input" in line for line in lines[3:])


@pytest.mark.parametrize("name", ["$x^2_3$", "$", "\\frac", "_x", "充", "n" * 300])
def test_figures_show_names_as_they_are(name: str) -> None:
    with style.mpl.rc_context(style.STYLE):
        figure = Figure(figsize=(style.WIDTH_IN, 3))
        ax = figure.subplots()
        ax.plot([0, 1], [0, 1], label=style.shown(name))
        ax.set_title(name)
        ax.set_yticks([0, 1], [name, "other"])
        figure.legend()
    style.lay_out(figure)
    assert style.render(figure, "pdf").startswith(b"%PDF")
    shown = [item.get_text() for item in figure.findobj(Text) if isinstance(item, Text) and item.get_visible()]
    # In the title, beside the axis, and in the legend
    assert sum(style.brief(name, style.LONGEST // 3) in text or style.brief(name) in text for text in shown) >= 3
