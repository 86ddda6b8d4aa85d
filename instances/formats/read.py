"""Files of other tools as cases: a MATPOWER or pandapower network with generated stations and sessions."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from instances.fleet.generate import generate
from instances.formats.matpower import read_matpower
from instances.formats.pandapower_json import read_pandapower
from instances.records.errors import InstanceError
from instances.records.feeder import Feeder
from instances.records.schema import Instance, Source

__all__ = ["FILE_KINDS", "read_file"]

FILE_KINDS: dict[str, Callable[[Path], Feeder]] = {".m": read_matpower, ".json": read_pandapower}
"""What reads a file with that ending."""

STATIONS = 4
EVS = 50


def read_file(path: str | os.PathLike[str], evs: int | None = None, seed: int = 0) -> Instance:
    """Return a case on the feeder of a MATPOWER file (.m) or a pandapower file (.json), as `instances.generate` makes it.

    ``evs`` sessions (default 50) are at 4 stations, or at as many as there are sessions or buses. Raises `InstanceError` as the
    readers and `instances.generate` do, and for a file of another ending.
    """
    file = Path(path)
    if file.suffix.lower() not in FILE_KINDS:
        raise InstanceError(f"{file} is no case; give its folder, or a file that ends in {' or '.join(FILE_KINDS)}")
    feeder = FILE_KINDS[file.suffix.lower()](file)
    count = EVS if evs is None else evs
    sources = tuple(Source(item, f"file {file.name}", "that of the file") for item in ("buses", "branches"))
    name = " ".join("".join(c if c.isprintable() else " " for c in file.stem).split()) or "feeder"
    stations = min(STATIONS, count, len(feeder.buses) - 1)
    try:
        return generate(feeder, stations=stations, evs=count, seed=seed, name=name, sources=sources)
    except InstanceError as error:
        raise InstanceError(f"{file}: {error}") from error
