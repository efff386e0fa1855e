"""Open one bundle in this process and say what came of it, under watch: nothing but our errors, nothing reached, time and memory bounded.

Called in a process of its own, forked from one that has imported what a server imports; so whatever is imported, opened or started here was caused by
the bundle.
"""

from __future__ import annotations

import ctypes
import os
import resource
import shutil
import sys
import time
import warnings
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from forked import in_a_child
from hostile import Made, make
from trainwright import runtime
from trainwright.errors import BadInput, BundleError

PATIENCE = 20  # seconds of wall time for one case
SECONDS = 10  # of processor time: the kernel ends what takes more
MEMORY = 512 << 20  # bytes more than before, beside what the bundle's own files take
BAD = (
    "pickle", "exec", "compile", "ctypes", "socket", "subprocess", "os.system", "os.exec", "os.posix_spawn", "os.fork", "os.remove", "os.rename",
    "os.mkdir", "os.rmdir", "os.link", "os.symlink", "os.chmod", "os.truncate", "shutil", "urllib", "ftplib", "http", "mmap", "code.", "marshal",
    "sqlite3", "webbrowser", "os.putenv", "os.kill", "builtins.input", "cpython", "sys.settrace", "sys.addaudithook", "syslog",
)  # fmt: skip
ODD_VALUES: tuple[Any, ...] = (None, "", "x", "?", -1, 1e308, float("nan"), float("inf"), True, [], {}, "2020-01-01", "\0", "A" * 10_000, 10**40)


def preload() -> None:
    """What a server has imported once it has answered once; no session is made here, and no thread of ours is started."""
    import encodings.cp437  # noqa: F401 - names in old zip files
    import socket  # noqa: F401

    import numpy.ma  # noqa: F401
    import onnx  # noqa: F401
    import onnxruntime  # noqa: F401

    from trainwright.runtime import loader  # noqa: F401

    warnings.simplefilter("ignore")


class Watch:
    """An audit hook that notes what a bundle may not reach. It cannot be taken off again, so it lives in a process of its own."""

    def __init__(self, place: Path) -> None:
        self.place, self.seen = str(place), list[str]()
        self.names = {found.name for found in (place / "b").iterdir()} if (place / "b").is_dir() else set()
        sys.addaudithook(self._hook)

    def _hook(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open":
            if isinstance(arguments[0], int):  # a handle that is open already
                return
            path = os.fspath(arguments[0]) if isinstance(arguments[0], str | bytes | os.PathLike) else arguments[0]
            path = os.fsdecode(path) if isinstance(path, bytes) else path
            inside = isinstance(path, str) and (path.startswith(self.place) or path in self.names)
            writes = bool(arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND)) if isinstance(arguments[2], int) else True
            if not inside or writes:
                self.seen.append(f"open {path!r}{' to write' if writes else ''}")
        elif event == "import":
            self.seen.append(f"import {arguments[0]}")
        elif event.startswith(BAD):
            self.seen.append(event)


def rows_for(features: tuple[Any, ...], count: int, odd: bool) -> list[dict[str, Any]]:
    """Rows that fit the columns, or that do not."""
    rows = []
    for index in range(count):
        row: dict[str, Any] = {}
        for place, feature in enumerate(features[:200]):
            if odd:
                row[feature.name] = ODD_VALUES[(index * 7 + place) % len(ODD_VALUES)]
            else:
                row[feature.name] = (
                    float(index) if feature.kind == "number" else "2024-05-06" if "date" in feature.kind else ("u", "v", "clerk", None)[index % 4]
                )
        rows.append(row)
    return rows


