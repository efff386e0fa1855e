"""From what was asked to a Dataset: read, prepare, look for what would make the result wrong, keep the rows for the workers."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from trainwright.data import store
from trainwright.data.cleaning import bound, clean_columns, coverage, margins_of, not_done, population_of
from trainwright.data.cleaning.proposals import accepted, proposals, undone
from trainwright.data.dataset import Dataset, Finding, Role, Splits, Table
from trainwright.data.findings import find
from trainwright.data.prepare import Fits, prepare
from trainwright.data.room import BLOCK, Room
from trainwright.data.sources import read_table
from trainwright.data.sources.place import Place, place_of, place_with_part
from trainwright.data.windows import with_windows
from trainwright.errors import FindingStop, RequestError, SourceError
from trainwright.plan.command import can_say, command_of
from trainwright.plan.model import Plan
from trainwright.record import files
from trainwright.record.log import Log


@dataclass(frozen=True, slots=True)
class Means:
    """What reading may take: where large arrays go, how many rows training may use (None: any number), whether time for findings is used up."""

    room: Room = field(default_factory=Room)
    fits: Fits | None = None
    late: Callable[[], bool] | None = None  # None: all checks are made, however long they take


def read_dataset(asked: Plan, rows: object | None, log: Log, means: Means | None = None) -> Dataset:
    """The dataset of a run: read now, or read back when the log says that it was read before.

    `rows` is a frame given in Python, in the place of `asked.source`.
    Raises SourceError and RequestError for what cannot be read or learned, FindingStop for a blocking finding.
    """
    if log.last("dataset") is not None:
        dataset = store.load(log.folder / "data")
    else:
        dataset = look_at(asked, rows, means)
        repeated = log.last("repeats")
        if repeated is not None and repeated.what["dataset"] != dataset.digest:
            raise SourceError(
                "TW087", "the rows are not those of the run", where=str(asked.source), why="their digest differs", fix="put the same file back"
            )
        files.write_json(log.folder / "dataset.json", describe(dataset))
        store.keep(dataset, log.folder, log.folder.parent / ".data")
        codes = sorted(finding.code for finding in dataset.findings)
        if means is not None and dataset.table.rows > BLOCK:
            dataset = store.load(log.folder / "data")  # what was made to read the rows is let go
        log.append("dataset", digest=dataset.digest, source=dataset.table.source.digest, rows=dataset.table.rows, findings=codes)
    stop_at_findings(dataset.findings, asked)
    return dataset


def look_at(asked: Plan, rows: object | None, means: Means | None = None) -> Dataset:
    """Read, prepare and check, without a run: what `check` and `plan` do as well."""
    means = means or Means()
    room = means.room
    table = read_rows(asked, rows, room)
    test = read_table(place_with_part(asked.test), like=[described.schema for described in table.described], room=room) if asked.test else None
    held = tuple(name for name in asked.drop if name in table.columns)  # a dropped column of lists has no typed form: it is left out already
    prepared = prepare(asked.model_copy(update={"drop": held}), table, test, fits=means.fits, room=room)
    dataset = with_windows(prepared, asked.transforms, room)  # whose columns are sound by how they are made: findings look at what came from outside
    allowed = frozenset(item.code for item in asked.allow)
    findings = find(prepared, protected=asked.protected, allow=allowed, seed=asked.seed, most=room.rows, late=means.late)
    return dataclasses.replace(dataset, findings=findings)


def inspect(asked: Plan, rows: object | None, means: Means | None = None) -> Dataset:
    """As `look_at`, but a table without a target is looked at as well: its columns alone."""
    if asked.target is not None:
        return look_at(asked, rows, means)
    room = (means or Means()).room
    table, done = clean_columns(read_rows(asked, rows, room), asked.clean, room=room)
    bound(asked.clean, table.source)
    everything = np.arange(table.rows)
    splits = Splits("sealed", "none", open=everything, sealed=everything[:0], folds=(), why="no target was named (--target)")
    features = tuple(described.schema for described in table.described if described.role == "feature")
    dataset = Dataset(table, features, None, None, None, "", (), None, None, splits, (), {}, digest="")
    stated = population_of(asked)
    compared = coverage(margins_of(stated, table), everything, None) if stated is not None else None
    rest = {place: not_done(fix) for place, fix in enumerate(asked.clean) if place not in done}
    cleaned = tuple(entry.as_dict() for _, entry in sorted({**done, **rest}.items()))
    dataset = dataclasses.replace(dataset, cleaned=cleaned, coverage=compared)
    return dataclasses.replace(dataset, findings=find(dataset, protected=asked.protected, seed=asked.seed, most=room.rows))


def settle(
    asked: Plan, rows: object | None, means: Means | None = None, *, accept: Sequence[str] = (), undo: Sequence[str] = ()
) -> tuple[Plan, Dataset]:
    """The plan less the ledger's entries that are taken back, with those that are accepted; and the dataset as it then is, findings and all.

    Takes   what a person named: codes, numbers as `proposals` or the plan's entries have them, or "all".
    Raises  RequestError TW078 for a name that nothing has, else as `inspect`.
    """
    plan = undone(asked, undo) if undo else asked
    dataset = inspect(plan, rows, means)
    if accept:
        plan = accepted(plan, proposals(dataset), accept)
        dataset = inspect(plan, rows, means)
    return plan, dataset


def read_rows(asked: Plan, rows: object | None, room: Room | None = None) -> Table:
    """The table alone, with the roles that the plan gives. Raises RequestError (TW004) when there is nothing to read."""
    source: object
    if rows is not None:
        source = rows
        Place("the frame", asked.table, asked.query, asked.sheet).only()
    elif asked.source is not None:
        source = place_of(asked.source, table=asked.table, query=asked.query, sheet=asked.sheet)
    else:
        raise RequestError("TW004", "there is nothing to read", where="source", fix="name a file: `trainwright train FILE --target COLUMN`")
    return read_table(source, kinds=asked.kinds, roles=roles_of(asked), room=room)


def roles_of(asked: Plan) -> dict[str, Role]:
    """What the plan says of single columns."""
    roles: dict[str, Role] = dict.fromkeys(asked.drop, "set aside")
    how, _, column = asked.split.partition(":")
    if how in ("group", "time"):
        roles[column] = "group" if how == "group" else "time"
    if how == "given" and column:
        roles[column] = "set aside"
    if asked.weight:
        roles[asked.weight] = "weight"
    if asked.target:
        roles[asked.target] = "target"
    return roles


def stop_at_findings(findings: tuple[Finding, ...], asked: Plan) -> None:
    """Raise FindingStop when a blocking finding was not allowed; the error carries the whole corrected command."""
    allowed = {item.code for item in asked.allow}
    blocking = [finding for finding in findings if finding.blocking and finding.code not in allowed]
    if not blocking:
        return
    first = blocking[0]
    more = "".join(f"; {finding.code}: {finding.what} ({finding.where})" for finding in blocking[1:])
    columns = tuple(dict.fromkeys(column for finding in blocking for column in finding.columns if column != asked.target))
    dropped = asked.model_copy(update={"drop": (*asked.drop, *columns)}) if columns else None
    codes = tuple((code, "WHY IT IS ALL RIGHT") for code in Counter(finding.code for finding in blocking))
    if not can_say(asked):
        lines = ", ".join(f"{{code: {code}, because: {because}}}" for code, because in codes)
        ways = [f"drop what leaks: write into the plan file: drop: [{', '.join(dropped.drop)}]" if dropped else first.fix]
        ways.append(f"or, where it is all right, write into the plan file: allow: [{lines}]")
    else:
        ways = [f"drop what leaks: {command_of(dropped)}" if dropped else first.fix]
        ways.append(f"or, where it is all right: {command_of(asked, allow=codes)}")
    raise FindingStop(first.code, first.what + more, where=first.where, why=first.why, fix="\n        ".join(ways))


def describe(dataset: Dataset) -> dict[str, Any]:
    """The content of dataset.json: all that people and the report read of a dataset; counts and names, no values."""
    source, splits = dataset.table.source, dataset.splits
    return {
        "source": dataclasses.asdict(source) | {"notes": list(source.notes)},
        "described": [
            {
                "name": d.schema.name,
                "kind": d.schema.kind,
                "role": d.role,
                "why": d.why,
                "flag": d.flag,
                "missing": d.missing,
                "distinct": d.distinct,
                "note": d.note,
            }
            for d in dataset.table.described
        ],
        "task": dataset.task,
        "why_task": dataset.why_task,
        "target": dataset.target_name,
        "classes": list(dataset.classes),
        "splits": {
            "design": splits.design,
            "how": splits.how,
            "why": splits.why,
            "open": len(splits.open),
            "sealed": len(splits.sealed),
            "folds": len(splits.folds) // splits.repeats,
            "repeats": splits.repeats,
        },
        "dropped": dataset.dropped,
        "cleaned": list(dataset.cleaned),
        "coverage": dataset.coverage,
        "findings": [finding.as_dict() for finding in dataset.findings],
        "digest": dataset.digest,
    }
