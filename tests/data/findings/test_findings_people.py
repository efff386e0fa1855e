"""Personal identifiers and bias in the data."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from made_datasets import made, seen, words
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint

from trainwright.data.findings import personal
from trainwright.data.findings.bias import gaps_of, likely
from trainwright.data.findings.personal import of_content, of_name
from trainwright.data.findings.vocabulary import words_of

AB = ("no", "yes")


# --- TW150


def test_names_are_taken_apart() -> None:
    assert words_of("Geburts-Datum") == ["geburts", "datum"]
    assert words_of("customerID") == ["customer", "id"]
    assert words_of("PhoneService") == ["phone", "service"]
    assert words_of("prénom_2") == ["prenom", "2"]
    assert words_of("SSN") == ["ssn"]


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("first_name", "a person's name"),
        ("Nachname", "a person's name"),
        ("prénom", "a person's name"),
        ("apellidos", "a person's name"),
        ("name", "a person's name"),
        ("patient_name", "a person's name"),
        ("date_of_birth", "a birth date"),
        ("Geburtsdatum", "a birth date"),
        ("fecha_de_nacimiento", "a birth date"),
        ("customer_email", "a mail address"),
        ("PhoneNumber", "a telephone number"),
        ("home_address", "an address"),
        ("IBAN", "a bank account or card"),
        ("SSN", "a number of a person"),
        ("codice_fiscale", "a number of a person"),
        ("passport_no", "a number of a person"),
    ],
)
def test_columns_of_persons_are_known_by_name(name: str, what: str) -> None:
    assert of_name(name, "text", 0.99) == what


@pytest.mark.parametrize(
    "name",
    [
        "PhoneService",
        "email_verified",
        "has_phone",
        "product_name",
        "file_name",
        "ip_address",
        "street_type",
        "namespace",
        "age",
        "birthrate",
        "name_length",
    ],
)
def test_columns_about_something_else_are_not(name: str) -> None:
    assert of_name(name, "text", 0.99) == ""


def test_a_name_that_repeats_is_no_person() -> None:
    assert of_name("name", "category", 0.1) == ""
    assert of_name("address", "category", 0.01) == ""


def test_check_digits_against_published_examples() -> None:
    for number in ("4111 1111 1111 1111", "5555555555554444", "378282246310005"):  # test numbers of the card networks
        assert personal.card(number)
        assert not personal.card(number[:-1] + str((int(number[-1]) + 1) % 10))
    for number in ("DE89 3704 0044 0532 0130 00", "GB82WEST12345698765432", "FR1420041010050500013M02606"):  # ISO 13616 examples
        assert personal.iban(number)
        assert not personal.iban(number.replace("3", "8"))
    for number in (
        "123-45-6789",
        "12345678Z",
        "X1234567L",
        "RSSMRA85T10A562S",
        "44051401359",
        "86095742719",
        "255081416802538",
        "811228-9874",
        "AB123456C",
    ):
        assert personal.person_number(number), number
    for number in ("000-45-6789", "12345678A", "44051401358", "86095742710", "255081416802539", "811228-9873", "12345678901"):
        assert not personal.person_number(number), number


def iban_of(number: int) -> str:
    account = f"{number:018d}"
    return f"DE{98 - int(account + '131400') % 97:02d}{account}"


@pytest.mark.parametrize(
    ("what", "make"),
    [
        ("a mail address", lambda i: f"user{i}@example.org"),
        ("a bank account or card", lambda i: iban_of(370_400_440_000_000_000 + i * 7919)),
        ("a number of a person", lambda i: f"{i % 600 + 100:03d}-{i % 90 + 5:02d}-{i + 1000:04d}"),
        ("a telephone number", lambda i: f"+49 30 {1_000_000 + i * 37}"),
        ("a telephone number", lambda i: f"({i % 800 + 200}) 555-{i:04d}"),
        ("a person's name", lambda i: f"Smith{'abcdefghij'[i % 10]}, Mr. John {'klmnopqrst'[i // 10 % 10]}"),
    ],
)
def test_content_is_known_by_shape(what: str, make) -> None:  # type: ignore[no-untyped-def]
    column = words([make(i) for i in range(300)])
    found, part = of_content(column, "identifier")
    assert found == what
    assert part > 0.9
    dataset = made({"k7": column, "x": np.arange(300.0)}, kinds={"k7": "identifier"})
    (finding,) = seen(dataset, "TW150")
    assert finding.columns == ("k7",)
    for word in column.vocabulary[:20]:
        assert word not in json.dumps(finding.as_dict(), ensure_ascii=False)


def test_mail_inside_text_is_found(rng: np.random.Generator) -> None:
    text = words([f"note {i}" + (f", ask joe{i}@example.com again" if i % 20 == 0 else "") for i in range(400)])
    assert of_content(text, "text")[0] == "a mail address inside text"
    assert of_content(words([f"note {i} at 10:30, 3.5 kg" for i in range(400)]), "text")[0] == ""


@pytest.mark.parametrize(
    "make",
    [
        lambda i: f"2021-{i % 12 + 1:02d}-{i % 28 + 1:02d} {i % 24:02d}:00",
        lambda i: f"{1_000_000 + i * 7919}",
        lambda i: f"{10_000_000_000 + i * 7_919_333}",
        lambda i: f"AB-{i:05d}",
        lambda i: f"10.0.{i % 256}.{i % 7}",
        lambda i: f"{i},{i % 97}.{i % 10}",
        lambda i: f"4{i * 79_193_331 % 10**15:015d}",
        lambda i: f"550e8400-e29b-41d4-a716-{446655440000 + i}",
    ],
)
def test_other_contents_are_not(make) -> None:  # type: ignore[no-untyped-def]
    assert of_content(words([make(i) for i in range(300)]), "identifier") == ("", 0.0)


def test_cards_read_as_numbers_are_found(rng: np.random.Generator) -> None:
    stems = [f"4{i:014d}" for i in rng.integers(10**12, 10**13, 200)]
    cards = [float(s + next(d for d in "0123456789" if personal.luhn(s + d))) for s in stems]
    assert seen(made({"k": np.array(cards)}), "TW150") != []
    assert seen(made({"k": np.array(cards) + rng.integers(0, 10, 200)}), "TW150") == []


def test_an_ordinary_table_has_no_persons(rng: np.random.Generator) -> None:
    columns = {
        "age": rng.integers(18, 90, 200).astype(float),
        "city": words(rng.choice(["Rom", "Bonn"], 200)),
        "PhoneService": words(["y", "n"] * 100),
    }
    assert seen(made(columns), "TW150") == []


# --- TW160 to TW163


def test_likely_protected_columns_are_named_until_they_are_given(rng: np.random.Generator) -> None:
    n = 300
    columns = {
        "sex": words(rng.choice(["f", "m"], n)),
        "age": rng.integers(18, 80, n).astype(float),
        "native_country": words(rng.choice(["A", "B"], n)),
        "page": rng.normal(size=n),
        "income": rng.normal(size=n),
    }
    (finding,) = seen(made(columns), "TW160")
    assert set(finding.columns) == {"sex", "age", "native_country"}
    assert "--protected sex,age,native_country" in finding.fix
    (finding,) = seen(made(columns), "TW160", protected=("sex", "age"))
    assert finding.columns == ("native_country",)
    assert seen(made(columns), "TW160", protected=("sex", "age", "native_country")) == []


def test_an_age_in_days_is_no_persons_age(rng: np.random.Generator) -> None:
    assert seen(made({"age": rng.integers(1, 365, 300).astype(float)}), "TW160") == []  # concrete
    assert likely("housing_median_age") == ""
    assert likely("Familienstand") == "family status"
    assert likely("marital_status") == "family status"


def people(rng: np.random.Generator, n: int = 4000) -> tuple[dict, np.ndarray, np.ndarray, np.ndarray]:  # type: ignore[type-arg]
    sex = rng.choice(["f", "m"], n)
    race = rng.choice(["p", "q", "r", "s"], n, p=[0.6, 0.36, 0.0375, 0.0025])
    return {"x": rng.normal(size=n), "sex": words(sex), "race": words(race)}, sex, race, rng.random(n)


def test_few_rows_are_told_and_the_fewest_not_named(rng: np.random.Generator) -> None:
    columns, _, race, chance = people(rng, 2000)
    race[race == "s"] = "p"
    race[:7] = "tiny"
    columns["race"] = words(race)
    y = (chance < 0.4).astype(int)
    dataset = made(columns, y, classes=AB)
    (finding,) = seen(dataset, "TW161", protected=("sex", "race"))
    assert finding.where == "race"
    assert f"r {np.sum(race == 'r')} rows" in finding.what
    assert "tiny" not in json.dumps(finding.as_dict())
    assert finding.figures["unnamed"] == 1
    assert finding.figures["unnamed_rows"] == 7
    assert seen(dataset, "TW161", protected=("sex",)) == []
    assert seen(dataset, "TW161") == []


def test_gaps_equal_statsmodels(rng: np.random.Generator) -> None:
    _, sex, _, chance = people(rng)
    y = (chance < np.where(sex == "m", 0.4, 0.3)).astype(float)
    codes = (sex == "m").astype(np.int32)
    gap = gaps_of(("f", "m"), codes, y, True, 1)[1]
    inside, outside = y[sex == "m"], y[sex == "f"]
    np.testing.assert_allclose((gap.low, gap.high), proportion_confint(inside.sum(), len(inside), method="wilson"), atol=1e-9)
    truth = confint_proportions_2indep(inside.sum(), len(inside), outside.sum(), len(outside), method="newcomb")
    np.testing.assert_allclose((gap.gap_low, gap.gap_high), truth, atol=1e-9)


def test_outcome_gaps_are_found_and_chance_is_not(rng: np.random.Generator) -> None:
    columns, sex, _, chance = people(rng)
    (finding,) = seen(made(columns, chance < np.where(sex == "m", 0.45, 0.3), classes=AB), "TW162", protected=("sex", "race"))
    assert finding.where == "sex"
    assert set(finding.figures) == {"'yes'"}
    frame = pd.DataFrame({"sex": sex, "y": chance < np.where(sex == "m", 0.45, 0.3)}).groupby("sex")["y"].mean()
    assert {g["group"]: g["outcome"] for g in finding.figures["'yes'"]} == pytest.approx(frame.to_dict(), abs=1e-5)
    assert seen(made(columns, chance < 0.35, classes=AB), "TW162", protected=("sex", "race")) == []
    assert seen(made(columns, chance < np.where(sex == "m", 0.36, 0.34), classes=AB), "TW162", protected=("sex",)) == []  # real, but small


def test_outcome_gaps_of_numbers_and_of_a_numeric_attribute(rng: np.random.Generator) -> None:
    age = rng.integers(18, 80, 3000).astype(float)
    y = np.where(age < 30, 1.0, 0.0) + rng.normal(size=3000)
    (finding,) = seen(made({"x": rng.normal(size=3000), "age": age}, y), "TW162", protected=("age",))
    assert "standard deviations" in finding.what
    groups = finding.figures["the target"]
    assert len(groups) == 4
    assert sum(g["rows"] for g in groups) == 3000
    assert seen(made({"age": age}, rng.normal(size=3000)), "TW162", protected=("age",)) == []


def test_a_missing_attribute_is_a_group(rng: np.random.Generator) -> None:
    _, _, _, chance = people(rng)
    told = rng.random(4000) < 0.7
    sex = words([None if not t else v for t, v in zip(told, rng.choice(["f", "m"], 4000), strict=True)])
    (finding,) = seen(made({"sex": sex}, chance < np.where(told, 0.2, 0.4), classes=AB), "TW162", protected=("sex",))
    assert "missing" in finding.what
    assert {g["group"]: g["rows"] for g in finding.figures["'yes'"]}["missing"] == int((~told).sum())


def test_a_crossing_that_neither_attribute_shows(rng: np.random.Generator) -> None:
    columns, sex, race, chance = people(rng)
    crossed = (sex == "m") == (race == "p")
    dataset = made(columns, chance < np.where(crossed, 0.5, 0.3), classes=AB)
    (finding,) = seen(dataset, "TW163", protected=("sex", "race"))
    assert finding.columns == ("sex", "race")
    assert {"m and p", "f and p"} <= {g["group"] for g in finding.figures["'yes'"]}
    assert all(g["rows"] >= 10 for g in finding.figures["'yes'"])
    alone = made(columns, chance < np.where(sex == "m", 0.5, 0.3), classes=AB)
    assert seen(alone, "TW163", protected=("sex", "race")) == []


def test_a_dropped_attribute_is_still_looked_at(rng: np.random.Generator) -> None:
    columns, sex, _, chance = people(rng)
    dataset = made(columns, chance < np.where(sex == "m", 0.45, 0.3), classes=AB, roles={"sex": "protected", "race": "set aside"})
    assert [finding.where for finding in seen(dataset, "TW162")] == ["sex"]
