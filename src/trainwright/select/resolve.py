"""From a plan with gaps to one without: every "auto" decided, every candidate named with its settings."""

from __future__ import annotations

import os
from collections.abc import Sequence

from trainwright.data.cleaning import written_out
from trainwright.data.dataset import Dataset
from trainwright.data.prepare import BEYOND
from trainwright.engine.memory import PROCESS, for_workers
from trainwright.errors import RequestError, nearest
from trainwright.features.feature import Reads
from trainwright.features.recipe import APPLIES
from trainwright.learners import learner_class, make, names, require
from trainwright.plan.model import LearnerChoice, Plan, Weigh
from trainwright.plan.transforms import Entry, Windows, derived
from trainwright.runtime.schema import ColumnSchema
from trainwright.select.balance import WAYS, shares, ways_of
from trainwright.select.decision import LIKELIEST, RULES, judges_answers
from trainwright.select.monotone import able, check_constraints, check_learner
from trainwright.select.portfolio import portfolio
from trainwright.select.transforms import ALONE, resolve_transforms
from trainwright.tasks import TASKS, Task

DEFAULT_SECONDS = 60.0
RARE = 0.1  # a class with a smaller share of the open rows is rare: the likeliest answer is hardly ever that class
BALANCED = ("tabular/lightgbm", "tabular/logistic")  # of these the first configuration is tried with every way to make a rare class count
AFTER = 8  # candidates that come first all the same
WITHOUT_GAPS = ("scaled", "filled")  # recipes whose matrix has no NaN
MEMORY_SHARE = 0.8
READ_FEATURES = ("scaled", "filled", "coded")  # recipes that transforms can change


def resolve(asked: Plan, dataset: Dataset) -> Plan:
    """The plan that will run: nothing is left on "auto", and running it again means the same.

    Raises RequestError: TW013 for a metric that the task does not have, TW012 for an unknown learner, TW014 for one that
    cannot learn this task, TW010 for a wrong setting, TW044 for a transform that does not fit, TW067 and TW068 for a monotone
    constraint that cannot be kept.
    """
    assert dataset.task is not None  # prepare() gave one, or refused
    task = TASKS[dataset.task]
    check_constraints(asked, task, dataset)
    baselines, rest = candidates(asked, task, dataset)
    transforms = resolve_transforms(asked, dataset, _recipes(baselines), _recipes(rest))
    if not any(_judged(transforms, choice) for choice in rest if choice in baselines):  # again as a candidate only where it would be another model
        rest = candidates(asked, task, dataset, again=False)[1]
        transforms = resolve_transforms(asked, dataset, _recipes(baselines), _recipes(rest))
    chosen = [*baselines, *rest]
    made = {name for entry in transforms if isinstance(entry, Windows) for name in derived(entry)}
    ledger = [fix.model_copy(update={"population": written_out(fix.population)}) if isinstance(fix, Weigh) else fix for fix in asked.clean]
    decided = {
        "clean": tuple(fix.model_dump(exclude_unset=True) for fix in ledger),
        "population": written_out(asked.population),  # a file of shares may change; the plan that ran does not
        "task": task.name,
        "metric": _metric(asked.metric, task),
        "positive": dataset.classes[1] if len(dataset.classes) == 2 else None,
        "split": dataset.splits.how,
        "kinds": {d.schema.name: _kind(d.schema) for d in dataset.table.described if d.schema.name not in made},
        "learners": tuple(chosen),
        "transforms": transforms,
        "imbalance": ("none",),  # all that is to be tried stands among the learners now
        "threshold": _threshold(asked, task, dataset),
        "time": asked.time if asked.candidates or asked.time else DEFAULT_SECONDS,
        "memory": asked.memory or default_memory(),
        "workers": workers_of(asked),
        "rows": len(dataset.splits.open) if BEYOND in dataset.dropped else asked.rows,
    }
    return Plan.model_validate(asked.model_dump() | {name: getattr(asked, name) for name in ("learners", "transforms", "allow")} | decided)


