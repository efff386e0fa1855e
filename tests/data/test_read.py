"""From what was asked to a dataset: what the plan says of columns is what happens to them."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from trainwright.data.read import describe, inspect, look_at, roles_of, stop_at_findings
from trainwright.errors import FindingStop
from trainwright.plan.read import make_plan


def frame(rng: np.random.Generator, rows: int = 400) -> pl.DataFrame:
    return pl.DataFrame({"a": rng.normal(size=rows), "b": rng.normal(size=rows), "who": np.arange(rows) // 4, "y": rng.choice(["n", "p"], size=rows)})


def test_roles_follow_the_plan() -> None:
    plan = make_plan({"target": "y", "drop": ["a", "b"], "weight": "w", "split": "group:who"})
    assert roles_of(plan) == {"a": "set aside", "b": "set aside", "w": "weight", "who": "group", "y": "target"}
    assert roles_of(make_plan({"target": "y", "split": "time:day"})) == {"day": "time", "y": "target"}


def test_dropped_columns_are_not_learned_from_whatever_they_hold(rng: np.random.Generator) -> None:
    rows = frame(rng)
    lists = rows.with_columns(odd=pl.Series([[1, 2]] * len(rows)))  # a column that has no typed form
    dataset = look_at(make_plan({"target": "y", "drop": ["odd", "b", "who"]}), lists)
    assert [feature.name for feature in dataset.features] == ["a"]


def test_a_table_without_a_target_is_looked_at_as_well(rng: np.random.Generator) -> None:
    seen = describe(inspect(make_plan({}), frame(rng)))
    assert (seen["task"], seen["target"], seen["source"]["rows"]) == (None, None, 400)


def test_a_blocking_finding_stops_until_it_is_allowed(rng: np.random.Generator) -> None:
    leaking = frame(rng).with_columns(copy=(pl.col("y") == "p").cast(pl.Int64) * 7)
    asked = {"target": "y", "drop": ["who"]}
    findings = look_at(make_plan(asked), leaking).findings
    with pytest.raises(FindingStop, match="copy") as caught:
        stop_at_findings(findings, make_plan(asked))
    assert caught.value.exit_code == 3
    assert "--drop who,copy" in caught.value.fix
    allowed = make_plan(asked | {"allow": [{"code": caught.value.code, "because": "it is known before"}]})
    stop_at_findings(findings, allowed)
