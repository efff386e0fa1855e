"""The server that jobs are forked from: `python -m trainwright.engine.worker SOCKET SETTINGS`, started by `local`, never by hand.

Takes    lines of JSON on the socket: {"submit": job} and {"end": name}. End of file ends the server and all its jobs.
Gives    {"ready": pid, "left_out": {module: why}} once, then for each job {"started": name} and {"outcome": {...}}.
Why      A process that imports the libraries anew pays 2-3 s; one forked from here starts in milliseconds. Forking is sound
         only while there is one thread, so a module whose import starts a thread is not preloaded: the server begins again
         without it, and the jobs that need it import it themselves. Caps are watched here, so that they hold while the
         caller is busy.
"""

from __future__ import annotations

import gc
import json
import os
import selectors
import signal
import socket
import sys
import time
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from trainwright.engine import calls, child, memory

LOOK = 0.05 if sys.platform.startswith("linux") else 0.3
"""Seconds between two looks at time and memory."""


@dataclass(slots=True, eq=False)
class Running:
    """A forked job as the server sees it. Times in monotonic seconds, memory in bytes."""

    job: dict[str, Any]
    pid: int
    hear: int  # read end of the pipe on which it says how it ended
    started: float
    inherited: int  # memory that it shares with the server, and that costs nothing unless it changes it
    peak: int = 0
    reason: str | None = None  # why we are ending it

    @property
    def result(self) -> Path:
        return Path(self.job["result"])


