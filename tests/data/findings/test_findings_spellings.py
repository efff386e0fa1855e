"""Spelling variants and misspellings of categories, against a brute-force edit distance."""

from __future__ import annotations

import json
from itertools import pairwise, product

import numpy as np
import pytest
from made_datasets import made, seen, words

from trainwright.data.findings.spellings import needed_rules, one_edit, slips, variants
from trainwright.runtime.spelling import SPELLINGS, normal


def damerau(a: str, b: str) -> int:
    """Optimal string alignment by the textbook's table."""
    table = [[max(i, j) if 0 in (i, j) else 0 for j in range(len(b) + 1)] for i in range(len(a) + 1)]
    for i, j in product(range(1, len(a) + 1), range(1, len(b) + 1)):
        table[i][j] = min(table[i - 1][j] + 1, table[i][j - 1] + 1, table[i - 1][j - 1] + (a[i - 1] != b[j - 1]))
        if i > 1 and j > 1 and a[i - 1] == b[j - 2] and a[i - 2] == b[j - 1]:
            table[i][j] = min(table[i][j], table[i - 2][j - 2] + 1)
    return table[-1][-1]


def test_one_edit_is_a_distance_of_one(rng: np.random.Generator) -> None:
    made_words = ["".join(rng.choice(list("abc"), rng.integers(0, 6))) for _ in range(150)]
    for a, b in product(made_words, made_words):
        assert one_edit(a, b) == (damerau(a, b) == 1), (a, b)


def test_slips_are_those_of_all_pairs(rng: np.random.Generator) -> None:
    stems = ["".join(rng.choice(list("abcde"), 8)) for _ in range(60)]
    near = [stem[:2] + str(rng.choice(list("xyz"))) + stem[3:] for stem in stems[:20]] + [a[:4] + b[4:] for a, b in pairwise(stems)]
    counted = dict.fromkeys(stems, 100) | {word: 2 for word in near if word not in stems}
    truth = {a for a, b in product(counted, counted) if counted[b] >= 20 * counted[a] and damerau(a, b) == 1 and a[0] == b[0]}
    assert set(slips(counted)) == truth
    assert len(truth) >= 20


DIFFERENT = (("level a", "level b"), ("room 12", "room 13"), ("male", "female"), ("Gambia", "Zambia"), ("inland", "island"), ("ab12345", "ab12346"))


@pytest.mark.parametrize("pair", DIFFERENT)
def test_things_that_differ_are_no_slips(pair: tuple[str, str]) -> None:
    assert slips({pair[0]: 500, pair[1]: 2}) == {}


def test_the_fewest_rules_are_named() -> None:
    assert needed_rules({"Paris": 5, "paris": 2, "Rome": 3}) == ("casefold",)
    assert needed_rules({"new york": 5, "new  york ": 2}) == ("blanks",)
    assert needed_rules({"Zürich": 5, "Zurich": 2}) == ("accents",)
    assert needed_rules({"St. Louis": 5, "St Louis": 1}) == ("punctuation",)
    assert needed_rules({"St. Louis": 5, "st louis": 1, "Bern": 4, "bern": 1}) == ("casefold", "punctuation")
    assert needed_rules({"C": 5, "C#": 5, "C++": 2}) == ()
    assert needed_rules({"level 1": 5, "level 2": 5, "<=50K": 3, ">50K": 3}) == ()


def test_variants_are_found_and_a_rule_is_proposed_without_words(rng: np.random.Generator) -> None:
    town = rng.choice(["Secret Town", "Otherville", "Third Place"], 800).astype(object)
    town[:30] = "secret town"
    town[30:35] = "Otherville "
    (finding,) = seen(made({"town": words(town), "x": rng.normal(size=800)}), "TW192")
    assert finding.figures == {"sets": 2, "variants": 2, "rows": 35, "rules": ["casefold", "blanks"]}
    assert finding.proposes == ({"do": "merge", "column": "town", "rule": ["casefold", "blanks"]},)
    assert "ecret" not in json.dumps(finding.as_dict())
    rules = tuple(finding.proposes[0]["rule"])
    assert len({normal(word, rules) for word in set(town)}) == 3
    assert not seen(made({"town": words(rng.choice(["a b", "a c", "bc"], 500)), "x": rng.normal(size=500)}), "TW192")


def test_classes_in_two_spellings_are_told(rng: np.random.Generator) -> None:
    dataset = made({"x": rng.normal(size=300)}, rng.integers(0, 3, 300), classes=("No", "Yes", "yes"))
    assert seen(dataset, "TW192")[0].figures["sets"] == 1


def test_misspelled_words_are_told_by_their_rows(rng: np.random.Generator) -> None:
    place = rng.choice(["Berlin", "Hamburg", "Stuttgart"], 900).astype(object)
    place[[7, 70]] = "Hambrug", "Stutgart"
    (finding,) = seen(made({"place": words(place), "x": rng.normal(size=900)}), "TW193")
    assert finding.figures["rows"] == [7, 70]
    assert "ambrug" not in json.dumps(finding.as_dict())
    names = words([f"agent{'abcdefghijklmnopqrstuvwxyz'[i % 26]}{'abc'[i % 3]}xyz" for i in range(900)])
    assert not seen(made({"name": names, "x": rng.normal(size=900)}), "TW193")


def test_variants_by_all_rules_share_a_normal_form() -> None:
    groups = variants({"Zürich-West": 4, "zurich west": 9, "Bern": 2}, SPELLINGS)
    assert groups == {"zurich west": ["zurich west", "Zürich-West"]}
