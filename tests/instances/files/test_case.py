"""The folder: exact round trips, clear refusals, and writes that a kill cannot break."""

from __future__ import annotations

import json
import math
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import instances
from instances import Branch, Bus, Instance, InstanceError, Source, read, write

ROOT = Path(__file__).parents[3]
SETTINGS = settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
NAMES = st.text(min_size=1, max_size=12).filter(lambda text: text.isprintable() and text == text.strip())
NUMBERS = st.floats(-1e9, 1e9)
LIMITS = st.floats(0.0, exclude_min=True, allow_nan=False).filter(lambda x: x <= 1e30 or x == math.inf)


@pytest.fixture
def folder(tmp_path: Path, small: Instance) -> Path:
    write(small, tmp_path / "case")
    return tmp_path / "case"


@pytest.mark.parametrize("name", instances.list_cases())
def test_shipped_cases_come_back_exactly(tmp_path: Path, name: str) -> None:
    case = instances.load(name)
    write(case, tmp_path / "copy")
    assert read(tmp_path / "copy") == case


@given(NAMES, NUMBERS, NUMBERS, st.floats(0, 1e9), LIMITS, LIMITS, st.floats(0.01, 1.0))
@SETTINGS
def test_any_instance_comes_back_exactly(
    tmp_path: Path,
    small: Instance,
    name: str,
    kw: float,
    price: float,
    ohm: float,
    a: float,
    kva: float,
    eff: float,
) -> None:
    buses = (Bus("1", 0, 0), Bus(f"b{name}", kw, price))
    feeder = replace(small.feeder, substation="1", buses=buses, branches=(Branch("1", f"b{name}", ohm, kw**2, a, kva),))
    case = replace(
        small,
        name=name,
        feeder=feeder,
        stations=(instances.Station(name, f"b{name}"),),
        sessions=(replace(small.sessions[0], name=name, station=name, energy_kwh=eff, count=a if a < 1e30 else 1),),
        wholesale_price_per_kwh=(price, kw),
        charging_efficiency=eff,
        sources=(Source("buses", name, name), Source(name, name, name)),
    )
    write(case, tmp_path / "case")
    assert read(tmp_path / "case") == case


def test_numpy_numbers_are_written_plainly(tmp_path: Path, small: Instance) -> None:
    session = replace(small.sessions[0], arrival_period=np.int64(0), energy_kwh=np.float64(1.1), count=np.float32(2))
    horizon = replace(small.horizon, periods=np.int64(2))
    write(
        replace(small, sessions=(session,), horizon=horizon, charging_efficiency=np.float32(0.5)),
        tmp_path / "case",
    )
    assert read(tmp_path / "case").sessions == (session,)


def test_hand_made_tables_may_reorder_omit_and_comment(folder: Path, small: Instance) -> None:
    text = "# by hand\n# licence: MIT\nload_kvar, name ,load_kw\n0,a,0\n\n20,b,60\n10, c,40.0\n"
    (folder / "buses.csv").write_text("\ufeff" + text, encoding="utf-8", newline="\r\n")
    assert read(folder) == small


def line(table: str, number: int, text: str) -> Callable[[Path], None]:
    """A damage that replaces one line of a table, counted from 1, or appends it."""

    def damage(folder: Path) -> None:
        path = folder / f"{table}.csv"
        lines = path.read_text(encoding="utf-8").splitlines()
        lines[number - 1 : number] = [text]
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")

    return damage


def key(change: dict[str, Any], drop: str = "") -> Callable[[Path], None]:
    """A damage that changes or drops a key of instance.json."""

    def damage(folder: Path) -> None:
        values = json.loads((folder / "instance.json").read_text(encoding="utf-8")) | change
        values.pop(drop, None)
        (folder / "instance.json").write_text(json.dumps(values), encoding="utf-8")

    return damage


def content(name: str, text: str | bytes) -> Callable[[Path], None]:
    """A damage that replaces a file."""
    data = text if isinstance(text, bytes) else text.encode()
    return lambda folder: (folder / name).write_bytes(data) and None


