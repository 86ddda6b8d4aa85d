"""Fronts whose bounds are proven: closed forms, whose word a bound is, stores of proofs, kills, Ctrl-C, executors."""

from __future__ import annotations

import gzip
import json
import multiprocessing
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyomo.environ as pyo
import pytest
from ladders import income, ladder, traced

import bilevel
from bilevel import verify
from bilevel.certify.proof.checker import fingerprint
from bilevel.certify.proof.log import Proof
from bilevel.front import proofs
from bilevel.front.pareto_front import FrontPoint, ParetoFront
from bilevel.front.store import PROOFS
from bilevel.front.tasks import Task
from bilevel.progress import ProgressEvent

TESTS = str(Path(__file__).parents[2])


@pytest.mark.parametrize("solver", ["highs", "scip"])
def test_bounds_of_points_and_ends_are_proven(solver: str, tmp_path: Path) -> None:
    front = traced(ladder(3), points=7, solver=solver, proofs=True)
    assert front.certified and front.checked() == (9, 9)
    for point in front.points:
        best = income(min(point.limit, 3), 3)
        # To the last digit, as it is proven
        assert best <= point.bound <= best * (1 + 1.01e-4) + 1e-6
    assert front.least_limited <= 0 <= front.least_limited + 1e-6
    assert 9 <= front.most_maximized <= 9 * (1 + 1.01e-4)
    assert [front.end_proofs[name].bound for name in ("least_limited", "most_maximized")] == [
        front.least_limited,
        front.most_maximized,
    ]
    assert all(check.ok for check in front.end_checks.values())
    regions = front.regions()
    assert list(regions.columns) == ["limited_from", "limited_to", "maximized_from", "maximized_to", "share", "proven"]
    assert set(regions["proven"]) == {"checked"}
    assert set(front.to_frame()["proven"]) == {"checked"}
    told = json.loads(json.dumps(front.to_dict()))
    assert told["proven"] == {"least_limited": "checked", "most_maximized": "checked"}
    assert {point["proven"] for point in told["points"]} == {"checked"}
    front.end_proofs["least_limited"].write(tmp_path / "least.json.gz")
    command = [sys.executable, "-m", "bilevel.verify", str(tmp_path / "least.json.gz")]
    said = subprocess.run(command, check=True, capture_output=True, text=True, timeout=120).stdout
    assert f"proven: bound {front.least_limited!r}" in said


def test_every_limit_of_an_adaptive_and_a_scaling_front_is_proven() -> None:
    adaptive = traced(ladder(2), method="adaptive", tolerance=0.3, points=20, proofs=True)
    assert adaptive.checked() == (len(adaptive) + 2, len(adaptive) + 2)
    scaling = traced(ladder(2), method="scaling", tolerance=0.2, points=3, proofs=True)
    assert scaling.end_proven("least_limited") == "none", "the loop never asks for the least"
    assert scaling.checked() == (4, 4) and set(scaling.end_checks) == {"most_maximized"}
    for point in (*adaptive.points, *scaling.points):
        assert point.bound >= income(min(point.limit, 2), 2)


def test_without_proofs_every_bound_is_the_solvers_word() -> None:
    front = traced(ladder(2), points=3)
    assert front.checked() == (0, 5) and not front.end_proofs and not front.end_checks
    assert set(front.regions()["proven"]) == {"solver"} == {front.proven_at(1.0), front.proven_at(-1.0)}
    assert front.to_dict()["proven"] == {"least_limited": "solver", "most_maximized": "solver"}
    assert "prove" not in front.seconds


def by_hand() -> ParetoFront:
    """Points (1, 2), (3, 5), (4, 6) under limits 1, 3, inf; of the bounds 2.5, 5.5, 6.2 the first and the last are proven."""
    proof = Proof(0.0, 1, 0, 0.0, 0.0, {})
    rows = [(1.0, 2.0, 1.0, 2.5, proof), (3.0, 5.0, 3.0, 5.5, None), (4.0, 6.0, np.inf, 6.2, proof)]
    none = bilevel.Certificate(())
    points = tuple(FrontPoint(a, b, at, most, 0.0, "certified", none, 0.0, {}, proof=p) for a, b, at, most, p in rows)
    return ParetoFront(points, 0.5, 6.1, True, "", 0, {}, {})


