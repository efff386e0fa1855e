"""Where work runs: a job goes in, an outcome comes out, under caps of time and memory.

    Job (a function's name, JSON arguments) --submit--> engine --next--> Outcome (its value, or the reason why there is none)

Callers do not know which engine they have: `inline` runs jobs in this process, one after another, and only measures;
`local` runs each in a process of its own that can be ended. The same job gives the same value in both.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Protocol, Self

from trainwright.errors import MachineError

Json = Any
"""What JSON can carry: None, bool, int, finite float, str, and lists and string-keyed mappings of these."""

Status = Literal["done", "failed", "out of time", "out of memory", "crashed", "ended"]
"""`done`: there is a value. `failed`: the function raised. `out of time`, `out of memory`: it went over a cap, or an
allocation was refused. `crashed`: its process died by itself. `ended`: the caller took it back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One call of one function. Large results are files that the function writes; what it returns is JSON, and small."""

    name: str  # unique among the jobs of an engine that have no outcome yet
    call: str  # "package.module:function"; called with `arguments` as keywords
    arguments: Mapping[str, Json] = field(default_factory=dict)
    result: Path  # the returned value, as JSON: appears whole or not at all. Beside it `<result>.log`, what was printed
    seconds: float | None = None  # cap of wall time, from the start of its process
    memory: int | None = None  # cap in bytes of anonymous + shared memory, over its process and all that it starts
    threads: int = 1  # of numerical libraries


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of a job, and what it cost. `started_at` and `ended_at` are `time.monotonic()` of this machine."""

    job: Job
    status: Status
    value: Json = None  # what the function returned, as JSON gives it back; None unless done
    error: dict[str, str] | None = None  # code, what, where, why, fix; None when done or ended. Never a cell value
    seconds: float = 0.0  # wall time
    cpu_seconds: float = 0.0
    memory_bytes: int = 0  # peak of anonymous + shared memory, less what it shares with the server that it was forked from
    started_at: float = 0.0
    ended_at: float = 0.0

    def stop_at_a_failing_disk(self) -> None:
        """Raises MachineError (TW090 to TW092) where the job ended because of it: no fault of the job's, and what it was to do is not done."""
        if self.status == "failed" and self.error is not None and self.error["code"] in ("TW090", "TW091", "TW092"):
            raise MachineError(**self.error)


class Engine(Protocol):
    """Runs jobs. Use as a context manager: leaving it ends what still runs."""

    @property
    def capacity(self) -> int:
        """How many jobs run at once."""

    @property
    def free(self) -> int:
        """How many jobs could be submitted now and start at once."""

    @property
    def ready(self) -> bool:
        """Whether a job that is submitted now starts at once; not while the workers still load."""

    @property
    def running(self) -> tuple[str, ...]:
        """Names of the jobs that were submitted and have no outcome yet, oldest first; those beyond `capacity` wait."""

    def submit(self, job: Job) -> None:
        """Hand in a job; it starts when there is room, in the order of submission.

        Raises ValueError for a call that cannot be imported, arguments that are not JSON, or a name that is taken;
        MachineError when the workers do not start (TW094) or an older result cannot be removed (TW091, TW092).
        """

    def next(self, timeout: float | None = None) -> Outcome | None:
        """The next outcome, in order of completion. None after `timeout` seconds, or at once when nothing is running.

        Raises MachineError (TW094) when the workers do not start.
        """

    def end(self, name: str) -> None:
        """End a job now; `next` gives its outcome, "ended" (or "done", if it was just done). Nothing happens for other names."""

    def close(self) -> None:
        """End whatever runs, and wait until it is gone."""

    def __enter__(self) -> Self: ...

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None: ...


def open_engine(kind: Literal["local", "inline"], workers: int = 1, *, preload: tuple[str, ...] = (), memory: int | None = None) -> Engine:
    """An engine, at once: local workers load the modules of `preload` while the caller goes on.

    `memory` caps, in bytes, the anonymous + shared memory of the workers all together; `inline` has one worker and no caps.
    Raises ValueError for another kind or for fewer than one worker, MachineError (TW094) when no process can be started.
    """
    if workers < 1:
        raise ValueError(f"an engine needs at least 1 worker, not {workers}")
    if kind == "inline":
        from trainwright.engine.inline import InlineEngine

        return InlineEngine()
    if kind == "local":
        from trainwright.engine.local import LocalEngine

        return LocalEngine(workers, preload=preload, memory=memory)
    raise ValueError(f"there is no engine {kind!r}: it is 'local' or 'inline'")
