"""Where a table stands: a path or URL, and which part of it is meant when it holds several tables.

Takes    what a user writes: a file, a folder or a URL; the name of a table or a sheet, or a query.
Gives    a `Place`, without the password that a URL may hold.
Why      one value goes from the plan, the flags of `predict` and the Python call to the reader, so that each reads every source.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from trainwright.credentials import is_url, take_out
from trainwright.errors import RequestError

WORKBOOKS: Final = (".xlsx", ".xlsm", ".xls", ".ods")


@dataclass(frozen=True, slots=True)
class Place:
    """A source as it was named."""

    path: str  # of a file or folder, or a URL; no password
    table: str | None = None  # of a database
    query: str | None = None  # of a database, in the place of a table
    sheet: str | None = None  # of a workbook

    @property
    def is_url(self) -> bool:
        return is_url(self.path)

    @property
    def stem(self) -> str:
        """A short name for folders."""
        if self.table or self.sheet:
            name = str(self.table or self.sheet)
        else:
            name = Path(self.path.partition("?")[0] if self.is_url else self.path).name.split(".")[0]
        return re.sub(r"[^\w-]+", "_", name) or "table"

    def only(self, *flags: str) -> None:
        """Raises RequestError (TW009) when a flag was given that this kind of source has no use for."""
        for name in ("table", "query", "sheet"):
            if getattr(self, name) is not None and name not in flags:
                raise RequestError(
                    "TW009", f"--{name} is of no use here", where=self.path,
                    why="a table or a query is one of a database, a sheet is one of a workbook, and this is neither of that kind",
                    fix=f"leave out --{name}, or name another source",
                )  # fmt: skip


def place_of(source: str | Path | Place, *, table: str | None = None, query: str | None = None, sheet: str | None = None) -> Place:
    """What a user named as one value."""
    return source if isinstance(source, Place) else Place(take_out(str(source)), table, query, sheet)


def place_with_part(text: str) -> Place:
    """A source in one word, as `--test` takes it: FILE, URL#TABLE or WORKBOOK#SHEET. A file whose name has a "#" is that file."""
    bare = take_out(text, part=True)
    path, mark, part = bare.rpartition("#")
    if mark and part and (is_url(path) or (path.lower().endswith(WORKBOOKS) and not Path(text).exists())):
        return Place(path, table=part) if is_url(path) else Place(path, sheet=part)
    return Place(bare)


def never_over(output: Path, *sources: str | Place | None, flag: str) -> None:
    """Raises RequestError (TW009) when writing `output` would overwrite a source, or a file of a folder that is one."""
    for source in sources:
        if source is None:
            continue
        path = Path((source if isinstance(source, Place) else place_with_part(source)).path.removeprefix("sqlite:///"))
        try:
            lost = output.samefile(path) or (path.is_dir() and any(folder.samefile(path) for folder in output.resolve().parents))
        except OSError:  # one of the two is not there, or is a URL: nothing can be lost
            continue
        if lost:
            raise RequestError(
                "TW009", f"{flag} would overwrite what is read", where=str(output), why="the rows would be lost", fix="name another file"
            )
