"""The releases of the solvers that the tests pass with, and what is said of others.

`pyproject.toml` asks for the same limits (a test compares); this table speaks where an environment was made without them.
"""

from functools import cache
from importlib import metadata

from packaging.specifiers import SpecifierSet

RELEASES = {
    # The bound of 0.10 misses an objective of 0 by ten times what is allowed
    "clarabel": SpecifierSet(">=0.11,<0.12"),
    "gurobipy": SpecifierSet(">=13,<13.1"),
    # The quadratic simplex of 1.13 may not end; 1.16.0 returns wrong optima of mixed-integer programs
    "highspy": SpecifierSet(">=1.15,!=1.16.0,<1.16"),
    # 6.10.0 lacks the direct interface to SCIP
    "pyomo": SpecifierSet(">=6.10.1,<6.11"),
    "pyscipopt": SpecifierSet(">=5.5,<6.4"),
    # 1.13.0 leaves repeated entries of a matrix apart, at which HiGHS aborts the process
    "scipy": SpecifierSet(">=1.13.1,<1.18"),
}
"""Releases by package; SciPy is here for the HiGHS within its `linprog`."""

_ALWAYS = ("clarabel", "highspy", "pyomo", "scipy")
_MORE = {"scip": "pyscipopt", "gurobi": "gurobipy"}


@cache
def release(package: str) -> str:
    """The installed release of a package, read once a process."""
    return metadata.version(package)


def packages(solver: str) -> tuple[str, ...]:
    """The packages behind a solve: the engine's own, and the chosen solver's, "pyomo:<name>" included."""
    return (*_ALWAYS, *(package for name, package in _MORE.items() if name in solver))


def untested(solver: str | None = None) -> dict[str, str]:
    """Package to release of those behind this solver (of all without a name) whose release the tests were not run with."""
    found = {package: release(package) for package in (RELEASES if solver is None else packages(solver))}
    return {
        package: installed
        for package, installed in found.items()
        if not RELEASES[package].contains(installed, prereleases=True)
    }


def remark(solver: str | None = None) -> str:
    """One sentence on the untested releases and their remedy; empty where every release was tested."""
    parts = [f"{package} {installed} (tested: {RELEASES[package]})" for package, installed in untested(solver).items()]
    if not parts:
        return ""
    return f"not tested with {' and '.join(parts)}: install a tested release"
