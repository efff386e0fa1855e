"""Checks of settings, for the learners' `__post_init__`: each raises RequestError TW010 that names the setting, what is allowed, what came."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from trainwright.errors import RequestError, nearest


def _wrong(name: str, value: Any, allowed: str, fix: str = "") -> RequestError:
    return RequestError(
        "TW010",
        f"the setting {name!r} cannot be {str(value)[:60]!r}",
        where=f"settings: {name}",
        why=f"it must be {allowed}",
        fix=fix or f"give {name} as {allowed}",
    )


def whole(low: int, high: int, **values: Any) -> None:
    """Whole numbers from `low` to `high`."""
    for name, value in values.items():
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise _wrong(name, value, f"a whole number from {low:,} to {high:,}")


def number(low: float, high: float, **values: Any) -> None:
    """Numbers from `low` to `high`, both allowed."""
    for name, value in values.items():
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or not low <= value <= high:
            raise _wrong(name, value, f"a number from {low:g} to {high:g}")


def choice(options: Sequence[Any], **values: Any) -> None:
    """One of some words."""
    for name, value in values.items():
        if not any(value is option or (type(value) is type(option) and value == option) for option in options):
            near = nearest(value, [o for o in options if isinstance(o, str)]) if isinstance(value, str) else None
            raise _wrong(name, value, "one of " + ", ".join(map(str, options)), f"did you mean {near!r}?" if near else "")
