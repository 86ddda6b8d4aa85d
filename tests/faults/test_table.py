"""Every line of the table of faults, by the real command line; `scripts/faults.py` prints them."""

from __future__ import annotations

import pytest
from cli_runs import run
from file_faults.lines import LINES, Line, Place, done
from file_faults.lines.line import Done


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    return Place(tmp_path_factory.mktemp("table"))


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize(
    "line", LINES, ids=lambda line: f"{line.kind}: {line.name}"[:70].encode("ascii", "replace").decode()
)
def test_line(line: Line, place: Place) -> None:
    """What needs limits, or a file for its output, is a process of its own; the others are called as the entry point calls them."""
    if line.limits or line.output:
        found, fault = done(line, place)
        assert not fault, f"{fault}: {found.code}: {found.said[-500:]}"
        return
    arguments = line.make(place)
    ended = run(*arguments)
    found = Done(ended.returncode, ended.stderr)
    assert not found.fault(line), f"{found.fault(line)}: {found.code}: {found.said[-500:]}"
    if line.after is not None:
        assert not line.after(place, arguments, ended.returncode)
