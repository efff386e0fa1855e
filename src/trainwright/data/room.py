"""Room for large arrays: in a file that has no name, mapped, so that they do not count against the memory cap.

Takes    the memory cap of the run, and a folder on a disk with room.
Gives    empty arrays; bytes that can be added to and then mapped; how many bytes a step may hold at once.
Why      the pages of a mapped file are the system's to take back: they are not part of what `engine/memory.py` counts. A file whose name is
         gone is freed when its last map is, however the process ends, so there is nothing to clear away.
"""

from __future__ import annotations

import mmap
import os
import tempfile
import threading
import weakref
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeVar

import numpy as np
from numpy.typing import DTypeLike, NDArray

from trainwright.record import files

T = TypeVar("T")
R = TypeVar("R")

THREADS: Final = 2  # that work on columns at the same time …
LONG: Final = 50_000  # … of a table of so many rows or more
LEAST: Final = 64 << 20  # bytes that a step may hold however small the cap is
HELD: Final = 256 << 20  # bytes of arrays that are held in memory, if an eighth of the cap is as much
STREAMED: Final = 96 << 20  # a table of more bytes than this is read in chunks, however large the cap is
BLOCK: Final = 1 << 20  # rows that are looked at together where a whole column would be too much


@dataclass(slots=True)
class Allowance:
    """Bytes of arrays that may still be held in memory, since a file is slower; what was given out does not come back."""

    left: int
    lock: threading.Lock = field(default_factory=threading.Lock)  # columns are worked on in several threads

    def takes(self, size: int) -> bool:
        with self.lock:
            fits = size <= self.left
            self.left -= size if fits else 0
            return fits


@dataclass(frozen=True, slots=True)
class Room:
    """Where arrays go that are too large to be held. `step` is how many bytes one step of work may hold beside them."""

    folder: Path | None = None  # None: the system's folder for temporary files
    step: int = 1 << 62
    streamed: int = STREAMED  # bytes of a source from which it is read in chunks
    chunk: int = 8 << 20  # bytes of text that are parsed together
    held: Allowance = field(default_factory=lambda: Allowance(HELD))

    @classmethod
    def under(cls, cap: int, folder: Path | None = None) -> Room:
        """The room of a run whose processes may use `cap` bytes together."""
        return cls(folder=folder, step=max(LEAST, cap // 8), streamed=min(STREAMED, cap // 8), held=Allowance(min(HELD, cap // 8)))

    def empty(self, length: int, dtype: DTypeLike) -> NDArray[Any]:
        """An array (length,) of zeros: in memory while that is allowed, else in a file. Raises MachineError (TW090) when the disk is full."""
        kind = np.dtype(dtype)
        if length == 0 or self.held.takes(length * kind.itemsize):
            return np.zeros(length, kind)
        with self._file() as file, files.machine_errors(Path(tempfile.gettempdir() if self.folder is None else self.folder), doing="make room"):
            if hasattr(os, "posix_fallocate"):  # else a full disk would end the process when a page is written
                os.posix_fallocate(file.fileno(), 0, length * kind.itemsize)
            else:
                file.truncate(length * kind.itemsize)
            mapped = mmap.mmap(file.fileno(), length * kind.itemsize)  # keeps the file, which has no name any more
        return np.frombuffer(mapped, kind)

    def spill(self) -> Spill:
        """Bytes that are added one after another."""
        return Spill(self._file())

    @property
    def rows(self) -> int:
        """How many rows a check of the data may look at: it holds about two hundred bytes for each."""
        return self.step // 200

    @property
    def threads(self) -> int:
        """How many columns may be worked on at the same time: one where the cap is small, since each holds arrays of its own."""
        return THREADS if self.step > LEAST else 1

    def parts(self, size: int) -> int:
        """In how many parts work on `size` bytes is done, so that each holds no more than `step`."""
        return max(1, -(-size // self.step))

    def _file(self) -> Any:
        with files.machine_errors(Path(tempfile.gettempdir() if self.folder is None else self.folder), doing="make room"):
            return tempfile.TemporaryFile(dir=self.folder)


class Spill:
    """A file without a name that grows, and is mapped when it is whole."""

    def __init__(self, file: Any) -> None:
        self._file = file
        self.size = 0
        weakref.finalize(self, file.close)

    def add(self, data: bytes | memoryview) -> None:
        """Raises MachineError (TW090) when the disk is full."""
        with files.machine_errors(Path(tempfile.gettempdir()), doing="make room"):
            self._file.write(data)
        self.size += len(data)

    def mapped(self) -> mmap.mmap | bytes:
        """All that was added, to be read only; nothing can be added any more."""
        with files.machine_errors(Path(tempfile.gettempdir()), doing="make room"), self._file as file:
            file.flush()
            return mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) if self.size else b""  # keeps the file, which has no name any more


def in_threads(function: Callable[[T], R], items: Iterable[T], *, rows: int, threads: int = THREADS) -> list[R]:
    """`function` of each item, in order; by several threads where the table has many `rows`.

    For columns, on which numpy, Polars and hashlib work without holding Python up. Two, since each holds a column's arrays while it works.
    """
    if rows < LONG or threads == 1:
        return [function(item) for item in items]
    with ThreadPoolExecutor(threads) as pool:  # in the caller's context: numpy's `errstate` is part of it
        return [done.result() for done in [pool.submit(copy_context().run, function, item) for item in items]]


def blocks(length: int, size: int = BLOCK) -> Sequence[slice]:
    """The rows 0 to `length` as slices of `size` rows."""
    return [slice(start, min(start + size, length)) for start in range(0, length, size)]
