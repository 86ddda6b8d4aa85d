"""Fronts: closed forms, enumeration, what is proven between points, stores that survive a kill, executors."""

from __future__ import annotations

import json
import multiprocessing
import signal
import subprocess
import sys
import textwrap
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pyomo.environ as pyo
import pytest
from ladders import income, ladder, traced

import bilevel
from bilevel.errors import BilevelError, ModelError, UnknownNameError
from bilevel.front.pareto_front import FrontPoint, ParetoFront, dominates, nondominated
from bilevel.front.store import FILE
from bilevel.front.tasks import Task


@pytest.mark.parametrize("solver", ["highs", "scip"])
def test_the_augmented_front_of_a_ladder(solver: str) -> None:
    front = traced(ladder(3), points=7, solver=solver)
    assert front.complete and front.certified, front.reason
    for point in front.points:
        assert point.maximized == pytest.approx(income(point.limited, 3), rel=2e-4)
        assert point.bound >= point.maximized - 1e-6
    frame = front.to_frame("load", "income")
    assert list(frame.columns[:6]) == ["load", "income", "bound", "gap", "certified", "seconds"]
    assert (frame["load"].diff().dropna() > 0).all() and (frame["income"].diff().dropna() > 0).all()
    assert front.dominated() == []
    assert front.points[0].limited == pytest.approx(0, abs=1e-3) and front.points[-1].limited == pytest.approx(
        3, rel=1e-3
    )
    assert front.most_maximized == pytest.approx(9, rel=2e-4) and front.least_limited == pytest.approx(0, abs=1e-6)


def test_the_adaptive_front_splits_the_widest_gap_until_the_tolerance() -> None:
    front = traced(ladder(3), method="adaptive", tolerance=0.15, points=50)
    assert front.complete and front.certified, front.reason
    regions = front.regions()
    assert (np.sqrt(regions["share"].clip(lower=0)) <= 0.15 + 1e-3).all()
    assert len(traced(ladder(3), method="adaptive", tolerance=0.3, points=50)) < len(front)
    assert len(traced(ladder(3), method="adaptive", tolerance=1e-3, points=5)) <= 5


def test_the_scaling_loop_is_algorithm_3() -> None:
    """Each limit is 20 % below the last load; with three users the loop ends after the points asked for."""
    front = traced(ladder(3), method="scaling", tolerance=0.2, points=4)
    loads = [point.limited for point in front.points][::-1]
    assert loads == pytest.approx([3, 2.4, 1.92, 1.536], rel=1e-3)
    for point in front.points:
        assert point.maximized == pytest.approx(income(point.limited, 3), rel=2e-4)


def test_scaling_ends_when_the_next_limit_is_infeasible() -> None:
    m = ladder(2)
    m.least = pyo.Constraint(expr=m.energy >= 1.5)
    front = traced(m, method="scaling", tolerance=0.2, points=50)
    assert front.complete and "infeasible" in front.reason
    assert front.points[0].limited == pytest.approx(1.6, rel=1e-3)


def test_scaling_ends_when_the_maximised_expression_stays() -> None:
    m = ladder(1)
    m.waste = pyo.Var(bounds=(0, 1))
    m.more = pyo.Expression(expr=m.energy + m.waste)
    front = bilevel.pareto(m, maximize=m.income, limit=m.more, method="scaling", tolerance=0.0001, progress=False)
    assert front.points[-1].maximized == pytest.approx(2, rel=1e-3)


def test_other_expressions_minimised_parts_and_integers() -> None:
    """Any two leader expressions: here a cost that is negated, and a leader with a switch (enumerated by hand)."""
    m = pyo.ConcreteModel()
    m.open = pyo.Var([1, 2], domain=pyo.Binary)
    m.f = bilevel.Follower()
    m.f.y = pyo.Var([1, 2], bounds=(0, 4))
    m.f.cost = pyo.Objective(expr=-m.f.y[1] - 2 * m.f.y[2])
    m.f.row = pyo.Constraint([1, 2], rule=lambda b, k: b.y[k] <= 4 * m.open[k])
    served = m.f.y[1] + m.f.y[2]
    building = 3 * m.open[1] + 5 * m.open[2]
    front = bilevel.pareto(m, maximize=served - 0.1 * building, limit=building, points=9, progress=False)
    assert front.certified
    found = {(round(p.limited, 3), round(p.maximized, 3)) for p in front.points}
    assert found == {(0.0, 0.0), (3.0, 3.7), (8.0, 7.2)}, "(5, 3.5) is dominated"