DAMAGES: list[tuple[Callable[[Path], None], tuple[str, ...]]] = [
    (lambda folder: (folder / "sessions.csv").unlink(), ("sessions.csv", "missing", "add it")),
    (lambda folder: (folder / "instance.json").unlink(), ("instance.json", "missing")),
    (content("buses.csv", ""), ("buses.csv", "no header", "name,load_kw")),
    (content("buses.csv", b"\xff\xfe"), ("buses.csv", "UTF-8")),
    (content("buses.csv", 'name,load_kw,load_kvar\n"a"b,0,0\n'), ("buses.csv line 2", "not CSV", "quotes")),
    (content("instance.json", "{"), ("instance.json line 1", "not JSON")),
    (content("instance.json", "[" * 100_000), ("instance.json", "JSON")),
    (content("instance.json", '{"a": NaN}'), ("instance.json", "NaN", "finite")),
    (content("instance.json", '{"a": 1, "a": 2}'), ("instance.json", "twice", "a")),
    (content("instance.json", "[]"), ("instance.json", "[]", "give an object")),
    (key({"sources": {}}), ("sources", "{}", "list")),
    (key({"horizon": 3}), ("horizon", "3", "object")),
    (key({}, "currency"), ("instance.json", 'lacks the key "currency"')),
    (key({"curency": "EUR"}), ('unknown key "curency"', 'did you mean "currency"')),
    (key({"charging_efficiency": "0.9"}), ("charging_efficiency '0.9'", "give a number")),
    (key({"substation": 1}), ("substation 1", 'such as "1"')),
    (key({"substation": "d"}), ("substation", 'unknown bus "d"')),
    (
        key({"price_limits": dict.fromkeys(["price_min_per_kwh", "price_max_per_kwh"], 1)}),
        ("price_mean_max",),
    ),
    (line("buses", 2, "name,load_kw,loadkvar"), ("buses.csv", '"loadkvar"', 'did you mean "load_kvar"')),
    (line("buses", 2, "name,load_kw,load_kw"), ("buses.csv", '"load_kw" twice')),
    (line("buses", 2, "name,load_kw"), ("buses.csv", 'lacks the column "load_kvar"', "add")),
    (line("buses", 4, "b,60,x,0.9,1.1"), ("buses.csv line 4", 'load_kvar "x"', "give a number")),
    (line("buses", 4, 'b,"6,5",0,0.9,1.1'), ("buses.csv line 4", 'load_kw "6,5"', "decimal point")),
    (line("buses", 4, "b,nan,0,0.9,1.1"), ("buses.csv line 4", 'load_kw "nan"', "finite")),
    (line("buses", 4, "b,,0,0.9,1.1"), ("buses.csv line 4", "empty load_kw", "give a value")),
    (line("buses", 4, "b,60,0"), ("buses.csv line 4", "3 cells", "give 5")),
    (line("branches", 2, "a,b,0.5,0.25,inf,"), ("branches.csv line 2", "inf", "leave the cell empty")),
    (line("branches", 2, "a,b,-0.5,0.25,,"), ("branches.csv line 2", "branch a-b", "-0.5", "at least 0")),
    (line("branches", 2, "a,x,0.5,0.25,,"), ("branch a-x", 'unknown bus "x"')),
    (line("sessions", 2, "ev,s,0,1.5,6.0,10.0,1"), ("sessions.csv line 2", '"1.5"', "whole number")),
    (line("sessions", 2, "ev,s,0,1,6.0,10.0,1"), ("session ev", "6.0", "4.5 kWh")),
    (line("series", 2, "1,1.0,0.1"), ("series.csv", "period 1", "0 is due")),
    (line("series", 4, "2,1.0,0.1"), ("series.csv", "3 rows", "2 periods", "one row per period")),
]


@pytest.mark.parametrize(("damage", "words"), DAMAGES)
def test_a_damaged_folder_is_refused_in_one_sentence(
    folder: Path, damage: Callable[[Path], None], words: tuple[str, ...]
) -> None:
    damage(folder)
    with pytest.raises(InstanceError) as caught:
        read(folder)
    assert "\n" not in str(caught.value)
    for word in (str(folder), *words):
        assert word in str(caught.value)


def test_what_is_no_folder_is_refused(tmp_path: Path, folder: Path) -> None:
    with pytest.raises(InstanceError, match=r"is not a folder; give the folder that holds instance.json"):
        read(tmp_path / "nowhere")
    with pytest.raises(InstanceError, match="is not a folder"):
        read(folder / "buses.csv")


def test_write_keeps_foreign_files(folder: Path, small: Instance) -> None:
    (folder / "thesis.docx").write_text("years of work")
    with pytest.raises(InstanceError, match=r"also holds thesis.docx.*give a new folder"):
        write(replace(small, name="other"), folder)
    assert read(folder).name == "small"
    with pytest.raises(InstanceError, match="is a file; give a folder"):
        write(small, folder / "thesis.docx")
    with pytest.raises(InstanceError, match="cannot be written"):
        write(small, folder / "thesis.docx" / "case")


def test_write_replaces_a_case_and_leaves_nothing_else(folder: Path, small: Instance) -> None:
    write(replace(small, name="other"), folder)
    assert read(folder).name == "other"
    assert [path.name for path in folder.parent.iterdir()] == ["case"]


