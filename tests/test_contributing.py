"""The throw-away examples of CONTRIBUTING: one file and the change of one registry, in a copy, and everything knows the part."""

from __future__ import annotations

import json
import math
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import instances

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^`(formulations/\S+)`:\n\n```(python|diff)\n(.*?)^```$", TEXT, re.DOTALL | re.MULTILINE)
SERVER = """
import contextlib, io, json, sys, traceback
import cli_runs
for line in sys.stdin:
    kind, arguments = json.loads(line)
    if kind == "command":
        done = cli_runs.run(*arguments, columns=200)
        answer = done.returncode, done.stdout, done.stderr
    else:
        said, code, trace = io.StringIO(), 0, ""
        try:
            with contextlib.redirect_stdout(said):
                exec(arguments, {})
        except Exception:
            code, trace = 1, traceback.format_exc()
        answer = code, said.getvalue(), trace
    print(json.dumps(answer), flush=True)
"""
"""Runs commands and code, one after another, with what `PYTHONPATH` says; a start costs three seconds, most of them imports."""


@dataclass(frozen=True)
class Copy:
    """A process whose `formulations` have both examples, in a folder with the case `two`."""

    folder: Path
    process: subprocess.Popen[str]

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """The command `bilevel`."""
        return self._done(["command", arguments])

    def python(self, code: str) -> str:
        """What the code prints."""
        done = self._done(["code", code])
        assert done.returncode == 0, done.stderr
        return done.stdout

    def _done(self, request: list[Any]) -> subprocess.CompletedProcess[str]:
        assert self.process.stdin and self.process.stdout
        print(json.dumps(request), file=self.process.stdin, flush=True)
        return subprocess.CompletedProcess(request, *json.loads(self.process.stdout.readline()))


OHM, KV, KWH = 2.0, 10.0, 300.0


def two_buses() -> instances.Instance:
    """Two buses and two hours; one session draws 300 kWh, all of it in one hour if it likes."""
    buses = (instances.Bus("a", 0.0, 0.0), instances.Bus("b", 400.0, 0.0))
    return instances.Instance(
        name="two",
        currency="EUR",
        feeder=instances.Feeder(KV, "a", 1.0, buses, (instances.Branch("a", "b", OHM, 0.0),)),
        horizon=instances.Horizon(2, 1.0, "2024-01-01T00:00:00"),
        stations=(instances.Station("s", "b"),),
        sessions=(instances.Session("ev", "s", 0, 2, 0.9 * KWH, KWH),),
        load_factor=(1.0, 0.5),
        wholesale_price_per_kwh=(0.3, 0.1),
        price_limits=instances.PriceLimits(0.1, 0.5, 0.5),
        charging_efficiency=0.9,
        sources=(instances.Source("buses", "made up", "MIT"),),
    )


LEAST_PEAK_KW = 1e3 * (1 - math.sqrt(1 - 4 * OHM / KV**2 * 0.45)) / (2 * OHM / KV**2)
"""At equal prices users mind no schedule, so that 400 and 200 kW and 300 kWh become 450 kW in both hours, in MW the sending end's
P = 0.45 + OHM / KV^2 P^2."""


def most_profit(waiting: float) -> float:
    """Users come at once for the highest price, 0.5, or an hour later for what waiting leaves of it."""
    return KWH * max(0.5 - 0.3, 0.5 - waiting - 0.1)


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Copy]:
    folder, root = tmp_path_factory.mktemp("work"), tmp_path_factory.mktemp("copy")
    shutil.copytree(ROOT / "formulations", root / "formulations", ignore=shutil.ignore_patterns("__pycache__"))
    for name, kind, text in BLOCKS:
        file = root / name
        assert file.exists() == (kind == "diff")
        file.write_text(changed(file.read_text(encoding="utf-8"), text) if kind == "diff" else text, encoding="utf-8")
    instances.write(two_buses(), folder / "two")
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(map(str, (root, ROOT, ROOT / "tests")))}
    command = [sys.executable, "-c", SERVER]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=folder, env=environment, stdin=pipe, stdout=pipe, text=True) as process:
        yield Copy(folder, process)
        assert process.stdin
        process.stdin.close()


def changed(text: str, diff: str) -> str:
    """The text with each line of the diff that begins with - replaced by the one with + behind it."""
    lines = diff.splitlines()
    for old, new in zip(lines[::2], lines[1::2], strict=True):
        assert (old[0], new[0]) == ("-", "+")
        assert text.count(f"{old[1:]}\n") == 1, old
        text = text.replace(f"{old[1:]}\n", f"{new[1:]}\n")
    return text


