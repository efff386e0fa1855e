"""How much memory processes use: anonymous + shared pages of a process and of all that it started, in bytes.

Resident size would count mapped files too, which the system takes back when it needs room: those are not a job's cost.
Source   proc(5): /proc/PID/status (RssAnon, RssShmem: Linux 4.5), /proc/PID/task/TID/children. Elsewhere `ps`, resident size.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path

PROCESS = 150 << 20  # bytes that the caller, the workers' server and each worker hold before they have rows, about
CALLER = 256 << 20  # bytes that are kept back for the caller while workers work, if the cap has four times as much


def for_workers(cap: int) -> int:
    """Bytes that the workers together may use, of a cap over all processes."""
    return cap - min(CALLER, cap // 4)


def used(pid: int) -> int:
    """Anonymous + shared memory of one process; 0 when it is gone."""
    if not sys.platform.startswith("linux"):
        return _table().get(pid, (0, 0))[1]
    total = 0
    status = _read(f"/proc/{pid}/status")
    for field in (b"\nRssAnon:", b"\nRssShmem:"):
        at = status.find(field)
        if at >= 0:
            total += int(status[at + len(field) : status.index(b"kB", at)]) * 1024
    return total


def descendants(pid: int) -> list[int]:
    """The processes that `pid` started, and those that these started; a parent stands before its children."""
    found = children(pid)
    for child in found:  # grows while it is read
        found += children(child)
    return found


def children(pid: int) -> list[int]:
    """The processes whose parent is `pid`."""
    if not sys.platform.startswith("linux"):
        return [child for child, (parent, _) in _table().items() if parent == pid]
    try:
        threads = os.listdir(f"/proc/{pid}/task")  # noqa: PTH208 - looked at every 50 ms: plain names are quickest
    except OSError:
        return []
    if not _has_children():
        return _children_by_stat(pid)
    return [int(child) for thread in threads for child in _read(f"/proc/{pid}/task/{thread}/children").split()]


@cache
def _has_children() -> bool:
    """Does this kernel list the children of a thread (CONFIG_PROC_CHILDREN)?"""
    return Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").exists()


def look(server: int, jobs: Iterable[int]) -> tuple[dict[int, int], int]:
    """The memory of each job's whole tree, and that of the server with whatever else hangs on it."""
    if not sys.platform.startswith("linux"):
        return _look_at_table(server, list(jobs))
    trees = {job: used(job) + sum(map(used, descendants(job))) for job in jobs}
    strays = [child for child in children(server) if child not in trees]
    return trees, used(server) + sum(used(pid) + sum(map(used, descendants(pid))) for pid in strays)


def victim(before: Mapping[int, int], now: Mapping[int, int]) -> int | None:
    """Which job to end when all together use too much: the largest of those that grew since the last look; else the largest."""
    grew = [job for job in now if now[job] > before.get(job, 0)]
    return max(grew or now, key=lambda job: (now[job], job), default=None)


def _read(path: str) -> bytes:
    try:
        handle = os.open(path, os.O_RDONLY)
    except OSError:  # the process ended between two looks
        return b""
    try:
        parts = []
        while part := os.read(handle, 1 << 16):
            parts.append(part)
        return b"".join(parts)
    except OSError:
        return b""
    finally:
        os.close(handle)


def _children_by_stat(pid: int) -> list[int]:
    """For kernels without /proc/PID/task/TID/children: look at every process."""
    found = []
    for name in os.listdir("/proc"):  # noqa: PTH208
        if name.isdigit():
            fields = _read(f"/proc/{name}/stat").rpartition(b")")[2].split()  # a program's name may hold blanks and brackets
            if len(fields) > 1 and int(fields[1]) == pid:
                found.append(int(name))
    return found


def _table() -> dict[int, tuple[int, int]]:
    """All processes: their parent, and their resident size in bytes. For systems without /proc."""
    listed = subprocess.run(["ps", "-axo", "pid=,ppid=,rss="], capture_output=True, check=False).stdout
    rows = [line.split() for line in listed.splitlines()]
    return {int(pid): (int(parent), int(kilobytes) * 1024) for pid, parent, kilobytes in rows}


def _look_at_table(server: int, jobs: list[int]) -> tuple[dict[int, int], int]:
    table, trees = _table(), dict.fromkeys(jobs, 0)
    rest = 0
    for pid, (_, size) in table.items():
        above = pid
        while above not in trees and above != server and above in table and above != table[above][0]:
            above = table[above][0]
        if above in trees:
            trees[above] += size
        elif above == server:
            rest += size
    return trees, rest
