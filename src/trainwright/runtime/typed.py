"""From raw rows to typed columns: the first step of every bundle for tables.

Takes    rows as a user has them: a list of dicts, a dict of columns, a Polars, pandas or Arrow frame, a 2-D array; or typed columns.
Gives    `Columns` (see columns.py), one for each column of the schema, whatever else the rows carry and in whatever order.
Why      one vectorised road per kind of input, each ending in the rules of `cells.py`. numpy alone: a frame is read by its own methods.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final, Self

import numpy as np
from numpy.typing import NDArray

from trainwright.errors import BadInput, BundleError, nearest
from trainwright.runtime.cells import THOUSANDS, NotTyped, all_within, date_regex, reader_of
from trainwright.runtime.columns import Coded, Codes, Column, Columns
from trainwright.runtime.frames import Encoded, Raw, column_of, frame_of
from trainwright.runtime.schema import KINDS, WORDS, ColumnSchema
from trainwright.runtime.spelling import SPELLINGS

_PLAIN: Final = frozenset({float, int, bool, type(None)})
_TEXTS: Final = (frozenset({str}), frozenset({str, type(None)}))
_FIRST: Final = np.zeros(1, dtype=np.int32)  # the codes of a one-row column with a word …
_GAP: Final = np.full(1, -1, dtype=np.int32)  # … and without one
_FIRST.flags.writeable = _GAP.flags.writeable = False
_HELD: Final = np.empty(0)  # keeps a number's place in the order of the schema
_ABSENT: Final = object()
_EXPECTED: Final = {"number": "a number", "datetime": "a date-time that its formats read", "yesno": "yes or no"}


def type_values(values: Raw, schema: ColumnSchema) -> Column:
    """Type one column of raw values by the rules of `schema`.

    Takes   a list, a numpy array (any dtype), an `Encoded` column, or a typed column, which is passed through.
    Raises  BadInput TW041, which names the first rows that do not fit and counts the others.
    """
    column, bad = try_values(values, schema)
    if len(bad):
        raise unfit(bad, schema)
    return column


def unfit(bad: NDArray[np.int64], schema: ColumnSchema) -> BadInput:
    """The error for rows whose value is not what the column's kind asks for."""
    first = ", ".join(str(row) for row in bad[:3].tolist())
    rows = f"row {first}" if len(bad) == 1 else f"rows {first}" + (f" and {len(bad) - 3} more" if len(bad) > 3 else "")
    return BadInput(
        "TW041",
        f"{rows} of column {schema.name!r}: not {_EXPECTED.get(schema.kind, 'a single value')}",
        where=f"column {schema.name!r}, rows counted from 0",
        why=f"the model learned it as {schema.kind}; guessing a value would change the answer unnoticed",
        fix="mend these cells, or leave them empty (None) if the value is not known",
    )


def try_values(values: Raw, schema: ColumnSchema) -> tuple[Column, NDArray[np.int64]]:
    """As `type_values`, but gives the rows that do not fit (their cells are missing in the column) in the place of the error."""
    if isinstance(values, Coded):
        if schema.kind in WORDS and not (schema.spelling or schema.aliases):
            return values, _no_rows()
        return _encoded(Encoded(values.codes, list(values.vocabulary)), schema)
    if isinstance(values, Encoded):
        return _encoded(values, schema)
    if isinstance(values, np.ndarray):
        return _array(values, schema)
    return _list(values if isinstance(values, (list, tuple)) else list(values), schema)


def _no_rows() -> NDArray[np.int64]:
    return np.empty(0, dtype=np.int64)


def _encoded(values: Encoded, schema: ColumnSchema) -> tuple[Column, NDArray[np.int64]]:
    """Type each distinct value once, then spread; code -1 is missing."""
    column, wrong = _list(values.distinct, schema)
    bad = np.flatnonzero(np.isin(values.codes, wrong)) if len(wrong) else _no_rows()
    if isinstance(column, Coded):
        return Coded(np.append(column.codes, np.int32(-1))[values.codes], column.vocabulary), bad  # -1 is the last, appended one
    return np.append(column, np.nan)[values.codes], bad


