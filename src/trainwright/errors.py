"""Every error that a user can meet: what went wrong, where, why it matters, how to mend it.

A code (`TW0xx` for errors, `TW1xx` for findings) is explained in `docs/codes.md`. Which class is raised decides the exit code.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from importlib import import_module
from types import ModuleType
from typing import ClassVar

from trainwright.credentials import scrubbed


class TrainwrightError(Exception):
    """An error that says what, where, why and how to mend it; `exit_code` is what the command line ends with."""

    exit_code: ClassVar[int] = 2

    def __init__(self, code: str, what: str, *, where: str = "", why: str = "", fix: str = "") -> None:
        what, where, why, fix = map(scrubbed, (what, where, why, fix))  # no password leaves in an error, whoever raises it
        super().__init__(code, what, where, why, fix)
        self.code, self.what, self.where, self.why, self.fix = code, what, where, why, fix

    def __reduce__(self) -> tuple[object, ...]:  # keyword arguments do not survive the default pickling
        return _rebuild, (type(self), self.as_dict())

    def __str__(self) -> str:
        lines = [f"{self.code}: {self.what}"]
        lines += [f"  {name:6}{text}" for name, text in (("where", self.where), ("why", self.why), ("fix", self.fix)) if text]
        return "\n".join(lines)

    def as_dict(self) -> dict[str, str]:
        """The five fields, as `--json` prints them."""
        return {"code": self.code, "what": self.what, "where": self.where, "why": self.why, "fix": self.fix}


def _rebuild(kind: type[TrainwrightError], fields: dict[str, str]) -> TrainwrightError:
    return kind(fields["code"], fields["what"], where=fields["where"], why=fields["why"], fix=fields["fix"])


class RequestError(TrainwrightError):
    """What was asked makes no sense: a plan key, a flag, a setting (TW00x, TW01x)."""


class SourceError(TrainwrightError):
    """The data cannot be read, or is not what was asked for (TW02x, TW03x)."""


class BadInput(TrainwrightError):
    """Rows given to a bundle do not fit its schema (TW04x)."""


class BundleError(TrainwrightError):
    """A bundle is damaged, hostile, or of a format that this version does not know (TW05x). The loader raises nothing else."""


class LearnerError(TrainwrightError):
    """A learner cannot learn from these rows (TW011): that candidate is out, the run goes on."""


class MissingExtra(TrainwrightError):
    """A verb needs a package that only an extra brings (TW06x)."""


class FindingStop(TrainwrightError):
    """A finding blocks, and was not allowed (TW1xx)."""

    exit_code = 3


class Infeasible(TrainwrightError):
    """The limits leave no room for any model (TW07x)."""

    exit_code = 4


class CheckFailed(TrainwrightError):
    """A check answered no: verify, reproduce, gate (TW08x)."""

    exit_code = 5


class MachineError(TrainwrightError):
    """The machine failed: disk, permission, lock, a worker that will not start (TW09x)."""

    exit_code = 6


class Interrupted(TrainwrightError):
    """The user stopped the run (TW098); what was done is kept."""

    exit_code = 130


def nearest(name: str, names: Iterable[str]) -> str | None:
    """The name most like `name`, or None when none is near."""
    candidates = list(names)
    folded = {candidate.casefold(): candidate for candidate in reversed(candidates)}
    near = difflib.get_close_matches(name.casefold(), list(folded), n=1, cutoff=0.6)
    return folded[near[0]] if near else None


def need(module: str, *, extra: str, to: str) -> ModuleType:
    """Import `module` now, or say which extra brings it and what it is for."""
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] != module.partition(".")[0]:
            raise  # it is installed, but something inside it is broken: do not hide that
        raise missing(module, extra=extra, to=to) from None


def missing(module: str, *, extra: str, to: str) -> MissingExtra:
    """The error for a package that is not there."""
    return MissingExtra(
        "TW060",
        f"{module} is not installed",
        where=f"trying to {to}",
        why=f"only the '{extra}' extra brings it, so that a server stays small",
        fix=f"pip install 'trainwright[{extra}]'",
    )
