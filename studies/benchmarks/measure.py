"""One run in this process: phases apart, sizes of what the solver is given, and the answer.

`compile` (Pyomo to matrices) and `reformulate` (optimality conditions, mode, cones) are clocked on a pass of their own before
`bilevel.solve`, which does both again; its own clock gives `solve` and `certify`.  So nothing is counted twice.
"""

import time
from typing import Any

import bilevel
from bilevel import relax, solvers
from bilevel.compile.compiler import compile_model
from bilevel.reformulate.single_level import assemble
from bilevel.search.plan import Asked
from bilevel.solution import Solution
from bilevel.solvers import Feature
from formulations.charging_pricing import charging_pricing
from instances import Instance
from studies.benchmarks import cases, machine
from studies.benchmarks.spec import Spec

PHASES = ("instance", "build", "compile", "reformulate", "solve", "certify")
"""What is clocked, in this order; the columns are these with "_seconds"."""

SIZES = ("buses", "followers", "columns", "rows", "nonzeros", "binaries", "pairs", "cone_count")
"""Buses and followers of the model; columns, linear rows, their nonzeros and the integer columns of what the solver is given before
tangents and cuts; complementarity pairs; convex quadratic rows of the single-level program, however they are treated."""

ANSWER = ("status", "timeout", "value", "bound", "gap_reached", "nodes")
"""As in `bilevel.Solution`; `value` is its objective and `gap_reached` its gap."""


class _Clock:
    """Seconds since the last look, by phase."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self.last = time.perf_counter()

    def lap(self, phase: str) -> None:
        now = time.perf_counter()
        self.seconds[f"{phase}_seconds"], self.last = now - self.last, now


def measure(spec: Spec) -> dict[str, Any]:
    """Build, solve and recheck; gives `PHASES`, `SIZES`, `ANSWER`, cpu_seconds, peak_memory_mb (start_memory_mb: before the
    instance, which is that of the libraries) and versions.

    A search that reaches the limit has timeout True, whatever it found, and counts as the limit: making its best point precise
    may take longer.  cpu_seconds are of all threads over all phases, `compile` and `reformulate` once more.  Raises what
    `charging_pricing` and `bilevel.solve` raise.
    """
    warm_up(spec)
    memory = machine.peak_memory_mb()
    clock, began = _Clock(), time.process_time()
    case = cases.load(spec)
    clock.lap("instance")
    model = _model(spec, case)
    clock.lap("build")
    sizes = _sizes(spec, model, clock)
    found = _solve(spec, model, spec.time_limit)
    timeout = found.seconds["solve"] >= spec.time_limit
    seconds = clock.seconds | {"solve_seconds": min(found.seconds["solve"], spec.time_limit)}
    return {
        "status": found.status, "timeout": timeout, "value": found.objective, "bound": found.bound,
        "gap_reached": found.gap, "nodes": found.nodes, **seconds, "certify_seconds": found.seconds["certify"],
        "cpu_seconds": time.process_time() - began, "start_memory_mb": memory,
        "peak_memory_mb": machine.peak_memory_mb(),
        "buses": len(case.feeder.buses), **sizes, "versions": "; ".join(map(" ".join, found.versions.items())),
        "reason": found.reason,
    }  # fmt: skip


def warm_up(spec: Spec) -> None:
    """Solve two buses, two periods and one vehicle in the same way, so that first uses of libraries are not counted."""
    _solve(spec, _model(spec, cases.smallest()), cases.WARM_UP_SECONDS)


def _model(spec: Spec, case: Instance) -> Any:
    return charging_pricing(case, spec.objective, spec.follower, spec.flow, aggregate=spec.aggregate)


def _solve(spec: Spec, model: Any, seconds: float) -> Solution:
    return bilevel.solve(
        model,
        spec.solver,
        spec.mode,
        spec.cones,
        spec.gap,
        seconds,
        progress=False,
        scaling=spec.scaling,
        root=spec.root,
    )


def _sizes(spec: Spec, model: Any, clock: _Clock) -> dict[str, int]:
    program = compile_model(model)
    clock.lap("compile")
    engine = solvers.find(spec.solver)
    form = assemble(program, Feature.NONCONVEX in engine.features)
    plan = Asked(engine, spec.mode, relax.find(spec.cones)).plan(form)
    mip = plan.treatment.prepare(plan.mode.apply(form))
    clock.lap("reformulate")
    return {
        "followers": len(program.followers.names), "columns": mip.columns, "rows": mip.rows.count,
        "nonzeros": mip.rows.matrix.nnz, "binaries": int(mip.integer.sum()), "pairs": form.kkt.pairs.count,
        "cone_count": form.mip.cones.count,
    }  # fmt: skip
