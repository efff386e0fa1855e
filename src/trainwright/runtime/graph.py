"""Run steps: the small acyclic graph that a bundle is. Training and serving evaluate it by this one function."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from trainwright.errors import BundleError, TrainwrightError
from trainwright.runtime.step import Step

Placed = tuple[str, Step, tuple[str, ...]]  # name, step, names of its inputs


def run_steps(steps: Iterable[Placed], given: Mapping[str, Any]) -> dict[str, Any]:
    """Apply the steps in their order, each to what was given or made before; all values by name.

    Raises BundleError TW056 when a step names an input that nobody makes, or cannot be applied to what it gets: its fields passed
    their checks, so the steps do not belong together. Errors of our own (such as BadInput) pass unchanged.
    """
    made = dict(given)
    for name, step, inputs in steps:
        try:
            made[name] = step.apply(*[made[source] for source in inputs])
        except TrainwrightError:
            raise
        except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
            raise BundleError(
                "TW056",
                f"step {name!r} of kind {step.kind!r} cannot be applied to its inputs",
                where=f"step {name!r}, inputs {', '.join(inputs) or 'none'}",
                why=f"the steps do not fit together ({type(error).__name__})",
                fix="the bundle is damaged or was not made by this software: take the original, or train again",
            ) from error
    return made
