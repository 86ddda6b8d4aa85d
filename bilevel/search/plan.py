"""How a model is to be solved: the solvers, modes and treatments of cones that go with what was asked, in their order."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from bilevel import relax as cones
from bilevel import solvers
from bilevel.bounds import dual_bounds
from bilevel.budget import Budget
from bilevel.deadline import require_limits
from bilevel.errors import BilevelError, FeatureError, UnknownNameError, require
from bilevel.program.bilevel_program import Program
from bilevel.reformulate import modes
from bilevel.reformulate.modes import Mode
from bilevel.reformulate.single_level import Reformulation, assemble
from bilevel.reformulate.ties import PLAIN, Ties
from bilevel.relax import ConeTreatment, exact, tangent
from bilevel.search.diagnose.infeasible import explain_infeasibility
from bilevel.search.engine import Search
from bilevel.search.state import ROOT, ROOTS
from bilevel.solvers import Feature, SessionFactory, gurobi

AUTO, NOTHING = "auto", "none"

FIRST_SHARE = 0.5
"""Of a time limit goes to the first of several plans."""

FIRST_SECONDS, GROWTH = 60.0, 4.0
"""Without a limit plans take turns: seconds of the first turn, and what each round of turns has more of them."""


@dataclass(frozen=True)
class Plan:
    """What one level is solved with: solver, mode for its complementarity pairs, treatment of its cones, what its root gets."""

    solver: SessionFactory
    mode: Mode
    treatment: ConeTreatment
    root: tuple[str, ...] = ROOT

    def search(self, form: Reformulation, budget: Budget) -> Search:
        """A search that has not begun."""
        return Search(form, self.solver, self.mode, self.treatment, budget, self.root)


@dataclass(frozen=True)
class Asked:
    """What the user asks for: a solver, None for "auto", the name of a mode or "auto", a treatment of cones, what the root gets,
    what is asked of ties."""

    solver: SessionFactory | None
    mode: str
    treatment: ConeTreatment
    root: tuple[str, ...] = ROOT
    ties: Ties = PLAIN

    def level(self, program: Program) -> Reformulation:
        """The one level of a program, with what is asked of ties."""
        return self.ties.applied(assemble(program, self.nonconvex))

    @property
    def nonconvex(self) -> bool:
        """Whether products of the leader's without a linear form have a solver that takes them."""
        return self.solver is None or Feature.NONCONVEX in self.solver.features

    def plan(self, form: Reformulation) -> Plan:
        """The plan that is tried first."""
        return self.plans(form)[0]

    def plans(self, form: Reformulation) -> tuple[Plan, ...]:
        """The plans for this program, in the order in which they are tried; raises what `solve` raises.

        With a solver by name there is one.  Else HiGHS goes first where linear programs and integers are all that it takes, and the
        solver of nonconvex programs after it, or alone.
        """
        if self.solver is not None:
            return (self._plan(form, self.solver),)
        able = []
        refusals: list[BilevelError] = []
        for solver in _in_turn(form):
            try:
                able.append(self._plan(form, solver))
            except BilevelError as error:
                refusals.append(error)
        if not able:
            # The last one can the most, so that what it lacks is what is to be said
            raise refusals[-1]
        return tuple(able)

    def _plan(self, form: Reformulation, solver: SessionFactory) -> Plan:
        """The plan with this solver.

        Followers with cones need these exact within the solver: tangents of a nonconvex program would restart it every time.
        """
        treatment = self.treatment
        if form.program.cones.count:
            solvers.require(solver, treatment.features, f"cones={treatment.name!r}")
        if form.conic and treatment is tangent and Feature.CONE in solver.features:
            treatment = exact
        return Plan(solver, _mode(self.mode, form, solver), treatment, self.root)