def _array(values: NDArray[Any], schema: ColumnSchema) -> tuple[Column, NDArray[np.int64]]:
    kind = values.dtype.kind
    if values.ndim != 1:
        raise BadInput(
            "TW042", f"column {schema.name!r} has {values.ndim} dimensions", why="a column is one value for each row", fix="give a 1-D array"
        )
    if schema.kind not in WORDS and schema.kind != "yesno" and kind in "fiub" and not (kind == "b" and schema.kind == "datetime"):
        numbers = values.astype(np.float64)
        numbers[np.isinf(numbers)] = np.nan
        return all_within(numbers, schema), _no_rows()
    if schema.kind == "datetime" and kind == "M":
        return _instants(values), _no_rows()
    if kind in "fiub":  # words or yes/no, given as numbers
        distinct, codes = np.unique(values, return_inverse=True)
        return _encoded(Encoded(codes.astype(np.int32), list(distinct)), schema)
    return _list(list(values) if kind in "Mm" else values.tolist(), schema)


def _instants(values: NDArray[np.datetime64]) -> NDArray[np.float64]:
    """datetime64 of any unit as seconds, to the microsecond."""
    seconds = values.astype("datetime64[us]").astype(np.int64) / 1e6
    seconds[np.isnat(values)] = np.nan
    return seconds


def _list(values: Sequence[Any], schema: ColumnSchema) -> tuple[Column, NDArray[np.int64]]:
    types = set(map(type, values))
    if schema.kind == "number" and types <= _PLAIN:
        try:
            numbers = np.array(values, dtype=np.float64)
        except OverflowError:  # a whole number beyond 1.8e308
            pass
        else:
            numbers[np.isinf(numbers)] = np.nan
            return all_within(numbers, schema), _no_rows()
    read = reader_of(schema)
    bad: list[int] = []
    if types in _TEXTS:  # each distinct text is read once
        known: dict[Any, Any] = dict.fromkeys(values)
        for text in known:
            try:
                known[text] = read(text, schema)
            except NotTyped:
                known[text] = _ABSENT
        typed = [known[value] for value in values]
        if _ABSENT in known.values():
            bad = [row for row, value in enumerate(typed) if value is _ABSENT]
    else:
        typed = []
        for row, value in enumerate(values):
            try:
                typed.append(read(value, schema))
            except NotTyped:
                typed.append(_ABSENT)
                bad.append(row)
    if schema.kind in WORDS:
        return _coded([None if word is _ABSENT else word for word in typed] if bad else typed), np.array(bad, dtype=np.int64)
    return np.array([np.nan if v is _ABSENT else v for v in typed] if bad else typed, dtype=np.float64), np.array(bad, dtype=np.int64)


def _coded(words: Sequence[str | None]) -> Coded:
    """Words as codes into a vocabulary in the order of first appearance."""
    codes: dict[str | None, int] = {}
    for word in dict.fromkeys(words):
        if word is not None:
            codes[word] = len(codes)
    vocabulary: list[str] = list(codes)  # type: ignore[arg-type]  # None is not among the keys yet
    codes[None] = -1
    return Coded(np.fromiter(map(codes.__getitem__, words), dtype=np.int32, count=len(words)), vocabulary)


def _sound(schema: ColumnSchema) -> bool:
    """Whether a schema is one that training could have written; a bundle may come from a stranger."""
    texts = (schema.missing, schema.formats, schema.yes, schema.no, schema.order)
    if not all(isinstance(part, tuple) and all(isinstance(text, str) for text in part) for part in texts):
        return False
    if not isinstance(schema.name, str) or schema.kind not in KINDS or schema.decimal not in (".", ","):
        return False
    if schema.thousands not in THOUSANDS or schema.thousands == schema.decimal:
        return False
    if not _cleaned(schema):
        return False
    try:
        return all(form == "seconds" or (len(form) <= 40 and bool(date_regex(form))) for form in schema.formats)
    except (ValueError, re.error):  # an unknown directive, or one that stands twice
        return False