def test_a_claim_does_not_replace_a_proof_of_the_same_limit() -> None:
    front = by_hand()
    # The solver's 6.1 without a limit is less than the proven 6.2 without one
    assert front.bound_at(3.5) == 6.2 and front.proven_at(3.5) == "checked"
    assert front.bound_at(2.0) == 5.5 and front.proven_at(2.0) == "solver"
    assert front.bound_at(1.0) == 2.5 and front.proven_at(1.0) == "checked"
    assert front.bound_at(0.4) == -np.inf and front.proven_at(0.4) == "solver", "the least is the solver's word"
    assert front.regions()["proven"].tolist() == ["solver", "checked"]
    assert front.regions()["maximized_to"].tolist() == [5.5, 6.2]
    assert front.checked() == (2, 5)
    proven = replace(front, end_proofs={"most_maximized": Proof(6.3, 1, 0, 0.0, 0.0, {})}, most_maximized=6.3)
    assert proven.bound_at(3.5) == 6.2 and proven.end_proven("most_maximized") == "checked"
    nothing = ParetoFront((), -np.inf, np.inf, False, "", 0, {}, {})
    assert nothing.proven_at(0.0) == "none" and nothing.checked() == (0, 0)


def disc() -> Any:
    """A follower with a quadratic row, of which no proof can be made."""
    m = pyo.ConcreteModel()
    m.x = pyo.Var(bounds=(0, 1))
    m.f = bilevel.Follower()
    m.f.a, m.f.b = pyo.Var(bounds=(-5, 5)), pyo.Var(bounds=(-5, 5))
    m.f.disc = pyo.Constraint(expr=m.f.a**2 + m.f.b**2 <= 4)
    m.f.cost = pyo.Objective(expr=-m.f.a - m.x * m.f.b)
    m.limited, m.wanted = pyo.Expression(expr=m.x), pyo.Expression(expr=m.f.b)
    return m


def test_a_class_without_proofs_says_so() -> None:
    m = disc()
    front = bilevel.pareto(m, m.wanted, m.limited, points=3, solver="scip", progress=False, proofs=True)
    assert front.points and front.checked()[0] == 0 and not front.end_proofs
    for line in (*front.end_checks.values(), *(point.certificate["bound proof"] for point in front.points)):
        assert line.detail.startswith("none: a follower has quadratic rows")
    assert front.points[-1].proven == "solver" and front.complete


def test_an_infeasible_model_has_nothing_to_prove() -> None:
    m = ladder(1)
    m.never = pyo.Constraint(expr=m.energy >= 2)
    front = traced(m, proofs=True)
    assert len(front) == 0 and "infeasible" in front.reason and not front.end_proofs


def test_the_line_tells_which_proof_of_how_many() -> None:
    seen: list[ProgressEvent] = []
    m = ladder(2)
    bilevel.pareto(m, m.income, m.energy, points=3, progress=seen.append, proofs=True)
    told = [event.phase for event in seen if event.phase.startswith("proof")]
    # Most without a limit is the end and a point at once
    assert list(dict.fromkeys(told)) == [f"proof {k} of 4" for k in range(1, 5)]
    assert all(np.isnan(event.bound) for event in seen if event.phase.startswith("proof"))


# Stores


@pytest.fixture
def makings(monkeypatch: pytest.MonkeyPatch) -> list[Task]:
    """The tasks whose proofs are made, as they are."""
    tasks: list[Task] = []
    made = proofs.made

    def counted(solver: Any, task: Task, found: float, progress: Any) -> Any:
        tasks.append(task)
        return made(solver, task, found, progress)

    monkeypatch.setattr(proofs, "made", counted)
    return tasks


def same_words(one: ParetoFront, other: ParetoFront) -> None:
    assert one.checked() == other.checked() == (len(one) + 2, len(one) + 2)
    assert one.regions().equals(other.regions())
    assert (one.least_limited, one.most_maximized) == (other.least_limited, other.most_maximized)


def test_a_store_keeps_proofs_and_makes_none_twice(tmp_path: Path, makings: list[Task]) -> None:
    first = traced(ladder(2), points=3, store=tmp_path, proofs=True)
    assert len(makings) == len(set(makings)) == 4 == len(list(tmp_path.glob(PROOFS)))
    assert all(verify.main([str(file)]) == 0 for file in tmp_path.glob(PROOFS))
    (tmp_path / f".{min(tmp_path.glob(PROOFS)).name}.x1y2").write_text("what a killed write leaves")
    again = traced(ladder(2), points=3, store=tmp_path, proofs=True)
    assert len(makings) == 4 and again.solved == 0 and not list(tmp_path.glob(".*"))
    same_words(first, again)
    assert again.points[0].certificate["bound proof"].detail.endswith("nothing assumed")
    plain = traced(ladder(2), points=3, store=tmp_path)
    assert plain.checked()[0] == 0, "proofs are taken where they are asked for"


