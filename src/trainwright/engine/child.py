"""The life of one forked process: cut loose from the server, one job, its result or its error, and out.

It dies with its server, keeps no descriptor of the server's but the pipe on which it says how it ended, and leaves
through `os._exit`, so that nothing registered in the server runs twice.
"""

from __future__ import annotations

import ctypes
import faulthandler
import json
import os
import resource
import signal
import sys
import threading
from contextlib import AbstractContextManager, nullcontext, suppress
from pathlib import Path
from typing import Any, Protocol

from trainwright.engine import calls, memory
from trainwright.record import files

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36  # linux/prctl.h


class Threads(Protocol):
    """What is used of threadpoolctl's controller."""

    def limit(self, *, limits: int) -> AbstractContextManager[Any]: ...


def prctl(option: int, value: int) -> None:
    """Ask Linux for something about this process; elsewhere, nothing."""
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


def live(job: dict[str, Any], *, server: int, say: int, life: int, threads: Threads | None) -> None:
    """Do `job` and end the process, with exit code 0 only if the result is there. Never returns.

    `say` is the pipe for the last word, {"status", "error", "memory"}; `life` reads end of file once the server is gone.
    """
    code = 1
    try:
        _cut_loose(server, life)
        word = _work(job, threads)
        word["memory"] = memory.used(os.getpid())  # a short job may end before anybody looked
        os.write(say, json.dumps(word).encode())
        code = 0 if word["status"] == "done" else 1
    except BaseException as error:  # the server says "crashed"; the frames are in the job's log, or in the server's
        calls.write_frames(error, sys.stderr)
    finally:
        with suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
            log = calls.log_of(Path(job["result"]))
            if log.stat().st_size == 0:
                log.unlink()
        os._exit(code)


def _cut_loose(server: int, life: int) -> None:
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # SIGINT stays ignored: the parent decides
    with suppress(OSError):  # the server does the same: whoever comes first
        os.setpgid(0, 0)
    prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != server:  # it died before that
        os._exit(1)
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))  # a core file would hold the rows
    with suppress(OSError):  # when the machine's memory runs out, the system shall take the job and not its caller
        Path("/proc/self/oom_score_adj").write_text("500")
    if not sys.platform.startswith("linux"):
        threading.Thread(target=end_with, args=(life,), daemon=True).start()


def end_with(life: int) -> None:
    """Wait until the server is gone, then end this process: for systems where it cannot be had from the kernel."""
    os.read(life, 1)
    os._exit(1)


def _work(job: dict[str, Any], threads: Threads | None) -> dict[str, Any]:
    result = Path(job["result"])
    try:
        _redirect(calls.log_of(result))
    except OSError as refusal:
        refused = files.machine_error(refusal, calls.log_of(result), doing="open the log of a job")
        return {"status": "failed", "error": calls.error_dict(refused, result)}
    _allow_threads(job["threads"])
    with threads.limit(limits=job["threads"]) if threads else nullcontext():
        status, error = calls.perform(job["call"], job["arguments"], result, sys.stderr)
    return {"status": status, "error": error}


def _redirect(log: Path) -> None:
    """What the job and its libraries print goes to `log`; a fault in C code leaves its frames there."""
    log.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o644)
    os.dup2(handle, 1)
    os.dup2(handle, 2)
    os.close(handle)
    faulthandler.enable()
    threading.excepthook = lambda args: calls.write_frames(args.exc_value, sys.stderr) if args.exc_value else None


def _allow_threads(count: int) -> None:
    """For libraries that are loaded later than this; those already loaded are told through threadpoolctl."""
    for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = str(count)
