"""What the loader allows at most, and how it reads JSON that a stranger wrote.

Every limit is far above what we write and far below what hurts a server; `docs/bundle.md` repeats them.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any

from trainwright.errors import BundleError

MAX_BYTES = 4 << 30  # of all files together, unless `load` is told otherwise
MAX_JSON = 64 << 20  # of one JSON or Markdown file
MAX_HEADER = 16 << 20  # of the header of the arrays
MAX_GRAPH = 1 << 30  # of one ONNX file
MAX_DEPTH = 32  # of JSON
MAX_FILES = 512
MAX_STEPS = 20_000  # 10,000 columns with a transform each
MAX_RANK = 8
MAX_SAID = 300  # characters of an error: names in it may come from the stranger

NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")  # of steps, fields and files: no separator, never hidden, never `..`


def bad(code: str, what: str, *, where: str = "", why: str = "", fix: str = "") -> BundleError:
    """The one error that a bundle can cause, with the usual reason and way out."""
    reason = why or "a bundle is data from outside: what does not fit the format to the letter is not opened"
    return BundleError(
        code, what[:MAX_SAID], where=where[:MAX_SAID], why=reason, fix=fix or "get the bundle again from where it was made, or train anew"
    )


def parse_json(data: bytes, *, where: str) -> Any:
    """JSON as a value: no NaN, no infinity, no repeated key, whole numbers within 64 bits, depth within MAX_DEPTH.

    Raises BundleError (TW053) for anything else.
    """
    if len(data) > MAX_JSON:
        raise bad("TW053", "a JSON file is larger than allowed", where=f"{where}, {len(data)} bytes")
    try:
        value = json.loads(data.decode("utf-8"), parse_constant=_no_constant, parse_float=_finite, parse_int=_whole, object_pairs_hook=_unique)
    except (ValueError, RecursionError) as error:
        raise bad(
            "TW053", "a JSON file cannot be read", where=where, why=f"{type(error).__name__}: it is damaged, or uses what we do not write"
        ) from error
    level: list[Any] = [value]
    for _ in range(MAX_DEPTH):
        level = [
            child
            for parent in level
            for child in (parent.values() if isinstance(parent, dict) else parent if isinstance(parent, list) else ())
            if isinstance(child, dict | list)
        ]
        if not level:
            return value
    raise bad("TW053", f"a JSON file is nested deeper than {MAX_DEPTH}", where=where)


def _no_constant(text: str) -> float:
    raise ValueError("NaN and infinities are no JSON")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError("a number is beyond the range of float64")
    return value


def _whole(text: str) -> int:
    if len(text) > 20 or not -(2**63) <= int(text) < 2**64:
        raise ValueError("a whole number is beyond 64 bits")
    return int(text)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise ValueError("a key is repeated")
    return value
