"""Damaged stores of fronts: a line costs itself, a first line is refused, and no front says more than the model bears out."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from faults.stores import mutations
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ladders import ladder, traced

from bilevel.errors import BilevelError
from bilevel.front.pareto_front import ParetoFront
from bilevel.front.points import Expected
from bilevel.front.runner import Given, Runner
from bilevel.front.store import FILE, Store, fingerprint
from bilevel.front.tasks import SolveOptions
from bilevel.journals import lines

MODEL = ladder(2)
ASKED: dict[str, Any] = {"points": 3}
MANY = settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
FEWER = settings(MANY, max_examples=60)


def front(folder: Path | None, **more: Any) -> ParetoFront:
    return traced(MODEL, store=folder, **ASKED, **more)


@cache
def whole() -> tuple[ParetoFront, bytes]:
    """The front without a store, and the bytes of a store of it."""
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        front(Path(folder))
        return front(None), (Path(folder) / FILE).read_bytes()


def same(found: ParetoFront, other: ParetoFront) -> None:
    assert found.complete and found.certified
    for name in ("limited", "maximized", "bound"):
        np.testing.assert_allclose(found.to_frame()[name], other.to_frame()[name], rtol=1e-4, atol=1e-6)


def resumed(folder: Path, data: bytes) -> ParetoFront | None:
    """The front of a store with these bytes, None where it is refused in one sentence; either way nothing is lost or left over."""
    (folder / FILE).write_bytes(data)
    try:
        return front(folder)
    except BilevelError as error:
        said = str(error)
        assert "\n" not in said and str(folder) in said and len(said) < 500, said
        assert (folder / FILE).read_bytes() == data, "a refused store stays as it is"
        return None
    finally:
        assert {path.name for path in folder.iterdir()} <= {FILE, f"{FILE}.damaged"}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path


@MANY
@given(st.data())
def test_whatever_changes_a_store_its_answers_are_those_that_were_found(store: Path, data: st.DataObject) -> None:
    _, content = whole()
    header, expected = of_model()
    known = read(store, content, header, expected)
    changed = data.draw(mutations.damaged(content))
    try:
        found = read(store, changed, header, expected)
    except BilevelError:
        assert changed.split(b"\n")[0] != content.split(b"\n")[0], "only a first line refuses a store"
    else:
        assert found.items() <= known.items()
        assert read(store, None, header, expected) == found, "what is put aside once is not met again"


@FEWER
@given(st.data())
def test_whatever_changes_a_store_the_front_stays_the_same(store: Path, data: st.DataObject) -> None:
    expected, content = whole()
    (store / f"{FILE}.damaged").unlink(missing_ok=True)
    found = resumed(store, data.draw(mutations.damaged(content)))
    if found is not None:
        same(found, expected)


@FEWER
@given(st.data())
def test_no_line_of_an_older_version_makes_a_front_that_is_not_so(store: Path, data: st.DataObject) -> None:
    """Such lines have no sum: what they say is held against the model and the other lines."""
    expected, content = whole()
    (store / f"{FILE}.damaged").unlink(missing_ok=True)
    old = mutations.without_sums(content)
    found = resumed(store, data.draw(st.one_of(mutations.changed_members(old, first=1), mutations.damaged(old))))
    if found is not None and found.complete and found.certified:
        same(found, expected)


@cache
def of_model() -> tuple[dict[str, Any], Expected]:
    """What stores of the model begin with, and what their answers look like."""
    run = Runner(
        MODEL, MODEL.income, MODEL.energy, Given("augmented", 3, 0.0), SolveOptions("highs", "auto", "tangent", 1e-4, None),
        None, None, False,
    )  # fmt: skip
    header = {"ties": None, "margin": None, **run.settings()}
    header |= fingerprint(run.form, run.two.limited, run.two.maximized)
    return header, Expected.of(run.form, run.two, 1e-4)


def read(folder: Path, content: bytes | None, header: dict[str, Any], expected: Expected) -> dict[str, str]:
    """The answers of a store with these bytes, or with those that it has, in words."""
    if content is not None:
        (folder / FILE).write_bytes(content)
    answers = Store(folder, header, expected).answers
    return {
        key: repr((a.bound, None if a.x is None else a.x.tobytes(), a.verdict, a.seconds)) for key, a in answers.items()
    }


def test_a_store_of_an_older_version_goes_on(store: Path) -> None:
    expected, content = whole()
    found = resumed(store, mutations.without_sums(content))
    assert found is not None and found.solved == 0
    same(found, expected)


def edited(**values: Any) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda line: {**line, **values}


def repacked(change: Callable[[Any], Any]) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda line: {**line, "x": lines.packed(np.asarray(change(lines.unpacked(line["x"], None))))}


EDITS = {
    "task list": edited(task=["x"]),
    "task nonsense": edited(task="0x1 nan inf -inf"),
    "x short": repacked(lambda x: x[:2]),
    "x long": repacked(lambda x: np.tile(x, 3)),
    "x all NaN": repacked(lambda x: x * np.nan),
    "x infinite": repacked(lambda x: x + np.inf),
    "x elsewhere": repacked(lambda x: x + 0.25),
    "x none": edited(x=None, slack_zero=None),
    "x bomb": edited(x=mutations.BOMB),
    "slack bomb": edited(slack_zero=mutations.BOMB),
    "verdict infeasible": edited(x=None, slack_zero=None, verdict="infeasible", bound="inf"),
    "verdict infeasible with a point": edited(verdict="infeasible"),
    "verdict number": edited(verdict=3),
    "verdict of another kind": edited(verdict="certified"),
    "bound NaN": edited(bound="nan"),
    "bound of nothing": edited(bound="inf"),
    "bound better than the point": edited(bound="0x1.0p+3"),
    "bound number": edited(bound=3.0),
    "seconds": edited(seconds="x"),
    "seconds negative": edited(seconds=-1.0),
    "seconds huge": edited(seconds=10**400),
}


@pytest.mark.parametrize("summed", [True, False], ids=["sum", "older"])
@pytest.mark.parametrize("name", EDITS)
def test_an_edited_line_is_put_aside_and_solved_again(
    store: Path, name: str, summed: bool, caplog: pytest.LogCaptureFixture
) -> None:
    expected, content = whole()
    data = content if summed else mutations.without_sums(content)
    texts = data.split(b"\n")
    texts[-2] = json.dumps(EDITS[name](json.loads(texts[-2]))).encode()
    found = resumed(store, b"\n".join(texts))
    assert found is not None and found.solved == 1
    same(found, expected)
    assert (store / f"{FILE}.damaged").read_bytes() == texts[-2] + b"\n"
    assert f"{FILE}: lines not believed: 1 (line {len(texts) - 1}: " in caplog.text
    assert front(store).solved == 0


@pytest.mark.parametrize("line", mutations.LINES, ids=lambda line: repr(line[:12]))
def test_a_line_that_is_none_costs_itself(store: Path, line: bytes) -> None:
    expected, content = whole()
    texts = content.split(b"\n")
    texts[2] = line
    found = resumed(store, b"\n".join(texts))
    assert found is not None and found.solved == 1
    same(found, expected)
    assert resumed(store, b"\n".join([line, *texts[1:]])) is None, "as a first line"


def test_headers_of_runs_that_began_at_once_cost_nothing(store: Path) -> None:
    expected, content = whole()
    first, *rest = content.split(b"\n")
    found = resumed(store, b"\n".join([first, first, rest[0], first, *rest[1:]]))
    assert found is not None and found.solved == 0
    same(found, expected)
    assert not (store / f"{FILE}.damaged").exists()


def test_a_line_of_another_store_does_not_fit(store: Path) -> None:
    other = store / "other"
    traced(MODEL, points=4, store=other)
    expected, _ = whole()
    foreign = (other / FILE).read_bytes().split(b"\n")[-2]
    assert front(store).solved > 0
    (store / FILE).write_bytes((store / FILE).read_bytes() + foreign + b"\n")
    found = front(store)
    assert found.solved == 0
    same(found, expected)
    assert (store / f"{FILE}.damaged").read_bytes() == foreign + b"\n"


def fifo(path: Path) -> None:
    os.mkfifo(path)


def bound_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        # Sockets have short names
        here = Path.cwd()
        os.chdir(path.parent)
        try:
            made.bind(path.name)
        finally:
            os.chdir(here)


SPECIAL: dict[str, Callable[[Path], Any]] = {
    "fifo": fifo,
    "socket": bound_socket,
    "folder": Path.mkdir,
    "device": lambda path: path.symlink_to("/dev/zero"),
    "dangling": lambda path: path.symlink_to("nowhere/at/all"),
    "loop": lambda path: path.symlink_to(path.name),
}


@pytest.mark.parametrize("name", [FILE, f".{FILE}.lock", "proof-0123.json.gz"])
@pytest.mark.parametrize("kind", SPECIAL)
def test_what_is_no_file_in_a_store_is_refused_at_once(store: Path, name: str, kind: str) -> None:
    SPECIAL[kind](store / name)
    with pytest.raises(BilevelError, match=r"no file|no folder") as refused:
        front(store)
    assert name in str(refused.value) and "remove it" in str(refused.value)


@pytest.mark.parametrize("kind", ["fifo", "socket", "device", "loop", "file"])
def test_what_is_no_folder_is_no_store(tmp_path: Path, kind: str) -> None:
    place = tmp_path / "store"
    (SPECIAL | {"file": lambda path: path.write_text("mine")})[kind](place)
    for store in (place, str(place), place / "below"):
        with pytest.raises(BilevelError, match=r"give another folder"):
            front(store)  # type: ignore[arg-type]
    assert [path.name for path in tmp_path.iterdir()] == ["store"]


@pytest.mark.parametrize("store", ["", " ", 5, b"x", [], ["x"]])
def test_what_is_no_name_is_no_store(store: Any) -> None:
    with pytest.raises(BilevelError, match=r"store is .*: give the name of a folder, or None"):
        front(store)
