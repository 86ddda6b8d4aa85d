"""A Pyomo model with one linear follower to MPS and AUX files."""

from collections.abc import Container, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyomo.environ as pyo
import scipy.sparse as sp

from bilevel.atomic import write_text
from bilevel.compile.compiler import compile_model
from bilevel.errors import ModelError, UnknownNameError
from bilevel.interchange import aux_file
from bilevel.interchange.mps_reader import MAXIMISES
from bilevel.model import Follower
from bilevel.program.bilevel_program import Program
from bilevel.program.rows import Index, Rows, stack_rows

FORMS = ("name", "index")
_OBJECTIVE = "OBJ"
_NO_NAMES = ("*", "#", "@")


def write_mps(model: Any, mps_path: str | Path, aux_path: str | Path, form: str = "name") -> None:
    """Write a bilevel model as an MPS and an AUX file, each atomically; `form` is how the AUX file refers to the MPS file.

    The format holds a linear leader, continuous or mixed-integer, and one linear follower whose prices are constants; anything
    else raises `ModelError` naming what does not fit.  Names are the Pyomo ones with spaces as underscores; members of
    containers called `column` and `row`, as `read_mps` makes them, go by their index alone.  A leader that maximises is
    written negated with a comment, and a follower that maximises negated in the name form, because readers ignore the sense.
    """
    if form not in FORMS:
        raise UnknownNameError("AUX form", form, FORMS)
    program = compile_model(model)
    _refuse(program)
    files = _Files(model, program)
    # Both before one is written, as either may be refused
    mps, aux = files.mps(), files.aux(form, Path(mps_path).name)
    write_text(Path(mps_path), mps)
    write_text(Path(aux_path), aux)


def _refuse(program: Program) -> None:
    stack = program.followers
    if len(stack.names) != 1:
        raise ModelError(
            f"MPS + AUX holds one follower, and the model has {len(stack.names)} ({', '.join(map(repr, stack.names[:3]))}): "
            "write the single-level problem with bilevel.write_model"
        )
    price, quadratic = sp.coo_array(stack.price), sp.coo_array(stack.quadratic)
    pairs: list[tuple[Any, Any]] = [(price.coords[0], price.coords[1]), (program.bilinear.leader, program.bilinear.follower),
             (quadratic.coords[0], quadratic.coords[1])]  # fmt: skip
    for first, second in pairs:
        if len(first):
            raise ModelError(
                f"MPS + AUX holds linear problems, and the model has the product of {program.name(int(first[0]))!r} and "
                f"{program.name(int(second[0]))!r}: write the single-level problem with bilevel.write_model"
            )
    if len(program.links.row):
        raise ModelError(
            f"MPS + AUX holds no multipliers, and the leader reads that of row {stack.rows.names[int(program.links.row[0])]!r}: "
            "write the single-level problem with bilevel.write_model"
        )
    curved = program.cones.names + stack.cones.names
    if curved:
        raise ModelError(
            f"MPS + AUX holds linear problems, and {curved[0]!r} is quadratic: write the single-level problem with "
            "bilevel.write_model"
        )
    if not len(stack.columns):
        raise ModelError(
            f"follower {stack.names[0]!r} uses no variable of its own, and an AUX file needs one: drop the follower"
        )


