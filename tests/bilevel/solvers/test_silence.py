"""Standard output and standard error are never a solver's: seen from outside of the process."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest
from oracles import tiny_case

import instances
from bilevel.solvers import SOLVERS, pyomo, silence

ROOT = Path(__file__).parents[3]
PYOMO = [pyomo.PREFIX + name for name in pyomo.available() if "integer" in pyomo.find(pyomo.PREFIX + name).features]

# Whole leader columns, a cone, a quadratic follower beside a linear one, and a row that a follower sees
MODEL = """
import pyomo.environ as pyo, bilevel
m = pyo.ConcreteModel()
m.x = pyo.Var(range(3), bounds=(0, 4), domain=pyo.Integers)
m.z = pyo.Var(bounds=(0, 3))
m.f, m.g = bilevel.Follower(), bilevel.Follower()
m.f.y, m.g.y = pyo.Var(range(2), bounds=(0, 5)), pyo.Var(range(2), bounds=(0, 5))
m.f.cost = pyo.Objective(expr=(m.x[0] - 2) * m.f.y[0] + (3 - m.x[1]) * m.f.y[1])
m.f.row = pyo.Constraint(expr=m.f.y[0] + m.f.y[1] >= 1 + m.x[2])
m.g.cost = pyo.Objective(expr=(m.g.y[0] - m.x[0]) ** 2 + m.g.y[1] ** 2)
m.g.row = pyo.Constraint(expr=m.g.y[0] + m.g.y[1] >= 1)
m.disc = pyo.Constraint(expr=m.z**2 + m.x[0] ** 2 <= 12)
m.goal = pyo.Objective(expr=-m.x[0] - m.z - m.f.y[0] + m.g.y[1] + m.x[2])
"""


def python(text: str) -> tuple[str, str]:
    """Standard output and standard error of a program, which must end well."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", text], cwd=ROOT, capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stderr
    return done.stdout, done.stderr


# A mark after each solver tells whose output it was; one process for all, as a process takes seconds to start
EACH = """
import sys
def mark(solver):
    print(solver, flush=True)
    print(solver, file=sys.stderr, flush=True)
"""


def marks(solvers: list[str]) -> str:
    return "".join(f"{solver}\n" for solver in solvers)


def test_a_silent_solve_prints_nothing() -> None:
    solvers = [*SOLVERS, *PYOMO]
    solve = """
    s = bilevel.solve(m, solver, progress=False)
    assert s.status == 'certified', (solver, s.reason)
    mark(solver)
"""
    assert python(f"{EACH}{MODEL}\nfor solver in {solvers}:{solve}") == (marks(solvers), marks(solvers))


def test_a_quiet_command_prints_nothing(tmp_path: Path) -> None:
    instances.write(tiny_case(), tmp_path / "case")
    solvers = list(SOLVERS)
    command = f"""
from studies.command_line.main import main
for solver in {solvers}:
    into = {str(tmp_path)!r} + "/" + solver
    sys.argv = ["bilevel", "solve", {str(tmp_path / "case")!r}, "--solver", solver, "--quiet", "--out", into]
    try:
        main()
    except SystemExit as end:
        assert end.code == 0, (solver, end.code)
    mark(solver)
"""
    assert python(EACH + command) == (marks(solvers), marks(solvers))
    assert all((tmp_path / solver / "solution.json").exists() for solver in solvers)


# SCIP's own tolerance made so small that SoPlex complains of it, on standard error and at every verbosity
COMPLAINS = """
import sys
from bilevel.solvers import scip
from bilevel.program.cones import Cones
from bilevel.program.rows import Rows
from bilevel.program.solver_program import SolverProgram
import numpy as np, scipy.sparse as sp
rows = Rows(sp.csr_array(np.array([[3.0, 7.0, 5.0], [4.0, 1.0, 3.0]])), np.full(2, -np.inf), np.array([11.0, 7.0]))
session = scip.open()
session.is_mip = True
whole = np.array([True, True, False])
session.load(SolverProgram(-np.ones(3), 0.0, np.zeros(3), np.full(3, 5.0), whole, rows, Cones.none(3), (), np.ones(3)))
session.model.setParam("numerics/lpfeastolfactor", 1e-6)
"""


def test_what_scip_says_unasked_is_heard_without_the_silence() -> None:
    assert "without GMP" in python(COMPLAINS + "session.model.optimize()")[1]


def test_what_scip_says_unasked_reaches_nobody_and_progress_is_still_shown() -> None:
    out, err = python(
        COMPLAINS
        + """
class Watch:
    def stop(self): return False
    def report(self, bound, incumbent): print("seen", flush=True); print("seen", file=sys.stderr)
session._set_integrality = lambda integer: None
assert session.solve(True, 1e-6, 60.0, None, Watch()).status == "optimal"
print("after")
"""
    )
    assert set(out.split()) == {"seen", "after"} and set(err.split()) == {"seen"}


PRINTS_FROM_C = """
import ctypes, os
libc = ctypes.CDLL(None)
libc.printf(b"before ")
from bilevel.solvers.silence import silent
with silent():
    libc.printf(b"inside ")
    os.write(2, b"inside ")
    print("python ", flush=True)
libc.printf(b"after")
libc.fflush(None)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="the C library of the process has no name there")
def test_only_what_c_code_prints_inside_is_lost() -> None:
    out, err = python(PRINTS_FROM_C)
    assert out.split() == ["before", "python", "after"] and err == ""


def test_silence_ends_when_the_last_thread_leaves_it(capfd: pytest.CaptureFixture[str]) -> None:
    first, second = threading.Event(), threading.Event()

    def short() -> None:
        with silence.silent():
            first.set()
            second.wait(10)

    thread = threading.Thread(target=short)
    thread.start()
    first.wait(10)
    with silence.silent():
        second.set()
        thread.join()
        print("from Python")
    print("afterwards")
    assert capfd.readouterr().out.split("\n") == ["from Python", "afterwards", ""]


# What the postsolve of HiGHS says of a degenerate column, and its errors from a basis, at every verbosity
POSTSOLVE = """
import math, os
from bilevel.progress import Quiet
from bilevel.program.cones import Cones
from bilevel.program.rows import Rows
from bilevel.program.solver_program import SolverProgram
from bilevel.solvers import highs
import numpy as np, scipy.sparse as sp
rows = Rows(sp.csr_array(np.array([[3.0, 7.0]])), np.full(1, -np.inf), np.array([11.0]))
mip = SolverProgram(-np.ones(2), 0.0, np.zeros(2), np.full(2, 5.0), np.array([True, WHOLE]), rows, Cones.none(2), (), np.ones(2))
session = highs.open()
run = session.highs.run
def loud():
    os.write(1, b"undo Col")
    return run()
session.highs.run = loud
session.load(mip)
for integer in (True, False, False):
    assert session.solve(integer, 1e-4, math.inf, False, Quiet()).status == "optimal"
assert session.solve_carefully(True, 1e-4, math.inf, Quiet()).status == "optimal"
"""


@pytest.mark.parametrize("whole", [True, False])
def test_what_highs_says_unasked_is_not_heard(whole: bool) -> None:
    assert python(POSTSOLVE.replace("WHOLE", str(whole))) == ("", "")
