"""A simulated disk: what a folder holds after a kill, and what it may hold after a power cut.

Takes    a folder in which a run works, and each `os.fsync` of this process.
Gives    `State`s: the folder as it is (what a kill leaves), and worst legal outcomes of a power cut now.
Why      A kill leaves what the kernel holds. A power cut leaves what was synced: of a file what its last fsync saw, of a folder the names
         that its last fsync saw; of the rest any part may be there or not.
Source   Pillai et al. (2014), All File Systems Are Not Created Equal, OSDI: names, data and sizes become durable apart from one another.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from trainwright.record import files

if TYPE_CHECKING:
    import numpy as np  # a worker that only watches does without

Cut = Literal["dropped", "names without data", "some of each"]
CUTS: tuple[Cut, ...] = ("dropped", "names without data", "some of each")
"""`dropped`: nothing that was not synced is there. `names without data`: names are as they are now, what was not synced of a file is missing, or
reads as zeros where it was appended. `some of each`: a coin decides for each name, and how much of each file's rest came to the disk."""

Inode = tuple[int, int]  # device and number


@dataclass(frozen=True)
class State:
    """A tree of files: bytes, or None for a folder. Files of one inode are one file with several names."""

    content: dict[str, bytes | None]
    inode: dict[str, Inode]

    def key(self) -> str:
        """Equal for trees that a resumed run cannot tell apart."""
        digest, numbers = hashlib.sha256(), dict[Inode, int]()
        for path, data in sorted(self.content.items()):
            number = numbers.setdefault(self.inode[path], len(numbers))
            digest.update(f"{path}\0{number}\0{'-' if data is None else len(data)}\0".encode() + (data or b""))
        return digest.hexdigest()

    def lay_down(self, folder: Path) -> None:
        """Make the tree in a folder that is not there yet."""
        first: dict[Inode, Path] = {}
        folder.mkdir(parents=True)
        for path, data in sorted(self.content.items()):
            place = folder / path
            if data is None:
                place.mkdir()
            elif self.inode[path] in first:
                place.hardlink_to(first[self.inode[path]])
            else:
                place.write_bytes(data)
                first[self.inode[path]] = place


def as_it_is(folder: Path) -> State:
    """What a kill at this moment leaves."""
    content: dict[str, bytes | None] = {}
    inode: dict[str, Inode] = {}
    for above, folders, names in os.walk(folder):
        for name in (*folders, *names):
            path = Path(above, name)
            try:
                found = path.stat()
                data = None if stat.S_ISDIR(found.st_mode) else path.read_bytes()
            except FileNotFoundError:
                continue  # another process has just renamed it
            relative = str(path.relative_to(folder))
            content[relative], inode[relative] = data, (found.st_dev, found.st_ino)
    return State(content, inode)


class Disk:
    """What of a folder is durable. Every file that was synced is held open, so that the number of an inode names one file for ever."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.data: dict[Inode, bytes] = {}
        self.names: dict[Inode, dict[str, Inode]] = {}
        self.folders: set[Inode] = set()
        self.held: dict[Inode, int] = {}

    def synced(self, handle: int) -> None:
        """An fsync of `handle` has come back."""
        found = os.fstat(handle)
        inode = (found.st_dev, found.st_ino)
        if not stat.S_ISDIR(found.st_mode):
            self._hold(inode, handle)
            with open(f"/proc/self/fd/{handle}", "rb") as file:  # noqa: PTH123 - by handle: it may have no name any more
                self.data[inode] = file.read()
            return
        self.folders.add(inode)
        self._hold(inode, handle)
        listed = {}
        for name in os.listdir(handle):
            entry = os.open(name, os.O_RDONLY | os.O_NOFOLLOW, dir_fd=handle)
            below = os.fstat(entry)
            listed[name] = (below.st_dev, below.st_ino)
            if stat.S_ISDIR(below.st_mode):
                self.folders.add(listed[name])
            self._hold(listed[name], entry)
            os.close(entry)
        self.names[inode] = listed

    def _hold(self, inode: Inode, handle: int) -> None:
        if inode not in self.held:
            self.held[inode] = os.dup(handle)

    def after_a_cut(self, now: State, cut: Cut, rng: np.random.Generator) -> State:
        """What may be on the disk when the power goes, `now` being what is in memory."""
        at_top = self.root.stat()
        listed: dict[Inode, dict[str, Inode]] = {}
        current = {now.inode[path]: data for path, data in now.content.items()}
        for path in now.content:
            above = str(Path(path).parent)
            folder = (at_top.st_dev, at_top.st_ino) if above == "." else now.inode[above]
            listed.setdefault(folder, {})[Path(path).name] = now.inode[path]
        content: dict[str, bytes | None] = {}
        inode: dict[str, Inode] = {}
        rests: dict[Inode, bytes] = {}

        def walk(folder: Inode, above: str) -> None:
            durable, seen = self.names.get(folder, {}), listed.get(folder, {})
            for name in sorted({*durable, *seen}):
                old, new = durable.get(name), seen.get(name)
                chosen = old if cut == "dropped" else new if cut == "names without data" or rng.random() < 0.5 else old
                if chosen is None:
                    continue
                path = f"{above}{name}"
                inode[path] = chosen
                if chosen in self.folders or (chosen in current and current[chosen] is None):
                    content[path] = None
                    walk(chosen, f"{path}/")
                else:
                    content[path] = rests.setdefault(chosen, self._rest(chosen, current.get(chosen) or b"", cut, rng))

        walk((at_top.st_dev, at_top.st_ino), "")
        return State(content, inode)

    def _rest(self, inode: Inode, current: bytes, cut: Cut, rng: np.random.Generator) -> bytes:
        """A file's bytes after the cut; its durable ones, and perhaps something of what came after them."""
        durable = self.data.get(inode, b"")
        if cut == "dropped" or not current.startswith(durable):
            return durable
        more = len(current) - len(durable)
        if cut == "names without data":  # a file that grew: its size may be there before its data is
            return durable + (b"\0" * (more // 2) if durable else b"")
        return current[: len(durable) + int(rng.integers(more + 1))]


@contextmanager
def watched(disk: Disk) -> Iterator[None]:
    """Let `disk` see every fsync of this process inside the block."""
    real: Callable[[int], None] = os.fsync

    def fsync(handle: int) -> None:
        real(handle)
        disk.synced(handle)

    os.fsync = fsync  # type: ignore[assignment]
    try:
        yield
    finally:
        os.fsync = real


WATCHING: list[object] = []  # holds what would else end at once


def watch_worker() -> None:
    """In a worker of the local engine: keep the state at each durable operation. Called by a `sitecustomize` of the tests, never by the product."""
    place = Path(os.environ["FAULT_RUNS"])

    def keep(phase: str) -> Callable[[str, Path], None]:
        def hook(operation: str, path: Path) -> None:
            acknowledged = (place / "acknowledged").read_bytes() if (place / "acknowledged").exists() else b""
            state = as_it_is(place / "recorded")
            key = f"{state.key()[:24]}-{len(acknowledged)}"
            states = place / "states"
            if not (states / key).exists():
                state.lay_down(states / key)
                (states / f"{key}.log").write_bytes(acknowledged)
            case = {"kind": "kill in a worker", "phase": phase, "operation": operation, "path": str(path.relative_to(place)), "key": key}
            (states / f"{time.monotonic_ns()}.case").write_text(json.dumps(case))

        return hook

    watching = files.faults(keep("before"), after=keep("after"))
    watching.__enter__()
    WATCHING.append(watching)
