"""The command `bilevel solve-file`: a bilevel problem in the files by which the field exchanges them."""

from pathlib import Path
from typing import Annotated, Any

import pandas as pd
import pyomo.environ as pyo
import typer

from bilevel.errors import ModelError
from bilevel.interchange.mps_reader import read_mps
from bilevel.reformulate.ties import OPTIMISTIC
from bilevel.search.plan import AUTO
from bilevel.solution import Solution
from bilevel.solve import solve
from instances import check_folder, write_folder
from studies.command_line import display
from studies.command_line.options import (
    EXIT_CODES,
    ConeTreatment,
    Gap,
    Margin,
    Mode,
    Out,
    ProofFile,
    Quiet,
    Solver,
    Ties,
    TimeLimit,
    add_command,
    check_place,
    finish,
    write_proof,
)
from studies.pricing.results import CERTIFICATE, SOLUTION
from studies.writing import files as writing_files

VARIABLES = "variables.csv"
FILES = (SOLUTION, VARIABLES, CERTIFICATE)
KIND = "a solve of a file"
SUFFIXES = {".mps": "program", ".aux": "follower"}
"""What a file tells, by its suffix; .gz behind it is unpacked."""

Files = Annotated[
    list[str],
    typer.Argument(
        metavar="FILE...",
        help="An .mps and an .aux file in either order, also with .gz; where one is missing it is looked for beside the other.",
    ),
]


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    add_command(app, "solve-file", solve_file)


def solve_file(
    files: Files,
    solver: Solver = AUTO,
    mode: Mode = "auto",
    cones: ConeTreatment = "tangent",
    gap: Gap = 1e-4,
    time_limit: TimeLimit = None,
    out: Out = None,
    proof: ProofFile = None,
    ties: Ties = OPTIMISTIC,
    margin: Margin = None,
    quiet: Quiet = False,
) -> int:
    """Solve a bilevel problem in an MPS file, whose follower an AUX file lists, as MibS and others exchange them.

    With --out: solution.json, variables.csv (name, level, value, bounds) and certificate.csv.  Ctrl-C and the time limit keep the
    best point with its bound.

    Example: bilevel solve-file moore.mps moore.aux --out results/moore --proof moore.proof.json.gz
    """
    mps, aux = pair(files)
    if out is not None:
        check_folder(out, FILES, KIND)
    check_place(proof)
    model = read_mps(mps, aux)
    solution = solve(
        model, solver, mode, cones, gap, time_limit, not quiet, proof=proof is not None, ties=ties, margin=margin
    )
    finish(
        out,
        lambda into: [_write(model, solution, (mps, aux), into)],
        lambda told: _show(model, solution, mps, told),
        quiet,
    )
    write_proof(solution, proof)
    return EXIT_CODES[solution.status]


def pair(files: list[str]) -> tuple[Path, Path]:
    """The MPS and the AUX file among these, or beside them; raises `ModelError` naming the file that does not fit."""
    found: dict[str, Path] = {}
    for name in files:
        path = Path(name)
        suffix = _suffix(path)
        if suffix not in SUFFIXES:
            raise ModelError(f"{name} is no file of a known format by its suffix: give an .mps and an .aux file")
        if suffix in found:
            raise ModelError(
                f"{found[suffix]} and {name} are two {suffix} files: give one, and one .{_other(suffix)[1:]}"
            )
        found[suffix] = path
    for suffix in SUFFIXES:
        if suffix not in found:
            found[suffix] = _beside(found[_other(suffix)], suffix)
    return found[".mps"], found[".aux"]


def _suffix(path: Path) -> str:
    return (path.with_suffix("") if path.suffix.lower() == ".gz" else path).suffix.lower()


def _other(suffix: str) -> str:
    return next(other for other in SUFFIXES if other != suffix)


def _beside(path: Path, suffix: str) -> Path:
    """The file of the same name with another suffix."""
    stem = path.with_suffix("") if path.suffix.lower() == ".gz" else path
    choices = [stem.with_suffix(end) for end in (suffix, suffix.upper(), f"{suffix}.gz")]
    for choice in choices:
        if choice.exists():
            return choice
    raise ModelError(f"{choices[0]}, which tells the {SUFFIXES[suffix]} of {path}, is not there: name it as well")


def variables(model: Any, solution: Solution) -> pd.DataFrame:
    """Every column: name, level (leader or follower), value, lower and upper bound (empty where there is none)."""
    found = bool(solution.to_dict()["values"])
    rows = [
        (name, level, data.value if found else None, data.lb, data.ub)
        for level, columns in (("leader", model.column), ("follower", model.follower.column))
        for name, data in columns.items()
    ]
    return pd.DataFrame(rows, columns=["name", "level", "value", "lower", "upper"])


def _write(model: Any, solution: Solution, given: tuple[Path, Path], into: Path) -> tuple[str, ...]:
    """Write the result folder, whole or not at all; gives the names of its files."""
    data = solution.to_dict() | {"files": [str(path) for path in given]}
    content: dict[str, str | bytes] = {SOLUTION: writing_files.json_text(data)}
    content[VARIABLES] = writing_files.csv(variables(model, solution))
    if solution.certificate.checks:
        content[CERTIFICATE] = writing_files.csv(solution.certificate.to_frame())
    write_folder(into, content, FILES, KIND)
    return tuple(content)


def _show(model: Any, solution: Solution, mps: Path, told: display.Fact) -> None:
    leader, follower = len(model.column), len(model.follower.column)
    rows = sum(1 for _ in model.component_data_objects(pyo.Constraint, active=True))
    about = [
        ("file", str(mps)),
        ("columns", f"{leader} of the leader, {follower} of the follower"),
        ("rows", str(rows)),
    ]
    display.show(solution, about, [told], display.console())
