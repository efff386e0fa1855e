"""Trainwright: from a table to a model that may go into production and can still be defended in two years.

    import trainwright

    run = trainwright.train("adult.csv", target="income", time="60s")
    print(run.evidence["metrics"]["roc_auc"])
    bundle = trainwright.load(run.folder / "bundle")
    bundle.predict([{"age": 39, "education": "Bachelors"}])

Everything public is listed here and imported when first used, so that `import trainwright` touches nothing heavy.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from trainwright._version import __version__

if TYPE_CHECKING:
    from trainwright.api import algorithms, check, compare, reproduce, resolve, resume, train
    from trainwright.errors import TrainwrightError
    from trainwright.plan.model import Plan
    from trainwright.run import Run
    from trainwright.runtime import Bundle, load

_HOMES = {
    "Bundle": "trainwright.runtime",
    "Plan": "trainwright.plan.model",
    "Run": "trainwright.run",
    "TrainwrightError": "trainwright.errors",
    "algorithms": "trainwright.api",
    "check": "trainwright.api",
    "compare": "trainwright.api",
    "load": "trainwright.runtime",
    "reproduce": "trainwright.api",
    "resolve": "trainwright.api",
    "resume": "trainwright.api",
    "train": "trainwright.api",
}

__all__ = [
    "Bundle",
    "Plan",
    "Run",
    "TrainwrightError",
    "__version__",
    "algorithms",
    "check",
    "compare",
    "load",
    "reproduce",
    "resolve",
    "resume",
    "train",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'trainwright' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
