"""A bilevel model as one ordinary Pyomo model, for any other solver, and the way back.

    single = bilevel.reformulate(model)                          # a copy; `model` stays as it is
    pyo.SolverFactory("appsi_highs").solve(single)               # or bilevel.write_model(single, "problem.mps")
    bilevel.load_values(single, model)
    print(bilevel.certify(model, bound=...).to_frame())

The copy keeps every variable and row under its name.  Its followers are ordinary blocks without objectives, and a block `kkt`
holds what `bilevel.followers.kkt` derives (model page section 4):

| component                | index                          | meaning                                                          |
|--------------------------|--------------------------------|------------------------------------------------------------------|
| `kkt.lam`                | row, or fixed variable         | dual of an equality                                              |
| `kkt.mu`                 | row or variable, and its side  | dual of a limit: "name:lower" or "name:upper"                    |
| `kkt.z`, `kkt.slack`     | as `mu`                        | the mode's binaries (0: the slack is zero) and slacks            |
| `kkt.p`, `.q`, `.r`      | quadratic row (p: and square)  | its multipliers, as in `bilevel.followers.kkt`                   |
| `kkt.t`                  | follower, and square           | its y'Qy, where the leader counts a quadratic follower's revenue |
| `kkt.stationarity`       | follower variable              | its stationarity row                                             |
| `kkt.complementarity`    | as `mu` or follower, and a number | the mode's rows and products; `kkt.sets` its SOS1 sets        |
| `kkt.leader`, `kkt.cone` | row                            | leader rows with revenue made linear; cones that were added      |
| `kkt.derived`            | what it is, and a number       | columns of roots, squares and products with a leader's choice    |
| `kkt.follower`           | row                            | follower rows over such columns, instead of those written        |
| `kkt.dual`               | row                            | ties a multiplier that the leader reads to lam and mu            |
| `kkt.choice`             | what it says of a variable     | where a leader variable is in a domain with steps or gaps        |
| `kkt.domain`             | row                            | ties the variable to it; its own domain becomes its bounds       |
"""

import io
import re
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyomo.environ as pyo
from pyomo.common.log import LoggingIntercept
from pyomo.core.base.label import ShortNameLabeler, TextLabeler

from bilevel.atomic import write_text
from bilevel.bounds import dual_bounds
from bilevel.compile.compiler import compile_model
from bilevel.compile.walk import Place, declared, place, require_model
from bilevel.errors import BilevelError, FeatureError, ModelError
from bilevel.interchange.kkt_block import KktBlock
from bilevel.model import Follower
from bilevel.reformulate import modes
from bilevel.reformulate.single_level import assemble

SUFFIXES = (".lp", ".mps")
MOST_SIGNS = 255
"""Of a name in a file: what readers of the LP format take."""
_DEEP = (pyo.Block, Follower)


def reformulate(model: Any, mode: str = "big_m") -> Any:
    """The single-level problem of a bilevel model as an ordinary Pyomo model; `mode`: how complementarity is taken apart.

    `auto` is big_m where all limits are proven, else sos1, and product where a follower has quadratic rows.  Modes that need
    proven limits raise `UnboundedDualError` where there are none; `indicator` raises `FeatureError`, because Pyomo has no
    indicator constraint, and so does `branching`, which leaves complementarity to the search.  The objective is the leader's, in
    its own sense; products of the leader that have no linear form stay in it and in its rows, for a nonconvex solver.
    """
    require_model(model)
    # A misspelt mode is refused before the model is copied
    if mode != "auto" and modes.find(mode).branches:
        raise FeatureError(
            f"mode={mode!r} leaves complementarity to the search of bilevel.solve, and without it a model is another problem: "
            "use mode='sos1'"
        )
    single = model.clone()
    # The copy is compiled, so that the columns of the program are variables of the copy
    form = assemble(compile_model(single), nonconvex=True)
    if form.program.domains.nowhere:
        raise ModelError(f"{form.program.domains.nowhere}: the model is infeasible, so give it one")
    if mode == "auto":
        mode = "product" if form.conic else "sos1"
        if not form.conic and dual_bounds.first_unbounded(form.kkt, form.bounds) is None:
            mode = "big_m"
    picked = modes.find(mode)
    if form.conic and not picked.conic:
        dual_bounds.require_linear(form.program)
    if picked.needs_bounds:
        dual_bounds.require_finite(form.program, form.kkt, form.bounds)
    mip = picked.apply(form)
    if mip.indicators:
        raise FeatureError(
            f"mode={mode!r} needs indicator constraints, which Pyomo models do not have: use mode='sos1'"
        )
    # Only now, as the compiler knows followers by their type
    _open_followers(single)
    KktBlock(single, form, mip).build()
    return single


