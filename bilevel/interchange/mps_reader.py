"""MPS and AUX files to a Pyomo model with one follower."""

import tempfile
from pathlib import Path
from typing import Any

import highspy
import numpy as np
import pyomo.environ as pyo
import scipy.sparse as sp

from bilevel import tolerances
from bilevel.compile import to_pyomo
from bilevel.errors import BilevelError, ModelError
from bilevel.interchange import aux_file, interdiction, mps_check
from bilevel.interchange.problem import Problem
from bilevel.model import Follower
from bilevel.reading.regular import unpacked
from bilevel.solvers.highs import spend_banner

MAXIMISES = "* the leader maximises: this objective is the negative of the leader's"
"""Comment by which `write_mps` remembers a sense that many MPS readers, that of MibS among them, would ignore."""

_WHOLE = {"LI": "LO", "UI": "UP"}
"""Bounds of integer columns and what they are without: HiGHS takes those of whole numbers below 2^31 alone."""


def read_mps(mps_path: str | Path, aux_path: str | Path) -> Any:
    """A Pyomo model of a bilevel problem in an MPS file (also .gz) and an AUX file, in its name or its index form.

    The leader has the objective of the MPS file and all that the AUX file does not list: `model.column[name]`,
    `model.row[name]`, `model.objective`.  The follower has what it lists: `model.follower.column[name]`,
    `model.follower.row[name]`, and `model.follower.objective` from the AUX file.  Bounds of follower columns are the follower's.
    Interdiction problems in short (IC and IB) are expanded (`bilevel.interchange.interdiction`).
    An integer column without bounds is binary, which is the MPS rule of HiGHS and COIN.

    Raises `ModelError` naming file, line and value.
    """
    mps, aux = Path(mps_path), Path(aux_path)
    text = _text(mps)
    mps_check.check(mps, text)
    problem = _parse(mps, text)
    found = aux_file.read(aux, _text(aux))
    if found.interdiction:
        problem = interdiction.expanded(problem, found)
    columns = aux_file.resolve(found, found.columns, problem.columns, "column")
    rows = aux_file.resolve(found, found.rows, problem.rows, "row")
    return _model(problem, columns, rows, found)


def _text(path: Path) -> str:
    """The content of a file, unpacked if it ends in .gz."""
    try:
        return unpacked(path).decode("utf-8")
    except BilevelError as error:
        raise ModelError(str(error)) from error
    except UnicodeDecodeError as error:
        raise ModelError(f"{path} is not text in UTF-8 (byte {error.start}): convert it") from error
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {error.strerror or error}") from error


def _parse(path: Path, text: str) -> Problem:
    """Let HiGHS read it; what it warns of would be changed silently, so that is refused too."""
    plain, whole = _without_integer_bounds(text)
    highs, said = _read_with_highs(plain)
    lp = highs.getLp()
    names = list(lp.col_names_)
    lower, upper = np.array(lp.col_lower_), np.array(lp.col_upper_)
    # Readers differ on whether a negative UP takes the lower bound of 0 away, so that it is not guessed;
    # HiGHS warns of such a column by its number alone, so that this comes before what it says
    for at in np.flatnonzero(lower > upper).tolist():
        raise ModelError(
            f"{path}: column {names[at]!r} has lower bound {lower[at]:g} above its upper bound {upper[at]:g}: give both bounds"
        )
    if said:
        raise ModelError(f"{path} is not read as it stands: {said}")
    kinds = list(lp.integrality_) or [highspy.HighsVarType.kContinuous] * len(names)
    sign = -1.0 if MAXIMISES in text.splitlines() else 1.0
    matrix = lp.a_matrix_
    by_column = matrix.format_ == highspy.MatrixFormat.kColwise
    shape = (len(lp.row_names_), len(names))
    parts = np.array(matrix.value_), np.array(matrix.index_), np.array(matrix.start_)
    return Problem(
        columns=names, rows=list(lp.row_names_), cost=sign * np.array(lp.col_cost_),
        offset=sign * float(lp.offset_), maximise=(lp.sense_ == highspy.ObjSense.kMaximize) != (sign < 0),
        matrix=sp.csr_array(sp.csc_array(parts, shape=shape) if by_column else sp.csr_array(parts, shape=shape)),
        row_lower=np.array(lp.row_lower_), row_upper=np.array(lp.row_upper_), lower=lower, upper=upper,
        integer=np.array([kind == highspy.HighsVarType.kInteger for kind in kinds], dtype=bool) | np.isin(names, sorted(whole)),
    )  # fmt: skip


