"""One line of the table: the input, the command, and what may come of it."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from file_faults.mutations import dumps
from file_faults.sources import Source, make

ROOT = Path(__file__).resolve().parents[3]
START = "import sys; sys.argv[0] = 'bilevel'; from studies.command_line.main import main; main()"


@dataclass
class Place:
    """Where the inputs stand: `fresh` is empty for each line, the sources are made once."""

    folder: Path
    count: int = 0

    @cached_property
    def cases(self) -> dict[str, Source]:
        return self._made("case")

    @cached_property
    def results(self) -> dict[str, Source]:
        return self._made("results")

    @cached_property
    def stores(self) -> dict[str, Source]:
        return self._made("store") | self._made("contest")

    @cached_property
    def files(self) -> dict[str, Source]:
        return self._made("file")

    def _made(self, kind: str) -> dict[str, Source]:
        folder = self.folder / kind
        folder.mkdir(parents=True)
        return {source.name.partition(" ")[2] or source.name: source for source in make([kind], folder)}

    def fresh(self) -> Path:
        """An empty folder."""
        self.count += 1
        folder = self.folder / f"line-{self.count}"
        folder.mkdir(parents=True)
        return folder

    def written(self, source: Source, files: dict[str, bytes | None]) -> tuple[Path, list[str]]:
        """A source with other files (None: without), as a folder, and the command that reads it."""
        place = self.fresh()
        changed = {f"out/{name}": content for name, content in (source.files | files).items()} | source.fixed
        for name, content in changed.items():
            if content is not None:
                path = place / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
        return place / "out", [part.format(place / "out", place=place) for part in source.command]


@dataclass(frozen=True)
class Line:
    """A bad input: its kind, its name in the table, how it is made (giving the arguments), exit codes, and words of the sentence.

    `same`: where the exit code is 0 or 3, answers have to be those without a store; `after` looks at what was written and says
    what is wrong with it; `limits` of the process by name of `resource`; `seconds` after which it hangs.
    """

    kind: str
    name: str
    make: Callable[[Place], Sequence[object]]
    codes: tuple[int, ...] = (2,)
    words: tuple[str, ...] = ()
    limits: dict[str, int] = field(default_factory=dict)
    seconds: float = 60.0
    after: Callable[[Place, Sequence[object], int], str] | None = None
    output: str | None = None
    """A path that standard output goes to."""


@dataclass(frozen=True)
class Done:
    """What a process said: its exit code, None where it hung, and the last line on standard error."""

    code: int | None
    said: str

    def fault(self, line: Line) -> str:
        """What is wrong with it, "" where nothing is."""
        lines = self.said.strip().splitlines()
        if self.code is None:
            return "hangs"
        if "Traceback" in self.said or self.code < 0:
            return "a traceback" if self.code >= 0 else f"killed by signal {-self.code}"
        if self.code not in line.codes:
            return f"exit code not in {line.codes}"
        if self.code == 2 and (len(lines) != 1 or not lines[0].startswith("bilevel:") or len(lines[0]) > 600):
            return f"not one sentence: {len(lines)} lines"
        missing = [word for word in line.words if word not in self.said]
        return f"the sentence lacks {missing[0]!r}" if missing and self.code == 2 else ""

    @property
    def sentence(self) -> str:
        """The last line."""
        lines = self.said.strip().splitlines()
        return lines[-1] if lines else ""


def done(line: Line, place: Place) -> tuple[Done, str]:
    """Run a line in a process of its own; gives what it said, and what is wrong with it."""
    arguments = line.make(place)
    environment = os.environ | {"PYTHONPATH": str(ROOT), "COLUMNS": "200", "OPENBLAS_NUM_THREADS": "1"}

    def limit() -> None:
        for name, value in line.limits.items():
            resource.setrlimit(getattr(resource, name), (value, value))

    with open(line.output or os.devnull, "wb") as output:  # noqa: PTH123  # a device
        try:
            ended = subprocess.run(
                [sys.executable, "-c", START, *map(str, arguments)], stdout=output, stderr=subprocess.PIPE, env=environment,
                timeout=line.seconds, preexec_fn=limit if line.limits else None, stdin=subprocess.DEVNULL, cwd=place.fresh(),
            )  # fmt: skip
            found = Done(ended.returncode, ended.stderr.decode("utf-8", "replace"))
        except subprocess.TimeoutExpired as error:
            found = Done(None, (error.stderr or b"").decode("utf-8", "replace"))
    fault = found.fault(line)
    if not fault and line.after is not None and found.code is not None:
        fault = line.after(place, arguments, found.code)
    return found, fault


def with_value(content: bytes, path: tuple[Any, ...], value: Any) -> bytes:
    """A JSON file with a value put at a path."""
    data = json.loads(content)
    if not path:
        return dumps(value).encode()
    holder = data
    for step in path[:-1]:
        holder = holder[step]
    holder[path[-1]] = value
    return dumps(data).encode()


def with_line(content: bytes, at: int, path: tuple[Any, ...], value: Any) -> bytes:
    """A store with a value put into one of its lines."""
    lines = content.splitlines()
    text = with_value(lines[at], path, value)
    lines[at] = b" ".join(text.split(b"\n"))
    return b"\n".join(lines) + b"\n"
