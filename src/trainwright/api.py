"""The Python API's functions: the same words as the command line and the plan file, as keyword arguments."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from trainwright.credentials import is_url
from trainwright.errors import RequestError, nearest, need
from trainwright.plan.model import Plan
from trainwright.plan.read import PLAN_SUFFIXES, dump_plan, make_plan, read_plan
from trainwright.run import Run


def train(source: Any = None, /, *, progress: bool = True, accept: Sequence[str] = (), **asked: Any) -> Run:
    """Train on a table and give the Run: its bundle, evidence, report and leaderboard.

    `source` is a path to a table or to a plan (.yaml), or a frame: pandas, Polars, Arrow. The keyword arguments are the keys
    of a plan (`trainwright schema` lists them): `train("adult.csv", target="income", time="60s")`.
    `accept` names findings (codes, or "all") whose proposed fixes are entered into the plan before anything is trained.
    Progress goes to standard error; `progress=False` keeps it silent.
    Raises TrainwrightError with what, where, why and how to mend it; FindingStop when a finding blocks.
    """
    started = time.monotonic()
    plan, rows = asked_of(source, asked)
    if accept:
        plan = accepting(plan, rows, accept)
    from trainwright import flow

    return flow.train(plan, rows=rows, started=started, progress=_progress(progress))


def resume(run: str | Path | Run, *, progress: bool = True) -> Run:
    """Go on with a run that was stopped. One that ended comes back as it is."""
    started = time.monotonic()
    from trainwright import flow

    return flow.resume(_folder(run), started=started, progress=_progress(progress))


def reproduce(run: str | Path | Run, *, out: str | Path | None = None, progress: bool = False) -> dict[str, Any]:
    """Do a run again from its record and compare the digests: keys `same`, `model_digest`, `bundle_digest`, `recorded`, `changed`, `run`."""
    from trainwright import flow

    folder = _folder(run)
    return flow.reproduce(folder, out=Path(out) if out is not None else folder.parent / "reproduced", progress=_progress(progress))


def check(
    source: Any = None, /, *, accept: Sequence[str] = (), undo: Sequence[str] = (), write: str | Path | None = None, **asked: Any
) -> dict[str, Any]:
    """Look at a table without training: rows, columns with kinds and reasons, findings, what they propose. The keywords are those of a plan.

    `accept` enters what findings propose into the plan's ledger (codes, numbers of `proposals`, or "all"), `undo` takes entries out again
    (numbers of `clean`, codes, or "all"); what is given back is how the table is then. `write` writes that plan to a file (.yaml or .yml, and not
    what is read: TW009); a plan file whose ledger was changed is written again when no other is named.
    Raises what `train` raises before it trains: for what cannot be read, and, with a target, for a metric, learner, threshold … that cannot be.
    """
    from trainwright.data.cleaning.proposals import in_words, proposals
    from trainwright.data.read import describe, settle
    from trainwright.record import files
    from trainwright.select.limits import means_of
    from trainwright.select.resolve import resolve as resolved

    accept, undo = _words(accept), _words(undo)
    plan, rows = asked_of(source, asked)
    if write is not None:
        _may_be_written(Path(write), plan, flag="--write")
    plan, dataset = settle(plan, rows, means_of(plan), accept=accept, undo=undo)
    if dataset.task is not None:
        resolved(plan, dataset)  # what training would refuse is refused now
    if write is None and (accept or undo) and isinstance(source, str | os.PathLike) and Path(source).suffix in PLAN_SUFFIXES:
        write = Path(source)
    if write is not None:
        files.write_text(Path(write), dump_plan(plan, full=False))
    return describe(dataset) | {
        "clean": [{"number": n, "because": fix.because, "said": in_words(fix)} for n, fix in enumerate(plan.clean, start=1)],
        "proposals": [proposal.as_dict() for proposal in proposals(dataset)],
        "written": None if write is None else str(write),
    }


def accepting(plan: Plan, rows: object | None, accept: Sequence[str]) -> Plan:
    """The plan with the fixes that the named findings propose: the table is looked at once for it. Raises RequestError TW078."""
    from trainwright.data.cleaning.proposals import accepted, proposals
    from trainwright.data.read import inspect
    from trainwright.select.limits import means_of

    return accepted(plan, proposals(inspect(plan, rows, means_of(plan))), _words(accept))


def _words(named: Sequence[str]) -> list[str]:
    """One word, or several with commas between, or a list of such."""
    return [word for text in ([named] if isinstance(named, str) else named) for word in text.split(",") if word.strip()]


def resolve(source: Any = None, /, *, write: str | Path | None = None, **asked: Any) -> Plan:
    """The resolved plan for a table: every default decided, every candidate named. `write` writes it to a file, as the verb `plan` does.

    Raises RequestError TW009 for a file to write that is no .yaml or .yml, or is what is read; else as `train`.
    """
    from trainwright.data.read import look_at
    from trainwright.record import files
    from trainwright.select.limits import means_of
    from trainwright.select.resolve import resolve as resolved

    asked_plan, rows = asked_of(source, asked)
    if write is not None:
        _may_be_written(Path(write), asked_plan, flag="-o")
    plan = resolved(asked_plan, look_at(asked_plan, rows, means_of(asked_plan)))
    if write is not None:
        files.write_text(Path(write), dump_plan(plan, full=True))
    return plan


def _may_be_written(path: Path, plan: Plan, *, flag: str) -> None:
    """Raises RequestError (TW009) for a plan's file that no verb would take for a plan, or that is what the plan reads."""
    from trainwright.data.sources.place import never_over

    never_over(path, plan.source, plan.test, plan.population if isinstance(plan.population, str) else None, flag=flag)
    if path.suffix not in PLAN_SUFFIXES:
        raise RequestError(
            "TW009",
            f"{flag} names no plan file",
            where=str(path),
            why="only what ends in .yaml or .yml is read as a plan",
            fix=f"write {flag} {path.stem}.yaml",
        )


