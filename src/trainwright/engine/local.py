"""Runs each job in a process of its own on this machine: the caller's side of `worker`.

The server starts when the engine opens and preloads while the caller goes on. It is found by the same `sys.path` that the
caller has, and knows nothing of the caller's `__main__`: a script without a main guard and a notebook cell work.
If the server dies, its running jobs are "crashed", and the next server gets those that had not started.
"""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from trainwright.engine import calls
from trainwright.engine.inline import accept
from trainwright.engine.interface import Job, Outcome
from trainwright.errors import MachineError
from trainwright.record import files

PATIENCE = 120.0
"""Seconds that a server may take to get ready. Preloading takes 2-3 s; a network disk and a busy machine take longer."""

QUIET = {
    "OPENBLAS_NUM_THREADS": "1",  # else numpy and scipy each start threads at import
    "MKL_NUM_THREADS": "1",
    "OMP_WAIT_POLICY": "PASSIVE",  # spinning threads make shared cores 10-60 times slower
    "ARROW_DEFAULT_MEMORY_POOL": "system",
    "JE_ARROW_MALLOC_CONF": "background_thread:false",  # pyarrow's allocator starts a thread at import, whatever pool is chosen
    "OBJC_DISABLE_INITIALIZE_FORK_SAFETY": "YES",  # macOS ends forked processes that use its frameworks otherwise
    "PYTHONHASHSEED": "0",  # the order of sets of words is then the same in every run
}
"""The server's environment: single-threaded until a job raises its threads."""


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Put off the keyboard's interrupt and SIGTERM until the block is done: half a message would spoil all that follow."""
    if threading.current_thread() is not threading.main_thread():
        yield  # handlers run in the main thread alone
        return
    came: list[int] = []
    ours = [each for each in (signal.SIGINT, signal.SIGTERM) if signal.getsignal(each) is not None]  # None: not set by Python, not ours to touch
    before = {each: signal.signal(each, lambda number, frame: came.append(number)) for each in ours}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
        for number in came:
            signal.raise_signal(number)


