"""Limits as promises: how much time is left, what must be kept back for the end, and what a candidate is expected to take."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import median

from trainwright.data.dataset import Dataset, Described
from trainwright.data.read import Means
from trainwright.data.room import Room
from trainwright.engine.memory import PROCESS, for_workers
from trainwright.errors import Infeasible
from trainwright.evidence.bootstrap import MOST_UNITS
from trainwright.learners import learner_class, make
from trainwright.plan.model import LearnerChoice, Plan
from trainwright.runtime.columns import Coded, Columns
from trainwright.tasks import TASKS

STARTUP = 0.3  # seconds of a job beyond its fits: fork, mapping columns, writing results
LOOKING = 0.25  # of the limit of time, from the start of the process: what is not looked for by then is left out, unless it would block
ENOUGH_TO_TELL = 1.0  # second of a process, from which its pace says something
SLOWEST = 4.0  # the most that a machine is taken to be slower than idle: beyond, nothing would be tried
UNMEASURED = 0.25  # of a card's guess, for a learner that was not yet measured in this run: rather a try that is ended than none


FEWEST = 1000  # rows of a sample that is worth training on
CELL = 4.0  # bytes of a feature


def means_of(asked: Plan, folder: Path | None = None, timer: Timer | None = None) -> Means:
    """What reading may take under the plan's caps; `folder` is the run's, where large arrays go. Without one nothing is trained, only looked at.

    `timer`: of a run with a limit of time, of which looking at the data has a share.
    """
    from trainwright.select.resolve import default_memory, named, workers_of

    cap, workers = asked.memory or default_memory(), workers_of(asked)
    each = (for_workers(cap) - PROCESS * (1 + workers)) / workers

    def fits(described: Sequence[Described], columns: Columns, task: str, classes: int) -> int | None:
        if asked.engine == "inline" and asked.memory is None:
            return None
        learners = [choice.name for choice in named(asked, TASKS[task])]
        try:
            return rows_that_fit(each, learners, described, columns, classes, cap=cap)
        except Infeasible:
            if folder is None:
                return max(FEWEST, room.rows)
            raise

    room = Room.under(cap, folder)
    if timer is None or timer.limit is None:
        return Means(room, fits)
    limit = timer.limit
    return Means(room, fits, late=lambda: timer.spent() > LOOKING * limit)


def rows_that_fit(room: float, learners: Sequence[str], described: Sequence[Described], columns: Columns, classes: int, *, cap: int) -> int:
    """Rows with which half of the learners, by their cards, fit into `room` bytes: their typed columns, the matrix made of them, twice, and the fit.

    The others are not started, or end by the cap. By all of them, one learner that needs much would take the rows from those that need little.
    Raises  Infeasible TW073 when not even FEWEST rows fit.
    """
    typed = sum(4.0 if isinstance(columns[d.schema.name], Coded) else 8.0 for d in described)
    fitting = sorted((_rows(room, name, described, classes, typed) for name in learners), reverse=True)
    rows = int(fitting[(len(fitting) - 1) // 2])
    if rows < FEWEST:
        raise Infeasible(
            "TW073",
            f"not even {FEWEST:,} rows fit the memory",
            where=f"--memory {cap / 1e6:.0f}MB, {len(described):,} features",
            why="the programs alone take most of it, and each worker needs its own",
            fix="give more --memory, fewer --workers, or --drop columns",
        )
    return rows


def _rows(room: float, name: str, described: Sequence[Described], classes: int, typed: float) -> float:
    """Rows with which one learner fits. Cards are straight lines in rows: two points say all."""
    card = learner_class(name).card
    width = max(1, sum(_width(d, card.reads) for d in described))
    made = 0.0 if card.reads in ("columns", "nothing") else 2 * CELL * width
    few, many = (card.memory(rows, width, max(1, classes)) for rows in (100_000, 200_000))
    each = (many - few) / 100_000 + typed + made
    fixed = max(0.0, few - (many - few))
    return max(0.0, (room - fixed) / max(each, 1.0))


def _width(described: Described, reads: str) -> int:
    """Features that become of one column, at most."""
    if described.schema.kind == "category" and reads in ("scaled", "filled"):
        most = 100 if reads == "scaled" else 10
        return min(described.distinct, most) + 2 if reads == "scaled" or described.distinct <= most else 1
    return 2 if reads in ("scaled", "filled") and described.missing else 1


@dataclass(frozen=True, slots=True)
class Timer:
    """Wall time against the limit; `started` is when the process started, on the same clock.

    `pace`: how many seconds a second of work takes on this machine now, 1 when nobody else wants its cores.
    """

    started: float
    limit: float | None
    clock: Callable[[], float] = time.monotonic
    worked: Callable[[], float] = time.process_time
    pace: float = 1.0

    def spent(self) -> float:
        return self.clock() - self.started

    def left(self) -> float:
        return float("inf") if self.limit is None else self.limit - self.spent()

    def at_the_pace_so_far(self) -> Timer:
        """With the pace of this process from its start until now, which has read and checked a table: wall seconds for each second of work."""
        spent, worked = self.spent(), self.worked()
        return replace(self, pace=min(max(spent / worked, 1.0), SLOWEST) if worked > 0 and spent > ENOUGH_TO_TELL else 1.0)


@dataclass(slots=True)
class Forecast:
    """Seconds and bytes that a candidate will take: the card's guess, scaled by what was measured so far in this run."""

    dataset: Dataset
    measured: dict[str, list[float]] = field(default_factory=dict)  # learner -> measured seconds of one fit / the guess

    def candidate_seconds(self, choice: LearnerChoice) -> float:
        """Seconds of all fits of one candidate."""
        ratios = self.measured.get(choice.name)
        return STARTUP + self._fits() * self._guess(choice) * (median(ratios) if ratios else UNMEASURED)

    def memory_bytes(self, choice: LearnerChoice) -> float:
        return learner_class(choice.name).card.memory(*self._size())

    def learn(self, choice: LearnerChoice, fit_seconds: float) -> None:
        self.measured.setdefault(choice.name, []).append(fit_seconds / self._guess(choice))

    def _fits(self) -> int:
        splits = self.dataset.splits
        return len(splits.folds) + sum(len(folds) for folds in splits.inner)

    def _guess(self, choice: LearnerChoice) -> float:
        card = learner_class(choice.name).card
        return max(1e-3, card.seconds(*self._size()) * card.effort(make(choice.name, choice.settings or {})))

    def _size(self) -> tuple[int, int, int]:
        return len(self.dataset.splits.open), max(1, len(self.dataset.features)), max(1, len(self.dataset.classes))


