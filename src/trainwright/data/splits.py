"""Who may see which rows: the sealed test, the folds, and the nested design where rows are too few to seal any.

Takes    usable rows with a stratum (class, or bin of the target), a unit (rows that stay together: a group, or equal rows), a time.
Gives    `Splits`: row numbers alone. Everything follows from the seed, by name (`record/seeds.py`).
Why      a score means something only if what is tested was in no way trained on: not the row, not its copy, not its group, not its future.
Source   stratified dealing of whole units: greedy, largest first, as scikit-learn's StratifiedGroupKFold; forward chaining:
         Tashman (2000), International Journal of Forecasting 16(4); nested cross-validation: Varma & Simon (2006), BMC Bioinformatics 7:91.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from trainwright.data.dataset import Dataset, Fold, Splits, Table
from trainwright.data.findings.measures import all_differ
from trainwright.errors import SourceError
from trainwright.record.seeds import rng_for
from trainwright.runtime.columns import Coded, Columns, Floats, Rows

SEALED_PARTS = 5  # one part of five is sealed: 20 %
ENOUGH_EVENTS = 100  # with fewer test events an interval is too wide to decide by
REPEATS = 2  # of the outer folds, in the nested design
INNER_FOLDS = 3
WATCH_PARTS = 7  # one part of seven (14 %) of a fit's rows is watched for early stopping
BINS = 10  # of a numeric target, equally filled, for stratifying
JITTER = 1.0  # how far a unit may move in the order of sizes: e times, in squared size
MOST_COPIES = 0.5  # if more of the rows than this are copies, or one set of copies is larger than LARGEST_SET, then the table has
LARGEST_SET = 0.01  # few combinations rather than repeated records, and equal rows are ordinary rows


@dataclass(frozen=True, slots=True, eq=False)
class Material:
    """What splits are drawn from. The arrays have an entry for every row of the table; only those of `rows` are looked at."""

    rows: Rows  # usable row numbers, ascending
    stratum: Rows  # class number, or bin of the target
    event: NDArray[np.bool_]  # whether the row is one of those that a score hangs on
    unit: Rows  # rows with the same number are never parted
    folds: int
    seed: int
    classes: bool = True  # whether a stratum is a class, of which two are needed to train
    grouped: bool = False  # whether units are groups, and events are counted by them
    time: Floats | None = None  # if given, splits are by time and units do not matter
    note: str = ""  # what was decided about equal rows

    def events(self, rows: Rows) -> int:
        """How many test events `rows` hold: event rows, or groups that hold one."""
        held = rows[self.event[rows]]
        return _distinct(self.unit[held]) if self.grouped else len(held)


def draw(material: Material, how: str, *, given: Rows | None = None) -> Splits:
    """The splits of a run.

    Takes    `how` as in `Splits.how`; `given` row numbers that are sealed because the user said so.
    Gives    the nested design where sealing would leave too few test events, unless rows are ordered by time or were given.
    Raises   SourceError TW019 when there are too few groups, times or rows of a class to split in this way.
    """
    few = ""
    if given is not None:
        sealed, reason = given, f"the test rows were given: {len(given):,} are sealed"
    elif material.time is not None:
        sealed = _latest(material)
        reason = f"the last {len(sealed):,} rows in time are sealed, so the test is later than all training"
    else:
        _need_units(material)
        expected = material.events(material.rows) / SEALED_PARTS
        if expected < ENOUGH_EVENTS:
            return _nested(material, how, expected)
        sealed = _one_part(material)
        reason = f"{len(sealed):,} rows (20 %{', whole groups' if material.grouped else ''}) are sealed"
    events = material.events(sealed)
    if events < ENOUGH_EVENTS:
        few = f"only {events:,} test events are sealed, so the intervals will be wide"
    open_rows = np.setdiff1d(material.rows, sealed, assume_unique=True)
    folds, said = folds_of(material, open_rows)
    unseen = _kinds(material.stratum[material.rows]) - _kinds(material.stratum[open_rows]) if material.classes else 0
    lost = f"{_classes(unseen)} rows among the sealed ones alone, and cannot be learned" if unseen else ""
    early = _not_later(material, open_rows, sealed) if given is not None else ""
    return Splits("sealed", how, open_rows, sealed, folds, why=_words(reason, early, few, lost, said, material.note), given=given is not None)


def folds_of(material: Material, rows: Rows | None = None) -> tuple[tuple[Fold, ...], str]:
    """The folds over these rows (all usable ones by default), forward in time where rows are ordered; and what is to be said of them."""
    rows = material.rows if rows is None else rows
    return _forward(material, rows) if material.time is not None else _kfold(material, rows)


def watch_part(dataset: Dataset, rows: Rows, *, seed: int) -> tuple[Rows, Rows]:
    """Part the rows of one fit into those to learn from and those to watch for early stopping, by the rules of the run's split.

    Takes    row numbers, ascending.
    Gives    two ascending arrays of *positions in `rows`*, together all of them: about 86 % to learn from, 14 % to watch (the
             latest in time, whole groups, equal rows together). A class of `rows` is always among those to learn from.
    """
    assert dataset.target is not None
    target = dataset.target[rows]
    stratum = strata(target, classes=bool(dataset.classes))
    here = np.arange(len(rows), dtype=np.int64)
    kind, _, name = dataset.splits.how.partition(":")
    watch = np.empty(0, np.int64)
    if kind == "time":
        time = clock(dataset.table, name)[rows]
        cuts = _cuts(time, [len(rows) * (1 - 1 / WATCH_PARTS)])
        watch = np.flatnonzero(time >= cuts[0]) if cuts else watch
    else:
        if kind == "group" and dataset.group is not None:
            unit = dataset.group.codes[rows].astype(np.int64)
        else:
            unit, _ = equal_rows(dataset.columns, dataset.target, rows)
        if (units := _distinct(unit)) >= 2:
            watch = np.flatnonzero(deal(stratum, unit, min(WATCH_PARTS, units), keys(rng_for(seed, "watch"), rows)) == 0)
    if len(watch) == 0:  # one group or one time only: then single rows must do
        watch = np.flatnonzero(deal(stratum, here, WATCH_PARTS, keys(rng_for(seed, "watch"), rows)) == 0)
    learn = np.setdiff1d(here, watch, assume_unique=True)
    if dataset.classes:
        watch = watch[np.isin(stratum[watch], stratum[learn])]
    return np.setdiff1d(here, watch, assume_unique=True), watch


def strata(target: Floats, *, classes: bool) -> Rows:
    """The stratum of each row (n,): its class, or which of ten equally filled bins its value is in (equal values share a bin); −1 where unknown."""
    known = ~np.isnan(target)
    stratum = np.full(len(target), -1, np.int64)
    if classes:
        stratum[known] = target[known].astype(np.int64)
    elif known.any():
        edges = np.unique(np.quantile(target[known], np.arange(1, BINS) / BINS))
        stratum[known] = np.searchsorted(edges, target[known], side="left")
    return stratum


def events_of(stratum: Rows, rows: Rows, *, classes: bool) -> NDArray[np.bool_]:
    """Which rows a score hangs on: of two classes the rarer one, of several all but the commonest, of numbers every row."""
    if not classes:
        return np.ones(len(stratum), np.bool_)
    counts = np.bincount(stratum[rows])
    present = np.flatnonzero(counts)
    if len(present) == 2:
        rarer = present[1] if counts[present[1]] <= counts[present[0]] else present[0]
        return np.asarray(stratum == rarer)
    return np.asarray(stratum != counts.argmax())


def equal_rows(columns: Columns, target: Floats, rows: Rows | None = None) -> tuple[Rows, str]:
    """Number rows (these, or all) so that rows equal in every feature and in the target have the same number; say what was found.

    Gives    (rows,) unit numbers, and a sentence ("" when no two rows are equal). Where a table has so few combinations that
             equal rows are no sign of a repeated record, each row is a unit of its own.
    Source   64-bit mixing after splitmix64 (Steele, Lea & Flood 2014); a chance collision would keep two rows together, no more.
    """
    everything: Rows | slice = slice(None) if rows is None else rows
    hashed = _mix(_bits(target[everything]))  # mixed first: raw bits of two numbers may cancel each other
    for column in columns.values():
        bits = column.codes[everything].astype(np.int64).view(np.uint64) if isinstance(column, Coded) else _bits(column[everything])
        hashed = _mix(hashed ^ bits)  # one column at a time: the rows of all together may be more than can be held
    n = len(hashed)
    if all_differ(hashed):
        return np.arange(n, dtype=np.int64), ""
    _, unit, size = np.unique(hashed, return_inverse=True, return_counts=True)
    copies = n - len(size)
    if copies > MOST_COPIES * n or size.max() > max(5, LARGEST_SET * n):
        return np.arange(n, dtype=np.int64), f"{copies:,} rows equal earlier ones because there are few combinations: they were split like any others"
    return unit.astype(np.int64), f"{copies:,} rows repeat earlier ones in every feature and the target: copies were kept on one side"


def clock(table: Table, name: str) -> Floats:
    """The time of each row (rows,) as a number that grows: seconds, the number itself, or the rank of an ordered category; NaN where missing.

    Raises SourceError TW034 when the column is words without an order.
    """
    column, schema = table.columns[name], table.schema(name)
    if not isinstance(column, Coded):
        return column
    if schema.kind == "ordered" and schema.order:
        ranks = {word: float(rank) for rank, word in enumerate(schema.order)}
        values = np.array([ranks.get(word, np.nan) for word in column.vocabulary] + [np.nan])
        return np.asarray(values[column.codes])  # code -1 reads the last entry, NaN
    raise SourceError(
        "TW034",
        f"column {name!r} has no order in time",
        where=f"{table.source.path}, read as {schema.kind}",
        why="rows cannot be put into earlier and later ones",
        fix=f"name a column of dates or numbers, or say how to read it: --kind {name}=datetime",
    )


def keys(rng: np.random.Generator, rows: Rows) -> Floats:
    """(rows,) a random number in [0, 1) for each row number.

    It hangs on the row's own number, not on how many rows there are or which of them are copies: where a few rows come, go or become copies
    of others (because a column was dropped), nearly all others stay where they were, and two runs can be compared on the same rows.
    """
    drawn: Floats = rng.random(int(rows.max(initial=-1)) + 1)[rows]
    return drawn


def deal(stratum: Rows, unit: Rows, parts: int, key: Floats) -> Rows:
    """Deal rows into `parts` equal parts, units whole, each stratum spread as evenly as units allow.

    Takes    stratum (n,) and unit (n,), any whole numbers; key (n,), a random number in [0, 1) for each row, by which they are drawn.
    Gives    (n,) part numbers 0..parts-1. Where every unit is one row, no stratum differs by more than one row between parts,
             and neither do the parts' sizes.
    """
    _, stratum = np.unique(stratum, return_inverse=True)
    if (np.diff(unit) > 0).all():  # as where each row is a unit: sorted already
        unit, size = np.arange(len(unit)), np.ones(len(unit), np.int64)
    else:
        _, unit, size = np.unique(unit, return_inverse=True, return_counts=True)
    strata_count = int(stratum.max()) + 1
    part = np.empty(len(stratum), np.int64)
    filled = np.zeros((parts, strata_count + 1))  # rows of each stratum in each part; the last column: all rows
    large = size[unit] > 1
    if large.any():
        part[large] = _deal_units(stratum[large], unit[large], filled, np.bincount(stratum), key[large])
    single = np.flatnonzero(~large)
    single = single[np.lexsort((key[single], stratum[single]))]
    counts = np.bincount(stratum[single], minlength=strata_count)
    ends = np.cumsum(counts)
    for which in np.argsort(-counts, kind="stable"):  # the commonest first: the rare ones even out the parts' sizes
        shares = _level(filled[:, which], filled[:, -1], int(counts[which]))
        part[single[ends[which] - counts[which] : ends[which]]] = np.repeat(np.arange(parts), shares)
        filled[:, which] += shares
        filled[:, -1] += shares
    return part


def _deal_units(stratum: Rows, unit: Rows, filled: Floats, totals: Rows, key: Floats) -> Rows:
    """Give each unit to the part where it raises the sum of squared filled shares least; the largest units first. Adds to `filled`."""
    _, first, unit = np.unique(unit, return_index=True, return_inverse=True)
    width = filled.shape[1]
    contents = np.bincount(unit * width + stratum, minlength=(unit.max() + 1) * width).reshape(-1, width).astype(np.float64)
    contents[:, -1] = contents.sum(axis=1)
    weights = 1.0 / np.append(np.maximum(totals, 1), totals.sum()).astype(np.float64) ** 2
    scaled = contents * weights
    # Largest first, but units of about one size change places from draw to draw: else the repeats would all be the same folds.
    order = np.argsort(-np.log((scaled * contents).sum(axis=1)) + JITTER * key[first], kind="stable")
    chosen = np.empty(len(contents), np.int64)
    for number in order:
        best = int((filled @ scaled[number]).argmin())  # the rest of the square's growth is the same for all parts
        chosen[number] = best
        filled[best] += contents[number]
    return chosen[unit]


def _level(have: Floats, sizes: Floats, count: int) -> Rows:
    """How many of `count` rows each part gets, so that they end as equal as can be; what is left over goes to the smallest parts."""
    height = 0.0
    ordered = np.sort(have)
    for among in range(1, len(have) + 1):  # raise the lowest parts together until the next one is reached
        height = np.floor((ordered[:among].sum() + count) / among)
        if among == len(have) or height <= ordered[among]:
            break
    shares = np.maximum(height - have, 0).astype(np.int64)
    left = count - int(shares.sum())
    lowest = np.lexsort((sizes + shares, have + shares))
    shares[lowest[:left]] += 1
    return shares


def _one_part(material: Material) -> Rows:
    """One part of five, drawn at random; a class keeps at least two open rows if it has them, so that every fold can train on it."""
    rng = rng_for(material.seed, "split", "sealed")
    rows, unit = material.rows, material.unit[material.rows]
    parts = min(SEALED_PARTS, _distinct(unit))
    which = int(rng.integers(parts))
    sealed: Rows = rows[deal(material.stratum[rows], unit, parts, keys(rng, rows)) == which]
    if material.classes and not material.grouped:
        left = np.bincount(material.stratum[np.setdiff1d(rows, sealed, assume_unique=True)], minlength=int(material.stratum.max()) + 1)
        scarce = np.flatnonzero(left < 2)
        return np.asarray(sealed[~np.isin(material.stratum[sealed], scarce)])
    return sealed


def _latest(material: Material) -> Rows:
    time = material.time
    assert time is not None
    # Two points in time at least stay open, or no fold could train on rows that are earlier than those it tests.
    cuts = _cuts(time[material.rows], [len(material.rows) * (1 - 1 / SEALED_PARTS)], earlier=2)
    if not cuts:
        raise _too_few("one point in time", "an earlier and a later part are needed", "name another time column, or split at random")
    late: Rows = material.rows[time[material.rows] >= cuts[0]]
    return late


def _kfold(material: Material, rows: Rows) -> tuple[tuple[Fold, ...], str]:
    """k folds over `rows`, units whole; fewer when there are fewer units."""
    rng = rng_for(material.seed, "split", "folds")
    _need_units(material, rows)
    folds = _folds(material, rows, material.folds, rng)
    _check(material, folds)
    notes = [f"{len(folds)} folds only: there are no more groups"] if len(folds) < material.folds else []
    if material.classes:
        counts = np.bincount(material.stratum[rows])
        scarce = int(((counts > 0) & (counts < len(folds))).sum())
        notes += [f"{_classes(scarce)} fewer rows than there are folds, so not every fold tests them"] if scarce else []
    return folds, _words(*notes)


def _folds(material: Material, rows: Rows, count: int, rng: np.random.Generator) -> tuple[Fold, ...]:
    unit = material.unit[rows]
    count = min(count, _distinct(unit))
    part = deal(material.stratum[rows], unit, count, keys(rng, rows))
    return tuple(Fold(train=rows[part != number], test=rows[part == number]) for number in range(count))


def _forward(material: Material, rows: Rows) -> tuple[tuple[Fold, ...], str]:
    """Forward chaining: each fold trains on all that is earlier than its test block; blocks are about equal, equal times stay together.

    The blocks part the later half of the rows: models of the first rows alone are much weaker than what will ship, and to choose by
    them favours simple learners.
    """
    assert material.time is not None
    time = material.time[rows]
    wanted = material.folds
    cuts = _cuts(time, [len(rows) * (0.5 + 0.5 * number / wanted) for number in range(wanted)])
    folds = [Fold(train=rows[time < start], test=rows[(time >= start) & (time < end)]) for start, end in pairwise([*cuts, np.inf])]
    able = [fold for fold in folds if not material.classes or _kinds(material.stratum[fold.train]) > 1]
    if not able:
        what = "the earlier rows are of one class" if folds else "there are too few points in time among the open rows"
        raise _too_few(what, "each fold trains on the rows before its test block", "split at random, or by group")
    said = f"{len(able)} folds of {wanted}: the others had no earlier rows of two classes, or no time of their own" if len(able) < wanted else ""
    return tuple(able), said


def _not_later(material: Material, open_rows: Rows, sealed: Rows) -> str:
    """What to say when given test rows of a split by time are not later than all training."""
    if material.time is None or len(open_rows) == 0:
        return ""
    early = int((material.time[sealed] <= material.time[open_rows].max()).sum())
    return f"{early:,} of them are NOT later than all training rows, which flatters the score" if early else ""


def _cuts(time: Floats, wanted: list[float], *, earlier: int = 1) -> list[float]:
    """The times at which a new part begins, so that about `wanted` rows are earlier; ascending, without repeats, never the first time.

    `earlier` points in time are left before the first cut, if there are more than so many.
    """
    stamps, counts = np.unique(time, return_counts=True)
    first = earlier if len(stamps) > earlier else 1
    before = np.cumsum(counts)[first - 1 : -1]  # rows earlier than stamps[first:]
    if len(before) == 0:
        return []
    return [float(stamp) for stamp in stamps[first:][np.unique([np.abs(before - rows).argmin() for rows in wanted])]]


def _nested(material: Material, how: str, expected: float) -> Splits:
    """Nothing sealed: the whole procedure is scored, by outer folds that it does not see and inner folds by which it chooses."""
    rows = material.rows
    outer: list[Fold] = []
    inner: list[tuple[Fold, ...]] = []
    for repeat in range(REPEATS):
        folds = _folds(material, rows, material.folds, rng_for(material.seed, "split", "outer", repeat))
        outer += folds
        inner += [
            _folds(material, fold.train, INNER_FOLDS, rng_for(material.seed, "split", "inner", repeat, number)) for number, fold in enumerate(folds)
        ]
    _check(material, tuple(outer))
    for folds in inner:
        _check(material, folds)
    what = "groups with test events" if material.grouped else "test events"
    why = _words(
        f"sealing 20 % would leave about {expected:.0f} {what}, fewer than {ENOUGH_EVENTS}, so nothing is sealed: "
        f"{REPEATS} × {len(outer) // REPEATS} outer folds score the procedure, {INNER_FOLDS} inner folds choose in each",
        material.note,
    )
    return Splits("nested", how, rows, np.empty(0, np.int64), tuple(outer), tuple(inner), REPEATS, why)


def _check(material: Material, folds: tuple[Fold, ...]) -> None:
    """Refuse folds that train on one class alone, or on nothing."""
    for fold in folds:
        kinds = _kinds(material.stratum[fold.train])
        if kinds == 0 or (material.classes and kinds < 2):
            where = "a class lives in too few groups" if material.grouped else "a class has too few rows"
            raise _too_few(where, "a fold would train on one class alone", "give more rows of the rare class, or split in another way")


def check_folds(splits: Splits, target: Floats, *, classes: bool) -> None:
    """Refuse splits whose folds, once rows were taken out or relabelled, train on one class alone, on nothing, or test nothing.

    Raises   SourceError TW019.
    """
    for fold in (*splits.folds, *(fold for folds in splits.inner for fold in folds)):
        kinds = _distinct(target[fold.train].astype(np.int64)) if classes else len(fold.train)
        if not len(fold.test) or kinds < (2 if classes else 1):
            raise _too_few("a fold has too few rows left", "rows were dropped or relabelled by `clean`", "take fewer rows out")


def _need_units(material: Material, rows: Rows | None = None) -> None:
    least = 2 if rows is not None else 3  # nested: one group tests, one trains, one chooses
    found = _distinct(material.unit[material.rows if rows is None else rows])
    if found < least:
        why = "rows of one group are kept on one side"
        raise _too_few(f"{found} groups, but {least} are needed", why, "name a finer group column, or split at random")


def _too_few(what: str, why: str, fix: str) -> SourceError:
    return SourceError("TW019", f"these rows cannot be split: {what}", where="--split", why=why, fix=fix)


def _distinct(values: Rows) -> int:
    """How many distinct values. By sorting: for a million units much faster than numpy's hashing `unique`."""
    if (np.diff(values) > 0).all():
        return len(values)
    return int(np.count_nonzero(np.diff(np.sort(values)))) + (len(values) > 0)


def _kinds(stratum: Rows) -> int:
    """How many strata there are among rows whose stratum is known."""
    return int(np.count_nonzero(np.bincount(stratum)))


def _bits(values: Floats) -> NDArray[np.uint64]:
    """The bits of float64 values, one pattern for all NaN and one for both zeros."""
    return np.where(np.isnan(values), np.nan, values + 0.0).view(np.uint64)


def _mix(bits: NDArray[np.uint64]) -> NDArray[np.uint64]:
    bits = bits + np.uint64(0x9E3779B97F4A7C15)
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return bits ^ (bits >> np.uint64(31))


def _classes(count: int) -> str:
    return "1 class has" if count == 1 else f"{count} classes have"


def _words(*parts: str) -> str:
    return "; ".join(part for part in parts if part)
