"""Findings before training: what in the data would make the result wrong, each with a code, why it matters and how to mend it.

In       a Dataset (without a target, the checks that need one are skipped), protected columns, allowed codes, the seed.
Out      Findings, blocking ones first, then by code. They hold names, counts and shares; never a cell value.
Why so   a check is one function in a file of its family; `CHECKS` is the catalogue, and adding one is adding a line there.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from trainwright.data.dataset import Dataset, Finding
from trainwright.data.findings import (
    across,
    bias,
    columns,
    coverage,
    given,
    labels,
    later,
    leaks,
    missing,
    near,
    outliers,
    personal,
    proxies,
    relations,
    rows,
    spellings,
    structure,
    target,
)
from trainwright.data.findings.interface import Check, Found, Subject

FAMILIES = (leaks, given, columns, rows, near, across, relations, target, labels, missing, structure, later, outliers, spellings)
ABOUT_PEOPLE = (personal, bias, proxies, coverage)
CHECKS: tuple[Check, ...] = tuple(sorted((check for family in (*FAMILIES, *ABOUT_PEOPLE) for check in family.CHECKS), key=lambda c: c.code))


def find(
    dataset: Dataset,
    *,
    protected: tuple[str, ...] = (),
    allow: frozenset[str] = frozenset(),
    seed: int = 0,
    most: int | None = None,
    late: Callable[[], bool] | None = None,
) -> tuple[Finding, ...]:
    """All findings of a dataset. The same dataset, names and seed give the same findings, unless `late` cuts them short.

    A finding whose code is in `allow` stays in the list but does not block. With `most`, checks look at no more open and no more sealed rows
    than this, drawn by the seed; TW170 then says so. Once `late` says yes, checks that could not block are left out; TW171 names them.
    """
    subject = Subject(dataset, protected, seed, most=most)
    found: list[Finding] = []
    checks = CHECKS if late is None else sorted(CHECKS, key=lambda check: (not check.blocking, check.code == columns.NOT_MADE, check.code))
    with np.errstate(all="ignore"):  # infinities and empty groups are judged where they come up
        for check in checks:
            if check.needs_target and (dataset.target is None or len(subject.labelled) == 0):
                continue
            if late is not None and not check.blocking and check.code != columns.NOT_MADE and late():
                subject.left_out.append(check.code)
                continue
            found += [finding(check, seen, allow) for seen in check.function(subject)]
    return tuple(sorted(found, key=lambda f: (not f.blocking, f.code)))  # stable: a check's own order is kept


def finding(check: Check, seen: Found, allow: frozenset[str]) -> Finding:
    """A Finding from what a check saw."""
    blocking = (check.blocking if seen.blocking is None else seen.blocking) and check.code not in allow
    return Finding(check.code, check.title, blocking, seen.where, seen.what, check.why, seen.fix, seen.columns, seen.figures, seen.proposes)


__all__ = ["CHECKS", "Check", "Found", "Subject", "find"]
