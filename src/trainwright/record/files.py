"""Atomic, durable files. Whatever must survive a crash is written through here, and nowhere else.

A file appears whole or not at all: written beside its place, synced, renamed over it, the folder synced. A folder is
synced into the one that holds it. Each durable operation passes `_durable`, where `faults` lets a test count it, fail it
or kill the process at it.
"""

from __future__ import annotations

import errno
import io
import json
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from trainwright.errors import MachineError

Fault = Callable[[str, Path], None]
"""Called with ("folder" | "write" | "sync" | "rename" | "link" | "append" | "truncate" | "remove", path) at each durable operation."""

_fault: Fault | None = None
_after: Fault | None = None


@contextmanager
def faults(fault: Fault, *, after: Fault | None = None) -> Iterator[None]:
    """Let `fault` see (and fail) every durable operation inside the block, and `after` see those that were done. For tests."""
    global _fault, _after
    before, (_fault, _after) = (_fault, _after), (fault, after)
    try:
        yield
    finally:
        _fault, _after = before


@contextmanager
def _durable(operation: str, path: Path) -> Iterator[None]:
    """Around each durable operation."""
    if _fault is not None:
        _fault(operation, path)
    yield
    if _after is not None:
        _after(operation, path)


@contextmanager
def machine_errors(path: Path, *, doing: str) -> Iterator[None]:
    """Turn the operating system's refusal into our error, with the way to mend it."""
    try:
        yield
    except OSError as error:
        raise machine_error(error, path, doing=doing) from error


def machine_error(error: OSError, path: Path, *, doing: str) -> MachineError:
    """The MachineError that says in our words what the operating system refused."""
    reason = os.strerror(error.errno) if error.errno else str(error)
    fixes = {
        errno.ENOSPC: ("TW090", "free some space, or give another folder with --out"),
        errno.EDQUOT: ("TW090", "free some of your quota, or give another folder with --out"),
        errno.EACCES: ("TW091", f"make {path} accessible to this user, or give another folder with --out"),
        errno.EPERM: ("TW091", f"make {path} accessible to this user, or give another folder with --out"),
        errno.EROFS: ("TW091", "the file system is read-only: give another folder with --out"),
    }
    code, fix = fixes.get(error.errno or 0, ("TW092", "look at the disk; what was acknowledged before is kept"))
    return MachineError(code, f"could not {doing}: {reason.lower()}", where=str(path), why="the record would have a hole", fix=fix)


def sync_folder(folder: Path) -> None:
    """Make renames in `folder` durable."""
    _sync(folder)


def _sync(path: Path) -> None:
    with _durable("sync", path):
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def make_folder(folder: Path) -> None:
    """Make a folder and those above it, durably; nothing happens when it is there. Raises MachineError."""
    with machine_errors(folder, doing="make a folder"):
        missing = []
        above = folder
        while not above.is_dir() and above != above.parent:
            missing.append(above)
            above = above.parent
        for each in reversed(missing):
            with _durable("folder", each):
                each.mkdir(exist_ok=True)  # another process may have been quicker
            sync_folder(each.parent)


def write(path: Path, data: bytes | bytearray | memoryview) -> None:
    """Put `data` at `path`, whole or not at all, and durably. Raises as `write_parts`."""
    write_parts(path, (data,))


def write_parts(path: Path, parts: Iterable[bytes | bytearray | memoryview]) -> None:
    """Put these bytes at `path` one after another, as they are made: whole or not at all, and durably.

    Raises MachineError when the operating system refuses; what is at `path` then is still whole: the old, or nothing, or
    (when only the last sync was refused) already the new.
    """
    make_folder(path.parent)
    with machine_errors(path, doing="write a file"):
        beside = path.with_name(f".{path.name}.{os.getpid()}.part")
        try:
            with beside.open("wb") as file:
                with _durable("write", path):
                    for part in parts:
                        file.write(part)
                    file.flush()
                with _durable("sync", path):
                    os.fsync(file.fileno())
            with _durable("rename", path):
                beside.replace(path)
        except BaseException:  # also an interrupt: no part of a file stays behind
            with suppress(OSError):  # the first refusal is the one to tell
                beside.unlink(missing_ok=True)
            raise
        sync_folder(path.parent)


def link(source: Path, target: Path) -> None:
    """Give a file a second name; it is durable once the folder is synced, as whoever fills the folder does. Raises OSError."""
    with _durable("link", target):
        os.link(source, target)


def place(beside: Path, path: Path) -> None:
    """Put a file that was written beside its place at `path`, whole and durably. Raises MachineError."""
    with machine_errors(path, doing="write a file"):
        handle = os.open(beside, os.O_RDONLY)
        try:
            with _durable("sync", path):
                os.fsync(handle)
        finally:
            os.close(handle)
        with _durable("rename", path):
            beside.replace(path)
        sync_folder(path.parent)


def write_json(path: Path, value: Any) -> None:
    """`value` as indented JSON, for people to read. Raises ValueError for NaN and infinities."""
    write(path, (json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode())


def array_bytes(array: Any) -> bytes:
    """A numpy array as an .npy file keeps it: the same bytes for the same array."""
    import numpy as np

    buffer = io.BytesIO()
    np.save(buffer, np.ascontiguousarray(array), allow_pickle=False)
    return buffer.getvalue()


def write_text(path: Path, text: str) -> None:
    write(path, text.encode())


def read_json(path: Path) -> Any:
    return json.loads(path.read_bytes())


def append(handle: int, path: Path, line: bytes) -> None:
    """Add `line` to an open file and sync it. `path` only names it in errors."""
    with machine_errors(path, doing="add to the event log"):
        with _durable("append", path):
            view = memoryview(line)
            while view:
                view = view[os.write(handle, view) :]
        with _durable("sync", path):
            os.fsync(handle)


def truncate(handle: int, path: Path, size: int) -> None:
    """Cut an open file to `size` bytes and sync it. `path` only names it in errors."""
    with machine_errors(path, doing="cut the event log"):
        with _durable("truncate", path):
            os.ftruncate(handle, size)
        with _durable("sync", path):
            os.fsync(handle)


def remove(path: Path) -> None:
    """Remove a file durably; nothing happens when it is not there."""
    with machine_errors(path, doing="remove a file"):
        with _durable("remove", path):
            path.unlink(missing_ok=True)
        sync_folder(path.parent)


def replace_folder(beside: Path, place: Path) -> None:
    """Put a finished folder at its place; there it appears whole. Everything in it is synced first.

    Raises MachineError when the operating system refuses.
    """
    with machine_errors(place, doing="put a folder into place"):
        for path in sorted(beside.rglob("*")):
            if path.is_file():
                _sync(path)
        for folder in (*(path for path in sorted(beside.rglob("*")) if path.is_dir()), beside):
            sync_folder(folder)
        with _durable("rename", place):
            beside.rename(place)
        sync_folder(place.parent)
