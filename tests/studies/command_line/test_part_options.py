"""Options of parts on the command line and in the documents: each where its kind is chosen, by its declaration alone."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from bilevel import BilevelError
from formulations.options import Option, Part, declared
from formulations.parts import ALL
from studies.command_line.main import app
from studies.command_line.part_options import take_options

ROOT = Path(__file__).parents[3]


def flags(command: str) -> set[str]:
    group: Any = get_command(app)
    return {flag for parameter in group.commands[command].params for flag in parameter.opts}


@pytest.mark.parametrize(
    ("command", "kinds"),
    [
        ("solve", {"objective", "tariff", "follower", "flow"}),
        ("pareto", {"tariff", "follower"}),
        ("equilibrium", {"follower"}),
        ("compare-equilibrium", {"follower"}),
        ("market", {"demand"}),
    ],
)
def test_a_command_has_the_options_of_the_kinds_that_it_chooses(command: str, kinds: set[str]) -> None:
    found = flags(command)
    assert {f"--{kind}" for kind in kinds} <= found
    for known in declared(ALL).values():
        assert (f"--{known.option.command_flag}" in found) == (known.kind in kinds)


def test_names_of_flags_stay() -> None:
    assert {"--blocks", "--levels", "--discomfort"} <= flags("solve")


@pytest.mark.parametrize(("name", "flag"), [("gap", ""), ("wear", "time-limit")])
def test_an_option_with_a_name_of_the_command_itself_is_refused(name: str, flag: str) -> None:
    def command(follower: str = "worn", gap: float = 1e-4, time_limit: float = 60.0, **options: Any) -> int:
        return 0

    own = Option(name=name, flag=flag, help="wear", example="1", default=1.0)
    add = {"gap": lambda *, gap: gap, "wear": lambda *, wear: wear}[name]
    worn = Part(name="worn", add=add, options=(own,))
    with pytest.raises(BilevelError, match=f"option {name} .* of follower 'worn' is one of the command itself"):
        take_options(command, {"follower": {"worn": worn}})


def test_the_page_of_the_command_line_lists_every_part_and_option() -> None:
    check = [sys.executable, str(ROOT / "scripts" / "option_tables.py"), "--check"]
    done = subprocess.run(check, cwd=ROOT, env={"PYTHONPATH": str(ROOT)}, check=False)
    assert done.returncode == 0, "run python scripts/option_tables.py"