def test_a_point_that_is_best_in_both_is_one_point() -> None:
    m = ladder(2)
    front = bilevel.pareto(m, maximize=-m.energy, limit=m.energy, progress=False)
    assert front.complete and len(front) == 1 and "one point" in front.reason
    assert front.points[0].limited == pytest.approx(0, abs=1e-6)


def made_up() -> ParetoFront:
    """Points (1, 2), (3, 5), (4, 6) under limits 1, 3, inf with bounds 2.5, 5.5, 6: nothing of it was solved."""
    none = bilevel.Certificate(())
    rows = [(1.0, 2.0, 1.0, 2.5), (3.0, 5.0, 3.0, 5.5), (4.0, 6.0, np.inf, 6.0)]
    points = tuple(FrontPoint(a, b, limit, bound, 0.0, "certified", none, 0.0, {}) for a, b, limit, bound in rows)
    return ParetoFront(points, 0.5, 6.0, True, "", 0, {}, {})


def test_hypervolume_and_bounds_by_hand() -> None:
    front = made_up()
    low, high = front.hypervolume((5.0, 1.0))
    assert low == pytest.approx(2 * 1 + 1 * 4 + 1 * 5)
    assert high == pytest.approx(0.5 * 1.5 + 2 * 4.5 + 2 * 5)
    assert [front.bound_at(x) for x in (0.4, 0.5, 1.0, 1.1, 3.0, 3.5)] == [-np.inf, 2.5, 2.5, 5.5, 5.5, 6.0]
    regions = front.regions()
    assert regions.iloc[0].tolist()[:4] == [1.0, 3.0, 2.0, 5.5]
    assert regions["share"].iloc[0] == pytest.approx(2 * 3.5 / (3 * 4))
    low, high = front.hypervolume()
    assert low == pytest.approx(1 * 3) and high > low


def test_dominance() -> None:
    assert dominates((1, 2), (1, 1)) and dominates((1, 2), (2, 2)) and not dominates((1, 1), (1, 1))
    assert not dominates((2, 3), (1, 2))
    one, two, three = made_up().points
    worse = FrontPoint(3.5, 4.9, 3.5, 6.0, 0.0, "certified", bilevel.Certificate(()), 0.0, {})
    assert nondominated([worse, three, two, one]) == (one, two, three)
    front = ParetoFront((one, two, worse, three), 0.5, 6.0, True, "", 0, {}, {})
    assert front.dominated() == [(2, 1)]


def test_points_load_into_the_model_and_json_is_plain(tmp_path: Path) -> None:
    m = ladder(2)
    front = traced(m, points=3)
    for at, point in enumerate(front.points):
        assert front.load(at) is point
        assert pyo.value(m.income) == pytest.approx(point.maximized) and pyo.value(m.energy) == pytest.approx(
            point.limited
        )
    assert m.objective.active, "the model's own objective is as it was"
    assert m.component("front") is None
    front.write(tmp_path / "front.json", "load", "income")
    stored = json.loads((tmp_path / "front.json").read_text())
    assert stored["points"][0]["income"] == front.points[0].maximized and stored["certified"] is True
    assert stored["points"][-1]["limit"] is None, "no limit is no number in JSON"


