"""Folders that are replaced as a whole: a killed write leaves the old files or the new ones, never a mixture."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Collection, Mapping
from pathlib import Path

from instances.files import regular
from instances.records.errors import InstanceError

__all__ = ["backup_of", "check_folder", "write_folder"]

MARK = ".bilevel-grid-backup"
"""File that an old folder gets before it makes room: without it nothing that stands at the backup's place is touched."""


def backup_of(folder: Path) -> Path:
    """Return where the old folder stands between the two renames of a write."""
    resolved = folder.resolve()
    return resolved.parent / f".{resolved.name}.old"


def check_folder(directory: str | os.PathLike[str], known: Collection[str], kind: str) -> None:
    """Refuse a target that `write_folder` could not replace; nothing is written.

    ``known`` are the file names of a ``kind`` ("a case"). Raises `InstanceError` when ``directory`` is a
    file or below one, is the working directory or a mount point, holds any other file, or may not be written.
    """
    folder = _resolved(directory)
    try:
        _check(folder, known, kind)
    except OSError as error:
        raise _unwritable(folder, error) from error


def write_folder(
    directory: str | os.PathLike[str], files: Mapping[str, str | bytes], known: Collection[str], kind: str
) -> None:
    """Write ``files`` (name to content, text as UTF-8) as ``directory``, whole or not at all.

    They are written to a hidden folder beside it, which then takes its place; at every moment the folder or
    its backup (`backup_of`) is complete. Raises `InstanceError` as `check_folder`, and when
    the disk refuses.
    """
    check_folder(directory, known, kind)
    folder = _resolved(directory)
    fresh = folder.parent / f".{folder.name}.new-{secrets.token_hex(4)}"
    try:
        fresh.mkdir(parents=True)
        for name, content in files.items():
            (fresh / name).write_bytes(content.encode() if isinstance(content, str) else content)
        _swap(fresh, folder)
    except OSError as error:
        raise _unwritable(folder, error) from error
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def _resolved(directory: str | os.PathLike[str]) -> Path:
    """Return the folder that the path leads to, or refuse a circle of links."""
    folder = Path(os.path.realpath(directory))
    # What is a link after all links were followed leads back to itself
    if folder.is_symlink():
        raise InstanceError(f"{os.fspath(directory)} is a link that leads round in a circle; give a folder")
    return folder


def _check(folder: Path, known: Collection[str], kind: str) -> None:
    """Raise `InstanceError` for a target that cannot be replaced."""
    if folder.exists() and not folder.is_dir():
        raise InstanceError(f"{folder} is {regular.kind(folder.stat().st_mode) or 'a file'}; give a folder")
    foreign = sorted({path.name for path in folder.iterdir()} - {*known, MARK}) if folder.exists() else []
    if foreign:
        raise InstanceError(f"{folder} also holds {foreign[0]}, which is no file of {kind}; give a new folder")
    if folder == Path.cwd() or (folder.exists() and folder.is_mount()):
        what = "the working directory" if folder == Path.cwd() else "a mount point"
        raise InstanceError(f"{folder} is {what}, which cannot be replaced as a whole; give a folder inside it")
    above = next(path for path in folder.parents if path.exists())
    if not above.is_dir():
        raise InstanceError(f"{folder} cannot be written: {above} is a file; give another folder")
    if not os.access(above, os.W_OK | os.X_OK):
        raise InstanceError(f"{folder} cannot be written: no permission in {above}; give another folder")


def _swap(fresh: Path, folder: Path) -> None:
    """Put ``fresh`` in the place of ``folder``; at every moment the folder or its backup is complete."""
    backup = backup_of(folder)
    if os.path.lexists(backup) and not (backup / MARK).is_file():
        # Somebody else's, whatever its name
        backup = backup.with_name(f"{backup.name}-{secrets.token_hex(4)}")
    if folder.exists():
        if backup.exists():
            shutil.rmtree(backup)
        (folder / MARK).write_bytes(b"Old results, which a write that was cut short left here: they may be removed.\n")
        folder.rename(backup)
    fresh.rename(folder)
    shutil.rmtree(backup, ignore_errors=True)


def _unwritable(folder: Path, error: OSError) -> InstanceError:
    """Return the refusal for what the system said."""
    return InstanceError(f"{folder} cannot be written: {error.strerror}; check the path and the disk")
