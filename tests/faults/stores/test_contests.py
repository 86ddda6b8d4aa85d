"""Damaged stores of comparisons: a line costs itself, and no exact answer says more than its numbers show."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from faults.stores import mutations
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import instances
from bilevel.errors import BilevelError
from studies import contest
from studies.contest import Comparison, Settings
from studies.contest.compare import header
from studies.contest.store import FILE, Store

ASKED = Settings(("exact", "ga", "pso"), 2, 40, 10)
MANY = settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])


@cache
def problem() -> Any:
    return contest.pick(instances.scale(instances.load("ieee33"), 1), "pricing", "loss")


@cache
def whole() -> tuple[Comparison, bytes]:
    """A comparison, and the bytes of its store."""
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        found = contest.compare(problem(), ASKED, store=folder)
        return found, (Path(folder) / FILE).read_bytes()


def kept(folder: Path, data: bytes) -> Store | None:
    """What a store with these bytes holds; None where it is refused."""
    (folder / FILE).write_bytes(data)
    about = header(problem(), replace(ASKED, gap=problem().gap))
    try:
        return Store(folder, about, problem(), 1e-4)
    except BilevelError as error:
        assert "\n" not in str(error) and len(str(error)) < 500
        assert (folder / FILE).read_bytes() == data
        return None


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path


@MANY
@given(st.data())
def test_whatever_changes_a_store_its_entries_are_those_that_were_made(store: Path, data: st.DataObject) -> None:
    expected, content = whole()
    changed = data.draw(mutations.damaged(content))
    found = kept(store, changed)
    if found is None:
        assert changed.split(b"\n")[0] != content.split(b"\n")[0], "only a first line refuses a store"
    else:
        assert found.exact in (None, expected.exact)
        assert set(map(repr, found.runs.values())) <= set(map(repr, expected.runs))


@MANY
@given(st.data())
def test_lines_of_an_older_version_are_read_or_put_aside(store: Path, data: st.DataObject) -> None:
    _, content = whole()
    old = mutations.without_sums(content)
    found = kept(store, data.draw(st.one_of(mutations.changed_members(old, first=1), mutations.damaged(old))))
    if found is not None and found.exact is not None and found.exact.status == "certified":
        assert found.exact.objective == pytest.approx(found.exact.bound, rel=1e-3)


EDITS: dict[str, tuple[str, Any]] = {
    "objective str": ("objective", "x"), "objective list": ("objective", []), "bound str": ("bound", "x"),
    "certified without a bound": ("bound", None), "certified without an objective": ("objective", None),
    "bound below": ("bound", -1e9), "bound beyond": ("bound", 1e9), "reason number": ("reason", 3), "status": ("status", "fine"),
    "infeasible": ("status", "infeasible"), "details null": ("details", None), "details list": ("details", []),
    "cpu str": ("cpu_seconds", "x"), "seconds": ("seconds", -1), "method list": ("method", ["ga"]), "method": ("method", "x"),
    "seed str": ("seed", "x"), "seed below": ("seed", -1), "seed true": ("seed", True), "bests str": ("bests", "x"),
    "bests long": ("bests", [1.0] * 99),
    "bests of str": ("bests", ["x"] * 4), "counts": ("counts", [4, 3, 2, 1]), "evaluations str": ("evaluations", "x"),
    "evaluations few": ("evaluations", 1), "penalty str": ("penalty", "x"), "penalty nothing": ("penalty", 0.0),
    "run with an objective": ("objective", 1.0),
}  # fmt: skip


@pytest.mark.parametrize("summed", [True, False], ids=["sum", "older"])
@pytest.mark.parametrize("name", EDITS)
def test_an_edited_entry_is_made_again(store: Path, name: str, summed: bool) -> None:
    member, value = EDITS[name]
    expected, content = whole()
    texts = (content if summed else mutations.without_sums(content)).split(b"\n")
    lines = [json.loads(text) for text in texts[:-1]]
    run = name.startswith("run") or not any(member in line.get("exact", {}) for line in lines)
    at = next(k for k, line in enumerate(lines) if ("run" if run else "exact") in line)
    lines[at]["run" if run else "exact"][member] = value
    texts[at] = json.dumps(lines[at]).encode()
    found = kept(store, b"\n".join(texts))
    assert found is not None
    assert len(found.runs) == len(expected.runs) - run and (found.exact is None) == (not run)
    assert (store / f"{FILE}.damaged").read_bytes() == texts[at] + b"\n"


def test_a_comparison_goes_on_from_a_damaged_store(store: Path) -> None:
    expected, content = whole()
    texts = content.split(b"\n")
    texts[2] = texts[2][:-9]
    (store / FILE).write_bytes(b"\n".join(texts))
    found = contest.compare(problem(), ASKED, store=store)
    assert found.new == 1 and found.complete
    assert [run.objective for run in found.runs] == [run.objective for run in expected.runs]
    assert found.exact == expected.exact


def test_a_store_of_an_older_version_goes_on(store: Path) -> None:
    expected, content = whole()
    (store / FILE).write_bytes(mutations.without_sums(content))
    found = contest.compare(problem(), ASKED, store=store)
    assert found.new == 0 and found.runs == expected.runs and found.exact == expected.exact
