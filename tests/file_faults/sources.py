"""What is changed: folders and files that the commands wrote themselves, of cases small enough for seconds."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from carbon_cases import tiny_carbon
from cli_runs import run
from market_oracles import small_market
from oracles import tiny_case

import instances
from file_faults.networks import AUX, MATPOWER, MPS, pandapower
from instances.records.market import Credit, Distance, Generator, Reservation

TEXTS = {".json", ".jsonl", ".csv", ".m", ".mps", ".aux"}
KINDS = ("case", "solved", "results", "store", "contest", "file")


@dataclass(frozen=True)
class Source:
    """A folder as it was written, and the command that reads it: `{}` is the changed folder, `{place}` what it lies in.

    `kind`: what the judge asks of it; `fixed`: files beside the folder that are never changed, such as the case of a store.
    """

    name: str
    kind: str
    command: tuple[str, ...]
    files: dict[str, bytes]
    fixed: dict[str, bytes]


def make(kinds: Iterable[str], folder: Path) -> list[Source]:
    """The sources of some kinds, made in a folder that exists."""
    return [source for kind in kinds for source in MAKERS[kind](folder)]


def texts_of(folder: Path) -> dict[str, bytes]:
    """The files of a folder that are read again, by their place in it."""
    found = sorted(path for path in folder.rglob("*") if path.suffix in TEXTS)
    return {str(path.relative_to(folder)): path.read_bytes() for path in found}


def full_case() -> instances.Instance:
    """A case with everything that a case may have but carbon."""
    case = small_market(
        sessions=(instances.Session("ev", "s", 0, 3, 90.0, 60.0), instances.Session("ev2", "s", 0, 2, 9.0, 60.0, 1.5))
    )
    return replace(
        case,
        generators=(Generator("gas", "b", 0.0, 100.0, -10.0, 10.0, 0.1, 120.0, 50.0, 0.5),),
        credit=Credit(
            0.01, 0.1, 0.2, 0.02, 0.12, 1, 2.0, (0,), (2,), (Reservation("ev", 3.0),),
            (Distance("ev", "s", 1.5), Distance("ev2", "s", 0.5))
        ),
    )  # fmt: skip


def rare_case() -> instances.Instance:
    """A case with the columns and keys that most have not."""
    case = tiny_case()
    buses = tuple(replace(bus, shunt_kw=1.0, capacitor_kvar=5.0) for bus in case.feeder.buses)
    branches = tuple(
        replace(line, tap_ratio=1.02, charging_kvar=2.0, current_max_a=90.0) for line in case.feeder.branches
    )
    feeder = replace(
        case.feeder, buses=buses, branches=branches, supply_max_kw=2e3, supply_min_kw=-1e3, supply_max_kvar=2e3
    )
    return replace(case, feeder=feeder, name="rare")


def days(case: instances.Instance) -> instances.Scenarios:
    """Scenarios with everything that a scenario may have, and one in which all is as in the case."""
    periods, first = case.horizon.periods, case.sessions[0]
    ramp = tuple(0.5 + 0.125 * t for t in range(periods))
    others = (first, replace(first, name="other", energy_kwh=first.energy_kwh / 2, count=0.5))
    few = instances.Scenario("few", 0.5, others, ramp, ramp[::-1], ramp, 0.5, (instances.Willing("other", 0.25),))
    return instances.Scenarios(
        (few, instances.Scenario("dear", 0.25, wholesale_price_per_kwh=ramp), instances.Scenario("as it is", 0.25))
    )


def _cases(folder: Path) -> Iterable[Source]:
    for name, case, scenarios in (
        ("pricing", tiny_case(), None),
        ("market", full_case(), None),
        ("carbon", tiny_carbon(), None),
        ("rare", rare_case(), None),
        ("scenarios", tiny_carbon(), days(tiny_carbon())),
    ):
        instances.write(case, folder / name, scenarios)
        yield Source(f"case {name}", "case", ("check", "{}"), texts_of(folder / name), {})
    instances.write_feeder(rare_case().feeder, folder / "feeder", tiny_case().sources)
    yield Source("feeder", "case", ("feeder", "{}"), texts_of(folder / "feeder"), {})


SHORT = ("--time-limit", "5", "--quiet")


def _solved(folder: Path) -> Iterable[Source]:
    """Cases again, by the commands that solve them."""
    commands = {
        "case pricing": ("solve", "{}", "--objective", "loss=1,profit=1", *SHORT),
        "case rare": ("pareto", "{}", "--points", "3", *SHORT),
        "case market": ("market", "{}", "--max-iterations", "5", *SHORT),
        "case carbon": (
            "compare",
            "{}",
            "--methods",
            "exact,pso",
            "--runs",
            "1",
            "--budget",
            "20",
            "--population",
            "5",
            *SHORT,
        ),
    }
    for case in _cases(folder):
        if case.name in commands:
            command = commands[case.name]
            yield replace(case, name=f"{command[0]} {case.name}", kind="solved", command=command)


def _files(folder: Path) -> Iterable[Source]:
    yield Source("matpower", "file", ("check", "{}/net.m"), {"net.m": MATPOWER.encode()}, {})
    yield Source("pandapower", "file", ("check", "{}/net.json"), {"net.json": pandapower().encode()}, {})
    files = {"moore.mps": MPS.encode(), "moore.aux": AUX.encode()}
    yield Source("mps", "file", ("solve-file", "{}/moore.mps", "{}/moore.aux", "--quiet"), files, {})
    for name, content in files.items():
        (folder / name).write_bytes(content)
    proof = folder / "proof.json"
    _made("solve-file", folder / "moore.mps", folder / "moore.aux", "--proof", proof)
    command = ("verify", "{}/proof.json", "{place}/moore.mps", "{place}/moore.aux")
    yield Source("proof", "file", command, {"proof.json": proof.read_bytes()}, files)


SEARCH = ("--methods", "exact,pso,woa", "--runs", "2", "--budget", "30", "--population", "10")
FRONT = ("--points", "3")
MARGINS = ("--objective", "profit", "--margins", "0,0.05")
RESULTS: dict[str, tuple[str, tuple[str, ...]]] = {
    "solve": ("conflict", ("--objective", "loss=1,profit=1")),
    "pareto": ("conflict", FRONT),
    "both": ("conflict", (*FRONT, "--ties", "optimistic,secure", "--margin", "0.01")),
    "security": ("conflict", MARGINS),
    "equilibrium": ("conflict", ("--max-iterations", "3")),
    "compare-equilibrium": ("conflict", (*FRONT, "--max-iterations", "3")),
    "compare": ("conflict", SEARCH),
    "market": ("sold", ("--fee", "0.01")),
}
"""The commands that write results, each with its case and options; "both" is pareto by two conventions."""


def conflict() -> instances.Instance:
    """The cheapest hour is that of the largest load, so that profit and loss are at odds and a front has several points."""
    small = tiny_case()
    sessions = tuple(replace(session, arrival_period=0) for session in small.sessions)
    return replace(small, load_factor=(1.0, 0.6, 0.8), sessions=sessions)


def _results(folder: Path) -> Iterable[Source]:
    _write_cases(folder)
    for name, (case, options) in RESULTS.items():
        out = folder / f"results-{name}"
        _made(_command(name), folder / case, *options, "--out", out)
        command = ("report", "{}", "--out", "{}.html", "--quiet")
        yield Source(f"results {name}", "results", command, texts_of(out), {})


def _store(folder: Path, kind: str, name: str, stored: Callable[[str], bool]) -> Source:
    """The state after a kill: the store without the results that are made of it."""
    _write_cases(folder)
    case, options = RESULTS[name]
    out = folder / f"store-{name}"
    _made(_command(name), folder / case, *options, "--out", out)
    files = {file: content for file, content in texts_of(out).items() if stored(file)}
    place = {f"{case}/{file}": content for file, content in texts_of(folder / case).items()}
    command = (_command(name), f"{{place}}/{case}", *options, "--out", "{}", "--resume", "--quiet")
    return Source(f"store {name}", kind, command, files, place)


def _stores(folder: Path) -> Iterable[Source]:
    yield _store(folder, "store", "pareto", lambda file: file.startswith("points/"))
    yield _store(folder, "store", "security", lambda file: file.endswith(".jsonl"))


def _contests(folder: Path) -> Iterable[Source]:
    yield _store(folder, "contest", "compare", lambda file: file.endswith(".jsonl"))


def _write_cases(folder: Path) -> None:
    instances.write(conflict(), folder / "conflict")
    instances.write(small_market(), folder / "sold")


def _command(name: str) -> str:
    return {"both": "pareto"}.get(name, name)


def _made(*arguments: object) -> None:
    out = Path(str(arguments[-1]))
    shutil.rmtree(out, ignore_errors=True)
    done = run(*arguments, "--quiet")
    if done.returncode not in (0, 3):
        raise RuntimeError(f"{arguments} ended with {done.returncode}: {done.stderr}")


MAKERS: dict[str, Callable[[Path], Iterable[Source]]] = {
    "case": _cases, "solved": _solved, "file": _files, "results": _results, "store": _stores, "contest": _contests,
}  # fmt: skip
