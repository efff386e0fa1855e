"""Work in forked processes: each case in one of its own, several at a time, none of which can harm the others."""

from __future__ import annotations

import json
import os
import signal
import time
import traceback
from collections.abc import Callable, Iterable
from typing import Any


def in_a_child(work: Callable[[], Any], *, patience: float = 120.0) -> Any:
    """What `work` returns, as JSON, from a forked process. A process that dies or hangs gives {"ok": False, "why": …} instead."""
    return next(iter(in_children([work], processes=1, patience=patience)))


def in_children(works: Iterable[Callable[[], Any]], *, processes: int, patience: float = 120.0) -> list[Any]:
    """The same for many, several at a time, in their order. `patience` is in seconds, for each."""
    results: dict[int, Any] = {}
    running: dict[int, tuple[int, int, float]] = {}  # pid: number, read end, when it is late
    waiting = enumerate(works)

    def start() -> bool:
        number, work = next(waiting, (-1, None))
        if work is None:
            return False
        hear, say = os.pipe()
        pid = os.fork()
        if pid == 0:
            _live(work, say)
        os.close(say)
        running[pid] = (number, hear, time.monotonic() + patience)
        return True

    while len(running) < processes and start():
        pass
    while running:
        for pid, (number, hear, late) in list(running.items()):
            done, status = os.waitpid(pid, os.WNOHANG)
            if not done and time.monotonic() > late:
                os.kill(pid, signal.SIGKILL)
                done, status = os.waitpid(pid, 0)
                results[number] = {"ok": False, "why": f"still at work after {patience:g} s"}
            if done:
                with os.fdopen(hear, "rb") as pipe:
                    said = pipe.read()
                results.setdefault(number, json.loads(said) if said else {"ok": False, "why": f"the process ended with {status}"})
                del running[pid]
                start()
        time.sleep(0.002)
    return [results[number] for number in sorted(results)]


def _live(work: Callable[[], Any], say: int) -> None:
    try:
        found = work()
    except BaseException:
        found = {"ok": False, "why": traceback.format_exc()[-1500:]}
    data = json.dumps(found).encode()
    while data:  # a result is small: it fits the pipe, so nobody need read it meanwhile
        data = data[os.write(say, data) :]
    os._exit(0)
