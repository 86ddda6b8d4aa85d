"""Arithmetic of `instances.formats.matlab`: terms over numbers, named columns and the matrices of a case, by recursive descent."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from instances.formats.budget import Budget
from instances.grid.units import FloatArray
from instances.records.errors import InstanceError, shown

__all__ = ["MATRIX_COLUMNS", "Value", "Workspace", "evaluate"]

Value = float | FloatArray

# What the index functions return, in order; columns are counted from 1
BUS_NAMES = (
    "PQ PV REF NONE BUS_I BUS_TYPE PD QD GS BS BUS_AREA VM VA BASE_KV ZONE VMAX VMIN LAM_P LAM_Q MU_VMAX MU_VMIN"
)
BRANCH_NAMES = """F_BUS T_BUS BR_R BR_X BR_B RATE_A RATE_B RATE_C TAP SHIFT BR_STATUS PF QF PT QT MU_SF MU_ST ANGMIN ANGMAX
MU_ANGMIN MU_ANGMAX"""
BRANCH_COLUMNS = (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 14, 15, 16, 17, 18, 19, 12, 13, 20, 21)
GEN_NAMES = """GEN_BUS PG QG QMAX QMIN VG MBASE GEN_STATUS PMAX PMIN MU_PMAX MU_PMIN MU_QMAX MU_QMIN PC1 PC2 QC1MIN QC1MAX
QC2MIN QC2MAX RAMP_AGC RAMP_10 RAMP_30 RAMP_Q APF"""
GEN_COLUMNS = (*range(1, 11), 22, 23, 24, 25, *range(11, 22))
MATRIX_COLUMNS: dict[str, dict[str, float]] = {
    "idx_bus": dict(zip(BUS_NAMES.split(), (1, 2, 3, 4, *range(1, 18)), strict=True)),
    "idx_brch": dict(zip(BRANCH_NAMES.split(), BRANCH_COLUMNS, strict=True)),
    "idx_gen": dict(zip(GEN_NAMES.split(), GEN_COLUMNS, strict=True)),
}
FUNCTIONS: dict[str, Callable[[Value], Value]] = {
    "sqrt": np.sqrt,
    "abs": np.abs,
    "sin": np.sin,
    "cos": np.cos,
    "tan": np.tan,
    "asin": np.arcsin,
    "acos": np.arccos,
    "atan": np.arctan,
}
NUMBERS = {"pi": math.pi, "Inf": math.inf, "inf": math.inf, "NaN": math.nan, "nan": math.nan}
# Without a way back, as "1111...1x" would be tried at every digit; a digit is an ASCII one.  Not of the group: Python 3.11.2 takes
# a group without a way back for matched where only its beginning is, and "1E" for a number
PLAIN = re.compile(r"[+-]?(?:\d++\.?+\d*+|\.\d++)(?:[eE][+-]?\d++)?", re.ASCII)
# A dot before an operator belongs to the operator, as MATLAB reads 1./x
LEXEME = re.compile(
    r"\s*((?:\d+(?:\.(?![*/^])\d*)?|\.\d+)(?:[eE][+-]?\d+)?|[A-Za-z]\w*|\.[*/^]|[-+*/^().,:\[\]])\s*", re.ASCII
)
OPERATIONS: dict[str, Callable[[Value, Value], Value]] = {
    "+": np.add,
    "-": np.subtract,
    "*": np.multiply,
    "/": np.divide,
    "^": np.power,
}


@dataclass(slots=True)
class Workspace:
    """The variables of a case file while it runs: its struct's fields, the named columns and its own variables."""

    struct: str = "mpc"
    fields: dict[str, float | FloatArray | str] = field(default_factory=dict)
    constants: dict[str, float] = field(default_factory=dict)
    variables: dict[str, Value] = field(default_factory=dict)
    budget: Budget = field(default_factory=Budget)

    def define(self, constants: Mapping[str, float]) -> None:
        """Name columns; variables of the same names are lost."""
        self.constants |= constants
        self.variables = {name: value for name, value in self.variables.items() if name not in constants}

    def set(self, name: str, value: Value) -> None:
        """Assign to a variable, whose name must not mean anything else."""
        if name == self.struct or name in self.constants or name in FUNCTIONS:
            raise InstanceError(
                f'"{name}" gets another value but names a column, a function or the case; use another name'
            )
        self.variables[name] = value

    def get(self, name: str, indices: str | None) -> Value:
        """Return a field, or rows and columns of it: a number when both are single."""
        value = self.fields.get(name)
        if value is None or isinstance(value, str):
            raise InstanceError(f"{self.struct}.{name} is no number or matrix yet; assign it before it is used")
        if indices is None:
            return value
        rows, columns = self._place(name, indices)
        self.budget.fill(self._height(name, rows) * len(columns))
        part = np.asarray(value)[rows, columns]
        return float(part[0, 0]) if part.size == 1 and ":" not in indices else part

    def put(self, name: str, indices: str, value: Value) -> None:
        """Assign to rows and columns of a matrix."""
        rows, columns = self._place(name, indices)
        shape = self._height(name, rows), len(columns)
        self.budget.fill(np.size(self.fields[name]) + shape[0] * shape[1])
        matrix = np.array(self.fields[name])
        if isinstance(value, np.ndarray) and value.shape != shape:
            raise InstanceError(
                f"{self.struct}.{name}({shown(indices)}) gets a matrix of another shape; match the rows and columns"
            )
        matrix[rows, columns] = value
        self.fields[name] = matrix

    def _height(self, name: str, rows: slice) -> int:
        """Return the number of rows that a slice of a matrix has."""
        return len(range(*rows.indices(np.shape(self.fields[name])[0])))

    def _place(self, name: str, indices: str) -> tuple[slice, list[int]]:
        """Return positions of "rows, columns": all rows or one, columns by number or name, several in brackets."""
        matrix = self.fields.get(name)
        found = re.fullmatch(r"\s*(:|[0-9]{1,9})\s*,\s*(?:\[([^\]]*)\]|(\w+))\s*", indices)
        if not isinstance(matrix, np.ndarray) or not found:
            raise InstanceError(
                f'"{self.struct}.{name}({shown(indices)})" is not understood; address one row or all, and columns by name'
            )
        columns = [
            self._column(name, column) - 1 for column in re.split(r"[\s,]+", (found[2] or found[3] or "").strip())
        ]
        rows = slice(None) if found[1] == ":" else slice(int(found[1]) - 1, int(found[1]))
        if found[1] == "0" or int(rows.stop or 0) > matrix.shape[0] or max(columns) >= matrix.shape[1]:
            size = f"{matrix.shape[0]} x {matrix.shape[1]}"
            raise InstanceError(
                f"{self.struct}.{name}({shown(indices)}) lies outside of the {size} matrix; correct the index"
            )
        return rows, columns

    def _column(self, name: str, column: str) -> int:
        """Return the number of a column, from 1, by number or name."""
        value = float(column) if re.fullmatch("[0-9]{1,9}", column) else self.constants.get(column)
        if value is None or value < 1:
            raise InstanceError(
                f'{self.struct}.{name} has no column "{shown(column)}"; name it by idx_bus, idx_brch or idx_gen'
            )
        return int(value)


