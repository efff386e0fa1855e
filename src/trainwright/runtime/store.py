"""The files of a bundle, from a folder or from one uncompressed zip, without trusting either.

Takes    a path.
Gives    every file's bytes by name.
Why      links, `..`, hidden or absolute names, pipes, compression and overlapping entries are ways out of the folder or into the memory;
         none of them is needed, so none is opened. Sizes are added up before the first byte is read.
"""

from __future__ import annotations

import os
import stat
import struct
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO

from trainwright.runtime.limits import MAX_BYTES, MAX_FILES, MAX_GRAPH, MAX_JSON, NAME, bad

GRAPH = ".onnx"
MANIFEST, ARRAYS = "manifest.json", "arrays.safetensors"
SKETCHES, EVIDENCE, CARD, BOM = "sketches.json", "evidence.json", "card.md", "bom.cdx.json"
TEXTS = (MANIFEST, SKETCHES, EVIDENCE, CARD, BOM)


def read_all(path: Path, *, limit: int = MAX_BYTES) -> dict[str, bytes]:
    """Every file of the bundle at `path`.

    Raises BundleError: TW050 when there is none, TW053 for names, links or sizes that a bundle does not have.
    """
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            return _folder(path, limit)
        if stat.S_ISREG(mode):
            with path.open("rb") as file:
                return _zip(file, path, limit)
    except OSError as error:
        raise bad(
            "TW050", "the bundle cannot be read", where=str(path), why=os.strerror(error.errno or 0).lower(), fix="give the path of a bundle"
        ) from error
    raise bad("TW050", "a bundle is a folder or a zip file", where=str(path), fix="give the path of a bundle")


def _allowed(name: str, size: int, where: str) -> None:
    known = name in TEXTS or name == ARRAYS or name.endswith(GRAPH)
    if not known or not NAME.fullmatch(name):
        raise bad("TW053", f"a bundle holds no file of the name {name[:80]!r}", where=where)
    most = MAX_JSON if name in TEXTS else MAX_GRAPH if name.endswith(GRAPH) else size
    if size > most:
        raise bad("TW053", f"a file of the bundle is larger than allowed: {name}", where=where, why=f"{size} bytes, allowed are {most}")


def _sum(sizes: Mapping[str, int], where: str, limit: int) -> None:
    if len(sizes) > MAX_FILES or sum(sizes.values()) > limit:
        raise bad("TW053", f"a bundle has more than {MAX_FILES} files or {limit} bytes", where=where, fix="load(path, limit=…) allows more bytes")
    folded = {name.casefold() for name in sizes}
    if len(folded) != len(sizes):
        raise bad("TW053", "two files of a bundle differ in upper and lower case only", where=where)
    if MANIFEST not in sizes:
        raise bad("TW050", f"there is no {MANIFEST}, so this is no bundle", where=where, fix="give the path of a bundle")


def _folder(path: Path, limit: int) -> dict[str, bytes]:
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        sizes: dict[str, int] = {}
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.startswith("."):  # never opened: what a killed writer or a file manager left
                    continue
                found = entry.stat(follow_symlinks=False)
                if not stat.S_ISREG(found.st_mode):
                    raise bad(
                        "TW053", f"{entry.name[:80]!r} is no plain file", where=str(path), why="links, folders and pipes lead out of the bundle"
                    )
                _allowed(entry.name, found.st_size, str(path))
                sizes[entry.name] = found.st_size
                if len(sizes) > MAX_FILES:
                    break
        _sum(sizes, str(path), limit)
        return {name: _read(folder, name, size, path) for name, size in sorted(sizes.items())}
    finally:
        os.close(folder)


def _read(folder: int, name: str, size: int, path: Path) -> bytes:
    handle = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder)  # it may have been exchanged since it was listed
    with os.fdopen(handle, "rb") as file:
        found = os.fstat(handle)
        data = file.read(size + 1) if stat.S_ISREG(found.st_mode) and found.st_size == size else b""
    if len(data) != size:
        raise bad("TW052", f"{name} changed while it was read", where=str(path))
    return data


def _zip(file: IO[bytes], path: Path, limit: int) -> dict[str, bytes]:
    where = str(path)
    length = path.stat().st_size
    try:
        with zipfile.ZipFile(file) as archive:
            entries = archive.infolist()
            if len({entry.filename for entry in entries}) != len(entries):
                raise bad("TW053", "a zip file holds a name twice", where=where)
            for entry in entries:
                if entry.compress_type != zipfile.ZIP_STORED or entry.compress_size != entry.file_size or entry.flag_bits & 0x2041:
                    raise bad("TW053", "a zip file must be stored without compression and encryption", where=where, fix="zip -0, or unzip it")
                if stat.S_IFMT(entry.external_attr >> 16) not in (0, stat.S_IFREG):
                    raise bad("TW053", "a zip file holds something that is no plain file", where=where)
                _allowed(entry.orig_filename, entry.file_size, where)
            sizes = {entry.filename: entry.file_size for entry in entries}
            if sum(sizes.values()) > length:
                raise bad("TW053", "the entries of a zip file overlap", where=where)
            _sum(sizes, where, limit)
            return {name: archive.read(name) for name in sorted(sizes)}
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, ValueError, EOFError, struct.error) as error:
        raise bad(
            "TW050", "the file is no zip file, or a damaged one", where=where, why=type(error).__name__, fix="give the path of a bundle"
        ) from error
