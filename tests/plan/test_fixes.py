"""Fixes: entries of the cleaning ledger as a plan carries them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from trainwright.plan.model import Fix
from trainwright.runtime.spelling import SPELLINGS, normal, respelled

FIX = TypeAdapter(Fix)
OF = "0" * 64
SOUND = [
    {"do": "drop duplicates"},
    {"do": "drop rows", "rows": [3, 1], "of": OF},
    {"do": "relabel", "rows": [3, 1], "to": ["yes", "no"], "of": OF},
    {"do": "merge", "column": "city", "rule": ["casefold", "accents"]},
    {"do": "merge", "column": "city", "words": {"NY": "New York"}},
    {"do": "cap", "column": "age", "high": 99},
    {"do": "weight"},
    {"do": "weight", "population": {"sex": {"f": 0.5, "m": 0.5}}},
]
WRONG = [
    {"do": "polish"},
    {"do": "drop rows", "rows": [], "of": OF},
    {"do": "drop rows", "rows": [1, 1], "of": OF},
    {"do": "drop rows", "rows": [-1], "of": OF},
    {"do": "drop rows", "rows": [1], "of": "today's file"},
    {"do": "relabel", "rows": [1, 2], "to": ["yes"], "of": OF},
    {"do": "merge", "column": "city"},
    {"do": "merge", "column": "city", "rule": "guess"},
    {"do": "merge", "column": "city", "words": {"a": "a"}},
    {"do": "merge", "column": "city", "words": {"a": "b", "b": "c", "c": "a"}},
    {"do": "cap", "column": "age"},
    {"do": "cap", "column": "age", "low": 5, "high": 5},
    {"do": "cap", "column": "age", "low": float("nan")},
    {"do": "weight", "trim": 1},
]


@pytest.mark.parametrize("entry", SOUND, ids=lambda entry: entry["do"])
def test_a_fix_goes_out_and_in_unchanged(entry):
    fix = FIX.validate_python(entry | {"because": "TW120"})
    assert FIX.validate_python(fix.model_dump(mode="json", exclude_unset=True)) == fix
    with pytest.raises(ValidationError):  # a reason is owed
        FIX.validate_python(entry)


@pytest.mark.parametrize("entry", WRONG, ids=str)
def test_a_fix_that_makes_no_sense_is_refused(entry):
    with pytest.raises(ValidationError):
        FIX.validate_python(entry | {"because": "TW120"})


def test_rules_bring_the_spellings_of_a_word_together_and_keep_others_apart():
    assert {normal(word, SPELLINGS) for word in ("São  Paulo", "sao paulo", "SAO-PAULO", "Sao_Paulo ")} == {"sao paulo"}
    assert normal("Straße", ("casefold",)) == normal("STRASSE", ("casefold",))
    assert normal("-1", SPELLINGS) != normal("1", SPELLINGS)
    assert normal("<30", SPELLINGS) != normal("30", SPELLINGS)
    assert normal("--", SPELLINGS) == "--"  # of which nothing would be left
    assert normal("A b", ("accents",)) == "A b"


@given(st.text(), st.sets(st.sampled_from(SPELLINGS)))
def test_a_normal_form_is_its_own_normal_form(word, rules):
    once = normal(word, tuple(rules))
    assert normal(once, tuple(rules)) == once


def test_a_named_word_is_looked_up_in_its_normal_form():
    assert respelled("N.Y.", ("casefold", "punctuation"), (("n y", "new york"),)) == "new york"
    assert respelled("LA", ("casefold",), (("n y", "new york"),)) == "la"
