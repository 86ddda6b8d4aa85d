"""Random problems with ties: enumeration against two linear programs a decision, its other ways, a grid, and the engine."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
from scipy.optimize import linprog
from ties import judging, line, several
from ties.draws import MARGIN, draw, draw_line
from ties.judging import Case, judge, of_draw, run
from ties.matrices import Array, Tied, tied
from ties.responses import Bases, Known, allowed, decided, decisions
from ties.security import Margins, enumerated, secure
from ties.table import problems

SCRIPT = Path(__file__).parents[2] / "scripts" / "pessimistic.py"
COUNT, SOLVED, LINES = 60, 30, 12


@cache
def known(seed: int) -> tuple[Tied, dict[str, Known]]:
    p = tied(draw(seed))
    return p, enumerated(p, MARGIN)


def _two_programs(p: Tied, x: Array) -> tuple[float, float] | None:
    """The best and the worst of the leader's objective over answers within 1e-9 of the least cost; no leader row counts."""
    equal, cost, value = p.equal, p.e + p.C @ x, p.d + p.E.T @ x
    room = p.r + p.R @ x

    def solve(objective: Array, most: float | None) -> Any:
        rows = p.M[~equal] if most is None else np.vstack([p.M[~equal], cost])
        right = room[~equal] if most is None else np.append(room[~equal], most)
        return linprog(objective, rows, right, p.M[equal], room[equal], bounds=(None, None))

    least = solve(cost, None)
    if least.status != 0:
        return None
    base = p.k + p.c @ x
    return float(base + solve(value, least.fun + 1e-9).fun), float(base - solve(-value, least.fun + 1e-9).fun)


@pytest.mark.parametrize("seed", range(15))
def test_best_and_worst_by_two_linear_programs(seed: int) -> None:
    p, _ = known(seed)
    bases = Bases(p)
    for x in decisions(p):
        other, found = _two_programs(p, x), decided(p, bases, x)
        if not allowed(p, x):
            assert found is None
            continue
        assert (other is None) == (found is None)
        if other is None or found is None:
            continue
        if np.isfinite(found.worst):
            assert (found.best, found.worst) == pytest.approx(other, abs=1e-6)
            assert not found.unique or found.best == pytest.approx(found.worst, abs=1e-9)
        else:
            assert found.best >= other[0] - 1e-6


def test_what_is_safer_is_dearer_and_unique_answers_have_one_optimum() -> None:
    for seed in range(COUNT):
        p, found = known(seed)
        best, worst, safe = (found[ties].value for ties in judging.TIES)
        assert best <= worst <= safe, seed
        bases = Bases(p)
        mine = [decision for x in decisions(p) if (decision := decided(p, bases, x)) is not None]
        if all(decision.unique for decision in mine):
            assert best == pytest.approx(worst)


def test_ties_are_common() -> None:
    every = [known(seed)[1] for seed in range(COUNT)]
    values = np.array([[found[ties].value for ties in judging.TIES] for found in every])
    finite = np.isfinite(values)
    assert (values[:, 1] > values[:, 0] + 1e-6).mean() > 0.25, "pessimistic and optimistic differ"
    assert (finite[:, 0] & ~finite[:, 1]).any(), "ties may break a leader row at every decision"
    assert (finite[:, 1] & (values[:, 2] > values[:, 1] + 1e-6)).mean() > 0.1, "secure and pessimistic differ"
    assert finite[:, 2].mean() > 0.5 and not finite[:, 0].all()


def test_a_margin_of_nothing_is_not_asked_for_by_chance() -> None:
    """Multipliers are integers or halves and thirds of them: none is nearly the margin."""
    for seed in range(20):
        p, found = known(seed)
        for factor in (1 - 1e-4, 1 + 1e-4):
            assert enumerated(p, MARGIN * factor)["secure"].value == found["secure"].value, seed


@pytest.mark.parametrize("seed", range(SOLVED))
def test_the_engine_agrees_on_the_optimistic_optimum(seed: int) -> None:
    p, found = known(seed)
    case = Case(draw(seed), "optimistic", found["optimistic"])
    told = run(case, seconds=20)
    if told.verdict == "refused":
        assert "no feasible decision" in told.reason and not np.isfinite(case.known.value)
        return
    # Of a nonconvex program the bound beside 0 has no relative gap, and that there is no point is not proven
    excused = p.E.any() and (case.known.value == 0 or not np.isfinite(case.known.value))
    assert told.verdict == "right" or (told.verdict == "not certified" and excused), told.reason


