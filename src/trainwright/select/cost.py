"""What it cost to train on a part of the rows: a quick learner on half of them against all of them. Runs in a worker.

Takes    the dataset's folder, the metric.
Gives    both scores on the rows of the first fold that neither saw, and their difference with a paired interval.
Why      nobody can say what the rows that do not fit would have brought; what doubling brought last says whether more would matter at all.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np

from trainwright import evidence
from trainwright.data import store
from trainwright.data.dataset import Dataset
from trainwright.data.splits import clock
from trainwright.engine.interface import Job, Outcome
from trainwright.learners import make
from trainwright.learners.interface import Budget
from trainwright.plan.model import Plan
from trainwright.record.log import Log
from trainwright.record.seeds import rng_for
from trainwright.runtime.columns import Rows
from trainwright.select.candidate import fit_pipeline
from trainwright.select.search import Replay
from trainwright.tasks import TASKS

MEASURE: Final = "trainwright.select.cost:measure"
EVENT: Final = "cost of rows"
QUICK: Final = "tabular/lightgbm"
ROUNDS: Final = 100  # of boosting, for both
SHARE: Final = 0.15  # of the run's time that it may take


def measure(*, data: str, metric: str, seed: int, threads: int) -> dict[str, Any]:
    """Fit on half of the first fold's training rows and on all of them, and compare on its test rows.

    Gives   `learner`, `rows` and `half` (how many were trained on), `tested`, `score`, `score_half`, and by how much all rows are better
            than half: `gain`, `low`, `high`, in the metric, positive when more rows are better.
    """
    dataset = store.load(Path(data))
    assert dataset.target is not None
    fold, task = dataset.splits.folds[-1 if dataset.splits.how.startswith("time") else 0], TASKS[dataset.task or ""]
    half = half_of(dataset, fold.train, seed)
    budget = Budget(threads=threads, iterations=ROUNDS)
    answers = [
        fit_pipeline(dataset, rows, make(QUICK, {}), budget, seed, ("cost", name)).predict(dataset, fold.test)
        for name, rows in (("half", half), ("all", fold.train))
    ]
    truth, weight = dataset.target[fold.test], None if dataset.weight is None else dataset.weight[fold.test]
    gain = evidence.differences(
        task,
        truth,
        answers[0],
        {"all": answers[1]},
        metric=metric,
        unit=dataset.splits.unit_of(dataset.group, fold.test),
        weight=weight,
        seed=seed,
        draws=500,
    )["all"][metric]
    scores = [evidence.score(metric, truth, answer, weight) for answer in answers]
    return {
        "learner": QUICK,
        "rows": len(fold.train),
        "half": len(half),
        "tested": len(fold.test),
        "score": scores[1],
        "score_half": scores[0],
        "gain": gain["value"],
        "low": gain["low"],
        "high": gain["high"],
    }


def half_of(dataset: Dataset, rows: Rows, seed: int) -> Rows:
    """Half of the rows as the sample itself was drawn: the latest in time, whole groups, or at random. Ascending."""
    kind, _, name = dataset.splits.how.partition(":")
    count = len(rows) // 2
    rng = rng_for(seed, "cost", "half")
    if kind == "time":
        return np.sort(rows[np.argsort(clock(dataset.table, name)[rows], kind="stable")[-count:]])
    if kind == "group" and dataset.group is not None:
        groups = dataset.group.codes[rows]
        order = rng.permutation(np.unique(groups))
        return rows[np.isin(groups, order[: max(1, len(order) // 2)])]
    return np.sort(rng.choice(rows, count, replace=False))


def cost_job(plan: Plan, log: Log, replay: Replay | None) -> Job | None:
    """The job that measures the cost, to run beside the baselines. None when there is a record.

    A run that is repeated measures what was measured, and says of the rest what was said.
    """
    if log.last(EVENT) is not None:
        return None
    if replay is not None and replay.cost:
        log.append(EVENT, why=replay.cost)
        return None
    arguments = {"data": str(log.folder / "data"), "metric": plan.metric, "seed": plan.seed, "threads": plan.threads}
    seconds = None if plan.time is None or replay is not None else SHARE * plan.time
    result = log.folder / "cost" / "result.json"
    return Job(name=EVENT, call=MEASURE, arguments=arguments, result=result, seconds=seconds, memory=plan.memory, threads=plan.threads)


def record_cost(ended: Outcome, log: Log) -> dict[str, Any]:
    """Keep what was measured, or why there is no figure. Raises MachineError where a disk fails."""
    ended.stop_at_a_failing_disk()
    return log.append(EVENT, **(ended.value if ended.status == "done" else {"why": ended.status})).what


def in_words(cost: dict[str, Any], metric: str, used: int, of: int) -> str:
    """One sentence for people: the share of rows that was used, and what more of them would bring."""
    share = f"training used {used:,} of {of:,} open rows ({100 * used / of:.1f} %), as many as fit the memory or were allowed"
    if cost.get("gain") is None:
        return f"{share}; what the others would have brought was not measured ({cost.get('why', 'no figure')})"
    between = f" (95 % interval {cost['low']:+.4f} to {cost['high']:+.4f})" if cost["low"] is not None else ""
    return (
        f"{share}; a quick learner gained {cost['gain']:+.4f} {metric}{between} from {cost['half']:,} to {cost['rows']:,} rows, "
        "and more rows seldom bring more than the last doubling did"
    )
