"""Names are text: every command says of a case with odd names what it says of the same case with plain ones."""

from __future__ import annotations

import os
import re
import tempfile
from functools import cache
from pathlib import Path

import hypothesis.strategies as st
import pytest
from faults.names.commands import COMMANDS, Done, cells, done, loaded, numbers
from faults.names.odd import CASES, POOL, Names, listed, plain
from hypothesis import Phase, example, given, settings

FEW = {"solve": 3, "equilibrium": 3, "check": 8}
"""Examples of a command in the suite beside the worst, where they are not two."""
MANY = int(os.environ.get("NAMES_EXAMPLES", "0"))
"""Of each command by hand, other ones each time."""
TURNS = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
WORST = Names(
    "a/../b", "\\input{FILE}",
    {
        "bus": {"a": "*", "b": "-1+1", "c": "b[a,0]"}, "station": {"s": "=cmd|' /C calc'!A0", "r": "a, b"},
        "session": {"ev1": "#1", "ev2": "#2", "ev3": "=cmd|' /C calc'!A0@0-3/1"}, "generator": {"gas": "supply", "hydro": "=1"},
        "renewable": {"sun": "_x", "wind": "$"}, "aggregator": {"agent": "\\input{FILE}", "other": "[x]"},
    },
)  # fmt: skip
"""What each of the faults that were found was about."""
NOTHING = {"", "NA", "nan", "None", "null", "N/A", "NaN", "NULL", "n/a", "<NA>", "#N/A"}

ONE_LINE = st.text(
    st.characters(exclude_categories=("Cc", "Cs", "Z", "Cn"), exclude_characters=TURNS), min_size=1, max_size=12
)
NAME = st.sampled_from(POOL) | st.sampled_from(POOL) | ONE_LINE


@st.composite
def _names(draw: st.DrawFn, case: str) -> Names:
    own = listed(CASES[case]())
    of = {
        kind: dict(zip(old, draw(st.lists(NAME, min_size=len(old), max_size=len(old), unique=True)), strict=True))
        for kind, old in own.items()
    }
    return Names(draw(NAME), draw(NAME), of)


@cache
def _plain(name: str) -> Done:
    with tempfile.TemporaryDirectory() as folder:
        return done(COMMANDS[name], plain(CASES[COMMANDS[name].case]()), Path(folder))


@pytest.mark.parametrize("name", COMMANDS)
def test_odd_names_change_nothing(name: str) -> None:
    # Shrinking would run a command some hundred times
    @settings(max_examples=MANY or FEW.get(name, 2), derandomize=not MANY, phases=(Phase.explicit, Phase.generate))
    @given(_names(COMMANDS[name].case))
    @example(WORST)
    def check(names: Names) -> None:
        with tempfile.TemporaryDirectory() as folder:
            _compare(name, done(COMMANDS[name], names, Path(folder)), names)

    check()


def _compare(name: str, odd: Done, names: Names) -> None:
    known, own = _plain(name), plain(CASES[COMMANDS[name].case]())
    assert odd.code == known.code
    assert odd.files.keys() == known.files.keys()
    for file, content in odd.files.items():
        kind = file.rpartition(".")[2]
        if kind == "csv":
            assert cells(content, names) == cells(known.files[file], own), file
        elif kind == "json":
            assert list(numbers(loaded(content))) == list(numbers(loaded(known.files[file]))), file
        elif kind == "tex":
            _harmless(content.decode(), known.files[file].decode())
    _named(odd, names)
    assert "<script>alert" not in odd.page
    # What pandas takes for nothing the page does not find
    if not NOTHING & {new for kind in ("bus", "station", "session", "aggregator") for new in names.of[kind].values()}:
        assert odd.page_code == known.page_code


def _harmless(odd: str, known: str) -> None:
    """The same lines, with no command in them that is not the table's own."""
    lines = [line for line in odd.splitlines() if not line.startswith("%")]
    assert len(lines) == len([line for line in known.splitlines() if not line.startswith("%")])
    for line in lines:
        left = re.sub(r"\\(begin|end)\{tabular\}|\\(top|mid|bottom)rule|\\[&%$#_{}]|\\text[a-z]+\{\}| \\\\$", "", line)
        assert "\\" not in left and not re.search(r"[%$#_^~]", left), line
        assert not re.match(r"[\[*]", line), line


def _named(odd: Done, names: Names) -> None:
    """Names of case, currency and stations come back out of JSON as they are."""
    for file, content in odd.files.items():
        if not file.endswith(".json"):
            continue
        data = loaded(content)
        about = data["case"] if file == "solution.json" else data
        assert about["currency"] == names.currency
        assert about["name" if file == "solution.json" else "case"] == names.case
        for row in data["rows"] if file == "security.json" else ():
            assert list(row["price_per_kwh"]) == list(names.of["station"].values())
