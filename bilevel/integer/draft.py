"""Columns and rows that are added to a program one by one."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from bilevel.program.rows import Rows, coo, stack_rows
from bilevel.program.solver_program import SolverProgram

Form = dict[int, float]
"""A linear form: column to coefficient."""


def added(form: Form, more: Mapping[int, float], factor: float = 1.0) -> Form:
    """The first form plus `factor` times the second; it is changed in place, too."""
    for column, value in more.items():
        form[column] = form.get(column, 0.0) + factor * value
    return form


class Draft:
    """What stands behind the columns and under the rows of a base program."""

    def __init__(self, columns: int) -> None:
        self.first = columns
        self.lower: list[float] = []
        self.upper: list[float] = []
        self.whole: list[bool] = []
        self.scale: list[float] = []
        self.rows: list[tuple[Form, float, float, str]] = []

    def column(self, lower: float, upper: float, whole: bool = False, scale: float = 1.0) -> int:
        """A new column; gives its place."""
        self.lower.append(lower)
        self.upper.append(upper)
        self.whole.append(whole)
        self.scale.append(scale)
        return self.first + len(self.lower) - 1

    def row(self, form: Form, lower: float, upper: float, name: str) -> None:
        """A new row."""
        self.rows.append((form, lower, upper, name))

    def on(self, base: SolverProgram) -> SolverProgram:
        """The base with all of it."""
        wide = base.with_columns(np.array(self.lower), np.array(self.upper), np.array(self.scale))
        integer = np.concatenate([base.integer, np.array(self.whole, dtype=bool)])
        rows = stack_rows([wide.rows, self.as_rows(wide.columns)])
        return replace(wide, integer=integer, rows=rows)

    def as_rows(self, columns: int) -> Rows:
        """The rows over so many columns."""
        entries = [(at, column, value) for at, (form, *_) in enumerate(self.rows) for column, value in form.items()]
        lower, upper = (np.array([row[side] for row in self.rows], dtype=float) for side in (1, 2))
        return Rows(coo(entries, (len(self.rows), columns)), lower, upper, tuple(row[3] for row in self.rows))
