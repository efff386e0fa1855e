"""Choosing among candidates, and the nested procedure, against a brute force."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from trainwright.errors import CheckFailed, Infeasible
from trainwright.record.digests import digest_file
from trainwright.record.log import Log
from trainwright.select.candidate import PREDICTIONS
from trainwright.select.outcome import Outcome, candidate_folder, choose, procedure, record, recorded


def made(number: int, score: float | None, *, status: str = "done", inner: tuple[float | None, ...] = (), predictions: str | None = None) -> Outcome:
    return Outcome(number, "tabular/tree", {}, False, status, score=score, inner=inner, predictions=predictions)  # type: ignore[arg-type]


def test_the_best_score_wins_and_ties_go_to_the_earlier_candidate() -> None:
    outcomes = [made(0, 0.7), made(1, 0.9), made(2, 0.9), made(3, None, status="failed"), made(4, 0.95, status="out of time")]
    assert [outcome.number for outcome in choose(outcomes, "roc_auc")] == [1, 2, 0]
    assert [outcome.number for outcome in choose(outcomes, "rmse")] == [0, 1, 2]


def test_nothing_to_choose_from_says_why() -> None:
    with pytest.raises(Infeasible, match="out of memory") as caught:
        choose([made(0, None, status="out of memory")], "roc_auc")
    assert caught.value.exit_code == 4


def write(run: Path, number: int, predictions: np.ndarray) -> str:
    folder = candidate_folder(run, number)
    folder.mkdir(parents=True)
    np.save(folder / PREDICTIONS, predictions)
    return digest_file(folder / PREDICTIONS)


def test_the_procedure_predicts_each_outer_fold_with_the_candidate_that_is_best_inside(tmp_path: Path, rng: np.random.Generator) -> None:
    repeats, folds, rows = 2, 3, 12
    tests = [np.sort(part) for _ in range(repeats) for part in np.array_split(rng.permutation(rows), folds)]
    inner = rng.normal(size=(4, repeats * folds)).round(1)  # rounded, so that ties happen
    predictions = rng.normal(size=(4, repeats, rows, 1))
    outcomes = [made(k, float(rng.normal()), inner=tuple(inner[k]), predictions=write(tmp_path, k, predictions[k])) for k in range(4)]
    whole = procedure(outcomes, "rmse", tests, repeats, tmp_path)
    answer, picked = whole.prediction, whole.picked
    chosen = []
    for index, part in enumerate(tests):
        best = min(range(4), key=lambda k: (inner[k, index], k))
        chosen.append(best)
        for row in part:
            assert answer[index // folds, row, 0] == predictions[best, index // folds, row, 0]
    assert picked == {k: chosen.count(k) for k in set(chosen)}
    assert not np.isnan(answer).any()


def test_recorded_outcomes_come_back_and_a_changed_file_is_refused(tmp_path: Path) -> None:
    with Log(tmp_path) as log:
        first, second = made(0, 0.5, inner=(0.1, None)), made(1, None, status="failed")
        record(first, log)
        record(second, log)
        assert recorded(log) == {0: first, 1: second}
        path = candidate_folder(tmp_path, 0) / "outcome.json"
        path.write_text(path.read_text().replace("0.5", "0.9"))
        with pytest.raises(CheckFailed, match="TW082"):
            recorded(log)


def test_changed_predictions_are_refused(tmp_path: Path, rng: np.random.Generator) -> None:
    outcome = made(0, 0.5, predictions=write(tmp_path, 0, rng.normal(size=(1, 4, 1))))
    assert outcome.read_predictions(tmp_path).shape == (1, 4, 1)
    np.save(candidate_folder(tmp_path, 0) / PREDICTIONS, np.zeros((1, 4, 1)))
    with pytest.raises(CheckFailed, match="TW082"):
        outcome.read_predictions(tmp_path)
