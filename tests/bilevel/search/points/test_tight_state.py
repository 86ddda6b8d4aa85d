"""The network's state of given decisions, to all digits: also where a branch carries next to nothing of what others do."""

from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse as sp

import bilevel
import formulations
import instances
from bilevel.compile.compiler import compile_model
from bilevel.reformulate.single_level import Reformulation, assemble
from bilevel.search import state
from bilevel.search.points.tight_state import _least_step, tight_state
from bilevel.search.steps import refinement


def feeder(share: float) -> instances.Instance:
    """The last bus of a branch draws this share of what it does."""
    case = instances.scale(instances.load("ieee33"), 4)
    buses = tuple(
        replace(bus, load_kw=share * bus.load_kw, load_kvar=share * bus.load_kvar) if bus.name == "18" else bus
        for bus in case.feeder.buses
    )
    return replace(case, feeder=replace(case.feeder, buses=buses))


def worst(form: Reformulation, x: np.ndarray) -> float:
    """What is left of rows, over their terms, and of cones."""
    rows = form.mip.rows.relative_violation(x, form.size).max()
    return float(max(rows, np.abs(form.mip.cones.gaps(x)).max()))


@pytest.mark.parametrize("share", [1.0, 1e-3, 1e-6, 0.0])
def test_small_loads_are_met_as_exactly_as_large_ones(monkeypatch: pytest.MonkeyPatch, share: float) -> None:
    monkeypatch.setattr(state, "MANY_CONES", 1)
    model = formulations.charging_pricing(feeder(share), "profit")
    seen: list[float] = []

    def looked_at(form: Reformulation, x: np.ndarray, seconds: float) -> np.ndarray | None:
        near = tight_state(form, x, seconds)
        assert near is not None
        seen.append(worst(form, near))
        return near

    monkeypatch.setattr(refinement, "tight_state", looked_at)
    solution = bilevel.solve(model, "highs", progress=False)
    assert solution.status == "certified", solution.reason
    assert seen and max(seen) <= 1e-8


@pytest.mark.parametrize("share", [1e-2, 1e-3, 1e-4])
def test_branches_that_carry_next_to_nothing_are_no_obstacle(share: float) -> None:
    """Their cones need tangents that no linear program sees."""
    solution = bilevel.solve(
        formulations.charging_pricing(feeder(share), "loss"), "highs", progress=False, time_limit=20
    )
    assert solution.status == "certified", solution.reason


@pytest.mark.parametrize("users", [3, 4])
def test_a_model_that_tells_no_sizes_has_tight_cones_too(users: int) -> None:
    """Linear programs end within what solvers see of scaled rows, and branches carry far less than what is expected of them."""
    model = formulations.charging_pricing(instances.scale(instances.load("ieee33"), users), "profit")
    model.del_component("scaling_factor")
    solution = bilevel.solve(model, "highs", gap=1e-3, progress=False, time_limit=20)
    assert solution.status == "certified", solution.reason


@pytest.mark.parametrize("off", [1e-9, 1e-6, 1e-4])
def test_a_state_that_is_off_is_corrected(off: float) -> None:
    """Whatever state comes with the decisions, one that they have is found."""
    model = formulations.charging_pricing(feeder(1e-3), "profit")
    assert bilevel.solve(model, "highs", progress=False, time_limit=20).status == "certified"
    form = assemble(compile_model(model))
    x = np.zeros(form.mip.columns)
    x[: form.program.columns] = form.program.values()
    free = np.flatnonzero(form.program.followers.owner < 0)
    moved = x.copy()
    moved[np.setdiff1d(free, form.program.linking_columns)] *= 1.0 + off
    near = tight_state(form, moved, 30.0)
    assert near is not None
    leader = form.program.rows.count
    assert form.mip.rows.relative_violation(near, form.size)[:leader].max() <= 1e-9
    assert np.abs(form.mip.cones.gaps(near)).max() <= 1e-9


def test_no_step_is_taken_where_there_are_no_digits() -> None:
    twice = sp.csr_array(np.array([[1.0, 2.0], [1.0, 2.0]]))
    step = _least_step(twice, np.array([5.0, 5.0]))
    assert step is not None and step == pytest.approx([1.0, 2.0], rel=1e-6)
    assert _least_step(sp.csr_array(np.array([[np.nan, 1.0]])), np.array([1.0])) is None
