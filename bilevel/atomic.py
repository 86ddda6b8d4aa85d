"""Files that are either the old ones or the new ones, whatever kills the run."""

import os
import tempfile
from pathlib import Path

from bilevel.reading.target import target


def write_text(path: Path, text: str) -> None:
    """Write a file whole, as UTF-8: into a temporary sibling, then renamed over the old one."""
    write_bytes(path, text.encode())


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file whole: into a temporary sibling `.<name>.*`, then renamed over the old one; a link stays one.

    Raises `BilevelError` as `target` does, and `OSError` with the file's name where the system refuses; the old file stays.
    """
    path = target(path)
    # A rename replaces a file at once only within one file system: the sibling stands in the same folder
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(content)
            stream.flush()
            # Renamed before its content is on the disk, the file could be found empty after a crash
            os.fsync(stream.fileno())
        # Temporary files are made for their owner alone, and results are for others too
        Path(name).chmod(0o644)
        Path(name).replace(path)
    # Ctrl-C leaves no sibling behind either
    except BaseException as error:
        Path(name).unlink(missing_ok=True)
        if isinstance(error, OSError):
            # The system names the sibling, or nothing
            error.filename, error.filename2 = str(path), None
        raise
