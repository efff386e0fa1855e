"""What a server needs: load a bundle, predict. numpy and onnxruntime alone.

>>> import trainwright.runtime
>>> bundle = trainwright.runtime.load("runs/…/bundle")  # doctest: +SKIP
>>> bundle.predict([{"age": 39, "job": "clerk"}])  # doctest: +SKIP
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from trainwright.runtime.bundle import Bundle
    from trainwright.runtime.loader import load

__all__ = ["Bundle", "load"]


def __getattr__(name: str) -> Any:  # late: training imports runtime.columns and needs nothing more
    if name == "Bundle":
        from trainwright.runtime.bundle import Bundle

        return Bundle
    if name == "load":
        from trainwright.runtime.loader import load

        return load
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
