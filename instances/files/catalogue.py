"""The cases and feeders that come with the package, by name."""

from __future__ import annotations

from pathlib import Path

from instances.files.case import JSON_FILE, read
from instances.files.feeder import FEEDER_FILE, read_feeder, read_sources
from instances.records.errors import InstanceError, nearest
from instances.records.feeder import Feeder
from instances.records.schema import Instance, Source

__all__ = ["feeder_sources", "list_cases", "list_feeders", "load", "load_feeder"]

DATA = Path(__file__).parents[1] / "data"
FEEDERS = DATA / "feeders"


def list_cases() -> tuple[str, ...]:
    """Return the names of the shipped cases, in alphabetical order."""
    return tuple(sorted(path.parent.name for path in DATA.glob(f"*/{JSON_FILE}")))


def load(name: str) -> Instance:
    """Return the shipped case ``name``, or raise `InstanceError` with the known and nearest names."""
    cases = list_cases()
    if name not in cases:
        raise InstanceError(f'there is no case "{name}"; choose one of {", ".join(cases)}{nearest(name, cases)}')
    return read(DATA / name)


def list_feeders() -> tuple[str, ...]:
    """Return the names of the shipped feeders, in alphabetical order; docs/feeders.md describes them."""
    return tuple(sorted(path.parent.name for path in FEEDERS.glob(f"*/{FEEDER_FILE}")))


def load_feeder(name: str) -> Feeder:
    """Return the shipped feeder ``name``, or raise `InstanceError` with the known and nearest names."""
    return read_feeder(_feeder_folder(name))


def feeder_sources(name: str) -> tuple[Source, ...]:
    """Return where the buses and branches of the shipped feeder ``name`` come from, and their licences."""
    return read_sources(_feeder_folder(name))


def _feeder_folder(name: str) -> Path:
    """Return the folder of a shipped feeder, or refuse the name."""
    feeders = list_feeders()
    if name not in feeders:
        raise InstanceError(f'there is no feeder "{name}"; choose one of {", ".join(feeders)}{nearest(name, feeders)}')
    return FEEDERS / name
