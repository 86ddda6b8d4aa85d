"""The cases that come with the package, by name."""

from __future__ import annotations

from pathlib import Path

from instances.errors import InstanceError, nearest
from instances.io import JSON_FILE, read
from instances.schema import Instance

__all__ = ["list_cases", "load"]

DATA = Path(__file__).parent / "data"


def list_cases() -> tuple[str, ...]:
    """Return the names of the shipped cases, in alphabetical order."""
    return tuple(sorted(path.parent.name for path in DATA.glob(f"*/{JSON_FILE}")))


def load(name: str) -> Instance:
    """Return the shipped case ``name``, or raise :class:`InstanceError` with the known and nearest names."""
    cases = list_cases()
    if name not in cases:
        raise InstanceError(f'there is no case "{name}"; choose one of {", ".join(cases)}{nearest(name, cases)}')
    return read(DATA / name)