def pick(
    solver: str, mode: str, cone: str, gap: float, time_limit: float | None, root: str = AUTO, given: Ties = PLAIN
) -> Asked:
    """Solver, mode, treatment of cones and parts of the root by name, with the limits checked, and what is asked of ties."""
    require_limits(gap, time_limit)
    asked = Asked(None if solver == AUTO else solvers.find(solver), mode, cones.find(cone), parts_of(root), given)
    # Before any limit is proven, which may take long and changes nothing of it
    if mode != AUTO and asked.solver is not None:
        solvers.require(asked.solver, modes.find(mode).needs, f"mode={mode!r}")
    return asked


def parts_of(root: str) -> tuple[str, ...]:
    """What the root gets, from "auto", "none", or names of `ROOTS` with commas between them.

    Raises `UnknownNameError` for another name.
    """
    require("root", root, isinstance(root, str), "a name, or names with commas between them")
    if root in (AUTO, NOTHING):
        return ROOT if root == AUTO else ()
    names = tuple(name.strip() for name in root.split(","))
    for name in names:
        if name not in ROOTS:
            raise UnknownNameError("part of the root", name, (*ROOTS, AUTO, NOTHING))
    return names


def turns(plans: tuple[Plan, ...], seconds: float) -> Iterator[tuple[Plan, float]]:
    """Plans with what each may take of the seconds that are left, in turn; a plan that ends early leaves the rest to the next.

    Big-M with proven limits is left its time: it is only followed where it ends by itself.  Trees over pairs and searches without
    limits of multipliers are at their best on different problems, so that the time is shared between them.
    """
    if len(plans) == 1 or not plans[0].mode.branches:
        yield from ((plan, np.inf) for plan in plans)
    elif np.isfinite(seconds):
        yield plans[0], FIRST_SHARE * seconds
        yield from ((plan, np.inf) for plan in plans[1:])
    else:
        most = FIRST_SECONDS
        while True:
            yield from ((plan, most) for plan in plans)
            most *= GROWTH


def _in_turn(form: Reformulation) -> Iterator[SessionFactory]:
    """The solvers to be asked for a plan, in order."""
    linear = form.mip.products is None and not form.conic
    if linear:
        yield solvers.SOLVERS["highs"]
    yield from (solvers.SOLVERS[name] for name in (*(["gurobi"] if gurobi.licensed() else []), "scip"))


def _mode(name: str, form: Reformulation, solver: SessionFactory) -> Mode:
    """The mode asked for, if the solver can; for "auto" the first that can, big-M before those without proven bounds."""
    if name != AUTO:
        mode = modes.find(name)
        _require_pairs(mode, form)
        if form.conic and not mode.conic:
            dual_bounds.require_linear(form.program)
        solvers.require(solver, mode.features(form), f"mode={name!r}")
        if mode.needs_bounds:
            _require_bounds(form)
        return mode
    for mode in modes.MODES.values():
        able = mode.features(form) <= solver.features and (mode.conic or not form.conic)
        able = able and (form.secure is None or mode.pairs)
        if able and not (mode.needs_bounds and dual_bounds.first_unbounded(form.kkt, form.bounds) is not None):
            return mode
    if form.conic:
        dual_bounds.require_linear(form.program)
    _require_bounds(form)
    raise FeatureError(f"solver {solver.name!r} can use no mode for this model: use solver='scip' or 'gurobi'")


def _require_pairs(mode: Mode, form: Reformulation) -> None:
    """Refuse secure answers of a mode without pairs, whose margins it cannot ask for."""
    if form.secure is not None and not mode.pairs:
        others = ", ".join(name for name, other in modes.MODES.items() if other.pairs)
        raise FeatureError(f"mode {mode.name!r} has no pairs whose margins could be asked for: take one of {others}")


def _require_bounds(form: Reformulation) -> None:
    """Refuse a missing bound by name, unless a follower that can never be solved is the reason."""
    if dual_bounds.first_unbounded(form.kkt, form.bounds) is not None:
        explain_infeasibility(form)
    dual_bounds.require_finite(form.program, form.kkt, form.bounds)
