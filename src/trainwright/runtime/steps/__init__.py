"""The fixed table of step kinds. A bundle can name nothing that does not stand here; the list grows with the format's minor version."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from trainwright.runtime.steps.additive import Additive
from trainwright.runtime.steps.bayes import Bayes
from trainwright.runtime.steps.calibrate import Calibrate
from trainwright.runtime.steps.categories import Codes, Onehot, Ranks
from trainwright.runtime.steps.dates import Dates
from trainwright.runtime.steps.models import Combine, Concat, Constant, Decide, Linear, Link, Onnx
from trainwright.runtime.steps.numbers import Fill, Numbers, Scale
from trainwright.runtime.steps.points import Kernel, Nearest
from trainwright.runtime.steps.shapes import Bins, Clip, Interact
from trainwright.runtime.steps.targets import Encode
from trainwright.runtime.steps.text import Text
from trainwright.runtime.steps.windows import Windows
from trainwright.runtime.typed import Typed

KINDS: Mapping[str, Any] = MappingProxyType(
    {
        kind.kind: kind
        for kind in (
            *(Typed, Numbers, Fill, Scale, Onehot, Codes, Ranks, Dates, Concat, Linear, Onnx, Link, Constant, Combine, Calibrate, Decide),
            *(Windows, Clip, Interact, Encode, Text, Bins),
            *(Kernel, Nearest, Bayes, Additive),
        )
    }
)
SINCE: Mapping[str, tuple[int, int]] = MappingProxyType(
    dict.fromkeys(("calibrate", "windows", "clip", "interact", "encode", "text", "bins", "kernel", "nearest", "bayes", "additive"), (1, 1))
)
"""The version of the format that brought a kind, where it is later than 1.0: a bundle asks for the latest one of its steps."""

__all__ = [
    "KINDS",
    "SINCE",
    "Additive",
    "Bayes",
    "Bins",
    "Calibrate",
    "Clip",
    "Codes",
    "Combine",
    "Concat",
    "Constant",
    "Dates",
    "Decide",
    "Encode",
    "Fill",
    "Interact",
    "Kernel",
    "Linear",
    "Link",
    "Nearest",
    "Numbers",
    "Onehot",
    "Onnx",
    "Ranks",
    "Scale",
    "Text",
    "Typed",
    "Windows",
]