def _without_integer_bounds(text: str) -> tuple[str, set[str]]:
    """The file with plain bounds for those of types LI and UI, and the columns that have them, which are integer."""
    lines, whole, section = text.splitlines(), set(), ""
    for at, line in enumerate(lines):
        tokens = line.split()
        if not tokens or line.startswith("*"):
            continue
        if not line[0].isspace():
            section = tokens[0].upper()
        elif section == "BOUNDS" and tokens[0].upper() in _WHOLE:
            lines[at] = " ".join(["", _WHOLE[tokens[0].upper()], *tokens[1:]])
            whole.add(tokens[-2])
    return "\n".join(lines) + "\n", whole


def _read_with_highs(text: str) -> tuple[Any, str]:
    """The reader's result, and the first thing that it complained of."""
    spend_banner()
    highs, said = highspy.Highs(), []
    highs.setOptionValue("log_to_console", False)
    # By default coefficients of 1e-9 and less are dropped
    highs.setOptionValue("small_matrix_value", tolerances.FINE_DUST)
    # What HiGHS changes in a file it tells in its log alone
    highs.cbLogging.subscribe(lambda event: said.append(str(event.message)))
    # HiGHS reads files only, and knows the format by the suffix
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "problem.mps"
        path.write_text(text, encoding="utf-8")
        status = highs.readModel(str(path))
    complaints = [line.partition(":")[2].strip() for line in said if line.startswith(("WARNING:", "ERROR:"))]
    if status == highspy.HighsStatus.kOk:
        return highs, ""
    return highs, complaints[0].replace(str(path), "the file") if complaints else f"HiGHS ends with {status}"


def _model(problem: Problem, columns: list[int], rows: list[int], found: aux_file.Auxiliary) -> Any:
    model = pyo.ConcreteModel()
    model.follower = Follower()
    mine, my_rows = set(columns), set(rows)
    others = [at for at in range(len(problem.columns)) if at not in mine]
    variables = {**_add_columns(model, problem, others), **_add_columns(model.follower, problem, columns)}
    ordered = [variables[at] for at in range(len(problem.columns))]
    _add_rows(model, problem, [at for at in range(len(problem.rows)) if at not in my_rows], ordered)
    _add_rows(model.follower, problem, rows, ordered)
    cost = np.zeros(len(problem.columns))
    cost[columns] = found.cost
    leader = to_pyomo.objective(problem.cost, problem.offset, ordered)
    model.objective = pyo.Objective(expr=leader, sense=pyo.maximize if problem.maximise else pyo.minimize)
    sense = pyo.minimize if found.sense > 0 else pyo.maximize
    model.follower.objective = pyo.Objective(expr=to_pyomo.objective(cost, 0.0, ordered), sense=sense)
    return model


def _add_columns(block: Any, problem: Problem, picked: list[int]) -> dict[int, Any]:
    """`block.column`, with its variables by position."""
    block.column = pyo.Var([problem.columns[at] for at in picked])
    return {at: _limit(block.column[problem.columns[at]], problem, at) for at in picked}


def _add_rows(block: Any, problem: Problem, picked: list[int], ordered: list[Any]) -> None:
    """`block.row`."""
    block.row = pyo.Constraint([problem.rows[at] for at in picked])
    for at in picked:
        body = to_pyomo.linear(problem.matrix, at, ordered)
        limited = to_pyomo.limited(body, float(problem.row_lower[at]), float(problem.row_upper[at]))
        if limited is not None:
            block.row[problem.rows[at]] = limited


def _limit(variable: Any, problem: Problem, at: int) -> Any:
    """Give a variable the bounds and domain of its column."""
    low, high = float(problem.lower[at]), float(problem.upper[at])
    if problem.integer[at]:
        variable.domain = pyo.Binary if (low, high) == (0.0, 1.0) else pyo.Integers
    variable.setlb(low if np.isfinite(low) else None)
    variable.setub(high if np.isfinite(high) else None)
    return variable
