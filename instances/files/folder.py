"""Folders that are replaced as a whole: a killed write leaves the old files or the new ones, never a mixture.

Only folders that this package wrote are replaced.  Results tell it by the versions in their JSON, and journals by their first line;
what tells nothing, such as a case, gets a file as a mark.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
from collections.abc import Collection, Mapping
from pathlib import Path

from instances.files import regular
from instances.records.errors import InstanceError

__all__ = ["backup_of", "check_folder", "write_folder"]

OWN = ".bilevel-grid"
"""File that a folder gets which this package writes, where no other file of it tells that."""
MOST_BYTES = 2**28
"""Of a file that is looked into for who wrote it."""
MARK = ".bilevel-grid-backup"
"""File that an old folder gets before it makes room: without it nothing that stands at the backup's place is touched."""


def backup_of(folder: Path) -> Path:
    """Return where the old folder stands between the two renames of a write."""
    resolved = folder.resolve()
    return resolved.parent / f".{resolved.name}.old"


def check_folder(directory: str | os.PathLike[str], known: Collection[str], kind: str) -> None:
    """Refuse a target that `write_folder` could not replace; nothing is written.

    ``known`` are the file names of a ``kind`` ("a case"). Raises `InstanceError` when ``directory`` is a
    file or below one, is the working directory or a mount point, holds any other file, holds files that this package did not
    write, or may not be written.
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
        if not any(_tells(fresh / name) for name in files):
            (fresh / OWN).write_bytes(_mark(kind))
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
        raise InstanceError(f"{os.fspath(directory)} is a link that leads round in a circle; give another folder")
    return folder


def _check(folder: Path, known: Collection[str], kind: str) -> None:
    """Raise `InstanceError` for a target that cannot be replaced."""
    if folder.exists() and not folder.is_dir():
        raise InstanceError(f"{folder} is {regular.kind(folder.stat().st_mode) or 'a file'}; give a folder")
    names = {path.name for path in folder.iterdir()} if folder.exists() else set()
    foreign = sorted(name for name in names if not _known(name, known))
    if foreign:
        raise InstanceError(f"{folder} also holds {foreign[0]}, which is no file of {kind}; give a new folder")
    if folder == Path.cwd() or (folder.exists() and folder.is_mount()):
        what = "the working directory" if folder == Path.cwd() else "a mount point"
        raise InstanceError(f"{folder} is {what}, which cannot be replaced as a whole; give a folder inside it")
    # What killed writes leave stands for nothing
    shown = sorted(name for name in names if not name.startswith("."))
    if shown and not _is_ours(folder, shown):
        raise InstanceError(
            f"{folder} holds {shown[0]}, and nothing in it says that this package wrote it; give a new folder, or make a file "
            f"{OWN} in this one so that it may be replaced"
        )
    above = next(path for path in folder.parents if path.exists())
    if not above.is_dir():
        raise InstanceError(f"{folder} cannot be written: {above} is a file; give another folder")
    if not os.access(above, os.W_OK | os.X_OK):
        raise InstanceError(f"{folder} cannot be written: no permission in {above}; give another folder")


def _known(name: str, known: Collection[str]) -> bool:
    """Whether a name is one that the package gives: a known one, a mark, or what stands beside a known one."""
    if name in (*known, OWN, MARK):
        return True
    # Beside a journal: its lock, what a killed write leaves, and its damaged lines
    beside, _, suffix = name.removeprefix(".").rpartition(".")
    return beside.endswith(".jsonl") and beside in known and (name.startswith(".") or suffix == "damaged")


def _is_ours(folder: Path, names: Collection[str]) -> bool:
    """Whether this package wrote a folder: by its mark, or by what one of its files says."""
    if any((folder / mark).is_file() for mark in (OWN, MARK)):
        return True
    return any(_tells(folder / name) for name in names)


def _tells(path: Path) -> bool:
    """Whether a file says that this package wrote it: versions in the JSON of a result, or the first line of a journal."""
    if path.is_dir():
        return any(_tells(inner) for inner in path.glob("*.json*") if not inner.is_dir())
    if not path.is_file() or path.suffix not in (".json", ".jsonl") or path.stat().st_size > MOST_BYTES:
        return False
    try:
        with path.open("rb") as file:
            found = json.loads((file.readline() if path.suffix == ".jsonl" else file.read()).decode())
    except (ValueError, RecursionError):
        return False
    if not isinstance(found, dict):
        return False
    if path.suffix == ".jsonl":
        return isinstance(found.get("format"), int)
    versions = found.get("versions")
    return isinstance(versions, dict) and "bilevel-grid" in versions


def _mark(kind: str) -> bytes:
    said = f"bilevel-grid wrote this folder, {kind}, and replaces it when it is written again; without this file it does not."
    return f"{said}\n".encode()


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