class _Files:
    """Both files; columns are the leader's, then the follower's, and so are the rows; rows without limits are left out."""

    def __init__(self, model: Any, program: Program) -> None:
        self.program, self.leader_count = program, 0
        own = program.followers.columns
        self.order: Index = np.concatenate([np.setdiff1d(np.arange(program.columns), own), own])
        self.first = program.columns - len(own)
        leader, follower = _limited(program.rows), _limited(program.followers.rows)
        self.first_row = leader.count
        self.rows = stack_rows([leader, follower])
        short = _short_names(model)
        self.columns = _unique([short.get(program.name(int(j)), program.name(int(j))) for j in self.order], "variables")
        self.names = _unique([short.get(name, name) for name in self.rows.names], "rows")
        # The format keeps the objective among the rows, and readers take the name of a set for a column's
        self.objective = _free(_OBJECTIVE, self.names)
        self.right, self.range, self.bound = (_free(name, self.columns) for name in ("RHS", "RANGE", "BOUND"))

    def mps(self) -> str:
        """The MPS file, every number as Python's shortest exact one."""
        return "\n".join([*self._head(), *self._entries(), *self._sides(), *self._bounds(), "ENDATA"]) + "\n"

    def aux(self, form: str, mps: str) -> str:
        """The AUX file."""
        stack = self.program.followers
        cost = stack.cost[self.order[self.first :]]
        if form == "name":
            _refuse_comments([*self.columns[self.first :], *self.names[self.first_row :]])
            columns = zip(self.columns[self.first :], cost.tolist(), strict=True)
            return aux_file.by_name(list(columns), self.names[self.first_row :], mps)
        # The index form has the sense that the follower was written with; costs of a program are minimised
        sense = int(stack.sense[0])
        indices = zip(range(self.first, len(self.columns)), (sense * cost).tolist(), strict=True)
        return aux_file.by_index(list(indices), list(range(self.first_row, len(self.names))), sense)

    def _head(self) -> Iterator[str]:
        yield "NAME bilevel"
        if self.program.sign < 0:
            yield MAXIMISES
        yield "ROWS"
        yield f" N {self.objective}"
        for name, low, high in zip(self.names, self.rows.lower, self.rows.upper, strict=True):
            # A row with two limits is of type L with a range under its upper one
            yield f" {'E' if low == high else 'L' if np.isfinite(high) else 'G'} {name}"

    def _entries(self) -> Iterator[str]:
        yield "COLUMNS"
        matrix = sp.csc_array(self.rows.matrix)
        inside = False
        for name, column in zip(self.columns, self.order.tolist(), strict=True):
            if bool(self.program.integer[column]) != inside:
                inside = not inside
                yield f" MARKER 'MARKER' '{'INTORG' if inside else 'INTEND'}'"
            # A cost of 0 too: a column is declared by its entries, and one without rows has no other
            yield f" {name} {self.objective} {float(self.program.cost[column])!r}"
            part = slice(matrix.indptr[column], matrix.indptr[column + 1])
            for row, value in zip(matrix.indices[part].tolist(), matrix.data[part].tolist(), strict=True):
                yield f" {name} {self.names[row]} {value!r}"
        if inside:
            yield " MARKER 'MARKER' 'INTEND'"

    def _sides(self) -> Iterator[str]:
        yield "RHS"
        if self.program.offset:
            # The format's own rule: the objective's right-hand side is the negative of its constant
            yield f" {self.right} {self.objective} {-self.program.offset!r}"
        limits = list(zip(self.names, self.rows.lower.tolist(), self.rows.upper.tolist(), strict=True))
        yield from (f" {self.right} {name} {high if np.isfinite(high) else low!r}" for name, low, high in limits)
        # A range is a difference, the one number here that rounding may shift
        ranges = [(name, high - low) for name, low, high in limits if low < high and np.isfinite(high - low)]
        if ranges:
            yield "RANGES"
            yield from (f" {self.range} {name} {width!r}" for name, width in ranges)

    def _bounds(self) -> Iterator[str]:
        yield "BOUNDS"
        program = self.program
        for name, column in zip(self.columns, self.order.tolist(), strict=True):
            yield from _bounds_of(f"{self.bound} {name}", float(program.lower[column]), float(program.upper[column]))


def _bounds_of(name: str, low: float, high: float) -> Iterator[str]:
    """Both bounds of set and column, also the usual ones: readers disagree on what integer columns have without."""
    if low == high:
        yield f" FX {name} {low!r}"
        return
    yield f" LO {name} {low!r}" if np.isfinite(low) else f" MI {name}"
    yield f" UP {name} {high!r}" if np.isfinite(high) else f" PL {name}"


def _limited(rows: Rows) -> Rows:
    """The rows with at least one limit."""
    # A row without limits would be of type N, which is another objective to readers
    keep = np.flatnonzero(np.isfinite(rows.lower) | np.isfinite(rows.upper))
    return Rows(rows.matrix[keep], rows.lower[keep], rows.upper[keep], tuple(rows.names[at] for at in keep))


def _short_names(model: Any) -> dict[str, str]:
    """Full name to index, of the members of containers called `column` and `row` with text as index."""
    kinds = (pyo.Var, pyo.Constraint)
    return {
        str(member.name): member.index()
        for container in model.component_objects(kinds, descend_into=(pyo.Block, Follower))
        if container.local_name in ("column", "row")
        for member in container.values()
        if isinstance(member.index(), str)
    }


def _unique(names: list[str], what: str) -> list[str]:
    """Names with spaces as underscores; refuses two that become one."""
    clean: dict[str, str] = {}
    for name in names:
        short = "_".join(name.split())
        if short in clean:
            raise ModelError(
                f"{what} {clean[short]!r} and {name!r} would both be called {short!r} in the MPS file: rename one"
            )
        clean[short] = name
    return list(clean)


def _free(name: str, taken: Container[str]) -> str:
    """The name, with underscores where it is taken."""
    while name in taken:
        name += "_"
    return name


def _refuse_comments(names: Iterable[str]) -> None:
    """Refuses names that stand first in a line of an AUX file and would begin a comment or a keyword there."""
    for name in names:
        if name.startswith(_NO_NAMES):
            raise ModelError(
                f"name {name!r} begins as comments and keywords of AUX files do: write the index form, form='index', or rename it"
            )
