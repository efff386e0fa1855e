"""What is told of the catalogue: every learner, its real settings, its card's own figures; wrong requests are our errors."""

from __future__ import annotations

import dataclasses

import pytest

import trainwright
from trainwright import learners
from trainwright.errors import RequestError
from trainwright.report.algorithms import catalogue_lines, learner_lines


def test_every_learner_is_told_with_its_own_settings_and_costs() -> None:
    told = {d["name"]: d for d in trainwright.algorithms(rows=5000, columns=8)}
    assert tuple(told) == learners.names()
    for name, d in told.items():
        kind = learners.learner_class(name)
        made = learners.make(name, {})
        assert [s["name"] for s in d["settings"]] == [field.name for field in dataclasses.fields(kind)]  # type: ignore[arg-type]
        assert all(getattr(made, s["name"]) == s["default"] for s in d["settings"])
        assert {s["name"] for s in d["settings"] if s["search"]} == set(kind.space)
        outputs = {"binary": 2, "regression": 1}[kind.card.tasks[0]]
        assert d["cost"]["seconds"] == pytest.approx(kind.card.seconds(5000, 8, outputs), rel=0.01)
        assert d["cost"]["ten_times_the_rows"] == pytest.approx(kind.card.seconds(50_000, 8, outputs) / kind.card.seconds(5000, 8, outputs), rel=0.01)


def test_a_task_narrows_the_list() -> None:
    names = [d["name"] for d in trainwright.algorithms(task="regression")]
    assert "tabular/linear" in names
    assert "tabular/logistic" not in names


def test_what_a_terminal_shows() -> None:
    lines = catalogue_lines(trainwright.algorithms(), rows=10_000, columns=20)
    assert sum(line.startswith("tabular/") for line in lines) == len([n for n in learners.names() if n.startswith("tabular/")])
    (one,) = trainwright.algorithms("lightgbm")
    told = "\n".join(learner_lines(one))
    assert "log loss, for classes\n" in told
    assert "num_leaves" in told
    assert "4 to 256 (log, whole)" in told


@pytest.mark.parametrize(
    ("name", "task", "code", "says"),
    [("lightgbn", None, "TW012", "lightgbm"), ("linear", "binary", "TW014", "logistic"), (None, "binray", "TW002", "binary")],
)
def test_wrong_requests(name: str | None, task: str | None, code: str, says: str) -> None:
    with pytest.raises(RequestError) as error:
        trainwright.algorithms(name, task=task)
    assert error.value.code == code
    assert says in error.value.fix