@pytest.mark.parametrize("seed", range(LINES))
def test_lines_against_a_grid_and_the_other_ways(seed: int) -> None:
    p = tied(draw_line(seed))
    found, bases = line.pessimistic(p), Bases(p)
    grid = [
        decision.worst for x in np.linspace(-1, 2, 151) if (decision := decided(p, bases, np.array([x]))) is not None
    ]
    assert min(grid, default=np.inf) >= found.value - 1e-7
    if np.isfinite(found.value):
        steps = (0.0,) if found.attained else (1e-6, -1e-6)
        near = [decision.worst for h in steps if (decision := decided(p, bases, np.array(found.x) + h)) is not None]
        assert min(near) == pytest.approx(found.value, abs=1e-4)
    for way in _others(p):
        assert way.value == pytest.approx(found.value, abs=1e-7) and way.attained == found.attained
    assert line.optimistic(p).value <= found.value + 1e-7
    safe = line.secured(p, MARGIN)
    assert safe.value >= found.value - 1e-7
    margins = Margins(p, MARGIN)
    assert min(secure(p, bases, np.array([x]), margins) for x in np.linspace(-1, 2, 31)) >= safe.value - 1e-7


def _others(p: Tied) -> Iterator[Known]:
    for way in (several.priced, several.limited):
        try:
            yield way(p)
        except ValueError:
            continue


def test_rows_alone_have_an_optimum_and_prices_may_not() -> None:
    every = [(p, line.pessimistic(p)) for p in (tied(draw_line(seed)) for seed in range(40))]
    assert all(found.attained for p, found in every if not p.C.any() and not p.coupled.any())
    assert sum(not found.attained for _, found in every) >= 2


# Judging


def _told(status: str, objective: float, bound: float, **values: float) -> Any:
    return SimpleNamespace(status=status, objective=objective, bound=bound, values=values, reason="so")


MORGAN = Case(
    next(entry for entry in problems() if entry["name"] == "morgan_patrone_2006a"), "pessimistic", Known(-1.0, False)
)
LUCCHETTI = Case(next(entry for entry in problems() if entry["name"] == "lucchetti_1987"), "pessimistic", Known(0.5))
BROKEN = Case(next(e for e in problems() if e["name"] == "no_decision_for_every_tie"), "pessimistic", Known(np.inf))


@pytest.mark.parametrize(
    ("case", "told", "verdict"),
    [
        (LUCCHETTI, _told("certified", 0.5, 0.5, x=0.0), "right"),
        (LUCCHETTI, _told("certified", 0.0, 0.0, x=1.0), "WRONG"),
        (LUCCHETTI, _told("certified", 0.75, 0.75, x=0.5), "WRONG"),
        (LUCCHETTI, _told("certified", 0.5, 0.5, x=0.5), "WRONG"),
        (LUCCHETTI, _told("feasible", 0.75, 0.0, x=0.5), "not certified"),
        (LUCCHETTI, _told("feasible", 0.75, 0.7, x=0.5), "WRONG"),
        (LUCCHETTI, _told("not_attained", 0.5, 0.5, x=0.0), "WRONG"),
        (LUCCHETTI, _told("infeasible", np.nan, np.nan), "WRONG"),
        (LUCCHETTI, _told("unknown", np.nan, np.nan), "not certified"),
        (MORGAN, _told("not_attained", -0.9, -1.0, x=-0.1), "right"),
        (MORGAN, _told("not_attained", -0.9, -1.1, x=-0.1), "WRONG"),
        (MORGAN, _told("not_attained", -1.0, -1.0, x=0.0), "WRONG"),
        (MORGAN, _told("certified", -1.0, -1.0, x=0.0), "WRONG"),
        (MORGAN, _told("certified", -1.0 + 1e-6, -1.0, x=-1e-6), "right"),
        (BROKEN, _told("infeasible", np.nan, np.nan), "right"),
        (BROKEN, _told("certified", 0.5, 0.5, x=0.5), "WRONG"),
    ],
)
def test_verdicts(case: Case, told: Any, verdict: str) -> None:
    assert judge(case, told)[0] == verdict


# The script


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("pessimistic_script", SCRIPT)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_script_prints_counts(
    script: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    out = tmp_path / "table.csv"
    arguments = ["--ties", "optimistic", "--problem", "r", "--random", "2", "--no-table", "--csv", str(out)]
    monkeypatch.setattr(sys, "argv", ["pessimistic.py", *arguments])
    assert script.main() == 0
    printed = capsys.readouterr().out
    assert "right: 2" in printed and "WRONG: 0" in printed and "random_1" in out.read_text(encoding="utf-8")


def test_the_script_says_where_the_option_is_missing(
    script: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(script, "available", lambda ties: False)
    monkeypatch.setattr(sys, "argv", ["pessimistic.py"])
    assert script.main() == 2
    assert "no option ties" in capsys.readouterr().err


def test_random_cases_are_of_the_kind_asked_for() -> None:
    case = of_draw(draw(3), "secure")
    assert case.margin == MARGIN and case.known == known(3)[1]["secure"]
    assert of_draw(draw_line(3), "pessimistic").known == line.pessimistic(tied(draw_line(3)))
