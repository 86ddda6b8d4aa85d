"""Where a file is written: a link stays one, and nothing but a regular file is replaced."""

import os
import stat
from pathlib import Path

from bilevel.errors import BilevelError
from bilevel.reading.regular import kind


def target(path: str | os.PathLike[str]) -> Path:
    """The file that a write to `path` makes or replaces: where `path` is a link, the file that it leads to.

    Raises `BilevelError` for a folder, a pipe, a device, a socket, a circle of links, and a place that is no folder or not there.
    """
    # Renamed onto a link, a file would take its place
    real = Path(os.path.realpath(path))
    # What is a link after all links were followed leads back to itself
    if real.is_symlink():
        raise BilevelError(f"{os.fspath(path)} is a link that leads round in a circle: give another file")
    try:
        found = kind(real.stat().st_mode)
    except FileNotFoundError:
        found = ""
    except OSError as error:
        raise BilevelError(
            f"{os.fspath(path)} cannot be written: {error.strerror}: give a file in a folder that exists"
        ) from error
    if found:
        raise BilevelError(f"{os.fspath(path)} is {found}, which a file would replace: give the name of a regular file")
    try:
        if not stat.S_ISDIR(real.parent.stat().st_mode):
            raise BilevelError(f"{os.fspath(path)} cannot be written: {real.parent} is no folder: give a file in one")
    except OSError as error:
        raise BilevelError(
            f"{os.fspath(path)} cannot be written: {real.parent}: {error.strerror}: give a file in a folder that exists"
        ) from error
    return real