def compare(*runs: str | Path | Run, metric: str | None = None) -> dict[str, Any]:
    """Compare runs with the first of them: facts, what differs, and by how much each is better, with its interval (paired where it can be).

    Raises RequestError: TW084 for fewer than two runs, TW005 for no run, TW006 for one that did not end, TW013 for a metric that is not there.
    """
    from trainwright.compared import compare as compared

    return compared([Run(_folder(run)) for run in runs], metric=metric)


def algorithms(learner: str | None = None, /, *, task: str | None = None, rows: int = 10_000, columns: int = 20) -> list[dict[str, Any]]:
    """The learners that there are, as plain values: tasks, losses, limits, settings, interpretability, and the cost of a fit on `rows` × `columns`.

    Raises RequestError: TW012 for a learner that does not exist, TW014 for a task that it cannot learn, TW002 for an unknown task.
    """
    from trainwright.learners import learner_class
    from trainwright.learners.cards import describe, describe_all
    from trainwright.select.resolve import check_task, full_name
    from trainwright.tasks import TASKS

    if task is not None and task not in TASKS:
        near = nearest(task, TASKS)
        raise RequestError(
            "TW002", f"there is no task {task!r}", where="task", fix=f"did you mean {near!r}?" if near else f"there are: {', '.join(TASKS)}"
        )
    if learner is None:
        return describe_all(task=task, rows=rows, columns=columns)
    name = full_name(learner)
    kind = learner_class(name)
    if task is not None:
        check_task(name, TASKS[task])
    return [describe(name, kind, rows=rows, columns=columns, task=task)]


def asked_of(source: Any, asked: dict[str, Any]) -> tuple[Plan, object | None]:
    """What was asked, from a path, a plan file or a frame and further keys; and the frame, when there is one.

    Raises MissingExtra (TW060) without the packages of the `tables` extra, RequestError for keys and values that are not allowed.
    """
    need("polars", extra="tables", to="read a table")
    fields = {name: _plain(value) for name, value in asked.items() if value is not None}
    if source is None or isinstance(source, str | os.PathLike):
        if source is not None and not is_url(str(source)) and Path(source).suffix in PLAN_SUFFIXES:
            given = read_plan(Path(source)).model_dump(mode="json", exclude_unset=True)
            if fields.keys() & {"time", "candidates"}:
                given = {name: value for name, value in given.items() if name not in ("time", "candidates")}
            return make_plan(given | fields, where=str(source)), None
        return make_plan(({} if source is None else {"source": str(source)}) | fields), None
    if "source" in fields:
        raise RequestError("TW002", "source is given twice", where="the call", why="a frame was given too", fix="leave one of them out")
    return make_plan(fields), source


def _plain(value: Any) -> Any:
    if isinstance(value, os.PathLike):
        return str(value)
    if isinstance(value, set | frozenset):
        return sorted(value)  # a set has no order of its own, and order enters digests
    return list(value) if isinstance(value, tuple) else value


def _folder(run: str | Path | Run) -> Path:
    return run.folder if isinstance(run, Run) else Path(run)


def _progress(wanted: bool) -> Any:
    from trainwright.report.progress import Lines
    from trainwright.stages import Progress

    return Lines() if wanted else Progress()