@pytest.mark.parametrize(
    ("given", "error", "words"),
    [
        ({"method": "scalling"}, UnknownNameError, "did you mean 'scaling'"),
        ({"points": 1}, BilevelError, "points is 1: give a whole number from 2"),
        ({"tolerance": 2.0}, BilevelError, "tolerance is 2.0"),
        ({"gap": 0.0}, BilevelError, "gap is 0.0"),
        ({"time_limit": -1.0}, BilevelError, "time_limit is -1.0"),
        ({"solver": "highz"}, UnknownNameError, "did you mean 'highs'"),
        ({"mode": "sos1"}, BilevelError, "needs sos1"),
    ],
)
def test_refusals(given: dict[str, Any], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        traced(ladder(1), **given)


def test_an_expression_without_variables_is_refused() -> None:
    m = ladder(1)
    with pytest.raises(ModelError, match="maximize=3 is no expression"):
        bilevel.pareto(m, maximize=3, limit=m.energy, progress=False)


def test_an_infeasible_model_gives_no_points_and_says_why() -> None:
    m = ladder(1)
    m.never = pyo.Constraint(expr=m.energy >= 2)
    front = traced(m)
    assert not front.complete and len(front) == 0 and "infeasible" in front.reason
    assert front.hypervolume() == (0.0, float("inf"))


# Stores


def test_a_store_goes_on_and_solves_nothing_twice(tmp_path: Path) -> None:
    first = traced(ladder(3), points=5, store=tmp_path)
    again = traced(ladder(3), points=5, store=tmp_path)
    assert first.solved > 5 and again.solved == 0
    assert again.to_frame().drop(columns="seconds").equals(first.to_frame().drop(columns="seconds"))
    assert again.certified, "what is read is checked again"


def test_a_line_that_was_cut_off_is_solved_again(tmp_path: Path) -> None:
    first = traced(ladder(3), points=5, store=tmp_path)
    file = tmp_path / FILE
    text = file.read_bytes()
    file.write_bytes(text[:-20])
    again = traced(ladder(3), points=5, store=tmp_path)
    assert again.solved == 1 and len(again) == len(first)
    assert file.read_bytes().count(b"\n") == text.count(b"\n")
    file.write_bytes(text[:7])
    assert traced(ladder(3), points=5, store=tmp_path).solved == first.solved, "not even the header was whole"


def test_a_store_of_something_else_is_refused_by_name(tmp_path: Path) -> None:
    traced(ladder(2), points=3, store=tmp_path)
    with pytest.raises(BilevelError, match="points is 3 there and 4 here"):
        traced(ladder(2), points=4, store=tmp_path)
    with pytest.raises(BilevelError, match=r"gap is 0\.0001 there and 0\.001 here"):
        traced(ladder(2), points=3, gap=1e-3, store=tmp_path)
    with pytest.raises(BilevelError, match="hash of variables"):
        traced(ladder(3), points=3, store=tmp_path)
    other = ladder(2)
    other.price[2].setub(3.5)
    with pytest.raises(BilevelError, match="hash of variable bounds"):
        traced(other, points=3, store=tmp_path)
    other = ladder(2)
    other.user[2].bill.set_value(other.price[2] * other.user[2].bought + 2.5 * other.user[2].elsewhere)
    with pytest.raises(BilevelError, match="hash of follower costs"):
        traced(other, points=3, store=tmp_path)
    (tmp_path / FILE).write_text('nonsense\n{"format": 1}\n')
    with pytest.raises(BilevelError, match="is no file of front points"):
        traced(ladder(2), points=3, store=tmp_path)


def test_a_killed_run_goes_on_where_it_was(tmp_path: Path) -> None:
    """SIGKILL after a few points; the next run has the same front as one that was never killed, and no task twice."""
    script = textwrap.dedent(f"""
        import sys, time
        sys.path.insert(0, {str(Path(__file__).parents[2])!r})
        import bilevel.front.tasks as tasks
        slow = tasks.TaskSolver.solve
        def solve(self, *given):
            time.sleep(0.3)
            return slow(self, *given)
        tasks.TaskSolver.solve = solve
        from ladders import ladder, traced
        traced(ladder(4), points=9, store={str(tmp_path / "killed")!r})
    """)
    running = subprocess.Popen([sys.executable, "-c", script])
    file = tmp_path / "killed" / FILE
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and (not file.exists() or file.read_bytes().count(b"\n") < 6):
        time.sleep(0.02)
    running.send_signal(signal.SIGKILL)
    running.wait()
    kept = file.read_bytes().count(b"\n") - 1
    assert 5 <= kept < 12, "killed on the way"
    resumed = traced(ladder(4), points=9, store=tmp_path / "killed")
    whole = traced(ladder(4), points=9, store=tmp_path / "whole")
    assert resumed.complete and resumed.solved == whole.solved - kept
    keys = [json.loads(line)["task"] for line in file.read_text().splitlines()[1:]]
    assert len(keys) == len(set(keys)) == whole.solved
    for name in ("limited", "maximized"):
        assert resumed.to_frame()[name].to_numpy() == pytest.approx(
            whole.to_frame()[name].to_numpy(), rel=2e-4, abs=1e-6
        )


def test_ctrl_c_keeps_the_points(tmp_path: Path) -> None:
    script = textwrap.dedent(f"""
        import sys, time
        sys.path.insert(0, {str(Path(__file__).parents[2])!r})
        import bilevel.front.tasks as tasks
        slow = tasks.TaskSolver.solve
        def solve(self, *given):
            print("task", flush=True)
            time.sleep(0.3)
            return slow(self, *given)
        tasks.TaskSolver.solve = solve
        from ladders import ladder, traced
        front = traced(ladder(4), points=30)
        print("kept", len(front), front.complete, front.reason)
    """)
    running = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert running.stdout is not None
    for _ in range(7):
        running.stdout.readline()
    running.send_signal(signal.SIGINT)
    rest = running.communicate(timeout=60)[0].splitlines()
    words = rest[-1].split(maxsplit=3)
    assert words[0] == "kept" and 1 <= int(words[1]) < 30
    assert words[2] == "False" and "Ctrl-C" in words[3]


# Executors


def same(one: ParetoFront, other: ParetoFront) -> None:
    assert one.complete and other.complete and one.certified and other.certified
    for name in ("limited", "maximized"):
        assert one.to_frame()[name].to_numpy() == pytest.approx(other.to_frame()[name].to_numpy(), rel=2e-4, abs=1e-6)


@pytest.mark.parametrize("method", ["augmented", "adaptive"])
def test_processes_give_the_same_front(method: str) -> None:
    given: dict[str, Any] = {"method": method, "points": 6}
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as executor:
        same(traced(ladder(3), executor=executor, **given), traced(ladder(3), **given))


def test_a_dask_cluster_gives_the_same_front(tmp_path: Path) -> None:
    distributed = pytest.importorskip("distributed")
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=None, local_directory=tmp_path
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        executor = client.get_executor(pure=False)
        same(traced(ladder(3), points=6, executor=executor), traced(ladder(3), points=6))


def test_a_task_knows_itself() -> None:
    assert Task(1.0, 0.0).key == Task(1.0, 0.0).key != Task(1.0, 0.0, limit=3.0).key
    assert Task(0.1 + 0.2, 1.0).key != Task(0.3, 1.0).key, "equal to the last bit"


def test_a_store_of_another_size_of_a_followers_cone_is_refused_by_name(tmp_path: Path) -> None:
    def disc(limit: float) -> Any:
        m = pyo.ConcreteModel()
        m.x = pyo.Var(bounds=(0, 1))
        m.f = bilevel.Follower()
        m.f.a, m.f.b = pyo.Var(bounds=(-5, 5)), pyo.Var(bounds=(-5, 5))
        m.f.disc = pyo.Constraint(expr=m.f.a**2 + m.f.b**2 <= limit)
        m.f.cost = pyo.Objective(expr=-m.f.a - m.x * m.f.b)
        m.limited, m.wanted = pyo.Expression(expr=m.x), pyo.Expression(expr=m.f.b)
        return m

    def front(limit: float) -> ParetoFront:
        m = disc(limit)
        return bilevel.pareto(m, m.wanted, m.limited, points=2, solver="scip", store=tmp_path, progress=False)

    first = front(4.0)
    assert first.points and front(4.0).points[0].maximized == first.points[0].maximized
    with pytest.raises(BilevelError, match="hash of follower rows"):
        front(9.0)


def test_a_secure_front_sells_below_the_limits_of_users_and_whole_loads(tmp_path: Path) -> None:
    # Users pay 3 and 2 at most; a margin below that they buy for certain, and all of their unit
    given: dict[str, Any] = {"points": 3, "ties": "secure", "margin": 0.1, "store": tmp_path / "secure"}
    front = traced(ladder(2), **given)
    assert front.complete and front.certified
    found = [(p.limited, p.maximized) for p in front.points]
    assert found == [pytest.approx(point, abs=1e-5) for point in ((0.0, 0.0), (1.0, 2.9), (2.0, 4.8))]
    assert all(p.certificate["response unique"].ok for p in front.points)
    assert front.settings["ties"] == "secure" and traced(ladder(2), **given).solved == 0
    # Answers of other ties are none of this front's
    for other in ({"ties": "optimistic", "margin": None}, {"margin": 0.2}):
        with pytest.raises(BilevelError, match=r"points of another run: (ties|margin) is"):
            traced(ladder(2), **{**given, **other})


def test_a_store_of_optimistic_answers_is_none_of_secure_ones(tmp_path: Path) -> None:
    traced(ladder(2), points=3, store=tmp_path)
    with pytest.raises(BilevelError, match="ties is None there and 'secure' here"):
        traced(ladder(2), points=3, store=tmp_path, ties="secure")


def test_a_secure_front_has_no_proofs() -> None:
    with pytest.raises(BilevelError, match="a proof is one of optimistic answers only"):
        traced(ladder(), ties="secure", proofs=True)
    with pytest.raises(BilevelError, match="a front has no points: give 'optimistic' or 'secure'"):
        traced(ladder(), ties="pessimistic")
