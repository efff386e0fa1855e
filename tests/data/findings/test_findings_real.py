"""The checks on real tables, through the reader and the preparation that a run uses: known leaks block, known strong features do not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from trainwright.data.dataset import Finding
from trainwright.data.read import look_at
from trainwright.plan.model import Plan

SHARED = Path(__file__).parents[3] / "../shared/data"
pytestmark = [pytest.mark.shared, pytest.mark.skipif(not SHARED.exists(), reason="needs the shared data sets")]
Look = Callable[..., dict[str, list[Finding]]]


@pytest.fixture(scope="module")
def look() -> Look:
    """The findings of a table by code; each table is read once."""
    kept: dict[Any, dict[str, list[Finding]]] = {}

    def found(path: str, target: str, **asked: Any) -> dict[str, list[Finding]]:
        key = (path, target, tuple(sorted(asked.items())))
        if key not in kept:
            by_code: dict[str, list[Finding]] = {}
            for finding in look_at(Plan(source=str(SHARED / path), target=target, **asked), None).findings:
                by_code.setdefault(finding.code, []).append(finding)
            kept[key] = by_code
        return kept[key]

    return found


def blocking(found: dict[str, list[Finding]]) -> set[str]:
    return {code for code, findings in found.items() if any(finding.blocking for finding in findings)}


def columns(found: dict[str, list[Finding]], code: str) -> set[str]:
    return {name for finding in found.get(code, []) for name in finding.columns}


def test_adult(look: Look) -> None:
    found = look("adult/adult_train.csv.gz", "income", protected=("sex", "race"))
    assert blocking(found) == set()
    assert columns(found, "TW122") == {"education", "education_num"}
    assert {finding.where for finding in found["TW162"]} == {"sex", "race"}
    men = next(g for f in found["TW162"] if f.where == "sex" for g in next(iter(f.figures.values())) if g["group"] == "Male")
    assert men["outcome"] == pytest.approx(0.3057, abs=0.005)  # 6,662 of 21,790 in the whole file
    assert columns(found, "TW160") == {"age", "marital_status", "native_country"}


def test_adult_with_its_official_test_part(look: Look) -> None:
    found = look("adult/adult_train.csv.gz", "income", test=str(SHARED / "adult/adult_test.csv.gz"))
    (finding,) = found["TW103"]
    assert finding.figures["shared"] == 23  # counted with a set of tuples
    assert blocking(found) == set()
    assert "TW142" not in found
    coarse = look("adult/adult_train.csv.gz", "income", test=str(SHARED / "adult/adult_test.csv.gz"), drop=("fnlwgt",))
    assert coarse["TW103"][0].figures["share"] > 0.1  # twelve coarse attributes of 48,842 people: they agree by chance
    assert blocking(coarse) == set()


def test_bike_sharing(look: Look) -> None:
    found = look("bike_sharing_hour/bike_sharing_hour.csv.gz", "cnt")
    assert blocking(found) == {"TW102"}
    assert columns(found, "TW102") == {"casual", "registered"}
    assert found["TW141"][0].where == "dteday"
    by_time = look("bike_sharing_hour/bike_sharing_hour.csv.gz", "cnt", split="time:dteday", drop=("casual", "registered"))
    assert blocking(by_time) == set()
    assert "TW141" not in by_time
    assert "yr" in columns(by_time, "TW142")


def test_titanic(look: Look) -> None:
    found = look("titanic/titanic.csv", "survived")
    assert columns(found, "TW101") == {"alive"}
    assert blocking(found) == {"TW101"}
    assert columns(found, "TW110") == {"deck"}
    assert {frozenset(f.columns) for f in found["TW122"]} == {
        frozenset(p) for p in (("pclass", "class"), ("embarked", "embark_town"), ("who", "adult_male"))
    }


def test_compas_warns_of_the_partial_leak(look: Look) -> None:
    found = look("compas/compas_two_years.csv", "two_year_recid", protected=("race", "sex"))
    assert blocking(found) == set()
    assert columns(found, "TW105") == {"is_recid"}
    assert found["TW105"][0].figures["right"] == pytest.approx(0.9695, abs=0.003)  # is_recid == two_year_recid in the whole file
    assert {finding.where for finding in found["TW162"]} == {"race", "sex"}
    assert "Native American" in found["TW161"][0].what


def test_mushrooms_do_not_block(look: Look) -> None:
    found = look("mushrooms/mushrooms.csv", "type")
    assert blocking(found) == set()
    assert columns(found, "TW105") == {"odor"}
    assert columns(found, "TW111") == {"veil_type"}


def test_pbc_visits_come_in_groups(look: Look) -> None:
    found = look("pbc_visits_groups/pbc_visits.csv", "status")
    assert blocking(found) == set()
    assert columns(found, "TW140") == {"id"}
    assert "TW141" not in found
    assert "TW140" not in look("pbc_visits_groups/pbc_visits.csv", "status", split="group:id")


def test_telco(look: Look) -> None:
    found = look("telco_churn/telco_churn.csv", "Churn")
    assert blocking(found) == set()
    assert columns(found, "TW112") == {"customerID"}
    assert columns(found, "TW160") == {"gender", "SeniorCitizen"}
    assert "TW150" not in found  # PhoneService is no telephone number


def test_german_credit(look: Look) -> None:
    found = look("german_credit/german_credit.csv", "credit_risk", protected=("sex", "age"))
    assert blocking(found) == set()
    assert columns(found, "TW160") == {"personal_status_sex", "foreign_worker"}
    assert {"sex", "age"} <= {finding.where for finding in found["TW162"]}
    assert columns(found, "TW122") == {"personal_status_sex", "sex"}


def test_california(look: Look) -> None:
    found = look("california_housing/california_housing.csv.gz", "median_house_value")
    assert blocking(found) == set()
    assert found["TW134"][0].figures["share"] == pytest.approx(965 / 20640, abs=0.004)
    assert "TW160" not in found  # the age of a house is nobody's


@pytest.mark.parametrize(
    ("path", "target"),
    [
        ("letter/letter.csv.gz", "letter"),
        ("penguins/penguins.csv", "species"),
        ("wine_quality/wine_quality.csv", "quality"),
        ("spambase/spambase.csv.gz", "is_spam"),
        ("diamonds/diamonds.csv.gz", "price"),
        ("insurance/insurance.csv", "charges"),
        ("concrete/concrete.csv", "strength"),
        ("hotel_rates/hotel_rates.csv.gz", "avg_price_per_room"),
        ("nlswork_groups/nlswork.csv.gz", "ln_wage"),
        ("credit_default/credit_default.csv.gz", "default_next_month"),
        ("horse_colic/horse_colic.csv", "outcome"),
    ],
)
def test_honest_tables_do_not_block(look: Look, path: str, target: str) -> None:
    there = next((p for p in (SHARED / path, SHARED / path.removesuffix(".gz"), SHARED / f"{path}.gz") if p.exists()), None)
    assert there is not None
    assert blocking(look(str(there.relative_to(SHARED)), target)) == set()