def _cleaned(schema: ColumnSchema) -> bool:
    """Whether what cleaning left in a schema is sound: known rules and words for words, ends in order for numbers."""
    ends, named = (schema.low, schema.high), schema.aliases
    if not isinstance(schema.spelling, tuple) or not all(rule in SPELLINGS for rule in schema.spelling):
        return False
    if not isinstance(named, tuple) or not all(isinstance(p, tuple) and len(p) == 2 and all(isinstance(w, str) for w in p) for p in named):
        return False
    if not all(end is None or (type(end) in (int, float) and math.isfinite(end)) for end in ends):
        return False
    if (schema.spelling or named) and schema.kind not in WORDS:
        return False
    if ends != (None, None) and schema.kind != "number":
        return False
    return None in ends or schema.low < schema.high  # type: ignore[operator]  # neither is None here


class Schemas(tuple[ColumnSchema, ...]):
    """The columns that a bundle reads, in order; known to `step.parts` as JSON."""

    __slots__ = ()

    def as_json(self) -> list[dict[str, Any]]:
        return [schema.as_dict() for schema in self]


@dataclass(frozen=True, slots=True)
class Typed:
    """The first step: raw rows in, typed columns out."""

    schema: Schemas  # any sequence of ColumnSchema is taken
    _names: dict[str, int] = field(init=False, repr=False, compare=False)
    kind: ClassVar[str] = "typed"

    def __post_init__(self) -> None:
        """Raises BundleError TW054 for a schema that no training writes."""
        schema = Schemas(self.schema)
        if not all(_sound(column) for column in schema) or len({column.name for column in schema}) != len(schema):
            raise BundleError(
                "TW054",
                "the schema repeats a column, or has a kind, mark or date format that is not known",
                where="step 'typed'",
                why="rows could not be read by it",
                fix="take the bundle from its origin again",
            )
        names = {column.name: at for at, column in enumerate(schema)}
        object.__setattr__(self, "schema", schema)
        object.__setattr__(self, "_names", names)

    @classmethod
    def from_parts(cls, settings: Mapping[str, Any], arrays: Mapping[str, Any], graphs: Mapping[str, bytes]) -> Self:
        """Raises TypeError for missing or unknown fields."""
        if set(settings) != {"schema"} or arrays or graphs or not isinstance(settings["schema"], (list, tuple)):
            raise TypeError("the step 'typed' has the one field 'schema'")
        return cls(Schemas(ColumnSchema.from_dict(dict(column)) for column in settings["schema"]))

    @property
    def cells(self) -> int:
        return 2 * len(self.schema)

    def apply(self, *inputs: Any) -> Columns:
        """Type raw rows.

        Takes   one input: list of dicts, one dict of single values, dict of columns, a Polars, pandas or Arrow frame, a 2-D array whose columns
                stand in schema order, or `Columns`. A key that some dicts lack is a missing cell there.
        Raises  BadInput TW040 for a column that is missing altogether, TW041 for cells that do not fit, TW042 for what is not rows of a table.
        """
        (rows,) = inputs
        if isinstance(rows, (list, tuple)):
            if len(rows) == 1 and isinstance(rows[0], Mapping):
                return self._one(rows[0])
            return self._dicts(rows)
        if isinstance(rows, Mapping):
            if rows and all(isinstance(value, (str, bytes)) or not hasattr(value, "__len__") for value in rows.values()):
                return self._one(rows)
            return self._columns(rows)
        if isinstance(rows, np.ndarray):
            return self._matrix(rows)
        frame = frame_of(rows)
        if frame is None:
            raise _no_table(f"an object of type {type(rows).__name__!r}")
        self._all_there(frame.names)
        return {schema.name: type_values(column_of(frame, schema.name), schema) for schema in self.schema}

    def _one(self, row: Mapping[str, Any]) -> Columns:
        """One row: the path of a server. Numbers share one array, so that a column costs well under 2 µs."""
        columns: dict[str, Column] = {}
        numbers: list[float] = []
        slots: list[str] = []
        for schema in self.schema:
            name = schema.name
            value = row.get(name, _ABSENT)
            plain = type(value)
            if schema.kind == "number" and (plain is float or plain is int or value is None) and schema.low is schema.high is None:
                numbers.append(value)
                slots.append(name)
                columns[name] = _HELD
            elif value is _ABSENT:
                self._all_there(row)
            elif schema.kind in WORDS:
                columns[name] = self._word(value, schema)
            else:
                columns[name] = self._number(value, schema)
        if numbers:
            try:
                shared = np.array(numbers, dtype=np.float64)
            except OverflowError:
                shared = np.array([self._number(value, self.schema[self._names[name]])[0] for name, value in zip(slots, numbers, strict=True)])
            shared[np.isinf(shared)] = np.nan
            for at, name in enumerate(slots):
                columns[name] = shared[at : at + 1]
        return columns

    @staticmethod
    def _word(value: Any, schema: ColumnSchema) -> Coded:
        try:
            word = reader_of(schema)(value, schema)
        except NotTyped:
            raise unfit(np.zeros(1, np.int64), schema) from None
        return Coded(_GAP, ()) if word is None else Coded(_FIRST, (word,))

    @staticmethod
    def _number(value: Any, schema: ColumnSchema) -> NDArray[np.float64]:
        try:
            return np.array([reader_of(schema)(value, schema)], dtype=np.float64)
        except NotTyped:
            raise unfit(np.zeros(1, np.int64), schema) from None

    def _dicts(self, rows: Sequence[Any]) -> Columns:
        if not rows:
            return {schema.name: type_values([], schema) for schema in self.schema}
        for at, row in enumerate(rows):
            if not isinstance(row, Mapping):
                raise _no_table(f"a list whose item {at} is of type {type(row).__name__!r}")
        columns: dict[str, Column] = {}
        for schema in self.schema:
            name = schema.name
            values = [row.get(name, _ABSENT) for row in rows]
            if _ABSENT in set(map(id, values)) or any(value is _ABSENT for value in values):
                if all(value is _ABSENT for value in values):
                    self._all_there({key: None for row in rows for key in row})
                values = [None if value is _ABSENT else value for value in values]
            columns[name] = type_values(values, schema)
        return columns

    def _columns(self, rows: Mapping[str, Any]) -> Columns:
        self._all_there(rows)
        columns = {schema.name: type_values(column_of(None, rows[schema.name]), schema) for schema in self.schema}
        lengths = {len(column) for column in columns.values()}
        if len(lengths) > 1:
            raise _no_table(f"columns of different lengths ({', '.join(map(str, sorted(lengths)))})")
        return columns

    def _matrix(self, rows: NDArray[Any]) -> Columns:
        if rows.dtype.names:
            return self._columns({name: rows[name] for name in rows.dtype.names})
        if rows.ndim != 2 or rows.shape[1] != len(self.schema):
            raise BadInput(
                "TW042",
                f"the array has the shape {rows.shape}",
                where=f"the model reads {len(self.schema)} columns",
                why="an array has no column names, so its columns must be the model's, in their order",
                fix=f"give an array of shape (rows, {len(self.schema)}), or a frame or dicts with column names",
            )
        return {schema.name: type_values(rows[:, at], schema) for at, schema in enumerate(self.schema)}

    def _all_there(self, names: Any) -> None:
        """Raises BadInput TW040 when a column of the schema is not among `names`."""
        lacking = [schema.name for schema in self.schema if schema.name not in names]
        if not lacking:
            return
        near = nearest(lacking[0], (str(name) for name in names if name not in self._names))
        raise BadInput(
            "TW040",
            f"there is no column {lacking[0]!r}" + (f", nor {len(lacking) - 1} others" if len(lacking) > 1 else ""),
            where=f"the rows have {len(names)} columns",
            why=f"the model reads {len(self.schema)} columns, and learned from every one of them",
            fix=f"did you mean {near!r}? rename it" if near else "add the column; leave its cells empty (None) where the value is not known",
        )


def _no_table(what: str) -> BadInput:
    return BadInput(
        "TW042", f"{what} is not rows of a table", why="a prediction needs named columns",
        fix="give a list of dicts, a dict of columns, a pandas, Polars or Arrow frame, or a 2-D array",
    )  # fmt: skip


__all__ = ["Codes", "Encoded", "Schemas", "Typed", "try_values", "type_values", "unfit"]