def candidates(asked: Plan, task: Task, dataset: Dataset, *, again: bool = True) -> tuple[list[LearnerChoice], list[LearnerChoice]]:
    """The baselines; and what was asked for: exact settings where given, else our list narrowed to the learners named.

    Where a class is rare, or ways to make it count are asked for, there are candidates for each of them besides. `again`: whether a learner that was
    named stands among the candidates although it is a baseline. A resolved plan has its baselines at the front.
    """
    baselines = [LearnerChoice(name=name, settings={}) for name in task.baselines]
    chosen = _with_ways(named(asked, task), asked, task, dataset)
    if chosen[: len(baselines)] == baselines:
        chosen = chosen[len(baselines) :]
    rest = [choice for choice in _without_repeats(chosen) if choice not in baselines or (again and choice.name in _by_name(asked))]
    return baselines, rest[: asked.candidates] if asked.candidates else rest


def _by_name(asked: Plan) -> set[str]:
    return {full_name(choice.name) for choice in asked.learners}


def _recipes(choices: list[LearnerChoice]) -> list[Reads]:
    """What these candidates read of features, in their order."""
    return [reads for reads in dict.fromkeys(learner_class(choice.name).card.reads for choice in choices) if reads in READ_FEATURES]


def _judged(transforms: Sequence[Entry], choice: LearnerChoice) -> bool:
    """Whether a candidate may use transforms that a baseline of the same learner does without."""
    return any(not isinstance(entry, ALONE) and learner_class(choice.name).card.reads in APPLIES[entry.do] for entry in transforms)


def named(asked: Plan, task: Task) -> list[LearnerChoice]:
    """What was asked for, with exact settings where given, else our list narrowed to the learners named. Raises as `resolve`."""
    fixed = able(portfolio(task.output), asked)
    if asked.learners:
        wanted = [choice.model_copy(update={"name": full_name(choice.name)}) for choice in asked.learners]
        for choice in wanted:
            _check(choice, task)
            check_learner(asked, choice, task)
        chosen: list[LearnerChoice] = []
        for choice in wanted:
            alike = [entry for entry in fixed if entry.name == choice.name]
            exact = choice.model_copy(update={"settings": choice.settings or {}})
            chosen += [exact] if choice.settings is not None or not alike else alike
        return chosen
    return fixed


def _ways(asked: Plan, task: Task, dataset: Dataset) -> tuple[str, ...]:
    """The ways to make rare classes count that are tried. Raises RequestError (TW069) where there are no classes to balance."""
    named = ways_of(asked.imbalance)
    if task.output != "classes":
        if named:
            raise RequestError(
                "TW069", "there are no classes to balance", where="--imbalance", why=f"a {task.name} task predicts a number", fix="leave it out"
            )
        return ()
    return named or (WAYS if "auto" in asked.imbalance and _rare(dataset) else ())


def _rare(dataset: Dataset) -> bool:
    assert dataset.target is not None
    found = shares(dataset.target, dataset.splits.open, len(dataset.classes))
    return bool(0 < found[found > 0].min() < RARE)


def _with_ways(chosen: list[LearnerChoice], asked: Plan, task: Task, dataset: Dataset) -> list[LearnerChoice]:
    """The candidates, and those in which rare classes are made to count: behind each candidate where ways were named, else of some learners, late."""
    ways = _ways(asked, task, dataset)
    if not ways:
        return chosen
    if not ways_of(asked.imbalance):
        firsts = [choice for place, choice in enumerate(chosen) if choice.name not in [before.name for before in chosen[:place]]]
        balanced = [made for choice in firsts if choice.name in BALANCED for made in _balanced(choice, ways)]
        return [*chosen[:AFTER], *balanced, *chosen[AFTER:]]
    every = [(choice, _balanced(choice, ways)) for choice in chosen]
    if not any(balanced for _, balanced in every):
        raise RequestError(
            "TW069",
            "smote cannot draw rows for these learners",
            where="--imbalance",
            why="it draws between numbers, and these learners read columns with gaps",
            fix="name a learner that fills gaps, such as tabular/logistic, or another way",
        )
    return [made for choice, balanced in every for made in (choice, *balanced)]