def halved(file: Path) -> None:
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def turned(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2 : len(content) // 2 + 40] = bytes(40)
    file.write_bytes(bytes(content))


def rewritten(change: Callable[[Any], Any]) -> Callable[[Path], None]:
    def write(file: Path) -> None:
        content = json.loads(gzip.decompress(file.read_bytes()))
        file.write_bytes(gzip.compress(json.dumps(change(content)).encode()))

    return write


def bolder(content: Any) -> Any:
    """A claim that the leaves do not prove."""
    return {**content, "bound": content["bound"] + 1.0}


def of_another_limit(content: Any) -> Any:
    """The proof of a problem with less room, whose fingerprint is right."""
    problem = {**content["problem"], "upper": [None if end is None else end / 2 for end in content["problem"]["upper"]]}
    return {**content, "problem": problem, "fingerprint": fingerprint(problem)}


@pytest.mark.parametrize(
    "damage",
    [
        halved, turned, lambda file: file.write_bytes(b""), lambda file: file.write_bytes(b"no gzip"),
        rewritten(lambda _content: [1]), rewritten(lambda _content: {}), rewritten(bolder), rewritten(of_another_limit),
        rewritten(lambda content: {**content, "tree": []}),
    ],
)  # fmt: skip
def test_a_file_that_is_no_proof_of_this_bound_is_made_again(
    damage: Callable[[Path], None], tmp_path: Path, makings: list[Task]
) -> None:
    first = traced(ladder(2), points=3, store=tmp_path, proofs=True)
    one = min(tmp_path.glob(PROOFS))
    whole = one.read_bytes()
    damage(one)
    same_words(first, traced(ladder(2), points=3, store=tmp_path, proofs=True))
    assert len(makings) == 5 and verify.main([str(one)]) == 0
    assert one.read_bytes() == whole


def test_a_proof_of_another_limit_is_not_taken(tmp_path: Path, makings: list[Task]) -> None:
    first = traced(ladder(2), points=3, store=tmp_path, proofs=True)
    files = sorted(tmp_path.glob(PROOFS))
    texts = [file.read_bytes() for file in files]
    for file, text in zip(files, [*texts[1:], texts[0]], strict=True):
        file.write_bytes(text)
    same_words(first, traced(ladder(2), points=3, store=tmp_path, proofs=True))
    assert len(makings) == 8 and [file.read_bytes() for file in files] == texts


def slowly(folder: Path | None, then: str = "") -> str:
    """A script that proves a ladder's front and says when each proof begins, a third of a second before it does."""
    return textwrap.dedent(f"""
        import sys, time
        sys.path.insert(0, {TESTS!r})
        import bilevel.front.proofs as proofs
        quick = proofs.made
        def made(*given):
            print("proof", flush=True)
            time.sleep(0.3)
            return quick(*given)
        proofs.made = made
        from ladders import ladder, traced
        front = traced(ladder(3), points=6, proofs=True, store={None if folder is None else str(folder)!r})
        {then}
    """)


def test_a_killed_run_proves_only_what_is_missing(tmp_path: Path, makings: list[Task]) -> None:
    """SIGKILL after a few proofs; the next run proves the same as one that was never killed, and nothing twice."""
    folder = tmp_path / "killed"
    running = subprocess.Popen([sys.executable, "-c", slowly(folder)], stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and len(list(folder.glob(PROOFS))) < 3:
        time.sleep(0.02)
    running.send_signal(signal.SIGKILL)
    running.wait()
    kept = len(list(folder.glob(PROOFS)))
    assert 3 <= kept < 7, "killed on the way"
    resumed = traced(ladder(3), points=6, store=folder, proofs=True)
    assert len(makings) == 7 - kept and resumed.solved == 0
    same_words(resumed, traced(ladder(3), points=6, store=tmp_path / "whole", proofs=True))


def test_ctrl_c_keeps_the_proofs_made() -> None:
    say = 'print("told", front.complete, front.checked(), [p.proven for p in front.points], front.reason, sep="|")'
    running = subprocess.Popen([sys.executable, "-c", slowly(None, say)], stdout=subprocess.PIPE, text=True)
    assert running.stdout is not None
    for _ in range(4):
        running.stdout.readline()
    running.send_signal(signal.SIGINT)
    rest = running.communicate(timeout=60)[0].splitlines()
    assert running.returncode == 0 and len(rest) == 1, "no proof is begun after Ctrl-C"
    told, complete, checked, words, reason = rest[0].split("|")
    # Least, most (which the last point has too), and the first point; the fourth was stopped
    assert (told, complete, checked) == ("told", "False", "(4, 8)")
    assert words == str(["checked", "solver", "solver", "solver", "solver", "checked"])
    assert reason.endswith("; Ctrl-C left 4 of 7 bounds without a proof")


# Executors


def test_workers_make_the_proofs(tmp_path: Path, makings: list[Task]) -> None:
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as executor:
        apart = traced(ladder(2), points=4, executor=executor, store=tmp_path, proofs=True)
    assert apart.complete and not makings, "none was made here"
    assert apart.checked() == (6, 6) and len(list(tmp_path.glob(PROOFS))) == 5
    for point in apart.points:
        assert point.bound >= income(min(point.limit, 2), 2)
    same_words(apart, traced(ladder(2), points=4, store=tmp_path, proofs=True))
    assert not makings, "what workers proved is of the same problem"
