"""The fixed table of step kinds. A bundle can name nothing that does not stand here; the list grows with the format's minor version."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from trainwright.runtime.steps.calibrate import Calibrate
from trainwright.runtime.steps.categories import Codes, Onehot, Ranks
from trainwright.runtime.steps.dates import Dates
from trainwright.runtime.steps.models import Combine, Concat, Constant, Decide, Linear, Link, Onnx
from trainwright.runtime.steps.numbers import Fill, Numbers, Scale
from trainwright.runtime.typed import Typed

KINDS: Mapping[str, Any] = MappingProxyType(
    {
        kind.kind: kind
        for kind in (Typed, Numbers, Fill, Scale, Onehot, Codes, Ranks, Dates, Concat, Linear, Onnx, Link, Constant, Combine, Calibrate, Decide)
    }
)

__all__ = [
    "KINDS",
    "Calibrate",
    "Codes",
    "Combine",
    "Concat",
    "Constant",
    "Dates",
    "Decide",
    "Fill",
    "Linear",
    "Link",
    "Numbers",
    "Onehot",
    "Onnx",
    "Ranks",
    "Scale",
    "Typed",
]
