"""One category written in several ways: by case, blanks, accents or punctuation (TW192), or with a letter astray (TW193). Both warn.

In       the words of category features that occur in open rows, with their counts; the class names too, for TW192.
Out      how many words mean the same, on how many rows; row numbers to look at. The words themselves are told nowhere: a merge by a rule
         finds them again from the data (`runtime/spelling.py`), and a single misspelling is looked up by its row.
Source   words one slip apart (a letter more, less, other, or two exchanged: Damerau 1964, CACM 7(3), 171-176) are found without comparing
         all pairs, since they share a word with one letter taken out (deletion neighbourhoods: Bocek, Hunt & Stiller 2007).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

import numpy as np

from trainwright.data.findings.interface import Check, Found, Subject, count, names, share
from trainwright.runtime.columns import Coded, Rows
from trainwright.runtime.spelling import SPELLINGS, normal

MOST_WORDS = 50_000  # of a column; the commonest, when there are more
LONGEST = 64  # letters of a word that is compared
LETTERS = 5  # of the part of a word that differs: "level a" and "level b" are no slip
LETTERS_OTHER = 8  # where a letter stands for another: "island" and "inland" are two words
RATIO = 20  # as many times the rows of the word it is mistaken for
MOST_SLIPS = 0.2  # the share of a column's words that may be slips: in a list of names or codes, many words are near to another


def used_words(subject: Subject, name: str) -> dict[str, int]:
    """The words of a column that occur in open rows, with their rows; the commonest MOST_WORDS."""
    column = subject.column(name, subject.open)
    assert isinstance(column, Coded)
    counts = np.bincount(column.codes[column.codes >= 0], minlength=len(column.vocabulary))
    order = np.argsort(-counts, kind="stable")[:MOST_WORDS]
    return {column.vocabulary[place]: int(counts[place]) for place in order.tolist() if counts[place] > 0}


def _categories(subject: Subject) -> list[str]:
    return [name for name in subject.words if subject.kinds[name] in ("category", "ordered")]


def variants(words: Mapping[str, int], rules: tuple[str, ...]) -> dict[str, list[str]]:
    """The words by their normal form, where several share one; the commonest first."""
    groups: dict[str, list[str]] = {}
    for word in words:
        groups.setdefault(normal(word, rules), []).append(word)
    return {form: sorted(group, key=lambda word: -words[word]) for form, group in groups.items() if len(group) > 1}


def needed_rules(words: Mapping[str, int]) -> tuple[str, ...]:
    """The fewest spellings that count as one: those without which some words would stay apart. () when there are no variants.

    Punctuation is let alone where it would leave a single letter or digit: "C" and "C#", "+" and "A" are different things.
    """
    rules: tuple[str, ...] = SPELLINGS
    if any(len(form.replace(" ", "")) < 2 for form in variants(words, rules)):
        rules = tuple(rule for rule in rules if rule != "punctuation")
    most = _merged(words, rules)
    if most == 0:
        return ()
    for rule in reversed(SPELLINGS):
        fewer = tuple(other for other in rules if other != rule)
        if fewer and rule in rules and _merged(words, fewer) == most:
            rules = fewer
    return rules


def _merged(words: Mapping[str, int], rules: tuple[str, ...]) -> int:
    return sum(len(group) - 1 for group in variants(words, rules).values())


def spelled_twice(subject: Subject) -> Iterable[Found]:
    """TW192: categories (or classes) that are written in more than one way."""
    for name in _categories(subject):
        words = used_words(subject, name)
        rules = needed_rules(words)
        if not rules:
            continue
        sets = variants(words, rules)
        rarer = [word for group in sets.values() for word in group[1:]]
        rows = sum(words[word] for word in rarer)
        yield Found(
            where=name,
            what=f"'{name}' writes {count(len(sets), 'category/categories')} in more than one way, by {_spoken(rules)}: "
            f"{count(len(rarer), 'spelling')} too many, on {count(rows, 'row')} ({share(rows, len(subject.open))})",
            fix="merge them: accept this finding's proposal, or mend the file",
            columns=(name,),
            figures={"sets": len(sets), "variants": len(rarer), "rows": rows, "rules": list(rules)},
            proposes=({"do": "merge", "column": name, "rule": list(rules)},),
        )
    if subject.is_classes and (rules := needed_rules(dict.fromkeys(subject.dataset.classes, 1))):
        sets = variants(dict.fromkeys(subject.dataset.classes, 1), rules)
        yield Found(
            where=subject.dataset.target_name or "target",
            what=f"the target writes {count(len(sets), 'class/classes')} in more than one way, by {_spoken(rules)}: "
            f"{sum(len(group) - 1 for group in sets.values())} classes too many",
            fix="mend the file: as it is, the spellings are different classes, and a right answer in the other spelling counts as wrong",
            figures={"sets": len(sets), "rules": list(rules)},
        )


def _spoken(rules: tuple[str, ...]) -> str:
    said = {"casefold": "small and capital letters", "blanks": "blanks", "accents": "accents", "punctuation": "punctuation"}
    return " and ".join(said[rule] for rule in rules)


def misspelled(subject: Subject) -> Iterable[Found]:
    """TW193: rare words one slip away from a common one."""
    for name in _categories(subject):
        words = used_words(subject, name)
        found = slips(words)
        if not found or len(found) > max(10, MOST_SLIPS * len(words)):
            continue
        column = subject.column(name, subject.open)
        assert isinstance(column, Coded)
        astray = np.array([word in found for word in column.vocabulary] + [False])
        rows: Rows = subject.open[astray[column.codes]]  # code -1 reads the last entry
        yield Found(
            where=f"{name}, rows {names([str(row) for row in rows[:100].tolist()], 5)}",
            what=f"{count(len(found), 'rare word')} of '{name}' {'is' if len(found) == 1 else 'are'} one slip away from a word of at least "
            f"{RATIO} times as many rows, on {count(len(rows), 'row')} ({share(len(rows), len(subject.open))})",
            fix="look at these rows; if they are misspelled, mend the file, or write into the plan's `clean`: "
            f"{{do: merge, column: {name}, words: {{AS WRITTEN: AS MEANT}}, because: misspelled}}",
            columns=(name,),
            figures={"words": len(found), "rows": rows[:100].tolist(), "count": len(rows)},
        )


def slips(words: Mapping[str, int]) -> dict[str, str]:
    """Each rare word that is one slip away from a word of RATIO times its rows, with the commonest such word.

    The differing part must have LETTERS letters or more, begin with the same letter on both sides (slips there are rare: Pollock &
    Zamora 1984, CACM 27(4)), and hold no digit, so that codes and numbered things stay apart. Words that one rule of spelling makes
    equal are left to TW192.
    """
    forms: dict[str, int] = {}
    for word, rows in words.items():
        if len(word) <= LONGEST:
            form = normal(word, SPELLINGS)
            forms[form] = forms.get(form, 0) + rows
    common = {form for form, rows in forms.items() if rows >= RATIO}
    near: dict[str, list[str]] = {}
    for form in common:
        for key in _deletions(form):
            near.setdefault(key, []).append(form)
    result: dict[str, str] = {}
    for word in words:
        form = normal(word, SPELLINGS) if len(word) <= LONGEST else ""
        candidates = {other for key in _deletions(form) for other in near.get(key, ())} if form else set()
        meant = [other for other in candidates if forms[other] >= RATIO * forms[form] and is_slip(form, other)]
        if meant:
            result[word] = max(meant, key=lambda other: (forms[other], other))
    return result


def _deletions(word: str) -> set[str]:
    return {word} | {word[:place] + word[place + 1 :] for place in range(len(word))}


def is_slip(a: str, b: str) -> bool:
    """Whether two words differ by one slip in one part of enough letters, without digits."""
    left, right = a.split(), b.split()
    if len(left) != len(right):
        return False
    different = [(x, y) for x, y in zip(left, right, strict=True) if x != y]
    if len(different) != 1:
        return False
    x, y = different[0]
    exchanged = sorted(x) == sorted(y)
    least = LETTERS_OTHER if len(x) == len(y) and not exchanged else LETTERS
    if min(len(x), len(y)) < least or x[0] != y[0] or re.search(r"\d", x + y):
        return False
    return one_edit(x, y)


def one_edit(x: str, y: str) -> bool:
    """Whether one letter more, less or other, or two neighbours exchanged, makes x of y (and they are not equal)."""
    if x == y or abs(len(x) - len(y)) > 1:
        return False
    same = next((place for place, (a, b) in enumerate(zip(x, y, strict=False)) if a != b), min(len(x), len(y)))
    u, v = x[same:], y[same:]
    if len(u) == len(v):
        return u[1:] == v[1:] or (u[:2] == v[1::-1] and u[2:] == v[2:])
    return u[1:] == v if len(u) > len(v) else u == v[1:]


CHECKS = (
    Check(
        "TW192",
        "A category is written in several ways",
        False,
        "the model sees different things where there is one, and learns each from fewer rows",
        False,
        spelled_twice,
    ),
    Check(
        "TW193",
        "Words that look misspelled",
        False,
        "a misspelled word is a category of its own with too few rows to learn from",
        False,
        misspelled,
    ),
)
