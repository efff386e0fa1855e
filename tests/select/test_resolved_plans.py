"""A resolved plan reads the same table as the request that it came from: the same columns, kinds, rows and splits."""

from __future__ import annotations

from pathlib import Path

import pytest

from conftest import SHARED
from trainwright.data.read import look_at
from trainwright.plan.read import dump_plan, make_plan, read_plan
from trainwright.select.resolve import resolve

TABLES = {
    "adult/adult_train.csv.gz": "income",
    "bike_sharing_hour/bike_sharing_hour.csv.gz": "cnt",
    "diamonds/diamonds.csv.gz": "price",
    "german_credit/german_credit.csv.gz": "credit_risk",
    "horse_colic/horse_colic.csv.gz": "outcome",
    "pbc_visits_groups/pbc": "status",
    "telco_churn/telco_churn.csv.gz": "Churn",
    "titanic/titanic.csv": "survived",
}
SPLITS = {"bike": "time:dteday", "pbc": "group:id"}


def same_again(path: Path, target: str, tmp_path: Path) -> None:
    split = next((how for name, how in SPLITS.items() if path.name.startswith(name)), "auto")
    first = look_at(make_plan({"source": str(path), "target": target, "split": split}), None)
    file = tmp_path / "plan.yaml"
    file.write_text(dump_plan(resolve(make_plan({"source": str(path), "target": target, "split": split}), first), full=True), encoding="utf-8")
    again = look_at(read_plan(file), None)
    assert again.digest == first.digest
    assert [(d.schema, d.role) for d in again.table.described] == [(d.schema, d.role) for d in first.table.described]


@pytest.mark.parametrize(("name", "target"), [("penguins.csv", "species"), ("fair.csv", "affair"), ("weather.csv", "temp_max")])
def test_packaged_tables(tables: Path, tmp_path: Path, name: str, target: str) -> None:
    same_again(tables / name, target, tmp_path)


@pytest.mark.shared
@pytest.mark.skipif(not SHARED.exists(), reason="the shared data sets are not there")
@pytest.mark.parametrize(("name", "target"), TABLES.items())
def test_shared_tables(tmp_path: Path, name: str, target: str) -> None:
    folder = SHARED / Path(name).parent
    path = next(path for path in sorted(folder.iterdir()) if path.name.startswith(Path(name).name.split(".")[0]))
    same_again(path, target, tmp_path)
