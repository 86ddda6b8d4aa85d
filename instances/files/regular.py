"""Regular files alone, and no more of them than a limit: nothing here waits for a pipe or fills the memory."""

from __future__ import annotations

import os
import stat

from instances.records.errors import InstanceError

__all__ = ["kind", "read_bytes"]

MEGABYTE = 2**20
MOST_MEGABYTES = 256
"""Of a table or another file of a case: a million sessions take a fifth of it."""
KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a pipe (fifo)",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFSOCK: "a socket",
}


def kind(mode: int) -> str:
    """Return what a path is by its mode, in words with an article; "" for a regular file."""
    return "" if stat.S_ISREG(mode) else KINDS.get(stat.S_IFMT(mode), "no regular file")


def read_bytes(path: str | os.PathLike[str], most_megabytes: int = MOST_MEGABYTES) -> bytes:
    """Return the content of a regular file.

    Raises `InstanceError` for a folder, a pipe, a device or a socket, of which no byte is read, and for a file of more than
    ``most_megabytes``; and `OSError` where the system refuses.
    """
    # Without O_NONBLOCK the opening of a pipe waits for somebody who writes
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    try:
        if found := kind(os.fstat(descriptor).st_mode):
            raise InstanceError(f"{os.fspath(path)} is {found}; give a regular file")
        content, most = bytearray(), most_megabytes * MEGABYTE
        # In parts: the system tells the size of some files wrongly
        while part := os.read(descriptor, MEGABYTE):
            content += part
            if len(content) > most:
                raise InstanceError(f"{os.fspath(path)} holds more than {most_megabytes} MB; give a smaller file")
    finally:
        os.close(descriptor)
    return bytes(content)