def opened(path: Path, place: Path) -> dict[str, Any]:
    """Load and, where it loads, predict. Gives `came` (refused CODE, loaded), `seconds`, `bytes` of memory, and `why` where it is a failure."""
    before = resource.getrusage(resource.RUSAGE_SELF)
    size = sum(found.stat().st_blocks * 512 for found in place.rglob("*") if found.is_file() and not found.is_symlink())
    used = int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGESIZE")
    resource.setrlimit(resource.RLIMIT_AS, (used + (8 << 30),) * 2)
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS + 1))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    started = time.monotonic()
    watch = Watch(place)
    came, why = "", ""
    try:
        bundle = runtime.load(path)
    except BundleError as error:
        came = f"refused {error.code}"
        why = "" if str(path) in error.where and len(error.what) <= 1000 else "the error does not name the bundle"
    else:
        came, why = _used(bundle)
    after = resource.getrusage(resource.RUSAGE_SELF)
    more = (after.ru_maxrss - before.ru_maxrss) * 1024
    if watch.seen:
        why = f"it reached {sorted(set(watch.seen))[:5]}"
    elif more > MEMORY + 4 * size:
        why = f"it took {more >> 20} MiB"
    return {"ok": not why, "came": came, "why": why, "seconds": round(time.monotonic() - started, 4), "bytes": more}


def _used(bundle: runtime.Bundle) -> tuple[str, str]:
    """Predict fitting rows, odd rows, no rows, and no row at all: an answer of the right shape, or our error."""
    came = "loaded and answered"
    batches = (rows_for(bundle.features, 3, False), rows_for(bundle.features, 300, False), rows_for(bundle.features, 15, True), [], [{}])
    for number, rows in enumerate(batches):
        try:
            outputs = bundle.outputs(rows)
            answers = bundle.answers(outputs)
        except (BadInput, BundleError) as error:
            if number < 2:  # odd rows are refused by sound bundles, too
                came = f"loaded, then {error.code}"
        else:
            if outputs.shape != (len(rows), bundle.width) or outputs.dtype != np.float64 or len(answers) != len(rows):
                return came, f"outputs {outputs.shape} {outputs.dtype} for {len(rows)} rows"
    repr(bundle)
    return came, ""


def one(sound: list[Made], seed: int, number: int, place: Path, outside: Path) -> dict[str, Any]:
    """Make and open one case; to be called in a process of its own."""
    place.mkdir(parents=True)
    path, what = make(sound, seed, number, place, outside)
    return {"what": what, **opened(path, place)}


def chunk(sound: list[Made], seed: int, first: int, last: int, place: Path) -> dict[str, Any]:
    """The cases from `first` to before `last`, one process each, one after another."""
    outside = place / f"from-{first}" / "outside"
    outside.parent.mkdir()
    canary = Canary(outside)
    outside.with_name("linked").write_text("a file outside, linked into a bundle")
    came: Counter[str] = Counter()
    failures, slowest, largest = list[dict[str, Any]](), 0.0, 0
    for number in range(first, last):
        own = outside.parent / str(number)
        found = in_a_child(lambda number=number, own=own: one(sound, seed, number, own, outside), patience=PATIENCE)
        kind = found.get("what", "?").replace(", zip", "")
        if not found["ok"]:
            failures.append({"number": number, **found})
        came[f"{kind}: {'FAILED' if not found['ok'] else found['came']}"] += 1
        slowest, largest = max(slowest, found.get("seconds", 0.0)), max(largest, found.get("bytes", 0))
        shutil.rmtree(own, ignore_errors=True)
    return {
        "ok": True,
        "first": first,
        "last": last,
        "came": came,
        "failures": failures,
        "reached": canary.opened(),
        "seconds": slowest,
        "bytes": largest,
    }


class Canary:
    """A file that no bundle may reach, and the kernel's word on who opened it: also code that no audit hook of Python's sees."""

    OPEN, NONBLOCK = 0x20, 0o4000

    def __init__(self, path: Path) -> None:
        path.write_text("nobody reads this\n")
        libc = ctypes.CDLL(None, use_errno=True)
        self.handle = libc.inotify_init1(self.NONBLOCK)
        if self.handle < 0 or libc.inotify_add_watch(self.handle, os.fsencode(path), self.OPEN) < 0:
            raise OSError(ctypes.get_errno(), "inotify")

    def opened(self) -> bool:
        try:
            return bool(os.read(self.handle, 4096))
        except BlockingIOError:
            return False
