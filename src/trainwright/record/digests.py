"""Digests: the names that bytes have for ever. SHA-256 in hexadecimal; JSON is first brought into one canonical form."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

CHUNK = 1 << 20


def canonical(value: Any) -> bytes:
    """JSON with sorted keys, no blanks and no NaN: values that are the same JSON give the same bytes (1 and 1.0 are not the same).

    Raises ValueError for what JSON cannot carry: NaN, infinities, other objects, half surrogates, two keys with one text.
    """
    try:
        plain = json.loads(json.dumps(value, allow_nan=False), object_pairs_hook=_no_twins)  # keys are text before they are sorted
        return json.dumps(plain, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    except TypeError as error:
        raise ValueError(f"this cannot be written as JSON: {error}") from None


def _no_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        raise ValueError("two keys of one mapping are the same text")
    return made


def digest_bytes(data: bytes | bytearray | memoryview) -> str:
    return hashlib.sha256(data).hexdigest()


def digest_json(value: Any) -> str:
    return digest_bytes(canonical(value))


def digest_file(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def digest_files(digests: Mapping[str, str]) -> str:
    """One digest for a set of named files, from the digest of each; independent of their order."""
    return digest_json(dict(digests))
