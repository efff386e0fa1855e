"""Which transforms earn their place: each is taken out in turn, and what is then lost says what it was worth.

    tried ──► probes (one job for each set of transforms and recipe) ──► gain of each, with interval ──► kept

Takes    the resolved plan, the dataset, the log, an engine, the time that may be used.
Gives    `Chosen`, written down in transforms.json before it is used.
Why      backwards, one at a time: the one of least gain goes first, and the others are judged anew without it, since of two that say the same
         each looks useless beside the other. What is kept has a gain whose interval lies above 0.
         In the nested design each outer fold chooses on its own inner folds, and all outer folds together choose what ships; so no row that a
         score is made of took part in the choice behind it. In the sealed design the open rows choose, as they choose the candidate.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
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
from trainwright.plan.transforms import ShortText, Windows
from trainwright.record import files
from trainwright.record.digests import digest_file
from trainwright.record.log import Log
from trainwright.runtime.columns import Floats
from trainwright.select.probe import LOSSES, PROBES, probe_seconds
from trainwright.select.transforms import Chosen

PROBE = "trainwright.select.probe:probe"
RECORD = "transforms.json"
FOLDER = "probes"
SHARE = 0.2  # of the limit of time, that may go into the choice
LEAST = 4.0  # seconds, with less of which nothing is probed: rather a baseline at once
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
    """One choice for one run, to `run` once. `only`: the probes that an earlier run had, where it is repeated; then there is no clock."""

    plan: Plan
    dataset: Dataset
    log: Log
    engine: Engine
    seconds: float | None  # that may be used; None without a limit
    only: frozenset[str] | None = None
    losses: dict[tuple[Reads, Places], Floats] = field(default_factory=dict)
    failed: dict[tuple[Reads, Places], str] = field(default_factory=dict)

    def run(self) -> tuple[Chosen, dict[str, Any]]:
        """The choice, and the record of it."""
        self._read_back()
        started = time.monotonic()
        recipes = recipes_of(self.plan)
        able = self._affordable(recipes)
        contexts = range(1 + len(self.dataset.splits.inner))
        while True:
            answers = {(reads, context): self._choose(reads, context) for reads in recipes for context in contexts}
            wanted = dict.fromkeys((reads, places) for (reads, _), (_, needs) in answers.items() if reads in able for places in needs)
            left = None if self.seconds is None or self.only is not None else self.seconds - (time.monotonic() - started)
            if not wanted or (left is not None and left < LEFT):
                break
            self._probe(list(wanted), left)
        kept: dict[str, Places] = {reads: self._kept(answers[reads, 0][0]) for reads in recipes}
        inside: dict[str, tuple[Places, ...]] = {
            reads: tuple(self._kept(answers[reads, 1 + index][0]) for index in contexts[:-1]) for reads in recipes if len(contexts) > 1
        }
        chosen = Chosen(self.plan.transforms, kept, inside)
        judged = {
            reads: {
                "probe": PROBES[reads, bool(self.dataset.classes)][0],
                "loss": "log loss" if self.dataset.classes else "squared error",
                "transforms": [{name: getattr(entry, name) for name in Judged.__slots__} for entry in answers[reads, 0][0]],
            }
            for reads in recipes
        }
        return chosen, {**chosen.as_json(), "judged": judged}

    def _affordable(self, recipes: list[Reads]) -> set[Reads]:
        """The recipes whose first round is expected to fit the time, in their order: half of a measurement of each would be of no use."""
        if self.seconds is None or self.only is not None:
            return set(recipes)
        left, able = (self.seconds if self.seconds >= LEAST else 0.0), set()
        for reads in recipes:
            rounds = 1 + sum(reads in APPLIES[entry.do] for entry in self.plan.transforms)
            left -= rounds * probe_seconds(reads, self.dataset) / (self.plan.workers or 1)
            if left <= 0:
                break
            able.add(reads)
        return able

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
        """One transform beside the others of `inside`."""
        full, without = self.losses.get((reads, inside)), self.losses.get((reads, _without(inside, place)))
        if full is None or without is None:
            why = self.failed.get((reads, inside)) or self.failed.get((reads, _without(inside, place))) or LATE
            alone = isinstance(self.plan.transforms[place], ShortText | Windows)
            return Judged(place, alone, why=f"{why}; {'kept: nothing else reads these columns' if alone else 'left out'}")
        rows = np.arange(self.dataset.table.rows)
        gain = paired_gain(
            full[context],
            without[context],
            unit=self.dataset.splits.unit_of(self.dataset.group, rows),
            weight=self.dataset.weight,
            seed=self.plan.seed,
        )
        if gain is None:
            return Judged(place, False, why="no row was judged")
        loss = float(np.nanmean(full[context]))
        kept = gain[1] > 0
        return Judged(place, kept, *gain, loss, "" if kept else "its gain is not clearly above 0")

    def _probe(self, wanted: list[tuple[Reads, Places]], left: float | None) -> None:
        """Run the probes that are wanted, as far as the time goes; what has no loss afterwards has a reason."""
        started = time.monotonic()
        open_jobs = {}
        for key in wanted:
            name = _name(*key)
            if self.only is not None and name not in self.only:
                self.failed[key] = LATE
                continue
            open_jobs[name] = key
            self.engine.submit(self._job(*key, name, left))
        while open_jobs:
            rest = None if left is None else max(0.01, left - (time.monotonic() - started))
            ended = self.engine.next(timeout=rest)
            if ended is None:
                for name in sorted(open_jobs):
                    self.engine.end(name)
                left = None  # what was ended reports at once
                continue
            self._ended(open_jobs.pop(ended.job.name), ended)

    def _ended(self, key: tuple[Reads, Places], ended: JobOutcome) -> None:
        ended.stop_at_a_failing_disk()  # else a transform would be judged by the disk
        told = {"name": ended.job.name, "recipe": key[0], "transforms": list(key[1])}
        if ended.status == "done":
            self.losses[key] = np.load(self._place(ended.job.name) / LOSSES, allow_pickle=False)
            self.log.append("probe ended", **told, status="done", digest=ended.value["losses"])
        else:
            late = ended.status in ("ended", "out of time")
            self.failed[key] = LATE if late else f"measuring it failed ({ended.status})"
            self.log.append("probe ended", **told, status=ended.status)

    def _job(self, reads: Reads, places: Places, name: str, left: float | None) -> Job:
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
        return Job(name=name, call=PROBE, arguments=arguments, result=result, seconds=left, memory=self.plan.memory, threads=self.plan.threads)

    def _place(self, name: str) -> Path:
        return self.log.folder / FOLDER / name.removeprefix("probe ").replace(" ", "-")

    def _read_back(self) -> None:
        """What an interrupted run has measured already. Losses that are no longer those recorded are measured again."""
        for event in self.log.all("probe ended", status="done"):
            path = self._place(event.what["name"]) / LOSSES
            if path.exists() and digest_file(path) == event.what["digest"]:
                self.losses[event.what["recipe"], tuple(event.what["transforms"])] = np.load(path, allow_pickle=False)


def recipes_of(plan: Plan) -> list[Reads]:
    """The recipes that learners of the plan read and that a transform of it changes, in the order of the learners."""
    reads = dict.fromkeys(learner_class(choice.name).card.reads for choice in plan.learners)
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
