"""Opened: what every kind of source becomes, whatever it is read from. The reader in `__init__.py` knows nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from trainwright.data.sources.scanned import Scanned


@dataclass(frozen=True, slots=True, eq=False)
class Opened:
    """A source whose structure is known, before its columns are read and typed."""

    scanned: Scanned
    path: str  # as given, without a password
    format: str
    digest: str | None  # None: of the typed columns
    details: dict[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    aside: Mapping[str, str] = field(default_factory=dict)  # columns that hold no plain values -> why; read only where a role is given
