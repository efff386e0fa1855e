"""Checkpoints: the whole state of a training in one file, atomic and digested, so that a torn one is seen and passed over.

Takes    arrays by name and a few plain values.
Gives    `FOLDER/step-000000300.ckpt`: a SHA-256 digest, then the arrays as npz with the plain values as JSON beside them. The last two stay.
Why      a kill, a power cut or a full disk may cost the steps since the last good checkpoint, and nothing else.
"""

from __future__ import annotations

import hashlib
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainwright.errors import CheckFailed
from trainwright.record import files
from trainwright.record.digests import canonical

KEPT = 2
PLAIN = "plain"
DIGEST_BYTES = 32


def save(folder: Path, step: int, arrays: dict[str, NDArray[Any]], plain: dict[str, Any]) -> None:
    """Write a checkpoint and remove all but the last two. Raises MachineError."""
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **arrays, **{PLAIN: np.frombuffer(canonical(plain), np.uint8)})
    content = buffer.getvalue()
    files.write(_path(folder, step), hashlib.sha256(content).digest() + content)
    for path in _found(folder)[KEPT:]:
        files.remove(path)


def last(folder: Path, *, belongs: str) -> tuple[dict[str, NDArray[Any]], dict[str, Any]] | None:
    """The newest checkpoint that is whole, or None.

    Takes    `belongs`, the name of the training: it must stand in the plain values.
    Raises   CheckFailed TW086 when the checkpoint is of another training, which going on from would mix up.
    """
    for path in _found(folder):
        with files.machine_errors(path, doing="read a checkpoint"):
            content = path.read_bytes()
        if hashlib.sha256(content[DIGEST_BYTES:]).digest() != content[:DIGEST_BYTES]:
            continue  # torn: the one before it is whole
        with np.load(io.BytesIO(content[DIGEST_BYTES:]), allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
        plain: dict[str, Any] = json.loads(arrays.pop(PLAIN).tobytes())
        if plain["belongs"] != belongs:
            raise CheckFailed(
                "TW086",
                "the checkpoint is of another training",
                where=str(path),
                why="its rows, its seed or its settings differ, and going on would mix two trainings",
                fix="remove that folder, or train in another one",
            )
        return arrays, plain
    return None


def _path(folder: Path, step: int) -> Path:
    return folder / f"step-{step:09d}.ckpt"


def _found(folder: Path) -> list[Path]:
    """The checkpoints, newest first."""
    return sorted(folder.glob("step-*.ckpt"), reverse=True)
