"""The benchmark of random linear problems: what it draws, and that proven answers are compared."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pandas as pd
import pytest

from bilevel.compile.compiler import compile_model

SCRIPT = Path(__file__).parent.parent / "scripts" / "random_lplp.py"


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("random_lplp", SCRIPT)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_size_is_of_each_level(script: ModuleType) -> None:
    program = compile_model(script.build(3, 4, 9))
    assert len(script.build(3, 4, 9).x) == len(script.build(3, 4, 9).follower.y) == 9
    assert program.rows.count == 4 and program.followers.rows.count == 4


def test_every_way_has_the_same_answer(
    script: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    out = tmp_path / "table.csv"
    ways = [way for way in script.WAYS if way != "sos1-gurobi"]
    arguments = ["--sizes", "5x5", "--seeds", "3", "--time-limit", "20", "--ways", *ways, "--csv", str(out)]
    monkeypatch.setattr(sys, "argv", ["random_lplp.py", *arguments])
    assert script.main() == 0
    table = pd.read_csv(out)
    assert len(table) == 3 * len(ways) and set(table["status"]) <= {"certified", "infeasible", "refused"}
    assert (table[table["way"] != "big_m"]["status"] != "refused").all()
    assert "5x5" in capsys.readouterr().out


def test_proven_answers_that_differ_are_told(script: ModuleType) -> None:
    line = {"size": "5x5", "seed": 0, "way": "auto", "status": "certified", "objective": 1.0}
    same = pd.DataFrame([line, line | {"way": "branching", "objective": 1.0 + 1e-6}])
    assert script.differ(same, 1e-4) == []
    assert len(script.differ(pd.DataFrame([line, line | {"objective": 1.1}]), 1e-4)) == 1
    assert len(script.differ(pd.DataFrame([line, line | {"status": "infeasible"}]), 1e-4)) == 1


@pytest.mark.parametrize("text", ["5", "5x", "0x5", "ax5", "5x5x5"])
def test_what_is_no_size_is_refused(script: ModuleType, text: str) -> None:
    with pytest.raises(Exception, match="give rows x columns"):
        script.size(text)
