"""Splits of tables that are larger than memory: which rows are sealed, and which of the others are learned from, since not all of them fit.

Takes    the usable rows with what splits are drawn from, and how many rows training may use at most.
Gives    `Splits` whose `open` rows are those that training uses; the sealed rows are whole. The caller counts the rest as "beyond memory".
Why      sorting and dealing all rows takes about 100 bytes a row. Of millions of rows a part is as good as drawn when each row (or each kind of
         equal rows, or each group) decides by a hash of its own, block after block; equal rows then fall on one side by themselves.
         Training rows are a sample that keeps what the split is about: each class in its share (rare ones whole), the latest rows in time, whole
         groups.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from trainwright.data.dataset import Fold, Splits
from trainwright.data.findings.measures import fingerprints, mixed
from trainwright.data.room import blocks
from trainwright.data.splits import ENOUGH_EVENTS, LARGEST_SET, MOST_COPIES, SEALED_PARTS, Material, draw, equal_rows, events_of, folds_of, strata
from trainwright.record.seeds import rng_for
from trainwright.runtime.columns import Column, Floats, Rows

MANY: Final = 2_000_000  # rows from which on the sealed ones are drawn block by block
LOOKED_AT: Final = 200_000  # rows by which it is judged whether a table has few combinations, and where the time is cut
KEPT: Final = 100  # rows of a class that a sample keeps, if there are so many, however rare it is
MARGIN: Final = 1.02  # of the rows that are looked at more closely, over those that are wanted

Bits = NDArray[np.uint64]


@dataclass(frozen=True, slots=True, eq=False)
class Rowset:
    """What splits are drawn from. Arrays but `rows` have an entry for every row of the table, and may be mapped from files."""

    rows: Rows  # usable row numbers, ascending
    target: Floats
    classes: int  # 0 for a number
    columns: Sequence[Column]  # the features
    group: NDArray[np.int32] | None
    time: Floats | None
    folds: int
    seed: int
    most: int | None  # training rows at most

    def material(self, rows: Rows, note: str = "") -> Material:
        """These rows as if they were the whole table: row numbers are places in `rows`."""
        target, classes = self.target[rows], bool(self.classes)
        here = np.arange(len(rows), dtype=np.int64)
        unit = here
        if self.group is not None:
            unit = self.group[rows].astype(np.int64)
        elif self.time is None:
            unit, _ = equal_rows({str(at): column for at, column in enumerate(self.columns)}, self.target, rows)
        stratum = strata(target, classes=classes)
        return Material(
            rows=here,
            stratum=stratum,
            event=events_of(stratum, here, classes=classes),
            unit=unit,
            folds=self.folds,
            seed=self.seed,
            classes=classes,
            grouped=self.group is not None,
            time=None if self.time is None else self.time[rows],
            note=note,
        )


def shortened(splits: Splits, rowset: Rowset) -> Splits:
    """The same splits with no more training rows than fit; the folds are drawn again over those that stay."""
    if rowset.most is None or len(splits.open) <= rowset.most:
        return splits
    used = chosen(rowset, splits.open, rowset.most)
    if splits.design == "nested":
        return _at(draw(rowset.material(used), splits.how), used)
    folds, said = folds_of(rowset.material(used))
    why = "; ".join(part for part in (splits.why, said, _told(rowset, len(used), len(splits.open))) if part)
    return replace(splits, open=used, folds=_placed(folds, used), why=why)


def draw_many(rowset: Rowset, how: str, *, given: Rows | None = None) -> Splits:
    """The splits of a table of very many rows. Raises as `splits.draw`."""
    rows, note = rowset.rows, ""
    if given is not None:
        sealed, reason = given, f"the test rows were given: {len(given):,} are sealed"
    else:
        expected = _events(rowset) / SEALED_PARTS
        if expected < ENOUGH_EVENTS and rowset.time is None:
            used = rows if rowset.most is None or len(rows) <= rowset.most else chosen(rowset, rows, rowset.most)
            return _at(draw(rowset.material(used), how), used)
        sealed, reason, note = _sealed(rowset)
    left = np.ones(len(rows), np.bool_)
    left[np.searchsorted(rows, sealed)] = False
    open_rows = rows[left]
    del left
    used = open_rows if rowset.most is None or len(open_rows) <= rowset.most else chosen(rowset, open_rows, rowset.most)
    folds, said = folds_of(rowset.material(used))
    beyond = _told(rowset, len(used), len(open_rows)) if len(used) < len(open_rows) else ""
    why = "; ".join(part for part in (reason, said, note, beyond) if part)
    return Splits("sealed", how, used, sealed, _placed(folds, used), why=why, given=given is not None)


def chosen(rowset: Rowset, rows: Rows, most: int) -> Rows:
    """At most `most` of these rows, ascending: the latest in time; whole groups; else each class in its share, rare ones whole."""
    if rowset.time is not None:
        return _latest(rowset.time, rows, most)
    if rowset.group is not None:
        return _whole_groups(rowset.group, rows, most, rng_for(rowset.seed, "training rows"))
    start = int(rng_for(rowset.seed, "training rows").integers(0, 2**63))
    if not rowset.classes:
        return _lowest(rows, start, most)
    sizes = _class_sizes(rowset, rows)
    quotas = _quotas(sizes, most)
    parts = []
    for number in np.flatnonzero(quotas).tolist():
        mine = np.concatenate([rows[part][rowset.target[rows[part]] == number] for part in blocks(len(rows))])
        parts.append(_lowest(mine, start, int(quotas[number])))
    return np.sort(np.concatenate(parts))


def _quotas(sizes: Rows, most: int) -> Rows:
    """Rows of each class: in proportion to its size, but at least KEPT (or all, or what there is room for), which the others give up."""
    least = np.minimum(sizes, min(KEPT, most // max(1, len(sizes))))
    rare = np.zeros(len(sizes), np.bool_)
    while True:
        room, shared = most - int(least[rare].sum()), max(1, int(sizes[~rare].sum()))
        exact = np.where(rare, least, sizes * (room / shared))
        quotas = np.minimum(np.floor(exact).astype(np.int64), sizes)
        short = ~rare & (quotas < least)
        if not short.any():
            break
        rare |= short
    order = np.argsort(quotas - exact, kind="stable")  # what is left over goes to the largest remainders: `most` rows in all, so that
    order = order[quotas[order] < sizes[order]]  # a plan that names their number finds the very same rows
    quotas[order[: most - int(quotas.sum())]] += 1
    return quotas


def _lowest(rows: Rows, start: int, count: int) -> Rows:
    """The `count` rows whose hash is lowest: a sample that hangs on row numbers and the seed alone. Ascending."""
    if len(rows) <= count:
        return rows
    bound = np.uint64(min(2**64 - 1, int(2**64 * min(1.0, (MARGIN * count + 1000) / len(rows)))))
    near = np.concatenate([rows[part][_hashed(rows[part], start) <= bound] for part in blocks(len(rows))])
    if len(near) < count:
        near = rows
    keys = _hashed(near, start)
    return np.sort(near[np.argpartition(keys, count - 1)[:count]])


def _hashed(rows: Rows, start: int) -> Bits:
    return mixed((rows.astype(np.uint64) + np.uint64(start)) * np.uint64(0x9E3779B97F4A7C15))


def _latest(time: Floats, rows: Rows, count: int) -> Rows:
    """The `count` rows that are latest in time, ascending; of equal times the later rows of the table."""
    some = np.sort(time[rows[:: max(1, len(rows) // LOOKED_AT)]])
    wanted = MARGIN * count + 1000
    while True:
        share = min(1.0, wanted / len(rows))
        cut = some[max(0, int(len(some) * (1 - share)) - 1)]
        near = np.concatenate([rows[part][time[rows[part]] >= cut] for part in blocks(len(rows))])
        if len(near) >= count or share == 1.0:
            break
        wanted *= 2
    near = near if len(near) >= count else rows
    return np.sort(near[np.argsort(time[near], kind="stable")[-count:]])


def _whole_groups(group: NDArray[np.int32], rows: Rows, most: int, rng: np.random.Generator) -> Rows:
    """All rows of groups drawn at random, as many groups as fit; one at least. Ascending."""
    taken = _groups_up_to(group, rows, most, rng)
    return np.concatenate([rows[part][taken[group[rows[part]]]] for part in blocks(len(rows))])


def _groups_up_to(group: NDArray[np.int32], rows: Rows, most: int, rng: np.random.Generator) -> NDArray[np.bool_]:
    """(groups,) which groups are taken, in random order, while their rows are no more than `most`; the first always."""
    sizes = np.zeros(int(max(int(group[rows[part]].max()) for part in blocks(len(rows)))) + 1, np.int64)
    for part in blocks(len(rows)):
        sizes += np.bincount(group[rows[part]], minlength=len(sizes))
    order = rng.permutation(np.flatnonzero(sizes))
    fits = np.cumsum(sizes[order]) <= most
    fits[0] = True
    taken = np.zeros(len(sizes), np.bool_)
    taken[order[: int(np.argmin(fits)) if not fits.all() else len(order)]] = True
    return taken


def _sealed(rowset: Rowset) -> tuple[Rows, str, str]:
    """The sealed rows, why, and what was decided about equal rows."""
    rows = rowset.rows
    if rowset.time is not None:
        time = rowset.time
        some = np.sort(time[rows[:: max(1, len(rows) // LOOKED_AT)]])
        cut = some[int(len(some) * (1 - 1 / SEALED_PARTS))]
        sealed = np.concatenate([rows[part][time[rows[part]] >= cut] for part in blocks(len(rows))])
        return sealed, f"the last {len(sealed):,} rows in time are sealed, so the test is later than all training", ""
    if rowset.group is not None:
        taken = _groups_up_to(rowset.group, rows, len(rows) // SEALED_PARTS, rng_for(rowset.seed, "split", "sealed"))
        sealed = np.concatenate([rows[part][taken[rowset.group[rows[part]]]] for part in blocks(len(rows))])
        return sealed, f"{len(sealed):,} rows ({100 * len(sealed) / len(rows):.0f} %, whole groups) are sealed", ""
    start = np.uint64(int(rng_for(rowset.seed, "split", "sealed").integers(0, 2**63)))
    by_content, note = _equal_rows_matter(rowset)
    bound = np.uint64(2**64 // SEALED_PARTS)
    parts = []
    for part in blocks(len(rows)):
        mine = rows[part]
        own = fingerprints([*rowset.columns, rowset.target], mine) if by_content else mixed(mine.astype(np.uint64) + np.uint64(1))
        parts.append(mine[mixed(own ^ start) < bound])
    sealed = _leaving_two(rowset, np.concatenate(parts))
    return sealed, f"{len(sealed):,} rows ({100 * len(sealed) / len(rows):.0f} %) are sealed", note


def _leaving_two(rowset: Rowset, sealed: Rows) -> Rows:
    """Less the rows of classes of which fewer than two open rows would stay."""
    if not rowset.classes:
        return sealed
    scarce = np.flatnonzero(_class_sizes(rowset, rowset.rows) - _class_sizes(rowset, sealed) < 2)
    return np.asarray(sealed[~np.isin(rowset.target[sealed], scarce)])


def _equal_rows_matter(rowset: Rowset) -> tuple[bool, str]:
    """Whether equal rows are a sign of repeated records, by a sample; and what to say of it. Where combinations are few they are not."""
    some = _lowest(rowset.rows, 1, LOOKED_AT)
    _, counts = np.unique(fingerprints([*rowset.columns, rowset.target], some), return_counts=True)
    if len(some) - len(counts) > MOST_COPIES * len(some) or counts.max() > max(5, LARGEST_SET * len(some)):
        return False, "many rows equal others because there are few combinations: they were split like any others"
    return True, "rows that are equal in every feature and the target are on one side"


def _events(rowset: Rowset) -> int:
    """Rows that a score hangs on, or groups when they are drawn whole."""
    if rowset.group is not None:
        held = np.zeros(int(rowset.group.max()) + 1, np.bool_)
        for part in blocks(len(rowset.rows)):
            held[rowset.group[rowset.rows[part]]] = True
        return int(held.sum())
    if not rowset.classes:
        return len(rowset.rows)
    sizes = _class_sizes(rowset, rowset.rows)
    return int(sizes[sizes > 0].min()) if (sizes > 0).sum() == 2 else int(sizes.sum() - sizes.max())


def _class_sizes(rowset: Rowset, rows: Rows) -> Rows:
    sizes = np.zeros(rowset.classes, np.int64)
    for part in blocks(len(rows)):
        sizes += np.bincount(rowset.target[rows[part]].astype(np.int64), minlength=rowset.classes)
    return sizes


def _told(rowset: Rowset, used: int, of: int) -> str:
    how = (
        "the latest in time"
        if rowset.time is not None
        else "whole groups, drawn at random"
        if rowset.group is not None
        else "drawn at random within each class"
        if rowset.classes
        else "drawn at random"
    )
    return f"training uses {used:,} of {of:,} open rows, {how}, because no more are allowed or fit the memory"


def _placed(folds: tuple[Fold, ...], rows: Rows) -> tuple[Fold, ...]:
    return tuple(Fold(rows[fold.train], rows[fold.test]) for fold in folds)


def _at(splits: Splits, rows: Rows) -> Splits:
    """Splits of places in `rows`, as splits of the rows themselves."""
    inner = tuple(_placed(folds, rows) for folds in splits.inner)
    return replace(splits, open=rows[splits.open], sealed=rows[splits.sealed], folds=_placed(splits.folds, rows), inner=inner)
