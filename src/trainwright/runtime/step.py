"""A step: one frozen, fitted thing that a bundle applies to rows. Its fields are all of it, so any step saves and loads alike.

A field that is a numpy array goes to safetensors, everything else to JSON. No step holds code, and the loader makes only
steps whose kind stands in our own fixed table (`steps/__init__.py`).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar, Protocol, Self, runtime_checkable

import numpy as np


@runtime_checkable
class Step(Protocol):
    """What every step kind is: a frozen dataclass with a `kind`, whose `__post_init__` raises BundleError for impossible fields."""

    kind: ClassVar[str]

    @property
    def cells(self) -> int:
        """Cells of four bytes that it makes and holds for one row; 0: as many as it is given. They bound the rows that a bundle takes at once."""
        ...

    def apply(self, *inputs: Any) -> Any:
        """Turn the outputs of the steps before into this step's output. Pure; safe to call from several threads.

        The first step takes raw values and gives `Columns`; transforms take `Columns` or float32 (rows, features) and
        give float32 (rows, features); models give float64 (rows, outputs); `decide` gives the answers.
        """
        ...


def parts(step: Step) -> tuple[dict[str, Any], dict[str, np.ndarray[Any, Any]], dict[str, bytes]]:
    """The settings (JSON), arrays and graphs (ONNX bytes) that `step` consists of."""
    settings: dict[str, Any] = {}
    arrays: dict[str, np.ndarray[Any, Any]] = {}
    graphs: dict[str, bytes] = {}
    for field in dataclasses.fields(step):  # type: ignore[arg-type]  # every step is a dataclass
        value = getattr(step, field.name)
        if not field.init:
            continue
        if isinstance(value, np.ndarray):
            arrays[field.name] = value
        elif isinstance(value, bytes):
            graphs[field.name] = value
        else:
            settings[field.name] = _plain(value)
    return settings, arrays, graphs


def _plain(value: Any) -> Any:
    """A field as JSON keeps it: lists for tuples, plain numbers for numpy's, and what an object says of itself."""
    if hasattr(value, "as_json"):
        return value.as_json()
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, tuple | list) else value


class FromParts:
    """Mixin: make the step again from what `parts` gave. Lists become tuples, since fields are frozen."""

    @property
    def cells(self) -> int:
        """As `Step` has it: a step that makes more of a row than it is given says how much."""
        return 0

    @classmethod
    def from_parts(cls, settings: Mapping[str, Any], arrays: Mapping[str, Any], graphs: Mapping[str, bytes]) -> Self:
        """Raises TypeError for missing or unknown fields; the loader turns it into a BundleError."""
        return cls(**{k: _frozen(v) for k, v in settings.items()}, **arrays, **graphs)


def _frozen(value: Any) -> Any:
    return tuple(_frozen(item) for item in value) if isinstance(value, list) else value
