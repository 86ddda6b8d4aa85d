"""Folders of somebody else's are neither replaced nor removed, and this package's own are written again."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from cli_runs import Capture, refuse, run

import instances
from bilevel.errors import BilevelError
from formulations import charging_pricing
from instances import CASE_FILES
from instances.files.folder import OWN
from studies import contest
from studies.benchmarks import campaign
from studies.contest.store import FILE as RUNS
from studies.pricing import front_results, results
from studies.security import price

REMEDY = f"nothing in it says that this package wrote it; give a new folder, or make a file {OWN} in this one"


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("cases") / "tiny"
    instances.write(instances.scale(instances.load("ieee33"), 1), place)
    return place


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


MINE: dict[str, tuple[str, ...]] = {
    "solution.json": ("solve", "market"),
    "prices.csv": ("solve",),
    "market.json": ("market",),
    "front.csv": ("pareto", "compare-equilibrium", "equilibrium"),
    "trace.json": ("equilibrium",),
    "points": ("pareto",),
    "runs.csv": ("compare",),
    "compare.json": ("compare",),
    "security.csv": ("security",),
}
TEXTS = ("years of work\n", "{}", "[]", '{"versions": {"other": "1"}}', '{"versions": null}', "[" * 100_000)


@pytest.mark.parametrize(("name", "command"), [(name, each) for name, commands in MINE.items() for each in commands])
def test_a_folder_with_a_file_of_that_name_is_not_the_packages(
    name: str, command: str, case: Path, tmp_path: Path, capsys: Capture
) -> None:
    for text in TEXTS:
        if name == "points":
            (tmp_path / name).mkdir(exist_ok=True)
            (tmp_path / name / "mine.txt").write_text(text)
        else:
            (tmp_path / name).write_text(text)
        before = contents(tmp_path)
        refuse(capsys, (command, case, "--out", tmp_path), str(tmp_path), name)
        assert contents(tmp_path) == before


def test_results_are_written_again_and_those_that_say_nothing_are_not(case: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    results.check(out)
    assert run("solve", case, "--out", out, "--quiet").returncode == 0
    assert {path.name for path in out.iterdir()} == set(results.FILES), "the JSON tells whose it is"
    results.check(out)
    found = json.loads((out / results.SOLUTION).read_text(encoding="utf-8"))
    (out / results.SOLUTION).write_text(json.dumps(found | {"versions": {}}), encoding="utf-8")
    with pytest.raises(instances.InstanceError, match=REMEDY):
        results.check(out)
    (out / OWN).touch()
    results.check(out)


def test_what_a_kill_before_the_first_point_left_is_gone_on_with(case: Path, tmp_path: Path) -> None:
    with front_results.open_store(tmp_path / "out", instances.read(case), {}) as store:
        assert [path.name for path in store.iterdir()] == ["case.json"]
    front_results.check(tmp_path / "out")


@pytest.mark.parametrize("text", ["[]", "null", '"x"', "[" * 100_000, "", "\x00", "\xff", "{}", '{"case": []}'])
def test_a_damaged_case_of_a_store_says_nothing_or_is_another_one(text: str, case: Path, tmp_path: Path) -> None:
    (tmp_path / "points").mkdir()
    (tmp_path / "points" / "points.jsonl").write_text("{}\n")
    (tmp_path / "points" / "case.json").write_text(text)
    with pytest.raises(BilevelError, match="points of another run") if text.startswith("{") else nullcontext():
        front_results.check_store(tmp_path, instances.read(case), {}, resume=True)


@pytest.mark.parametrize("make", [os.mkfifo, lambda path: path.symlink_to("/dev/zero"), Path.mkdir])
def test_no_file_where_one_should_be_is_refused_at_once(
    make: Callable[[Path], Any], case: Path, tmp_path: Path
) -> None:
    found = instances.read(case)
    (tmp_path / "points").mkdir()
    (tmp_path / "points" / "points.jsonl").write_text("{}\n")
    make(tmp_path / "points" / "case.json")
    make(tmp_path / RUNS)
    make(tmp_path / price.FILE)
    make(tmp_path / "bench.csv")
    model = charging_pricing(found, "loss")
    with pytest.raises(BilevelError, match=r"case\.json is no file"):
        front_results.check_store(tmp_path, found, {}, resume=True)
    with pytest.raises(BilevelError, match=r"runs\.jsonl is no file"):
        contest.compare(contest.pick(found), contest.Settings(("ga",), 1, 30, 10), store=tmp_path)
    with pytest.raises(BilevelError, match=r"margins\.jsonl is no file"):
        price.price_of_security(model, found, [0.0], store=tmp_path)
    with pytest.raises(BilevelError, match=r"bench\.csv is no file"):
        campaign.run([], tmp_path / "bench.csv")


def test_a_loop_of_links_is_refused(case: Path, tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "loop").symlink_to("loop")
    refuse(capsys, ("solve", case, "--out", tmp_path / "loop"), "loop", "give another folder")


def test_a_case_by_hand_is_not_replaced_and_a_written_one_is(tmp_path: Path) -> None:
    case = instances.scale(instances.load("ieee33"), 1)
    place = tmp_path / "case"
    instances.write(case, place)
    instances.write(case, place)
    assert (place / OWN).is_file() and {path.name for path in place.iterdir()} <= {OWN, *CASE_FILES}
    assert instances.read(place) == case
    (place / OWN).unlink()
    before = contents(place)
    with pytest.raises(instances.InstanceError, match="nothing in it says that this package wrote it"):
        instances.write(case, place)
    assert contents(place) == before
