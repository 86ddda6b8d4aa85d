"""Regular files alone, and no more of them than a limit: nothing here waits for a pipe or fills the memory."""

import gzip
import io
import os
import stat
import zlib

from bilevel.errors import BilevelError

MEGABYTE = 2**20
MOST_MEGABYTES = 256
"""Of a file, once unpacked, where its reader asks for no other limit."""
KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a pipe (fifo)",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFSOCK: "a socket",
}


def kind(mode: int) -> str:
    """What a path is by its mode, in words with an article; "" for a regular file."""
    return "" if stat.S_ISREG(mode) else KINDS.get(stat.S_IFMT(mode), "no regular file")


def read_bytes(path: str | os.PathLike[str], most_megabytes: int = MOST_MEGABYTES) -> bytes:
    """The content of a regular file.

    Raises `BilevelError` for a folder, a pipe, a device or a socket, of which no byte is read, and for a file of more than
    `most_megabytes`; and `OSError` where the system refuses.
    """
    # Without O_NONBLOCK the opening of a pipe waits for somebody who writes
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    try:
        if found := kind(os.fstat(descriptor).st_mode):
            raise BilevelError(f"{os.fspath(path)} is {found}: give a regular file")
        content, most = bytearray(), most_megabytes * MEGABYTE
        # In parts: the system tells the size of some files wrongly
        while part := os.read(descriptor, MEGABYTE):
            content += part
            if len(content) > most:
                raise _large(path, most_megabytes)
    finally:
        os.close(descriptor)
    return bytes(content)


def unpacked(path: str | os.PathLike[str], most_megabytes: int = MOST_MEGABYTES) -> bytes:
    """The content of a regular file, unpacked where its name ends in .gz.

    Raises `BilevelError` as `read_bytes`, also where the unpacked content is too large, and for what is no whole gzip file.
    """
    content = read_bytes(path, most_megabytes)
    if not str(path).lower().endswith(".gz"):
        return content
    found = bytearray()
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(content)) as stream:
            while part := stream.read(MEGABYTE):
                found += part
                if len(found) > most_megabytes * MEGABYTE:
                    raise _large(path, most_megabytes)
    except (OSError, EOFError, zlib.error) as error:
        raise BilevelError(f"{os.fspath(path)} cannot be read as gzip ({error}): pack it again") from error
    return bytes(found)


def _large(path: str | os.PathLike[str], most_megabytes: int) -> BilevelError:
    return BilevelError(f"{os.fspath(path)} holds more than {most_megabytes} MB: give a smaller one")
