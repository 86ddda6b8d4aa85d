"""How a damaged file of results is refused: its path, line, field and value, and what to do."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bilevel.errors import MOST_SHOWN, BilevelError

Step = str | int
"""A key or a place in a list."""
AGAIN = "run the command that wrote the folder again"


class DamagedFileError(BilevelError):
    """A file of results holds what its command never writes, or claims more than it shows."""

    def __init__(self, path: Path, said: str, line: int | None = None, remedy: str = AGAIN) -> None:
        at = "" if line is None else f", line {line}"
        super().__init__(f"{path}{at}: {said}; {remedy}")


def shown(value: Any) -> str:
    """A value of a file in a sentence: short, whatever it is."""
    if isinstance(value, dict | list):
        return f"{'an object' if isinstance(value, dict) else 'a list'} of {len(value)}"
    if isinstance(value, str):
        return repr(value if len(value) <= MOST_SHOWN else f"{value[:MOST_SHOWN]}...")
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= 10**MOST_SHOWN:
        return f"a whole number above 1e{MOST_SHOWN}"
    return json.dumps(value)


def field(path: Sequence[Step]) -> str:
    """A place in a JSON file as people write it, such as "points[2].gap"; "the file" for all of it."""
    said = ""
    for step in path:
        said += (
            f"[{step}]"
            if isinstance(step, int)
            else f".{step if len(step) <= MOST_SHOWN else step[:MOST_SHOWN] + '...'}"
        )
    return said.removeprefix(".") or "the file"
