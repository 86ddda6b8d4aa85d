"""What a command makes of a changed folder, and whether that is right."""

from __future__ import annotations

import contextlib
import io
import random
import re
import shutil
import traceback
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from cli_runs import run

import instances
from bilevel import verify
from file_faults import contradictions, documented
from file_faults.mutations import Mutation, draw
from file_faults.networks import OPTIMUM
from file_faults.sources import Source
from file_faults.stored import same
from instances import InstanceError

Item = TypeVar("Item")
OK, REFUSED, TRACEBACK, HANG, WRONG, NOISE = "ok", "refused", "TRACEBACK", "HANG", "WRONG", "NOISE"
OUTCOMES = (OK, REFUSED, TRACEBACK, HANG, WRONG, NOISE)
BAD = (TRACEBACK, HANG, WRONG, NOISE)
MOST = 600
"""Characters of a refusal."""
REFUSAL = 2
CODES = {"check": (0, 2), "report": (0, 2, 3), "verify": (0, 1, 2)}
"""Exit codes of a changed folder by command; of the others every one of `EXIT_CODES` that is no crash."""


@dataclass(frozen=True)
class Verdict:
    """What came of a change: one of `OUTCOMES`, in words."""

    source: str
    mutation: str
    kind: str
    outcome: str
    why: str

    def __str__(self) -> str:
        return f"{self.outcome}: {self.source}: {self.mutation}: {self.why}"


class Drawn:
    """Choices by a seed."""

    def __init__(self, seed: str) -> None:
        self.random = random.Random(seed)

    def pick(self, items: list[Item]) -> Item:
        return self.random.choice(items)

    def whole(self, low: int, high: int) -> int:
        return self.random.randint(low, high)


def example(sources: Sequence[Source], seed: str, place: Path) -> Verdict:
    """The verdict on the change of a seed."""
    choose = Drawn(seed)
    source = choose.pick(list(sources))
    return judge(source, draw(source.files, choose), place)


def judge(source: Source, mutation: Mutation, place: Path) -> Verdict:
    """Write the changed folder below a place that is emptied before, run the command, and look at what it says."""
    folder = written(source, mutation.apply(source.files), place)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("default")
            outcome, why = _outcome(source, mutation, folder)
    except Exception as error:  # noqa: BLE001  # whatever it is, it is what is looked for
        last = traceback.extract_tb(error.__traceback__)[-1]
        outcome, why = (
            TRACEBACK,
            f"{type(error).__name__}: {str(error)[:100]} at {Path(last.filename).name}:{last.name}",
        )
    return Verdict(source.name, str(mutation), mutation.kind, outcome, why)


def written(source: Source, files: Mapping[str, bytes], place: Path) -> Path:
    """The folder that the command reads, below a place that is emptied before."""
    shutil.rmtree(place, ignore_errors=True)
    folder = place / "out"
    folder.mkdir(parents=True)
    for name, content in ({f"out/{name}": content for name, content in files.items()} | source.fixed).items():
        path = place / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder


def called(source: Source, folder: Path) -> list[str]:
    """The command with its folder."""
    return [part.format(folder, place=folder.parent) for part in source.command]


def _outcome(source: Source, mutation: Mutation, folder: Path) -> tuple[str, str]:
    command = called(source, folder)
    code, said = CALLS.get(command[0], _command)(command)
    if code not in CODES.get(command[0], (0, 2, 3, 4, 5)):
        return WRONG, f"exit code {code}: {said[:200]}"
    if code == REFUSAL or (command[0] == "verify" and code == 1):
        lines = said.strip().split("\n")
        sentence = lines[-1]
        if not (sentence.startswith("bilevel:") or command[0] == "verify") or len(sentence) > MOST:
            return NOISE, f"{len(sentence)} characters: {sentence[:100]}"
        if not sentence.isprintable():
            return NOISE, f"signs that are no text: {sentence[:200]!r}"
        if len(lines) > 1:
            return NOISE, f"{len(lines)} lines: {lines[0][:200]}"
        return REFUSED, sentence
    if "Warning:" in said or "Traceback" in said:
        return NOISE, said[:300]
    faults = ORACLES[source.kind](source, mutation, folder, code) if source.kind in ORACLES else _of_proof(said)
    return (WRONG, f"exit {code}, {'; '.join(faults)[:300]}") if faults else (OK, said[:200])


def _command(command: list[str]) -> tuple[int, str]:
    done = run(*command)
    return done.returncode, done.stderr


def _feeder(command: list[str]) -> tuple[int, str]:
    """`instances.read_feeder`: no command reads a feeder by itself."""
    try:
        instances.read_feeder(command[1])
    except InstanceError as error:
        # As the command line writes it
        return REFUSAL, f"bilevel: {' '.join(str(error).split())}"
    return 0, ""


def _verify(command: list[str]) -> tuple[int, str]:
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = verify.main(command[1:])
    return code, err.getvalue() if code else out.getvalue()


CALLS: dict[str, Callable[[list[str]], tuple[int, str]]] = {"feeder": _feeder, "verify": _verify}


def _of_case(source: Source, _: Mutation, folder: Path, code: int) -> list[str]:
    return documented.wrong(folder) if source.command[0] == "check" else documented.wrong_feeder(folder)


def _of_results(source: Source, mutation: Mutation, folder: Path, code: int) -> list[str]:
    """A page without a word of a fault: claims that the numbers deny, or what is shown of a value of another type."""
    page = folder.with_name("out.html")
    if not page.is_file():
        return ["no page"]
    if code:
        return []
    text = page.read_text(encoding="utf-8")
    found = contradictions.found(folder) if ">certified<" in text else []
    if mutation.senseless and not found and text != _page(source, folder.parent):
        found.append("the page shows what it makes of a value of another type")
    return found


PAGES: dict[tuple[str, Path], str] = {}


def _page(source: Source, place: Path) -> str:
    """The page of the folder as it was written, which says where it stands."""
    if (source.name, place) not in PAGES:
        run(*called(source, written(source, source.files, place)))
        PAGES[source.name, place] = (place / "out.html").read_text(encoding="utf-8")
    return PAGES[source.name, place]


def _of_store(source: Source, _: Mutation, folder: Path, code: int) -> list[str]:
    return same(source, folder, code)


def _of_proof(said: str) -> list[str]:
    """A bound that is proven for the problem of `networks.MPS` is at most its optimum."""
    found = re.match(r"proven: bound (\S+)", said)
    return [found[0]] if found and not float(found[1]) <= OPTIMUM * (1 - 1e-6) else []


ORACLES: dict[str, Callable[[Source, Mutation, Path, int], list[str]]] = {
    "case": _of_case, "results": _of_results, "store": _of_store, "contest": _of_store,
}  # fmt: skip
