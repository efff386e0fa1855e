"""Memory of process trees against other roads: psutil-free, by what was allocated and by the kernel's own sums."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from trainwright.engine import memory

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks into /proc")
MIB = 1 << 20


def test_used_is_what_the_kernel_sums_up_elsewhere() -> None:
    held = bytearray(b"x") * (50 * MIB)
    rollup = {line.split(":")[0]: int(line.split()[1]) * 1024 for line in open("/proc/self/smaps_rollup").read().splitlines()[1:]}  # noqa: SIM115, PTH123
    assert memory.used(os.getpid()) == pytest.approx(rollup["Anonymous"], abs=3 * MIB)
    assert memory.used(os.getpid()) > len(held)
    assert memory.used(2**22 + 1) == 0  # beyond the largest process id


def test_descendants_are_the_whole_tree_by_both_roads() -> None:
    inner = "import subprocess, sys; p = subprocess.Popen(['sleep', '600']); print(p.pid, flush=True); p.wait()"
    outer = subprocess.Popen([sys.executable, "-c", inner], stdout=subprocess.PIPE, text=True)
    try:
        assert outer.stdout is not None
        grandchild = int(outer.stdout.readline())
        assert memory.descendants(outer.pid) == [grandchild]
        assert set(memory.descendants(os.getpid())) >= {outer.pid, grandchild}
        assert memory._children_by_stat(outer.pid) == [grandchild]
        assert outer.pid in memory._children_by_stat(os.getpid())
        trees, rest = memory.look(os.getpid(), [outer.pid])
        assert trees == {outer.pid: memory.used(outer.pid) + memory.used(grandchild)}
        assert rest >= memory.used(os.getpid()) * 0.9
        table, _ = memory._look_at_table(os.getpid(), [outer.pid])  # `ps` counts files too
        assert table[outer.pid] >= trees[outer.pid]
        assert table[outer.pid] > memory._look_at_table(os.getpid(), [grandchild])[0][grandchild] > 0
    finally:
        for pid in (*memory.descendants(outer.pid), outer.pid):
            os.kill(pid, 9)
        outer.wait()
        outer.stdout.close()  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("before", "now", "expected"),
    [
        ({}, {}, None),
        ({1: 500, 2: 100}, {1: 500, 2: 300}, 2),  # the one that grew, though smaller
        ({1: 500, 2: 100}, {1: 501, 2: 300}, 1),  # both grew: the larger
        ({1: 500, 2: 100}, {1: 500, 2: 90}, 1),  # none grew: the larger
        ({1: 500}, {1: 500, 3: 10}, 3),  # new since the last look
    ],
)
def test_the_victim(before: dict[int, int], now: dict[int, int], expected: int | None) -> None:
    assert memory.victim(before, now) == expected