def load_values(single: Any, model: Any) -> None:
    """Copy the values of a solved single-level model into the bilevel model that it came from, each variable's to its own.

    As after `bilevel.solve`, values are moved into their bounds and integers are rounded, so that what is off by a solver's
    tolerance does not count; `bilevel.certify` then checks the point.  Raises `ModelError` naming a variable without a value.
    """
    require_model(single)
    solved = {place(v): v for v in declared(single, pyo.Var, _DEEP)}
    program = compile_model(model)
    x = np.zeros(program.columns)
    for at, variable in program.own:
        x[at] = _value(solved, variable)
    program.load(x)


def _value(solved: Mapping[Place, Any], variable: Any) -> float:
    found = solved.get(place(variable))
    if found is None:
        raise ModelError(
            f"variable {variable.name!r} is not in the single-level model: give the one that came from this model"
        )
    if found.value is None:
        raise ModelError(f"variable {variable.name!r} of the single-level model has no value: solve it first")
    return float(found.value)


def write_model(model: Any, path: str | Path, mode: str = "big_m") -> None:
    """Write a single-level model, or a bilevel one reformulated in `mode`, as .lp or .mps with readable names, atomically."""
    require_model(model)
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise BilevelError(f"{str(path)!r} has no known suffix: end the name in {' or '.join(SUFFIXES)}")
    if any(True for _ in declared(model, Follower, active=True)):
        model = reformulate(model, mode)
    # Pyomo writes in place: what kills it would leave half a file under the name
    with tempfile.TemporaryDirectory() as folder:
        draft = Path(folder) / f"model{suffix}"
        try:
            # Suffixes for this package's own scaling do not go into files, and Pyomo would warn of each
            with LoggingIntercept(io.StringIO(), "pyomo"):
                model.write(str(draft), io_options=_labels(suffix))
        except (ValueError, RuntimeError) as error:
            raise ModelError(f"the model cannot be written to {str(path)!r}: {error}") from error
        write_text(path, _mended(draft.read_text(encoding="utf-8")))


def _labels(suffix: str) -> dict[str, Any]:
    """Readable names for files; a number makes different those that differ in signs which files do not have."""
    options: dict[str, Any] = {"labeler": ShortNameLabeler(MOST_SIGNS, "_", labeler=TextLabeler())}
    # Pyomo's writer of MPS files takes one of both options, that of LP files both
    return options | ({"symbolic_solver_labels": True} if suffix == ".lp" else {})


def _mended(text: str) -> str:
    """What Pyomo writes, as SCIP and Gurobi read it: "x^2" without spaces, and one SOS header for all sets of an MPS file."""
    text = re.sub(r" \^ 2$", "^2", text, flags=re.MULTILINE)
    head, header, sets = text.partition("\nSOS\n S1 ")
    return head + header + sets.replace("\nSOS\n", "\n")


def _open_followers(single: Any) -> None:
    """Followers become blocks; all objectives go, for the followers' are in the rows and the leader's is written anew."""
    # As a list: the walk goes by type, which changes under it
    for block in list(single.component_objects(Follower, descend_into=_DEEP)):
        block.parent_block().reclassify_component_type(block, pyo.Block)
    for objective in list(declared(single, pyo.Objective, active=True)):
        objective.deactivate()