def _balanced(choice: LearnerChoice, ways: tuple[str, ...]) -> list[LearnerChoice]:
    """The candidate in each of the ways that it can be balanced in."""
    if choice.balance != "none":
        return []
    able = [way for way in ways if way != "smote" or learner_class(choice.name).card.reads in WITHOUT_GAPS]
    return [choice.model_copy(update={"balance": way}) for way in able]


def _threshold(asked: Plan, task: Task, dataset: Dataset) -> str:
    """Where the second of two classes is said. Raises RequestError (TW069) where a threshold was asked for and there are no two classes."""
    if asked.threshold not in ("auto", LIKELIEST):
        if len(dataset.classes) != 2:
            raise RequestError("TW069", "a threshold needs two classes", where="--threshold", why=f"this is a {task.name} task", fix="leave it out")
        return asked.threshold
    if asked.threshold == LIKELIEST or len(dataset.classes) != 2:
        return LIKELIEST
    metric = _metric(asked.metric, task)
    if metric in RULES and metric != "accuracy":
        return metric
    return "f1" if _rare(dataset) and not judges_answers(metric) else LIKELIEST


def full_name(name: str) -> str:
    """`lightgbm` → `tabular/lightgbm` where only one learner ends so; other names come back as they are."""
    if "/" in name:
        return name
    ends = [known for known in names() if known.rpartition("/")[2] == name]
    return ends[0] if len(ends) == 1 else name


def _without_repeats(choices: list[LearnerChoice]) -> list[LearnerChoice]:
    return [choice for index, choice in enumerate(choices) if choice not in choices[:index]]


def _check(choice: LearnerChoice, task: Task) -> None:
    make(choice.name, choice.settings or {})
    require(choice.name)
    check_task(choice.name, task)


def check_task(learner: str, task: Task) -> None:
    """Raises RequestError (TW014) when the learner cannot learn this task."""
    card = learner_class(learner).card
    if task.name not in card.tasks:
        able = [name for name in names() if task.name in learner_class(name).card.tasks]
        raise RequestError(
            "TW014",
            f"{learner} cannot learn a {task.name} task",
            where="learners",
            why=f"it learns {', '.join(card.tasks)}",
            fix=f"for {task.name} there are: {', '.join(able)}",
        )


def _kind(schema: ColumnSchema) -> str:
    """The kind as a plan says it, with the order of an ordered category."""
    return "ordered:" + "<".join(schema.order) if schema.order and not any("<" in word for word in schema.order) else schema.kind


def _metric(name: str, task: Task) -> str:
    if name == "auto":
        return task.metric
    if name not in task.metrics:
        near = nearest(name, task.metrics)
        raise RequestError(
            "TW013",
            f"a {task.name} task has no metric {name!r}",
            where="--metric",
            why="candidates could not be compared by it",
            fix=f"did you mean {near!r}?" if near else f"there are: {', '.join(task.metrics)}",
        )
    return name


def available_cores() -> int:
    """The cores that this process may use (not those that the machine has)."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def workers_of(asked: Plan) -> int:
    """Candidates at once: as asked, else as many as the cores, and the memory cap, have room for."""
    cap = asked.memory or default_memory()
    room = (for_workers(cap) - PROCESS) // (2 * PROCESS)  # a worker with as much for its rows as it takes without any
    return asked.workers or max(1, min(available_cores() // asked.threads, room))


def default_memory() -> int:
    """The cap in bytes when none is asked for."""
    return int(MEMORY_SHARE * available_memory())


def available_memory() -> int:
    """Bytes that this process may use: the machine's memory, or the limit of its control group when that is lower."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for path in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        try:
            with open(path) as file:  # noqa: PTH123 - a kernel file, read once
                limit = file.read().strip()
        except OSError:
            continue
        if limit.isdigit():
            total = min(total, int(limit))
    return total
