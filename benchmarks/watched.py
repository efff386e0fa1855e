"""A command run under watch from outside: seconds by the clock, seconds of the processor, the most memory of all its processes together."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from trainwright.engine import memory

STEP = 0.02  # seconds between two looks


def watched(command: Sequence[str | Path], *, environment: dict[str, str] | None = None) -> dict[str, Any]:
    """Run a command to its end.

    Gives   `code`, `seconds`, `cpu` (of it and of all that it waited for), `peak` (anonymous + shared bytes, as the cap counts them), `resident`
            (of the largest single process, mapped files included, as the system counted it), `load` (of the machine, before and after).
    """
    load, started = os.getloadavg()[0], time.monotonic()
    process = subprocess.Popen([str(word) for word in command], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=environment)
    peak, code = 0, None
    while code is None:
        peak = max(peak, memory.used(process.pid) + sum(map(memory.used, memory.descendants(process.pid))))
        time.sleep(STEP)
        pid, status, usage = os.wait4(process.pid, os.WNOHANG)
        if pid:
            code = os.waitstatus_to_exitcode(status)
    process.returncode = code
    seconds = time.monotonic() - started
    assert process.stderr is not None  # it was asked for
    said = process.stderr.read().decode(errors="replace")
    if code not in (0, 3):
        print(said[-2000:])
    return {
        "code": code,
        "seconds": round(seconds, 2),
        "cpu": round(usage.ru_utime + usage.ru_stime, 2),
        "peak": peak,
        "resident": usage.ru_maxrss * 1024,
        "load": [round(load, 2), round(os.getloadavg()[0], 2)],
    }
