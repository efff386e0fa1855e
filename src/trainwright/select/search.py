"""The search: candidates in the plan's order, each in a process of its own, until the budget is spent.

    baselines and their bundles ──► beside them what transforms are worth ──► the other candidates

Baselines come first and wait for nothing, so that there is something to ship from the first seconds on. The other candidates wait for the choice of
transforms, which has a share of the time.

What is recorded before it is used: that a candidate was started, and what came of it. A resumed run starts where the log
ends. A repeated run (`Replay`) starts exactly the candidates that finished and passes over those that did not, without any
clock, and so comes to the same choice.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from trainwright.data.dataset import Dataset
from trainwright.engine.interface import Engine, Job, open_engine
from trainwright.engine.interface import Outcome as JobOutcome
from trainwright.learners import learner_class
from trainwright.plan.model import Plan
from trainwright.record.log import Log
from trainwright.select.ablation import PROBE, Ablation
from trainwright.select.limits import Forecast, Timer, end_reserve, grace, keep_back, refit_seconds
from trainwright.select.monotone import keeps
from trainwright.select.outcome import Outcome, Status, candidate_folder, choose, record, recorded
from trainwright.select.transforms import Chosen

EVALUATE = "trainwright.select.candidate:evaluate"


class Watcher(Protocol):
    """Who is told how the search goes."""

    def candidate_started(self, number: int, learner: str) -> None: ...

    def candidate_ended(self, outcome: Outcome, best: Outcome | None, *, done: int, total: int) -> None: ...


@dataclass(frozen=True, slots=True)
class Replay:
    """What happened in an earlier run and is to happen again, whatever the clock says."""

    statuses: dict[int, Status]  # of each candidate
    shipped: int  # the candidate that shipped
    baselines: tuple[int, ...]  # those that became bundles, and so are compared with
    probes: frozenset[str] = frozenset()  # the probes of transforms that ended with an answer
    cost: str = ""  # why the cost of training on a part of the rows was not measured; empty where it was


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """One search over one dataset, to `run` once.

    `baselines` is how many candidates at the front always run; `errands` are jobs that follow a candidate that finished (a
    baseline becomes a bundle), by the candidate's number; `beside` are jobs that start once the baselines have.
    """

    plan: Plan
    dataset: Dataset
    log: Log
    engine: Engine
    timer: Timer
    watcher: Watcher
    baselines: int
    errands: dict[int, Job]
    errand_ended: Callable[[JobOutcome], None]
    replay: Replay | None = None
    plain: Chosen | None = None  # the transforms that baselines use, and all candidates where there is no choice to make
    ablation: Ablation | None = None  # which chooses the transforms that the other candidates use
    beside: tuple[Job, ...] = ()

    def run(self) -> list[Outcome]:
        """All outcomes, in the plan's order. Ends by itself when the candidates or the time are used up."""
        outcomes = recorded(self.log)
        forecast = Forecast(self.dataset)
        for outcome in outcomes.values():
            self._learn(forecast, outcome)
        queue = [number for number in range(len(self.plan.learners)) if number not in outcomes]
        errands, beside = dict(self.errands), list(self.beside)
        running: set[str] = set()
        if not self.engine.ready:
            self._first_without_workers(queue, errands, outcomes, forecast)
        while queue or running or errands or beside:
            while self.engine.free > 0:
                job = self._next_job(queue, errands, beside, outcomes, forecast)
                if job is None:
                    break
                self.engine.submit(job)
                running.add(job.name)
            if not running:
                break
            ended = self.engine.next(timeout=max(0.01, min(0.5, self._search_left(outcomes, forecast))))
            if self.ablation is not None and self.ablation.left() <= 0:
                for name in self.ablation.running:
                    self.engine.end(name)
            if ended is None:
                self._end_what_is_late(running, outcomes, self._search_left(outcomes, forecast))
                continue
            running.discard(ended.job.name)
            self._took(ended, outcomes, forecast)
        if self.ablation is not None and self.ablation.chosen is None:
            self.ablation.decide()
        for number in range(len(self.plan.learners)):
            if number not in outcomes:
                outcomes[number] = self._not_started(number, self._why_not(number, outcomes, forecast))
                record(outcomes[number], self.log)
        return [outcomes[number] for number in sorted(outcomes)]

    def _took(self, ended: JobOutcome, outcomes: dict[int, Outcome], forecast: Forecast) -> None:
        """One job has ended: what came of it is recorded before it is used."""
        ended.stop_at_a_failing_disk()  # else a candidate would be missing that a healthy disk would have chosen
        if ended.job.call == EVALUATE:
            outcome = self._outcome(ended)
            record(outcome, self.log)
            outcomes[outcome.number] = outcome
            self._learn(forecast, outcome)
            self.watcher.candidate_ended(outcome, self._best(outcomes), done=len(outcomes), total=len(self.plan.learners))
        elif ended.job.call == PROBE and self.ablation is not None:
            self.ablation.took(ended)
        else:
            self.errand_ended(ended)

    def _first_without_workers(self, queue: list[int], errands: dict[int, Job], outcomes: dict[int, Outcome], forecast: Forecast) -> None:
        """The baseline that learns nothing, and its bundle, in this process, while the workers still load: they may take longer than a short limit.

        A job gives the same in every engine, so a run that is repeated comes to the same. Without a limit there is no hurry.
        """
        name = self.plan.learners[0].name
        if (
            self.plan.time is None
            or self.replay is not None
            or queue[:1] != [0]
            or self.baselines == 0
            or learner_class(name).card.reads != "nothing"
        ):
            return
        with open_engine("inline") as here:
            here.submit(self._job(queue.pop(0), forecast))
            for job in (None, errands.pop(0, None)):
                if job is not None and outcomes[0].status == "done":
                    here.submit(job)
                ended = here.next()
                if ended is not None:
                    self._took(ended, outcomes, forecast)

    def _end_what_is_late(self, running: set[str], outcomes: dict[int, Outcome], left: float) -> None:
        """End what runs when the search is over. As long as nothing else can ship, baselines and their bundles go on to the run's own end."""
        if left > 0:
            return
        needed = {_name(number) for number in range(self.baselines)} | {job.name for job in self.errands.values()}
        for name in sorted(running if self._over(outcomes) else running - needed):
            self.engine.end(name)

    def _over(self, outcomes: dict[int, Outcome]) -> bool:
        """Whether baselines have to end as well: something better can ship, or the run itself is about to end."""
        best = self._best(outcomes)
        return self._at_the_end() or (best is not None and not best.baseline)

    def _at_the_end(self) -> bool:
        """Whether a bundle that is not there now would come too late. The first may use what a run is allowed beyond its limit."""
        if self.plan.time is None:
            return False
        keep = keep_back(self.plan.time, self.timer.pace, len(self.dataset.splits.measured))
        if self.log.last("baseline shipped") is None:  # without it there is no run at all, and what is kept back is a guess on the safe side
            return self.timer.left() + grace(self.plan.time) < keep / 2
        return self.timer.left() < keep

    def _next_job(self, queue: list[int], errands: dict[int, Job], beside: list[Job], outcomes: dict[int, Outcome], forecast: Forecast) -> Job | None:
        """What to start now: an errand whose candidate is done, a baseline, what runs beside them, else the first candidate that fits the time."""
        for number in [number for number in errands if number in outcomes]:
            job = errands.pop(number)
            if outcomes[number].status == "done" and (self._search_left(outcomes, forecast) > 0 or not self._over(outcomes)):
                return job
        if not queue or queue[0] >= self.baselines:
            in_time = self._search_left(outcomes, forecast) > 0
            if beside and in_time:
                return beside.pop(0)
            if self.ablation is not None and self.ablation.chosen is None and in_time:
                probe = self.ablation.next_job()
                if probe is not None or self.ablation.chosen is None:
                    return probe
        for number in list(queue):
            if self.replay is not None:
                queue.remove(number)
                before = self.replay.statuses.get(number, "not started")
                if before != "done":
                    outcomes[number] = self._not_started(number, f"as in the run repeated: {before}")
                    record(outcomes[number], self.log)
                    continue
                return self._job(number, forecast)
            if number < self.baselines or not self._why_not(number, outcomes, forecast):
                queue.remove(number)
                return self._job(number, forecast)
        return None

    def _why_not(self, number: int, outcomes: dict[int, Outcome], forecast: Forecast) -> str:
        """Why a candidate is not started now: it would not fit the memory or the time that is left. Empty when it fits."""
        choice = self.plan.learners[number]
        needs = forecast.memory_bytes(choice)
        if self.plan.memory is not None and needs > self.plan.memory:
            return f"needs about {needs / 1e9:.1f} GB, the limit is {self.plan.memory / 1e9:.1f} GB"
        if self.plan.time is None:
            return ""
        expected, left = forecast.candidate_seconds(choice), self._search_left(outcomes, forecast)
        return "" if expected <= left else f"expected to take {expected:.1f} s when {max(0.0, left):.1f} s were left"

    def _search_left(self, outcomes: dict[int, Outcome], forecast: Forecast) -> float:
        """Seconds until the search must end, so that the winner can still be refitted, shipped and measured."""
        if self.plan.time is None or self.replay is not None:
            return float("inf")
        best = self._best(outcomes)
        refit = refit_seconds(best.fit_seconds, self.dataset) if best else 0.5
        return self.timer.left() - end_reserve(self.plan.time, refit, self.timer.pace, len(self.dataset.splits.measured))

    def _job(self, number: int, forecast: Forecast) -> Job:
        choice = self.plan.learners[number]
        folder, chosen = candidate_folder(self.log.folder, number), self._chosen(number)
        self.log.append("candidate started", number=number)
        self.watcher.candidate_started(number, choice.name)
        arguments: dict[str, Any] = {
            "data": str(self.log.folder / "data"),
            "folder": str(folder),
            "number": number,
            "learner": choice.name,
            "settings": choice.settings or {},
            "balance": choice.balance,
            "threshold": self.plan.threshold,
            "metric": self.plan.metric,
            "seed": self.plan.seed,
            "threads": self.plan.threads,
            "transforms": chosen.as_json() if chosen else None,
            "monotone": dict(self.plan.monotone),
        }
        return Job(
            name=_name(number),
            call=EVALUATE,
            arguments=arguments,
            result=folder / "result.json",
            seconds=self._cap(number, forecast),
            memory=self.plan.memory,
            threads=self.plan.threads,
        )

    def _chosen(self, number: int) -> Chosen | None:
        """The transforms that a candidate uses."""
        return self.plain if self.ablation is None or number < self.baselines else self.ablation.chosen

    def _cap(self, number: int, forecast: Forecast) -> float | None:
        """Seconds that one candidate may take under a limit of time, so that a slow one does not use up what is left of a worker."""
        if self.plan.time is None or self.replay is not None:
            return None
        return max(self.plan.time / 3, 3 * forecast.candidate_seconds(self.plan.learners[number]))

    def _outcome(self, ended: JobOutcome) -> Outcome:
        number = int(ended.job.arguments["number"])
        common: dict[str, Any] = {"seconds": round(ended.seconds, 4), "memory_bytes": ended.memory_bytes, **self._named(number)}
        if ended.status != "done":
            status: Status = (
                "out of time" if ended.status == "ended" else ended.status if ended.status in ("out of time", "out of memory") else "failed"
            )
            why = (ended.error or {}).get("what", "") if status == "failed" else ""
            return Outcome(status=status, why=why, **common)
        value = ended.value
        if value["score"] is None:
            return Outcome(status="failed", why=f"{self.plan.metric} is undefined on its out-of-fold predictions", **common)
        return Outcome(
            status="done",
            score=value["score"],
            low=value["low"],
            high=value["high"],
            folds=tuple(value["folds"]),
            inner=tuple(value["inner"]),
            iterations=value["iterations"],
            fit_seconds=value["fit_seconds"],
            predictions=value["predictions"],
            decision=value["decision"],
            thresholds=tuple(value["thresholds"]),
            **common,
        )

    def _not_started(self, number: int, why: str) -> Outcome:
        return Outcome(status="not started", why=why or "the time was used up", **self._named(number))

    def _named(self, number: int) -> dict[str, Any]:
        choice = self.plan.learners[number]
        return {
            "number": number,
            "learner": choice.name,
            "settings": choice.settings or {},
            "balance": choice.balance,
            "baseline": number < self.baselines,
            "keeps": keeps(self.plan, choice.name),
        }

    def _best(self, outcomes: dict[int, Outcome]) -> Outcome | None:
        done = [outcome for outcome in outcomes.values() if outcome.status == "done"]
        return choose(done, self.plan.metric)[0] if done else None

    def _learn(self, forecast: Forecast, outcome: Outcome) -> None:
        if outcome.fit_seconds is not None:
            forecast.learn(self.plan.learners[outcome.number], outcome.fit_seconds)


def _name(number: int) -> str:
    return f"candidate {number}"