def test_a_failed_write_leaves_the_old_case(folder: Path, small: Instance, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*args: object, **kwargs: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(InstanceError, match="No space left on device"):
        write(replace(small, name="other"), folder)
    assert read(folder) == small
    assert [path.name for path in folder.parent.iterdir()] == ["case"]


def test_a_kill_between_the_renames_leaves_the_backup(folder: Path, small: Instance) -> None:
    (folder / ".bilevel-grid-backup").write_text("")
    folder.rename(folder.parent / ".case.old")
    assert read(folder) == small
    write(replace(small, name="other"), folder)
    assert read(folder).name == "other"
    assert [path.name for path in folder.parent.iterdir()] == ["case"]


KILLER = """
import os, signal, sys
from dataclasses import replace
import instances

STEPS = {"open", "os.mkdir", "os.rename", "os.remove", "os.rmdir", "shutil.rmtree"}


def write_and_die(step):
    seen = 0

    def hook(event, args):
        nonlocal seen
        seen += event in STEPS
        if event in STEPS and seen == step:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)
    instances.write(new, folder)
    os._exit(0)


folder = sys.argv[1]
old = instances.read(folder)
new = replace(old, name="new")
step, status = 0, signal.SIGKILL
while status == signal.SIGKILL:
    step += 1
    instances.write(old, folder)
    child = os.fork() or write_and_die(step)
    status = os.waitpid(child, 0)[1]
    found = instances.read(folder)
    print("old" if found == old else "new" if found == new else "broken", status, flush=True)
"""


def test_a_write_killed_at_any_step_leaves_the_old_case_or_the_new_one(folder: Path) -> None:
    command = [sys.executable, "-c", KILLER, str(folder)]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=50)
    *killed, survived = result.stdout.splitlines()
    assert survived == "new 0"
    assert len(killed) > 12
    found = [outcome.split()[0] for outcome in killed]
    # Every earlier kill leaves the old case, every later one the new: the change is one moment
    assert found == sorted(found, reverse=True)
    assert set(found) == {"old", "new"}


WRITER = """
import sys
from dataclasses import replace
import instances
case = instances.read(sys.argv[1])
print("ready", flush=True)
while True:
    for name in ("old", "new"):
        instances.write(replace(case, name=name), sys.argv[1])
"""


@pytest.mark.parametrize("delay", [0.003, 0.02])
def test_a_killed_writer_leaves_a_whole_case(folder: Path, small: Instance, delay: float) -> None:
    command = [sys.executable, "-c", WRITER, str(folder)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        time.sleep(delay)
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    found = read(folder)
    assert found.name in {"small", "old", "new"}
    assert replace(found, name="small") == small
    write(small, folder)
    assert read(folder) == small


@pytest.mark.parametrize("there", [True, False])
@pytest.mark.parametrize("kind", ["folder", "file", "link"])
def test_what_is_not_ours_at_the_backups_place_stays(tmp_path: Path, small: Instance, there: bool, kind: str) -> None:
    mine, place = tmp_path / "mine.txt", tmp_path / ".case.old"
    mine.write_text("years of work")
    if kind == "folder":
        place.mkdir()
        (place / "thesis.tex").write_text("years of work")
    elif kind == "file":
        place.write_text("years of work")
    else:
        place.symlink_to(mine)
    if there:
        write(small, tmp_path / "case")
    write(small, tmp_path / "case")
    kept = place / "thesis.tex" if kind == "folder" else place
    assert kept.read_text() == "years of work" and read(tmp_path / "case").name == small.name
    assert sorted(path.name for path in tmp_path.iterdir()) == [".case.old", "case", "mine.txt"]


def test_a_write_after_a_kill_takes_its_own_backup_away(tmp_path: Path, small: Instance) -> None:
    write(small, tmp_path / "case")
    (tmp_path / "case" / ".bilevel-grid-backup").write_text("")
    (tmp_path / "case").rename(tmp_path / ".case.old")
    write(small, tmp_path / "case")
    assert [path.name for path in tmp_path.iterdir()] == ["case"]
    assert ".bilevel-grid-backup" not in [path.name for path in (tmp_path / "case").iterdir()]


def test_a_number_too_large_for_a_computer_is_no_limit_left_out(tmp_path: Path) -> None:
    """JSON reads 1e400 as infinity, which a limit of the supply would take for "no limit"."""
    write(instances.load("ieee33"), tmp_path / "case")
    file = tmp_path / "case" / "instance.json"
    file.write_text(file.read_text(encoding="utf-8").replace("{", '{\n  "supply_max_kw": 1e400,', 1), encoding="utf-8")
    with pytest.raises(InstanceError, match="1e400"):
        read(tmp_path / "case")