def keep_back(limit: float | None, pace: float = 1.0, rows: int = 0) -> float:
    """Seconds to keep back for what comes after the bundle: evidence on so many `rows`, report, exit; more at the pace of a busy machine.

    Measured: redrawing costs 0.2 ms a row for the model and two baselines, up to as many blocks as are ever drawn.
    """
    work = 0.5 + 2e-4 * min(rows, MOST_UNITS)
    return 0.0 if limit is None else min(0.5 * limit, 0.02 * limit + work * pace)


def grace(limit: float) -> float:
    """Seconds that a run may take beyond its limit, by what is promised: for a first bundle when there is nothing else to ship."""
    return 2.0 + 0.05 * limit


def refit_seconds(fit_seconds: float | None, dataset: Dataset) -> float:
    """Seconds of a fit on all open rows, from those of the longest fit in a fold."""
    most = max((len(fold.train) for fold in dataset.splits.folds), default=1)
    return (fit_seconds or 0.0) * len(dataset.splits.open) / max(1, most)


def ship_seconds(refit_seconds: float, pace: float = 1.0) -> float:
    """Seconds that refitting and exporting one candidate may take before it is given up for the next best. Refits are measured at that pace."""
    return 0.8 + 0.4 * pace + 2.0 * refit_seconds


def end_reserve(limit: float | None, refit_seconds: float, pace: float = 1.0, rows: int = 0) -> float:
    """Seconds to keep back for all that comes after the search: refit and export of the winner, then as `keep_back`."""
    return 0.0 if limit is None else keep_back(limit, pace, rows) + ship_seconds(refit_seconds, pace)
