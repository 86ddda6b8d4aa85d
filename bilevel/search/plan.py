"""How a model is to be solved: the solver, the mode and the treatment of cones that go with what was asked."""

from dataclasses import dataclass

from bilevel import relax as cones
from bilevel import solvers
from bilevel.bounds import dual_bounds
from bilevel.budget import Budget
from bilevel.deadline import require_limits
from bilevel.errors import FeatureError
from bilevel.reformulate import modes
from bilevel.reformulate.modes import Mode
from bilevel.reformulate.single_level import Reformulation
from bilevel.relax import ConeTreatment, exact, tangent
from bilevel.search.diagnose.infeasible import explain_infeasibility
from bilevel.search.engine import Search
from bilevel.solvers import Feature, SessionFactory

AUTO = "auto"


@dataclass(frozen=True)
class Plan:
    """What one level is solved with: the solver, a mode for its complementarity pairs, a treatment of its cones."""

    solver: SessionFactory
    mode: Mode
    treatment: ConeTreatment

    def search(self, form: Reformulation, budget: Budget) -> Search:
        """A search that has not begun."""
        return Search(form, self.solver, self.mode, self.treatment, budget)


@dataclass(frozen=True)
class Asked:
    """What the user asks for: a solver, the name of a mode or "auto", a treatment of cones."""

    solver: SessionFactory
    mode: str
    treatment: ConeTreatment

    def plan(self, form: Reformulation) -> Plan:
        """The plan for this program; raises what `solve` raises.

        Followers with cones need these exact within the solver: tangents of a nonconvex program would restart it every time.
        """
        solver, treatment = self.solver, self.treatment
        if form.program.cones.count:
            solvers.require(solver, treatment.features, f"cones={treatment.name!r}")
        if form.conic and treatment is tangent and Feature.CONE in solver.features:
            treatment = exact
        return Plan(solver, _mode(self.mode, form, solver), treatment)


def pick(solver: str, mode: str, cone: str, gap: float, time_limit: float | None) -> Asked:
    """Solver, mode and treatment of cones by name, with the limits checked."""
    require_limits(gap, time_limit)
    asked = Asked(solvers.find(solver), mode, cones.find(cone))
    if mode != AUTO:
        # Before any limit is proven, which may take long and changes nothing of it
        solvers.require(asked.solver, modes.find(mode).needs, f"mode={mode!r}")
    return asked


def _mode(name: str, form: Reformulation, solver: SessionFactory) -> Mode:
    """The mode asked for, if the solver can; for "auto" the first that can, big-M before those without proven bounds."""
    if name != AUTO:
        mode = modes.find(name)
        if form.conic and not mode.conic:
            dual_bounds.require_linear(form.program)
        solvers.require(solver, mode.features(form), f"mode={name!r}")
        if mode.needs_bounds:
            _require_bounds(form)
        return mode
    for mode in modes.MODES.values():
        able = mode.features(form) <= solver.features and (mode.conic or not form.conic)
        if able and not (mode.needs_bounds and dual_bounds.first_unbounded(form.kkt, form.bounds) is not None):
            return mode
    if form.conic:
        dual_bounds.require_linear(form.program)
    _require_bounds(form)
    raise FeatureError(f"solver {solver.name!r} can use no mode for this model: use solver='scip' or 'gurobi'")


def _require_bounds(form: Reformulation) -> None:
    """Refuse a missing bound by name, unless a follower that can never be solved is the reason."""
    if dual_bounds.first_unbounded(form.kkt, form.bounds) is not None:
        explain_infeasibility(form)
    dual_bounds.require_finite(form.program, form.kkt, form.bounds)
