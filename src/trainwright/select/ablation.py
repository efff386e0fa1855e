"""Which transforms earn their place: each is taken out in turn, and what is then lost says what it was worth.

    tried ──► probes (one job for each set of transforms and recipe) ──► gain of each, with interval ──► kept

Takes    the resolved plan, the dataset, the log, the timer; outcomes of the jobs that it asks for.
Gives    jobs, for whoever has a worker free (the search, beside its baselines); then `Chosen`, written down in transforms.json before it is used.
Why      backwards, one at a time: the one of least gain goes first, and the others are judged anew without it, since of two that say the same
         each looks useless beside the other. What is kept has a gain whose interval lies above 0.
         In the nested design each outer fold chooses on its own inner folds, and all outer folds together choose what ships; so no row that a
         score is made of took part in the choice behind it. In the sealed design the open rows choose, as they choose the candidate.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from trainwright.data.dataset import Dataset
from trainwright.engine.interface import Engine, Job
from trainwright.engine.interface import Outcome as JobOutcome
from trainwright.errors import CheckFailed
from trainwright.evidence.paired import paired_gain
from trainwright.features.feature import Reads
from trainwright.features.recipe import APPLIES
from trainwright.learners import learner_class
from trainwright.plan.model import Plan
from trainwright.record import files
from trainwright.record.digests import digest_file
from trainwright.record.log import Log
from trainwright.runtime.columns import Floats
from trainwright.select.limits import Timer
from trainwright.select.probe import LOSSES, PROBES, probe_seconds
from trainwright.select.transforms import Chosen, stands_unmeasured
from trainwright.tasks import TASKS

PROBE = "trainwright.select.probe:probe"
RECORD = "transforms.json"
FOLDER = "probes"
SHARE = 0.2  # of what is left of the limit of time, that may go into the choice
LEAST = 3.0  # seconds, with less of which nothing is probed: the candidates need them
LEFT = 0.5  # seconds, with less of which no further round is begun
LATE = "there was no time to measure it"

Places = tuple[int, ...]  # transforms, by their places in the list tried; ascending


@dataclass(frozen=True, slots=True)
class Judged:
    """What one transform was worth to one recipe: how much the loss of a row grows without it. None where it was not measured."""

    transform: int
    kept: bool
    gain: float | None = None
    low: float | None = None
    high: float | None = None
    loss: float | None = None  # with it, beside which the gain is large or small
    why: str = ""


@dataclass(slots=True)
class Ablation:
    """One choice for one run. `next_job` and `took` go on until `chosen` is there; `decide` ends it with what was measured so far.

    `only`: the probes that an earlier run had, where it is repeated; then there is no clock, as under a budget of candidates.
    """

    plan: Plan
    dataset: Dataset
    log: Log
    timer: Timer
    only: frozenset[str] | None = None
    chosen: Chosen | None = None
    record: dict[str, Any] = field(default_factory=dict)
    losses: dict[tuple[Reads, Places], Floats] = field(default_factory=dict)
    failed: dict[tuple[Reads, Places], str] = field(default_factory=dict)
    _until: float | None = None  # on the timer: when the share is used up; None before the first job was asked for
    _waiting: list[tuple[Reads, Places]] = field(default_factory=list)
    _running: dict[str, tuple[Reads, Places]] = field(default_factory=dict)
    _given_up: set[Reads] = field(default_factory=set)  # recipes whose probes would not fit the time
    _paces: list[float] = field(default_factory=list)  # measured seconds of probes / expected
    _gains: dict[tuple[Reads, int, Places, int], Judged] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.chosen = recorded_choice(self.log)
        if self.chosen is None:
            self._read_back()
        else:
            self.record = files.read_json(self.log.folder / RECORD)

    def next_job(self) -> Job | None:
        """The next probe to start. None while the round's last probes run, and when all is decided."""
        if self._until is None:
            share = SHARE * self.timer.left()
            self._until = self.timer.spent() + (share if share >= LEAST else 0.0)
        while self.chosen is None:
            while self._waiting:
                key = self._waiting.pop(0)
                if self._may_run(key):
                    job = self._job(*key)
                    self._running[job.name] = key
                    return job
            if self._running:
                return None
            self._waiting = self._wanted()
            if not self._waiting:
                self.decide()
        return None

    def took(self, ended: JobOutcome) -> None:
        """One probe has ended; its losses are recorded before they are used. Raises MachineError where a disk fails: that is no verdict."""
        ended.stop_at_a_failing_disk()
        key = self._running.pop(ended.job.name)
        told = {"name": ended.job.name, "recipe": key[0], "transforms": list(key[1])}
        if ended.status == "done":
            self.losses[key] = np.load(self._place(ended.job.name) / LOSSES, allow_pickle=False)
            self._paces.append(ended.seconds / probe_seconds(key[0], self.dataset))
            self.log.append("probe ended", **told, status="done", digest=ended.value["losses"])
        else:
            late = ended.status in ("ended", "out of time")
            self.failed[key] = LATE if late else f"measuring it failed ({ended.status})"
            self.log.append("probe ended", **told, status=ended.status)

    def left(self) -> float:
        """Seconds of its share of the time that are left; without end where there is no clock."""
        if self.only is not None or self._until is None:
            return float("inf")
        return self._until - self.timer.spent()

    @property
    def running(self) -> tuple[str, ...]:
        """Names of its jobs that run, which may be ended."""
        return tuple(self._running)

    def decide(self) -> None:
        """Choose by what was measured, and write it down."""
        recipes, contexts = recipes_of(self.plan), range(1 + len(self.dataset.splits.inner))
        answers = {(reads, context): self._choose(reads, context)[0] for reads in recipes for context in contexts}
        stands = stands_unmeasured(self.plan.transforms)
        judged_by: dict[str, Places] = {reads: self._kept(answers[reads, 0]) for reads in recipes}
        inside: dict[str, tuple[Places, ...]] = {
            reads: tuple(self._kept(answers[reads, context]) for context in contexts[1:]) for reads in recipes if len(contexts) > 1
        }
        chosen = Chosen(self.plan.transforms, {**stands.kept, **judged_by}, inside)
        judged = {
            reads: {
                "probe": PROBES[reads, bool(self.dataset.classes)][0],
                "loss": "log loss" if self.dataset.classes else "squared error",
                "transforms": [{name: getattr(entry, name) for name in Judged.__slots__} for entry in answers[reads, 0]],
            }
            for reads in recipes
        }
        self.record = {**chosen.as_json(), "judged": judged}
        record_choice(self.record, self.log)
        self.chosen = chosen

    def _wanted(self) -> list[tuple[Reads, Places]]:
        """The probes of the next round, recipe by recipe; none when they would change nothing or the time is used up."""
        if self.left() < LEFT:
            return []
        recipes, contexts = recipes_of(self.plan), range(1 + len(self.dataset.splits.inner))
        needs = (
            (reads, places) for reads in recipes if reads not in self._given_up for context in contexts for places in self._choose(reads, context)[1]
        )
        return list(dict.fromkeys(needs))

    def _may_run(self, key: tuple[Reads, Places]) -> bool:
        """Whether a probe is started: in a repeated run when it was measured then; else when all of its recipe in this round are expected to fit.

        Half of a measurement would be of no use. What probes are expected to take is what their cards guess, as fast as those before went.
        """
        if self.only is not None:
            if _name(*key) not in self.only:
                self.failed[key] = LATE
            return key not in self.failed
        reads = key[0]
        if reads in self._given_up:
            return False
        if all(reads != other for other, _ in self._running.values()):
            rounds = 1 + sum(reads == other for other, _ in self._waiting)
            pace = median(self._paces) if self._paces else 1.0
            expected = rounds * pace * probe_seconds(reads, self.dataset) / (self.plan.workers or 1)
            if expected > self.left():
                self._given_up.add(reads)
        return reads not in self._given_up

    @staticmethod
    def _kept(entries: list[Judged]) -> Places:
        return tuple(entry.transform for entry in entries if entry.kept)

    def _choose(self, reads: Reads, context: int) -> tuple[list[Judged], list[Places]]:
        """What is kept as far as the probes say, one entry for each transform that the recipe reads; and which probes would say more.

        `context` 0 is all rows; 1 and on are the outer folds of the nested design, judged by their inner folds.
        """
        inside = tuple(place for place, entry in enumerate(self.plan.transforms) if reads in APPLIES[entry.do])
        done: dict[int, Judged] = {}
        while inside:
            sets = [inside, *(_without(inside, place) for place in inside)]
            needs = [places for places in sets if (reads, places) not in self.losses and (reads, places) not in self.failed]
            current = [self._judge(reads, context, inside, place) for place in inside]
            if needs or any(entry.gain is None for entry in current):
                done |= {entry.transform: entry for entry in current}
                break
            worst = min(current, key=lambda entry: (entry.gain or 0.0, -entry.transform))
            useless = [entry for entry in current if not entry.kept]
            if not useless:
                done |= {entry.transform: entry for entry in current}
                needs = []
                break
            out = worst if not worst.kept else useless[0]
            done[out.transform] = out
            inside = _without(inside, out.transform)
        else:
            needs = []
        return [done[place] for place in sorted(done)], needs

    def _judge(self, reads: Reads, context: int, inside: Places, place: int) -> Judged:
        """One transform beside the others of `inside`; judged once, when both losses are there."""
        full, without = self.losses.get((reads, inside)), self.losses.get((reads, _without(inside, place)))
        if full is None or without is None:
            why = self.failed.get((reads, inside)) or self.failed.get((reads, _without(inside, place))) or LATE
            alone = place in stands_unmeasured(self.plan.transforms).kept[reads]
            return Judged(place, alone, why=f"{why}; {'kept: nothing else reads these columns' if alone else 'left out'}")
        key = (reads, context, inside, place)
        if key not in self._gains:
            self._gains[key] = self._measured(place, full[context], without[context])
        return self._gains[key]

    def _measured(self, place: int, full: Floats, without: Floats) -> Judged:
        """The gain of one transform, from the losses of the rows with it and without it."""
        rows = np.arange(self.dataset.table.rows)
        unit, weight = self.dataset.splits.unit_of(self.dataset.group, rows), self.dataset.weight
        known = np.isfinite(full) & np.isfinite(without) & (True if weight is None else weight > 0)
        if not known.any():
            return Judged(place, False, why="no row was judged")
        loss = float(np.average(full[known], weights=None if weight is None else weight[known]))
        gain = paired_gain(full, without, unit=unit, weight=weight, seed=self.plan.seed)
        if gain is None:
            return Judged(place, False, loss=loss, why="there is no interval of its gain")
        kept = gain[1] > 0
        return Judged(place, kept, *gain, loss, "" if kept else "its gain is not clearly above 0")

    def _job(self, reads: Reads, places: Places) -> Job:
        name, left = _name(reads, places), self.left()
        arguments = {
            "data": str(self.log.folder / "data"),
            "folder": str(self._place(name)),
            "recipe": reads,
            "transforms": Chosen(self.plan.transforms).as_json(),
            "kept": list(places),
            "seed": self.plan.seed,
            "threads": self.plan.threads,
        }
        result = self._place(name) / "result.json"
        seconds = None if left == float("inf") else max(LEFT, left)
        return Job(name=name, call=PROBE, arguments=arguments, result=result, seconds=seconds, memory=self.plan.memory, threads=self.plan.threads)

    def _place(self, name: str) -> Path:
        return self.log.folder / FOLDER / name.removeprefix("probe ").replace(" ", "-")

    def _read_back(self) -> None:
        """What an interrupted run has measured already. Losses that are no longer those recorded are measured again."""
        for event in self.log.all("probe ended", status="done"):
            path = self._place(event.what["name"]) / LOSSES
            if path.exists() and digest_file(path) == event.what["digest"]:
                self.losses[event.what["recipe"], tuple(event.what["transforms"])] = np.load(path, allow_pickle=False)


