"""Date-times into a matrix: the parts of the calendar that people live by, and the time that has passed.

Source  the calendar is numpy's datetime64 (proleptic Gregorian, UTC).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, cast

import numpy as np

from trainwright.runtime.columns import Columns, Floats, Matrix, rows_of
from trainwright.runtime.step import FromParts
from trainwright.runtime.steps import checks

PARTS = ("elapsed", "year", "month", "weekday", "hour", "yearday_sin", "yearday_cos")
EARLIEST, LATEST = -62_135_596_800.0, 253_402_300_799.0  # the years 1 and 9999: what lies beyond is moved to the edge
DAY = 86_400.0
YEAR = 365.2425  # days; one turn of the sine


@dataclass(frozen=True, eq=False, kw_only=True)
class Dates(FromParts):
    """Columns → float32 (rows, features): for each column its parts, in order, then a 1 where a flagged column was missing.

    elapsed: (seconds − reference) / unit. weekday: 0 is Monday. hour: with the minutes as a fraction. yearday: on the circle of the year.
    """

    kind: ClassVar[str] = "dates"
    columns: tuple[str, ...]
    parts: tuple[tuple[str, ...], ...]  # of each column, names in PARTS
    reference: Floats  # (columns,) seconds since 1970
    unit: Floats  # (columns,) seconds
    values: Floats  # (sum of parts,) what stands in for a missing one; NaN leaves the gap
    flagged: tuple[str, ...] = ()
    _values: Matrix = field(init=False, repr=False)

    def __post_init__(self) -> None:
        checks.names(self.kind, "columns", self.columns)
        checks.names(self.kind, "flagged", self.flagged)
        if not isinstance(self.parts, tuple) or len(self.parts) != len(self.columns):
            raise checks.refuse(self.kind, "there must be parts for each column")
        for parts in self.parts:
            checks.names(self.kind, "parts", parts, least=1)
            if unknown := set(parts) - set(PARTS):
                raise checks.refuse(self.kind, f"{len(unknown)} unknown parts")
        count = len(self.columns)
        checks.array(self.kind, "reference", self.reference, dtype=np.float64, shape=(count,))
        checks.array(self.kind, "unit", self.unit, dtype=np.float64, shape=(count,))
        checks.array(self.kind, "values", self.values, dtype=np.float64, shape=(sum(map(len, self.parts)),), finite=False)
        if (self.unit <= 0).any():
            raise checks.refuse(self.kind, "a unit of time is not positive")
        object.__setattr__(self, "_values", self.values.astype(np.float32))

    @property
    def cells(self) -> int:
        return len(self.values) + len(self.flagged)

    def apply(self, columns: Columns) -> Matrix:
        kept = len(self.values)
        out = np.empty((rows_of(columns), kept + len(self.flagged)), np.float32)
        place = 0
        for name, parts, reference, unit in zip(self.columns, self.parts, self.reference.tolist(), self.unit.tolist(), strict=True):
            for part in split(cast(Floats, columns[name]), parts, reference, unit):
                out[:, place] = part
                place += 1
        np.copyto(out[:, :kept], self._values, where=np.isnan(out[:, :kept]))
        for number, name in enumerate(self.flagged, kept):
            out[:, number] = np.isnan(cast(Floats, columns[name]))
        return out


def split(seconds: Floats, parts: tuple[str, ...], reference: float, unit: float) -> list[Floats]:
    """The parts of each moment, each (rows,), NaN where the moment is missing."""
    gaps = np.isnan(seconds)
    moment = np.where(gaps, 0.0, np.minimum(np.maximum(seconds, EARLIEST), LATEST))
    days = np.floor(moment / DAY)
    day = days.astype(np.int64).astype("datetime64[D]")
    year = day.astype("datetime64[Y]")
    turn = (day - year.astype("datetime64[D]")).astype(np.float64) * (2 * np.pi / YEAR)
    made: list[Floats] = []
    for part in parts:
        value: Floats
        match part:
            case "elapsed":
                value = (moment - reference) / unit
            case "year":
                value = year.astype(np.int64).astype(np.float64) + 1970.0
            case "month":
                value = (day.astype("datetime64[M]").astype(np.int64) % 12).astype(np.float64) + 1.0
            case "weekday":
                value = (days + 3.0) % 7.0  # 1970-01-01 was a Thursday
            case "hour":
                value = (moment - days * DAY) / 3600.0
            case "yearday_sin":
                value = np.sin(turn)
            case _:
                value = np.cos(turn)
        made.append(np.where(gaps, np.nan, value))
    return made
