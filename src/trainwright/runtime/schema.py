"""The schema: what each column is and how its raw values are read. Written at training, used by the server, kept in the bundle."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

Kind = Literal["number", "category", "ordered", "yesno", "datetime", "text", "identifier", "constant", "image", "audio"]
KINDS: tuple[str, ...] = get_args(Kind)
SINCE = {
    "spelling": (1, 1),
    "aliases": (1, 1),
    "low": (1, 1),
    "high": (1, 1),
}  # the version of the bundle format that brought a field, if later than 1.0
WORDS: tuple[str, ...] = ("category", "ordered", "text", "identifier", "constant", "image", "audio")  # kinds whose column is Coded


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnSchema:
    """One column: its name, its kind, and the rules by which a raw value becomes a typed one (see `typed.py`)."""

    name: str
    kind: Kind
    missing: tuple[str, ...] = ()  # text that means "missing", beyond the empty cell; compared after stripping, case kept
    decimal: str = "."  # of numbers written as text
    thousands: str = ""  # "" or one of , . ' _ and blanks
    formats: tuple[str, ...] = ()  # of date-times written as text: strptime formats, tried in this order, or "iso", "seconds"
    yes: tuple[str, ...] = ()  # words that mean yes, casefolded
    no: tuple[str, ...] = ()
    order: tuple[str, ...] = ()  # of an ordered category, lowest first
    spelling: tuple[str, ...] = ()  # rules of spelling.py under which words are one
    aliases: tuple[tuple[str, str], ...] = ()  # a word in that form -> the word it was merged into; by name, for a kind that is words
    low: float | None = None  # numbers below are read as this …
    high: float | None = None  # … and above as this

    def as_dict(self) -> dict[str, Any]:
        """Only what differs from the default, with lists for tuples: what JSON keeps."""
        full = asdict(self)
        plain = ((), None)
        return {k: _lists(v) for k, v in full.items() if v not in plain and (k, v) not in (("decimal", "."), ("thousands", ""))}

    @property
    def needs(self) -> tuple[int, int]:
        """The version of the bundle format that can say this."""
        return max(SINCE.get(name, (1, 0)) for name in self.as_dict())

    @classmethod
    def from_dict(cls, value: dict[str, Any]) -> ColumnSchema:
        """Raises TypeError for an unknown key; the bundle loader turns it into a BundleError."""
        return cls(**{name: _tuples(part) for name, part in value.items()})


def _lists(value: Any) -> Any:
    return [_lists(part) for part in value] if isinstance(value, tuple) else value


def _tuples(value: Any) -> Any:
    return tuple(_tuples(part) for part in value) if isinstance(value, list | tuple) else value