def evaluate(text: str, workspace: Workspace) -> Value:
    """Return the value of a term; raises `InstanceError` for whatever is not plain arithmetic."""
    workspace.budget.step()
    if PLAIN.fullmatch(text):
        return float(text)
    reader = _Reader(text.strip(), workspace)
    with np.errstate(all="ignore"):
        value = reader.sum()
    if reader.rest:
        raise reader.lost()
    return value if isinstance(value, np.ndarray) else float(value)


class _Reader:
    """Recursive descent over lexemes, binding as MATLAB does: sums, products, signs, powers, atoms."""

    def __init__(self, text: str, workspace: Workspace) -> None:
        """Split the text; the lexemes still to be read are kept in reverse."""
        self.text, self.workspace = text, workspace
        self.budget = workspace.budget
        lexemes, position = [], 0
        while position < len(text):
            found = LEXEME.match(text, position)
            if not found:
                raise self.lost()
            self.budget.step()
            lexemes.append(found[1])
            position = found.end()
        self.rest = lexemes[::-1]

    def sum(self) -> Value:
        """Read products joined by + and -."""
        value = self.product()
        while self.rest and self.rest[-1] in {"+", "-"}:
            value = self.apply(self.rest.pop(), value, self.product())
        return value

    def product(self) -> Value:
        """Read signed powers joined by *, / and their elementwise forms."""
        value = self.signed()
        while self.rest and self.rest[-1] in {"*", "/", ".*", "./"}:
            value = self.apply(self.rest.pop(), value, self.signed())
        return value

    def signed(self) -> Value:
        """Read a power with signs before it, which bind less than the power."""
        minus = False
        while self.rest and self.rest[-1] in {"+", "-"}:
            minus ^= self.rest.pop() == "-"
        value = self.power()
        return self.filled(-value) if minus else value

    def power(self) -> Value:
        """Read atoms joined by ^, from the left; an exponent may have a sign."""
        value = self.atom()
        while self.rest and self.rest[-1] in {"^", ".^"}:
            operator, sign = self.rest.pop(), 1.0
            while self.rest and self.rest[-1] in {"+", "-"}:
                sign = -sign if self.rest.pop() == "-" else sign
            value = self.apply(operator, value, sign * self.atom())
        return value

    def atom(self) -> Value:
        """Read a number, a name, a function of a term, a field of the struct, or a term in parentheses."""
        token = self.rest.pop() if self.rest else ""
        if token == "(":
            return self.closed()
        if PLAIN.fullmatch(token):
            return float(token)
        if token == self.workspace.struct and self.rest[-1:] == ["."]:
            self.rest.pop()
            return self.field()
        if token in FUNCTIONS and self.rest[-1:] == ["("]:
            self.rest.pop()
            return self.filled(FUNCTIONS[token](self.closed()))
        for known in (self.workspace.variables, self.workspace.constants, NUMBERS):
            if token in known:
                return known[token]
        raise self.lost(token)

    def closed(self) -> Value:
        """Read a term and the parenthesis that closes it."""
        self.budget.enter()
        value = self.sum()
        if not self.rest or self.rest.pop() != ")":
            raise self.lost()
        self.budget.leave()
        return value

    def field(self) -> Value:
        """Read the name of a field and, in parentheses, its indices."""
        if not self.rest:
            raise self.lost()
        name = self.rest.pop()
        if self.rest[-1:] != ["("]:
            return self.workspace.get(name, None)
        self.rest.pop()
        indices = []
        while self.rest and self.rest[-1] != ")":
            indices.append(self.rest.pop())
        if not self.rest:
            raise self.lost()
        self.rest.pop()
        return self.workspace.get(name, " ".join(indices))

    def apply(self, operator: str, left: Value, right: Value) -> Value:
        """Apply an operator; products of two matrices and shapes that differ are refused."""
        matrices = [isinstance(value, np.ndarray) for value in (left, right)]
        if (
            (operator == "*" and all(matrices))
            or (operator == "/" and matrices[1])
            or (operator == "^" and any(matrices))
        ):
            raise InstanceError(
                f'"{shown(self.text)}" applies "{operator}" to matrices; use ".{operator}", element by element'
            )
        if all(matrices) and np.shape(left) != np.shape(right):
            raise InstanceError(
                f'"{shown(self.text)}" joins matrices of different shapes; match their rows and columns'
            )
        return self.filled(OPERATIONS[operator.lstrip(".")](left, right))

    def filled(self, value: Value) -> Value:
        """Count the cells of a value that was made."""
        self.budget.fill(np.size(value))
        return value

    def lost(self, name: str = "") -> InstanceError:
        """Return the refusal of the term, by the name that is not known if there is one."""
        if name[:1].isalpha():
            return InstanceError(f'"{shown(self.text)}" has the unknown name "{shown(name)}"; write the number instead')
        return InstanceError(f'"{shown(self.text)}" is not plain arithmetic; write the number instead')
