"""Loads that break limits whatever is charged: the iteration of nodal prices names the limit, when and by how much."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from cli_runs import run

import instances


@pytest.fixture
def low(tmp_path: Path) -> Path:
    case = instances.scale(instances.load("ieee33"), 2)
    buses = tuple(replace(bus, voltage_min_pu=0.98) for bus in case.feeder.buses)
    instances.write(replace(case, feeder=replace(case.feeder, buses=buses)), tmp_path / "case")
    return tmp_path / "case"


def test_an_equilibrium(low: Path, tmp_path: Path) -> None:
    done = run("equilibrium", low, "--max-iterations", "2", "--out", tmp_path / "out")
    said = " ".join(done.stdout.split())
    assert done.returncode == 3, done.stderr
    assert "break limits of the leader's, at worst \"v['18',16]\" by 0.125 of its scale in iteration" in said
    assert (tmp_path / "out/trace.json").exists()
    assert run("report", tmp_path / "out", "--out", tmp_path / "page.html").returncode == 0


def test_beside_a_front(low: Path) -> None:
    done = run("compare-equilibrium", low, "--points", "2", "--max-iterations", "2")
    assert done.returncode == 5, done.stderr
    assert "v['18',16]" in done.stdout
    assert "comparison none: the front or the equilibrium has no point" in " ".join(done.stdout.split())
