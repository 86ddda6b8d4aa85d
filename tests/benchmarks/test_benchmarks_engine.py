"""Micro-benchmarks of the engine's steps; a test run makes each once, `make bench` measures them (docs/benchmarks.md)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import formulations
import instances
from bilevel.compile.compiler import compile_model
from bilevel.reformulate.modes import big_m
from bilevel.reformulate.single_level import assemble
from bilevel.relax import tangent, tower

FLEETS = (20, 200)
BRANCHES, PERIODS = 32, 24


def case(evs: int) -> instances.Instance:
    return instances.scale(instances.load("ieee33"), evs)


@pytest.fixture(scope="module")
def compiled() -> Any:
    return compile_model(formulations.charging_pricing(case(20), "loss"))


@pytest.fixture(scope="module")
def form(compiled: Any) -> Any:
    return assemble(compiled)


@pytest.mark.parametrize("evs", FLEETS)
def test_aggregate(benchmark: Any, evs: int) -> None:
    groups = benchmark(instances.aggregate, case(evs))
    assert sum(len(group.members) for group in groups) == evs


@pytest.mark.parametrize("evs", FLEETS)
def test_build(benchmark: Any, evs: int) -> None:
    model = benchmark(formulations.charging_pricing, case(evs), "loss", aggregate=False)
    assert len(model.user) == evs


@pytest.mark.parametrize("evs", FLEETS)
def test_compile(benchmark: Any, evs: int) -> None:
    model = formulations.charging_pricing(case(evs), "loss", aggregate=False)
    program = benchmark(compile_model, model)
    assert len(program.followers.names) == evs
    assert program.cones.count == BRANCHES * PERIODS


def test_assemble(benchmark: Any, compiled: Any) -> None:
    form = benchmark(assemble, compiled)
    assert form.kkt.pairs.count == big_m.apply(form).integer.sum()


def test_big_m(benchmark: Any, form: Any) -> None:
    mip = benchmark(big_m.apply, form)
    assert mip.columns == form.mip.columns + form.kkt.pairs.count


def test_tower(benchmark: Any, form: Any) -> None:
    mip = benchmark(tower.prepare, form.mip)
    # Two squares a cone: two towers, each with a column for its norm and 2 (levels + 1) of its own
    assert mip.columns == form.mip.columns + BRANCHES * PERIODS * 2 * (1 + 2 * (tower.levels() + 1))


def test_tangents(benchmark: Any, form: Any) -> None:
    cones = form.mip.cones
    # Powers of 0.1 pu, voltages of 1 pu and no currents break every cone
    x = np.where(np.asarray(abs(cones.u).sum(axis=0)) > 0, 1.0, 0.0) + 0.1 * (
        np.asarray(abs(cones.squares).sum(axis=0)) > 0
    )
    rows = benchmark(tangent.cuts, cones, x, 1e-7)
    assert rows.count == cones.count
    assert (rows.matrix @ x < rows.lower).all()
