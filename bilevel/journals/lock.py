"""One run at a time: a file or folder is held by the system's own lock, which ends with the process, whatever kills it.

The lock is a hidden file beside what it holds; in it stands who has it.  It is removed by its holder, and what a kill leaves is
taken over by the next run.
"""

import errno
import logging
import os
import shlex
import socket
import stat
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path

import filelock
import msgspec

from bilevel.errors import MOST_SHOWN, BilevelError

_LOG = logging.getLogger(__name__)
_UNLOCKED = (errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOTSUP)
"""Said by file systems that have no locks."""
_UNWRITABLE = (errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOTDIR)
"""Said where nothing can be written: no run can harm another one there, and what needs to write is refused by itself."""
_TRIES, _PAUSE = 40, 0.025
"""How often, and after how many seconds, a lock is asked for whose holder has not told its name or has just gone."""


class Holder(msgspec.Struct, frozen=True):
    """Who holds a lock: process, host, since when (ISO 8601) and by which command."""

    pid: int
    host: str
    since: str
    command: str

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host} since {self.since}: {self.command}"


def lock_of(path: Path) -> Path:
    """The lock file of a file or folder: `.NAME.lock` beside it."""
    return path.parent / f".{path.name}.lock"


@contextmanager
def held(path: Path | None, remedy: str) -> Iterator[None]:
    """Hold a file or folder inside the context, whether it is there yet or not; nothing is held of None.

    Raises `BilevelError` with its holder and the `remedy` ("give another folder") where another run holds it, this process
    included, and for a lock file that is none.  Folders above that are missing are made, and go again where they stay empty.
    Where nothing can be written nothing is held, and on a file system without locks nothing either, with a warning.
    """
    if path is None:
        yield
        return
    new = [folder for folder in path.parents if not os.path.lexists(folder)]
    try:
        lock = _taken(path, remedy)
        try:
            yield
        finally:
            if lock is not None:
                # While it is held: who waits for this very file sees that it has gone, and asks again
                with suppress(OSError):
                    lock_of(path).unlink()
                lock.release()
    finally:
        for folder in new:
            with suppress(OSError):
                folder.rmdir()


def _taken(path: Path, remedy: str) -> filelock.BaseFileLock | None:
    """The lock, None where there can be none."""
    place = lock_of(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _require_file(place)
        # Of the process and not of a thread: whichever ends the run gives it back
        lock = filelock.FileLock(place, thread_local=False, fallback_to_soft=False)
        _acquire(lock, path, remedy)
    except OSError as error:
        if error.errno in _UNLOCKED:
            _LOG.warning("%s is not locked, as its file system has no locks: start no second run on it", path)
            return None
        # A lock file of another user's run can be read only
        if (error.errno in _UNWRITABLE and not place.exists()) or isinstance(error, FileExistsError):
            return None
        if error.errno == errno.EROFS:
            return None
        raise BilevelError(
            f"{path} cannot be locked by {place.name} ({error.strerror or error}){_by(place)}: {remedy}"
        ) from error
    # Who it is is told to others; a full disk does not end the run for that
    with suppress(OSError):
        place.write_bytes(msgspec.json.encode(_me()))
    return lock


def _acquire(lock: filelock.BaseFileLock, path: Path, remedy: str) -> None:
    """Take the lock, or raise `BilevelError`."""
    for attempt in range(_TRIES):
        try:
            lock.acquire(blocking=False)
        except filelock.Timeout:
            holder = _holder(lock_of(path))
            if holder is not None or attempt == _TRIES - 1:
                raise BilevelError(
                    f"{path} is in use by another run ({holder or 'which has not told its name'}): wait for its end, or {remedy}"
                ) from None
            time.sleep(_PAUSE)
        else:
            return


def _require_file(place: Path) -> None:
    if os.path.lexists(place) and not stat.S_ISREG(place.lstat().st_mode):
        raise BilevelError(f"{place} is no file, and a lock of that name is needed: remove it")


def _holder(place: Path) -> Holder | None:
    with suppress(OSError, msgspec.DecodeError):
        return msgspec.json.decode(place.read_bytes(), type=Holder)
    return None


def _by(place: Path) -> str:
    holder = _holder(place)
    return "" if holder is None else f", which {holder} made"


def _me() -> Holder:
    command = shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]]) if sys.argv and sys.argv[0] else "python"
    # What is shown of it in one sentence
    shown = command if len(command) <= MOST_SHOWN else f"{command[:MOST_SHOWN]}..."
    printable = "".join(sign if sign.isprintable() else "?" for sign in shown)
    since = datetime.now().astimezone().isoformat(sep=" ", timespec="seconds")
    return Holder(os.getpid(), socket.gethostname(), since, printable.encode(errors="replace").decode())
