"""The event log of a run: append-only JSON lines, each carrying the digest of the one before, one writer at a time.

An event is acknowledged once `append` returns: it is on the disk. A last line that a crash tore is cut off when the log
is opened again; any other line that does not follow from the one before is tampering or damage, and is an error.
What a chain cannot show is that whole lines are missing at its end.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from trainwright.errors import CheckFailed, MachineError
from trainwright.record import files
from trainwright.record.digests import canonical, digest_bytes

START = "0" * 64
NAME = "events.jsonl"


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened. `before` is the digest of the line before, `at` Unix seconds (never used to decide)."""

    number: int
    kind: str
    at: float
    what: dict[str, Any]
    before: str

    def line(self) -> bytes:
        return canonical({"number": self.number, "kind": self.kind, "at": self.at, "what": self.what, "before": self.before}) + b"\n"


def read_events(path: Path) -> tuple[list[Event], int]:
    """The events of a log and the length in bytes of the sound part; a torn last line is left out.

    Raises CheckFailed (TW080) when a line is damaged (other than a torn last one) or does not follow from the one before,
    MachineError when the file cannot be read.
    """
    events: list[Event] = []
    before, sound = START, 0
    with files.machine_errors(path, doing="read the event log"):
        lines = path.read_bytes().splitlines(keepends=True) if path.exists() else []
    for index, line in enumerate(lines):
        try:
            event = Event(**json.loads(line))
            whole = line.endswith(b"\n") and event.line() == line
        except (ValueError, TypeError, RecursionError):
            whole = False
        if not whole and index == len(lines) - 1 and (not line.endswith(b"\n") or b"\0" in line):
            break  # torn: cut short, or with a block that never came to the disk and reads as zeros
        if not whole or event.before != before or event.number != index:
            raise CheckFailed(
                "TW080",
                f"event {index} of the log does not follow from the one before",
                where=f"{path}:{index + 1}",
                why="the log was edited, cut or damaged: what it says can no longer be relied on",
                fix="restore the run folder from a copy",
            )
        events.append(event)
        before, sound = digest_bytes(line), sound + len(line)
    return events, sound


class Log:
    """The open log of one run folder, holding its lock. Use as a context manager."""

    def __init__(self, folder: Path, *, clock: Callable[[], float] = time.time) -> None:
        """Open (or begin) the log in `folder` and take the run's lock.

        Raises MachineError (TW093) when another process holds the lock, CheckFailed (TW080) for a broken chain.
        """
        self.folder, self.path, self._clock = folder, folder / NAME, clock
        self.events: list[Event] = []
        self._torn = False  # a line that could not be written could not be cut off either
        files.make_folder(folder)
        with files.machine_errors(folder, doing="open the run folder"):
            self._handle = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        try:
            self._lock()
            self.events, sound = read_events(self.path)
            if sound < os.fstat(self._handle).st_size:  # a torn last line was never acknowledged
                files.truncate(self._handle, self.path, sound)
            with files.machine_errors(folder, doing="open the run folder"):
                files.sync_folder(folder)
        except BaseException:  # also an interrupt: a lock that nobody holds any more must not stay
            self.close()
            raise

    def _lock(self) -> None:
        try:
            with files.machine_errors(self.path, doing="lock the run"):
                fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except MachineError as error:
            if not isinstance(error.__cause__, BlockingIOError):
                raise
            raise MachineError(
                "TW093",
                "another process is working on this run",
                where=str(self.folder),
                why="two writers would spoil the record",
                fix="wait for it to end, or start a run of its own with another --out",
            ) from None

    def append(self, kind: str, **what: Any) -> Event:
        """Record that something happened; on return it is durable. When it raises, it did not happen, and the log is as before.

        Raises MachineError when the disk refuses, ValueError when `what` cannot be JSON or the log is closed.
        """
        if self._handle < 0:
            raise ValueError("this log is closed")
        if self._torn:
            self._cut()
        before = digest_bytes(self.events[-1].line()) if self.events else START
        line = Event(len(self.events), kind, round(self._clock(), 3), what, before).line()
        event = Event(**json.loads(line))  # what a later reader will see: tuples are lists, keys are text
        try:
            files.append(self._handle, self.path, line)
            self.events.append(event)  # from here on it counts: the file and this list agree at every moment
        except BaseException:  # also an interrupt: a half line must not stay in front of the next one
            if len(self.events) == event.number:
                self._torn = True
                with suppress(MachineError):  # the first refusal is the one to tell; the next `append` tries again
                    self._cut()
            raise
        return event

    def _cut(self) -> None:
        files.truncate(self._handle, self.path, sum(len(event.line()) for event in self.events))
        self._torn = False

    def all(self, kind: str, **match: Any) -> Iterator[Event]:
        """The events of one kind, oldest first, whose `what` agrees with `match`."""
        return (e for e in self.events if e.kind == kind and all(e.what.get(k) == v for k, v in match.items()))

    def last(self, kind: str, **match: Any) -> Event | None:
        """The newest event of one kind whose `what` agrees with `match`, or None."""
        return next((e for e in reversed(self.events) if e.kind == kind and all(e.what.get(k) == v for k, v in match.items())), None)

    def close(self) -> None:
        if self._handle >= 0:
            os.close(self._handle)  # closing gives the lock back
            self._handle = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()