class LocalEngine:
    """The engine of this machine's processes."""

    def __init__(self, workers: int, *, preload: tuple[str, ...] = (), memory: int | None = None) -> None:
        """Start the server; do not wait for it. Raises MachineError (TW094) when no process can be started."""
        self.capacity = workers
        self.left_out: dict[str, str] = {}  # modules that could not be preloaded, and why; known once the server is ready
        self.server: int | None = None  # the server's process id, once it is ready
        self._preload, self._memory = preload, memory
        self._jobs: dict[str, tuple[Job, bytes]] = {}  # no outcome yet, oldest first
        self._started: set[str] = set()
        self._withdrawn: list[str] = []  # ended while the server was loading, which will still say so
        self._outcomes: deque[Outcome] = deque()
        self._deaths = 0  # of servers in a row that started nothing
        self._closed = False
        self._open()

    @property
    def free(self) -> int:
        return max(0, self.capacity - len(self.running))

    @property
    def ready(self) -> bool:
        if not self._closed:
            self._hear()
        return self.server is not None

    @property
    def running(self) -> tuple[str, ...]:
        if not self._closed:
            self._hear()
        return tuple(self._jobs)

    def submit(self, job: Job) -> None:
        accept(job, tuple(self._jobs), closed=self._closed)
        told = {
            "name": job.name,
            "call": job.call,
            "arguments": dict(job.arguments),
            "result": str(job.result.absolute()),
            "seconds": job.seconds,
            "memory": job.memory,
            "threads": job.threads,
        }
        line = json.dumps({"submit": told}).encode() + b"\n"
        with uninterrupted():
            self._jobs[job.name] = (job, line)
            self._say(line)

    def next(self, timeout: float | None = None) -> Outcome | None:
        until = None if timeout is None else time.monotonic() + timeout
        while True:
            self._hear()
            if self._outcomes:
                return self._outcomes.popleft()
            left = None if until is None else until - time.monotonic()
            if not self._jobs or (left is not None and left <= 0):
                return None
            poll = select.poll()  # not select: a caller may have more than 1,024 files open
            poll.register(self._socket, select.POLLIN)
            poll.poll(1000.0 if left is None else min(left * 1000.0, 1000.0))

    def end(self, name: str) -> None:
        with uninterrupted():
            if name not in self._jobs:
                return
            self._say(json.dumps({"end": name}).encode() + b"\n")
            if self.server is None:  # it has not started: who wants it ended is not to wait for workers that load
                job, _ = self._jobs.pop(name)
                self._withdrawn.append(name)
                now = time.monotonic()
                self._outcomes.append(Outcome(job=job, status="ended", started_at=now, ended_at=now))

    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        self._socket.close()  # its end of file makes the server kill its jobs and go
        if self.server is None:
            self._process.kill()  # still preloading: it has no jobs
        try:
            self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self._process.kill()  # its jobs die with it
            self._process.wait()
        self._jobs.clear()
        self._outcomes.clear()
        self.log.unlink(missing_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def _open(self) -> None:
        """Start a server and hand it every job that there is."""
        self._heard = bytearray()
        self.server, self._began = None, time.monotonic()
        self._socket, theirs = socket.socketpair()
        handle, name = tempfile.mkstemp(prefix="trainwright-engine-", suffix=".log")
        self.log = Path(name)
        settings = {
            "workers": self.capacity,
            "memory": self._memory,
            "preload": list(self._preload),
            "left_out": {},
            "log": name,
            "environment": {"PYTHONPATH": os.environ["PYTHONPATH"]} if "PYTHONPATH" in os.environ else {},
        }
        path = os.pathsep.join(os.path.abspath(entry) for entry in sys.path if isinstance(entry, str))  # noqa: PTH100 - "" is the current folder
        try:
            # -P: the path is the caller's, in the caller's order, and not the current folder before it
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "trainwright.engine.worker", str(theirs.fileno()), json.dumps(settings)],
                env={**os.environ, **QUIET, "PYTHONPATH": path},
                pass_fds=(theirs.fileno(),),
                stdin=subprocess.DEVNULL,
                stdout=handle,
                stderr=handle,
                start_new_session=True,  # the terminal's signals do not reach it
            )
        except OSError as error:
            self._closed = True
            self._socket.close()
            self.log.unlink()
            why = os.strerror(error.errno or 0).lower()
            fix = "`trainwright doctor` looks at the installation and at what this machine allows"
            raise MachineError("TW094", "the worker did not start", where=str(sys.executable), why=why, fix=fix) from error
        finally:
            os.close(handle)
            theirs.close()
        self._withdrawn.clear()
        for _, line in self._jobs.values():
            self._say(line)

    def _say(self, line: bytes) -> None:
        with suppress(OSError):  # the server is gone: hearing will say so, and the next one gets every job
            self._socket.sendall(line)

    def _hear(self) -> None:
        """Take in what the server said, without waiting. Raises MachineError (TW094) when it does not start."""
        if self._closed:
            raise ValueError("this engine is closed")
        with uninterrupted():
            gone = self._take_in()
            if gone:
                self._bury()
        if self.server is None and time.monotonic() - self._began > PATIENCE:
            self._process.kill()
            self._give_up(f"it was not ready after {PATIENCE:.0f} s")

    def _take_in(self) -> bool:
        """Read and note all that there is to read; True once the server is gone."""
        gone = False
        try:
            while not gone:
                data = self._socket.recv(1 << 16, socket.MSG_DONTWAIT)
                self._heard += data
                gone = not data
        except BlockingIOError:
            pass
        except OSError:
            gone = True
        *lines, rest = bytes(self._heard).split(b"\n")
        self._heard = bytearray(rest)
        for line in lines:
            self._take(json.loads(line))
        return gone

    def _take(self, message: dict[str, Any]) -> None:
        if "ready" in message:
            self.server, self.left_out = message["ready"], message["left_out"]
        elif "started" in message:
            self._started.add(message["started"])
            self._deaths = 0
        else:
            self._conclude(**message["outcome"])

    def _conclude(self, *, name: str, status: Any, error: dict[str, str] | None, **measured: Any) -> None:
        if name in self._withdrawn:  # it has its outcome
            self._withdrawn.remove(name)
            return
        job, _ = self._jobs.pop(name)
        self._started.discard(name)
        value = None
        if status == "done":
            try:
                value = files.read_json(job.result)
            except (OSError, ValueError):
                status, error = "crashed", calls.crashed(job.result, "the result is gone", "its file was removed or changed by somebody else")
        self._outcomes.append(Outcome(job=job, status=status, value=value, error=error, **measured))

    def _bury(self) -> None:
        """The server is gone: its running jobs are crashed; start another for the rest."""
        self._process.kill()
        code = self._process.wait()
        self._socket.close()
        self._deaths += 1
        if self.server is None or self._deaths > 3:
            self._give_up(f"it ended with code {code}")
        self.log.unlink(missing_ok=True)
        now = time.monotonic()
        for name in [name for name in self._jobs if name in self._started]:
            job, _ = self._jobs.pop(name)
            error = calls.crashed(job.result, "the server of the workers died, and its work with it", f"the server ended with code {code}")
            self._outcomes.append(Outcome(job=job, status="crashed", error=error, started_at=now, ended_at=now))
        self._started.clear()
        self._open()

    def _give_up(self, how: str) -> None:
        self._closed = True
        self._process.wait()
        self._socket.close()
        self._jobs.clear()
        raise self._no_start(how)

    def _no_start(self, how: str) -> MachineError:
        lines = self.log.read_text(errors="replace").strip().splitlines() if self.log.exists() else []
        return MachineError(
            "TW094",
            f"the worker did not start: {how}",
            where=str(self.log),
            why=lines[-1] if lines else "it left no word",
            fix="`trainwright doctor` looks at the installation; the log has the rest",
        )