class Server:
    """One loop, one thread: reads the socket, forks, watches the caps, reaps, writes the socket."""

    def __init__(self, control: socket.socket, workers: int, cap: int | None, threads: child.Threads | None) -> None:
        self.control, self.workers, self.cap, self.threads = control, workers, cap, threads
        self.parent, self.pid = os.getppid(), os.getpid()
        self.parent_before = memory.used(self.parent)
        self.waiting: deque[dict[str, Any]] = deque()
        self.running: dict[int, Running] = {}
        self.before: dict[int, int] = {}  # memory at the last look
        self.next_look = 0.0
        self.heard, self.to_say = bytearray(), bytearray()
        control.setblocking(False)
        self.wake, wake = socket.socketpair()
        self.wake.setblocking(False)
        wake.setblocking(False)
        self.wake_by = wake
        signal.set_wakeup_fd(wake.fileno())
        signal.signal(signal.SIGCHLD, lambda number, frame: None)  # only to wake the loop
        self.life, self.life_end = os.pipe()  # children read its end of file once we are gone
        self.selector = selectors.DefaultSelector()
        self.selector.register(control, selectors.EVENT_READ)
        self.selector.register(self.wake, selectors.EVENT_READ)

    def serve(self) -> None:
        """Until the parent is gone."""
        try:
            while True:
                for key, _ in self.selector.select(self._patience()):
                    if key.fileobj is self.wake:
                        with suppress(BlockingIOError):
                            self.wake.recv(4096)
                if not self._hear() or os.getppid() != self.parent:
                    return
                self._reap()
                self._watch()
                while self.waiting and len(self.running) < self.workers:
                    self._start(self.waiting.popleft())
                self._flush()
        finally:
            self._end_all()

    def _patience(self) -> float:
        if not self.running:
            return 0.05 if self.to_say else 1.0
        now = time.monotonic()
        caps: list[float] = [r.started + r.job["seconds"] for r in self.running.values() if r.job["seconds"] is not None and not r.reason]
        return max(0.0, min([self.next_look, *caps]) - now)

    def say(self, message: dict[str, Any]) -> None:
        self.to_say += json.dumps(message).encode() + b"\n"
        self._flush()

    def _flush(self) -> None:
        """Send what can be sent; a parent that does not read must not stop the watch."""
        try:
            while self.to_say:
                del self.to_say[: self.control.send(self.to_say)]
        except BlockingIOError:
            return
        except OSError:  # the parent is gone: reading will say so
            self.to_say.clear()

    def _hear(self) -> bool:
        """Read what the parent asks; False once it is gone."""
        try:
            while data := self.control.recv(1 << 16):
                self.heard += data
            return False
        except BlockingIOError:
            pass
        except OSError:
            return False
        *lines, rest = bytes(self.heard).split(b"\n")
        self.heard = bytearray(rest)
        for line in lines:
            message = json.loads(line)
            if "submit" in message:
                self.waiting.append(message["submit"])
            else:
                self._take_back(message["end"])
        return True

    def _take_back(self, name: str) -> None:
        for running in self.running.values():
            if running.job["name"] == name:
                self._end(running, "ended")
        for job in [job for job in self.waiting if job["name"] == name]:
            self.waiting.remove(job)
            now = time.monotonic()
            self._tell(job, "ended", None, started=now, ended=now)

    def _start(self, job: dict[str, Any]) -> None:
        hear, say = os.pipe()
        started, inherited = time.monotonic(), memory.used(self.pid)
        try:
            pid = os.fork()
        except OSError as error:
            os.close(hear)
            os.close(say)
            why = f"the system could not start a process: {os.strerror(error.errno or 0).lower()}"
            self._tell(job, "crashed", calls.crashed(Path(job["result"]), "the work could not be started", why), started=started, ended=started)
            return
        if pid == 0:
            for handle in (hear, self.life_end, *(r.hear for r in self.running.values())):
                os.close(handle)
            self.selector.close()
            for end in (self.control, self.wake, self.wake_by):
                end.close()
            child.live(job, server=self.pid, say=say, life=self.life, threads=self.threads)
        os.close(say)
        os.set_blocking(hear, False)
        with suppress(OSError):
            os.setpgid(pid, pid)
        self.running[pid] = Running(job, pid, hear, started, inherited)
        self.say({"started": job["name"]})

    def _watch(self) -> None:
        """End what is over its cap of time or memory, and one job when all together are over theirs."""
        now = time.monotonic()
        for running in self.running.values():
            seconds = running.job["seconds"]
            if seconds is not None and now >= running.started + seconds:
                self._end(running, "out of time")
        if now < self.next_look or not self.running:
            return
        trees, rest = memory.look(self.pid, self.running)
        rest += max(0, memory.used(self.parent) - self.parent_before)  # what the caller has read since counts as well
        sizes = {pid: max(0, size - self.running[pid].inherited) for pid, size in trees.items()}
        for pid, size in sizes.items():
            running = self.running[pid]
            running.peak = max(running.peak, size)
            if running.job["memory"] is not None and size > running.job["memory"]:
                self._end(running, "out of memory")
        if self.cap is not None and rest + sum(sizes.values()) > self.cap and not any(r.reason for r in self.running.values()):
            chosen = memory.victim(self.before, sizes)
            if chosen is not None:
                self._end(self.running[chosen], "out of memory")
        self.before, self.next_look = sizes, time.monotonic() + LOOK

    def _end(self, running: Running, reason: str) -> None:
        if running.reason is None:
            running.reason = reason
            kill_tree(running.pid)

    def _reap(self) -> None:
        while True:
            try:
                pid, status, usage = os.wait4(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            running = self.running.pop(pid, None)
            if running is None:
                continue  # an orphan that a job left behind
            ended = time.monotonic()
            with suppress(OSError):  # whatever of its group is still there
                os.killpg(pid, signal.SIGKILL)
            groups = set(self.running)
            for stray in memory.children(self.pid):
                if stray not in groups and _group(stray) not in groups:
                    kill_tree(stray)
            self._conclude(running, os.waitstatus_to_exitcode(status), usage.ru_utime + usage.ru_stime, ended)

    def _conclude(self, running: Running, code: int, cpu: float, ended: float) -> None:
        """Turn the way in which a process ended into an outcome. A finished result counts, even if we were about to end it."""
        last = b""
        with suppress(BlockingIOError):
            while data := os.read(running.hear, 1 << 16):
                last += data
        os.close(running.hear)
        try:
            word = json.loads(last)
        except ValueError:
            word = {}
        running.peak = max(running.peak, word.get("memory", 0) - running.inherited)
        status, error = word.get("status"), word.get("error")
        if status is None and running.reason:
            status = running.reason
            error = self._capped(running)
        elif status is None:
            status, error = "crashed", calls.crashed(running.result, *_how(code))
        self._tell(running.job, status, error, started=running.started, ended=ended, cpu=cpu, peak=running.peak)

    def _capped(self, running: Running) -> dict[str, str] | None:
        if running.reason == "out of time":
            return calls.out_of_time(running.result, running.job["seconds"])
        if running.reason == "out of memory":
            own = running.job["memory"] is not None and running.peak > running.job["memory"]
            cap = running.job["memory"] if own else self.cap
            whose = "its cap" if own else "all workers together may use"
            return calls.out_of_memory(running.result, f"it used {running.peak >> 20} MiB, {whose}: {(cap or 0) >> 20} MiB")
        return None

    def _tell(
        self, job: dict[str, Any], status: str, error: dict[str, str] | None, *, started: float, ended: float, cpu: float = 0.0, peak: int = 0
    ) -> None:
        times = {"seconds": ended - started, "started_at": started, "ended_at": ended, "cpu_seconds": cpu}
        self.say({"outcome": {"name": job["name"], "status": status, "error": error, "memory_bytes": peak, **times}})

    def _end_all(self) -> None:
        """Kill every job and all that they started, also what was orphaned and came to us."""
        for pid in self.running:
            kill_tree(pid)
        deadline = time.monotonic() + 5
        while time.monotonic() < deadline:
            for stray in memory.children(self.pid):
                kill_tree(stray)
            try:
                os.wait4(-1, 0)
            except ChildProcessError:
                return


def kill_tree(pid: int) -> None:
    """Kill a process, its group and all that it started."""
    below = memory.descendants(pid)
    with suppress(OSError):
        os.killpg(pid, signal.SIGKILL)
    for each in (pid, *below):
        with suppress(OSError):
            os.kill(each, signal.SIGKILL)


def _group(pid: int) -> int:
    try:
        return os.getpgid(pid)
    except OSError:
        return 0


def _how(code: int) -> tuple[str, str]:
    """What happened and why, from an exit code; negative is a signal."""
    if code == -signal.SIGKILL:
        return "the work's process was killed from outside", "the system does that when memory runs out; or somebody did"
    if code < 0:
        names = {each.value: each.name for each in signal.Signals}
        return f"the work's process died of {names.get(-code, f'signal {-code}')}", "a library failed below Python; the log has its frames"
    return f"the work's process ended by itself with code {code}", "the function or a library left without giving a result"


def thread_count() -> int:
    """How many threads this process has, those of libraries included where the system tells."""
    try:
        return sum(1 for _ in Path("/proc/self/task").iterdir())
    except OSError:
        import threading

        return threading.active_count()


def preload(modules: list[str], left_out: dict[str, str]) -> str | None:
    """Import the modules one by one; those that cannot be are noted in `left_out`. Gives the first that started a thread."""
    for module in modules:
        if module in left_out:
            continue
        try:
            import_module(module)
        except Exception as error:
            left_out[module] = f"it cannot be imported: {calls.type_name(error)}"
        if thread_count() > 1:
            return module
    return None


def main(handle: int, settings: dict[str, Any]) -> None:
    """Preload, say so, serve."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal's Ctrl-C is for the parent to decide about
    child.prctl(child.PR_SET_CHILD_SUBREAPER, 1)
    left_out: dict[str, str] = settings["left_out"]
    guilty = preload(["threadpoolctl", *settings["preload"]], left_out)
    if guilty is not None:  # a thread cannot be taken back: begin again without that module
        settings["left_out"] = {**left_out, guilty: "its import starts a thread"}
        os.set_inheritable(handle, True)
        os.execv(sys.executable, [*sys.orig_argv[:-1], json.dumps(settings)])
    os.environ.pop("PYTHONPATH", None)
    os.environ.update(settings["environment"])
    threads = None
    if "threadpoolctl" not in left_out:
        from threadpoolctl import ThreadpoolController

        threads = ThreadpoolController()
    server = Server(socket.socket(fileno=handle), settings["workers"], settings["memory"], threads)
    gc.collect()
    gc.freeze()  # a child's collector would touch, and so copy, every page
    server.say({"ready": os.getpid(), "threads": thread_count(), "left_out": left_out})
    server.serve()
    Path(settings["log"]).unlink(missing_ok=True)  # for a parent that cannot any more


if __name__ == "__main__":
    main(int(sys.argv[1]), json.loads(sys.argv[2]))
