"""Runs jobs in this very process, one after another: for tests, notebooks and the scikit-learn estimators.

Time and memory are measured, not capped: a process cannot end a part of itself. Memory is what the process holds more
after the job than before, so a peak within the job is not seen.
"""

from __future__ import annotations

import io
import json
import os
import time
from collections import deque
from contextlib import AbstractContextManager, nullcontext
from types import TracebackType
from typing import Any, Self

from trainwright.engine import calls, memory
from trainwright.engine.interface import Job, Outcome
from trainwright.record import files


class InlineEngine:
    """The engine whose jobs run inside `next`."""

    capacity = 1
    ready = True

    def __init__(self) -> None:
        self._waiting: deque[Job] = deque()
        self._ended: deque[Outcome] = deque()
        self._closed = False

    @property
    def free(self) -> int:
        return max(0, self.capacity - len(self._waiting))

    @property
    def running(self) -> tuple[str, ...]:
        return tuple(job.name for job in self._waiting)

    def submit(self, job: Job) -> None:
        accept(job, self.running, closed=self._closed)
        self._waiting.append(job)

    def next(self, timeout: float | None = None) -> Outcome | None:
        """The outcome of the oldest job, which runs now: to its end, whatever the timeout."""
        if self._ended:
            return self._ended.popleft()
        return self._run(self._waiting.popleft()) if self._waiting else None

    def _run(self, job: Job) -> Outcome:
        arguments = json.loads(json.dumps(dict(job.arguments)))  # as a worker would see them
        log, held = io.StringIO(), memory.used(os.getpid())
        started, cpu = time.monotonic(), time.process_time()
        with _threads(job.threads):
            status, error = calls.perform(job.call, arguments, job.result, log)
        ended, cpu = time.monotonic(), time.process_time() - cpu
        if log.getvalue():
            files.write_text(calls.log_of(job.result), log.getvalue())
        return Outcome(
            job=job,
            status=status,
            value=files.read_json(job.result) if status == "done" else None,
            error=error,
            seconds=ended - started,
            cpu_seconds=cpu,
            memory_bytes=max(0, memory.used(os.getpid()) - held),
            started_at=started,
            ended_at=ended,
        )

    def end(self, name: str) -> None:
        for job in [job for job in self._waiting if job.name == name]:
            self._waiting.remove(job)
            now = time.monotonic()
            self._ended.append(Outcome(job=job, status="ended", started_at=now, ended_at=now))

    def close(self) -> None:
        self._waiting.clear()
        self._ended.clear()
        self._closed = True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


def accept(job: Job, taken: tuple[str, ...], *, closed: bool) -> str:
    """Check a job before it goes in, and remove what an earlier one left at its result. Gives its arguments as JSON.

    Raises ValueError as `Engine.submit` says, MachineError when the old result cannot be removed.
    """
    if closed:
        raise ValueError("this engine is closed")
    if job.name in taken:
        raise ValueError(f"there is already a job {job.name!r}")
    if job.threads < 1:
        raise ValueError(f"a job needs at least 1 thread, not {job.threads}")
    calls.check_call(job.call)
    text = calls.as_json(dict(job.arguments), of=f"the arguments of {job.call}")
    with files.machine_errors(job.result, doing="remove an old result"):
        job.result.unlink(missing_ok=True)
        calls.log_of(job.result).unlink(missing_ok=True)
    return text


def _threads(count: int) -> AbstractContextManager[Any]:
    """Numerical libraries use `count` threads inside; without threadpoolctl (a base install) they use what they like."""
    try:
        from threadpoolctl import threadpool_limits
    except ModuleNotFoundError:
        return nullcontext()
    limits: AbstractContextManager[Any] = threadpool_limits(limits=count)
    return limits