def bilevel(copy: Copy, *arguments: str) -> str:
    done = copy.command(*arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


def solved(copy: Copy, folder: str, *options: str) -> tuple[dict[str, Any], str, str]:
    """`solution.json` of a solve with these options, what it printed, and the page of its report as text."""
    said = bilevel(copy, "solve", "two", *options, "--gap", "1e-6", "--out", folder)
    bilevel(copy, "report", folder, "--out", f"{folder}.html", "--quiet")
    page = (copy.folder / f"{folder}.html").read_text(encoding="utf-8")
    return json.loads((copy.folder / folder / "solution.json").read_text(encoding="utf-8")), said, page


def optimum(copy: Copy, arguments: str) -> float:
    return float(
        copy.python(
            "import bilevel, formulations, instances\n"
            f"model = formulations.charging_pricing(instances.read('two'), {arguments})\n"
            "solution = bilevel.solve(model, gap=1e-6, progress=False)\n"
            "assert solution.status == 'certified'\n"
            "print(solution.objective)"
        )
    )


def test_each_example_is_one_file_and_one_registry() -> None:
    assert [kind for _, kind, _ in BLOCKS] == ["python", "diff"] * 2
    assert all(len(text.splitlines()) == 4 for _, kind, text in BLOCKS if kind == "diff")


def test_python_knows_the_peak(copy: Copy) -> None:
    assert optimum(copy, "'peak'") == pytest.approx(LEAST_PEAK_KW, rel=1e-5)
    assert optimum(copy, "{'peak': 2.0, 'loss': 1e-6}") == pytest.approx(2 * LEAST_PEAK_KW, rel=1e-5)


def test_the_command_line_and_the_report_know_the_peak(copy: Copy) -> None:
    found, said, page = solved(copy, "peak", "--objective", "peak=1")
    assert found["status"] == "certified"
    assert found["case"]["objective"] == {"peak": 1.0}
    assert found["case"]["supply_peak_kw"] == pytest.approx(LEAST_PEAK_KW, rel=1e-5)
    shown = re.findall(r"^largest supply +([\d.]+) kW *$", said, re.MULTILINE)
    assert [float(value) for value in shown] == pytest.approx([LEAST_PEAK_KW], rel=1e-5)
    assert "minimises 1 peak" in said
    assert "--objective peak=1.0" in page
    assert "largest supply" in page
    listed = " ".join(bilevel(copy, "solve", "--help").split())
    assert "peak (the largest power that is taken from the supply, kW, small)" in listed
    refused = copy.command("compare", "two", "--objective", "peak")
    assert (refused.returncode, "'peak' has no values for the candidates" in refused.stderr) == (2, True)


@pytest.mark.parametrize("waiting", [0.05, 0.25])
def test_python_knows_the_follower_and_its_option(copy: Copy, waiting: float) -> None:
    arguments = f"'profit', follower='impatient', waiting_per_kwh_hour={waiting}"
    assert optimum(copy, arguments) == pytest.approx(most_profit(waiting), rel=1e-5)


def test_the_default_of_the_option_holds(copy: Copy) -> None:
    assert optimum(copy, "'profit', follower='impatient'") == pytest.approx(most_profit(0.5), rel=1e-5)


def test_the_command_line_and_the_report_know_the_follower(copy: Copy) -> None:
    options = ("--objective", "profit", "--follower", "impatient", "--waiting", "0.05")
    found, _, page = solved(copy, "impatient", *options)
    assert found["objective"] == pytest.approx(most_profit(0.05), rel=1e-5)
    assert found["case"]["waiting_per_kwh_hour"] == 0.05
    assert "--follower impatient" in page
    assert "--waiting 0.05" in page
    for command in ("solve", "pareto", "equilibrium", "compare-equilibrium"):
        said = " ".join(bilevel(copy, command, "--help").split())
        assert "--waiting PRICE Of follower impatient: price of a kWh that comes an hour after the arrival" in said


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--waiting", "0.1"), "follower 'ev_user' takes no waiting_per_kwh_hour: leave it out, or choose follower 'impatient'"),
        (("--follower", "impatient", "--waiting", "-1"), "-1 is no number of at least 0; give one, such as 0.2"),
        (("--follower", "impatient", "--discomfort", "1"), "follower 'impatient' takes no discomfort_per_kwh"),
        (("--objective", "peek"), "did you mean 'peak'"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused(copy: Copy, options: tuple[str, ...], words: str) -> None:
    done = copy.command("solve", "two", *options)
    assert done.returncode == 2
    assert words in done.stderr


def test_the_table_of_the_documents_has_both(copy: Copy) -> None:
    """As the script that writes it sees them."""
    code = (
        f"import sys; sys.path.append({str(ROOT / 'scripts')!r}); import option_tables; print(option_tables.tables())"
    )
    said = copy.python(code)
    assert "| `--objective` | `peak` | the largest power that is taken from the supply (kW), small |  |" in said
    assert "| `--waiting` | `waiting_per_kwh_hour` | follower `impatient` | 0.5 |" in said
