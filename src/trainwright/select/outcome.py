"""What came of one candidate: what the leaderboard shows, the search decides by, and a resumed or repeated run reads back."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from trainwright import evidence
from trainwright.errors import CheckFailed, Infeasible
from trainwright.record import files
from trainwright.record.digests import digest_file
from trainwright.record.log import Log
from trainwright.runtime.columns import Floats
from trainwright.select.candidate import PREDICTIONS

OUTCOME = "outcome.json"
Status = Literal["done", "failed", "out of time", "out of memory", "not started"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """One candidate's result. Scores are in the primary metric; `inner` holds one score for each outer fold of the nested design."""

    number: int
    learner: str
    settings: dict[str, Any]
    baseline: bool
    status: Status
    balance: str = "none"
    keeps: bool = True  # the plan's monotone constraints; what cannot is compared with, and ships only where nothing else does
    why: str = ""
    score: float | None = None
    low: float | None = None  # 95 % interval of the score
    high: float | None = None
    folds: tuple[float | None, ...] = ()
    inner: tuple[float | None, ...] = ()
    iterations: int | None = None
    fit_seconds: float | None = None  # of the longest fit in a fold, as measured
    seconds: float | None = None
    memory_bytes: int | None = None
    predictions: str | None = None  # digest of the out-of-fold predictions
    decision: dict[str, Any] | None = None  # how its bundle decides: slope, bias, threshold
    thresholds: tuple[float, ...] = ()  # by which each fold was judged; none where the likeliest class is said

    def folder(self, run: Path) -> Path:
        return candidate_folder(run, self.number)

    def read_predictions(self, run: Path) -> Floats:
        """Out-of-fold predictions, float64 (repeats, rows, outputs). Raises CheckFailed (TW082) when the file is not the one recorded."""
        path = self.folder(run) / PREDICTIONS
        if not path.exists() or digest_file(path) != self.predictions:
            raise CheckFailed("TW082", "a candidate's predictions are not those that were recorded", where=str(path), fix="train again")
        predictions: Floats = np.load(path, allow_pickle=False)
        return predictions


def candidate_folder(run: Path, number: int) -> Path:
    return run / "candidates" / f"{number:03d}"


def record(outcome: Outcome, log: Log) -> None:
    """Keep an outcome: the file first, then the event that acknowledges it."""
    path = outcome.folder(log.folder) / OUTCOME
    files.write_json(path, asdict(outcome))
    log.append("candidate ended", number=outcome.number, status=outcome.status, digest=digest_file(path))


def recorded(log: Log) -> dict[int, Outcome]:
    """The outcomes that the log acknowledges, by candidate number. Raises CheckFailed (TW082) when a file was changed since."""
    found = {}
    for event in log.all("candidate ended"):
        path = candidate_folder(log.folder, event.what["number"]) / OUTCOME
        if not path.exists() or digest_file(path) != event.what["digest"]:
            raise CheckFailed("TW082", "a candidate's outcome is not the one that was recorded", where=str(path), fix="train again")
        fields = files.read_json(path)
        found[event.what["number"]] = Outcome(**fields | {name: tuple(fields[name]) for name in ("folds", "inner", "thresholds")})
    return found


def choose(outcomes: list[Outcome], metric: str) -> list[Outcome]:
    """The candidates that finished, best first; among equals the one that comes first in the plan. Those that keep no constraint come last.

    Raises Infeasible (TW070) when none finished.
    """
    done = [outcome for outcome in outcomes if outcome.status == "done" and outcome.score is not None]
    if not done:
        reasons = sorted({f"{outcome.learner}: {outcome.status}{' - ' + outcome.why if outcome.why else ''}" for outcome in outcomes})
        raise Infeasible(
            "TW070",
            "no candidate finished",
            where="; ".join(reasons[:4]),
            why="there is nothing to choose from",
            fix="give more --time or more --memory",
        )
    sign = 1.0 if evidence.METRICS[metric].better == "lower" else -1.0
    return sorted(done, key=lambda outcome: (not outcome.keeps, sign * (outcome.score or 0.0), outcome.number))


@dataclass(frozen=True, slots=True, eq=False)
class Procedure:
    """What the whole procedure predicts out of fold, and by which thresholds; which candidates the outer folds chose."""

    prediction: Floats  # (repeats, rows, outputs)
    thresholds: tuple[float, ...]  # of each outer fold; none where the likeliest class is said
    picked: dict[int, int]  # candidate: outer folds


def procedure(outcomes: list[Outcome], metric: str, folds: list[np.ndarray], repeats: int, run: Path) -> Procedure:
    """What the whole procedure (try all, choose by inner score) predicts out of fold, in the nested design.

    Takes   `folds`: the rows on which each outer fold is scored, repeats x folds of them in order.
    Source  Varma & Simon (2006), BMC Bioinformatics 7:91: the choice itself must be inside the outer fold.
    """
    ranked = choose(outcomes, metric)
    sign = 1.0 if evidence.METRICS[metric].better == "lower" else -1.0
    loaded: dict[int, Floats] = {}
    picked: dict[int, int] = {}
    thresholds: list[float] = []
    answer: Floats | None = None
    for index, rows in enumerate(folds):
        scored = [(not outcome.keeps, sign * inner, outcome.number, outcome) for outcome in ranked if (inner := outcome.inner[index]) is not None]
        best = min(scored, key=lambda entry: entry[:3])[3] if scored else ranked[0]
        picked[best.number] = picked.get(best.number, 0) + 1
        if best.number not in loaded:
            loaded[best.number] = best.read_predictions(run)
        if answer is None:
            answer = np.full_like(loaded[best.number], np.nan)
        repeat = index * repeats // len(folds)
        answer[repeat, rows] = loaded[best.number][repeat, rows]
        thresholds += best.thresholds[index : index + 1]
    assert answer is not None
    return Procedure(answer, tuple(thresholds), picked)