def run_alone(ablation: Ablation, engine: Engine) -> tuple[Chosen, dict[str, Any]]:
    """The choice with an engine of its own, without a search beside it; and the record of it."""
    while ablation.chosen is None:
        while engine.free > 0 and (job := ablation.next_job()) is not None:
            engine.submit(job)
        ended = engine.next(timeout=max(0.01, min(0.5, ablation.left())))
        if ended is not None:
            ablation.took(ended)
        elif ablation.left() <= 0:
            for name in ablation.running:
                engine.end(name)
    return ablation.chosen, ablation.record


def recipes_of(plan: Plan) -> list[Reads]:
    """The recipes that candidates beyond the baselines read and that a transform of the plan changes, in the order of the candidates.

    Baselines run before anything is known, with `stands_unmeasured`.
    """
    beyond = plan.learners[len(TASKS[plan.task].baselines) :]
    reads = dict.fromkeys(learner_class(choice.name).card.reads for choice in beyond)
    return [recipe for recipe in reads if any(recipe in APPLIES[entry.do] for entry in plan.transforms)]


def recorded_choice(log: Log) -> Chosen | None:
    """The choice that the log acknowledges. Raises CheckFailed (TW083) when its file was changed since."""
    done = log.last("transforms chosen")
    if done is None:
        return None
    path = log.folder / RECORD
    if not path.exists() or digest_file(path) != done.what["digest"]:
        fix = "restore it from a copy, or train again"
        raise CheckFailed("TW083", "a file of the run is not the one that was written", where=str(path), fix=fix)
    return Chosen.from_json(files.read_json(path))


def record_choice(record: Mapping[str, Any], log: Log) -> None:
    """Keep the choice: the file first, then the event that acknowledges it."""
    files.write_json(log.folder / RECORD, dict(record))
    kept = {reads: list(places) for reads, places in record["kept"].items()}
    log.append("transforms chosen", kept=kept, digest=digest_file(log.folder / RECORD))


def _without(places: Places, place: int) -> Places:
    return tuple(other for other in places if other != place)


def _name(reads: Reads, places: Places) -> str:
    return f"probe {reads} with {' '.join(map(str, places)) or 'none'}"
