"""Spellings that count as one word, and numbers that end at a cap: what a plan's `clean` leaves in a column's schema.

Takes    a word as `cells.word_of` has read it, and the rules of its column: named normalisations, then words that were merged by name.
Gives    the word that is learned from. A word that was already brought into this form comes back as it is.
Why      training and serving read by this one page, so a variant that a person merged is merged for every row that is ever served.
Source   Unicode Standard Annex 15 (normalisation forms), and case folding as in chapter 3.13 of the Unicode Standard.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Final, Literal, get_args

Spelling = Literal["casefold", "blanks", "accents", "punctuation"]
SPELLINGS: Final[tuple[str, ...]] = get_args(Spelling)
ROUNDS: Final = 8  # one rule can make work for another (a mark that was stripped leaves a blank); three rounds have always been enough


def _casefold(word: str) -> str:
    return word.lower() if word.isascii() else unicodedata.normalize("NFKC", word).casefold()


def _blanks(word: str) -> str:
    """Blanks at the ends go, runs of them become one."""
    return " ".join(word.split())


def _accents(word: str) -> str:
    if word.isascii():
        return word
    return unicodedata.normalize("NFC", "".join(mark for mark in unicodedata.normalize("NFD", word) if not unicodedata.combining(mark)))


def _punctuation(word: str) -> str:
    """Whatever is neither letter, digit or sign of a number becomes a blank: "St. Louis" and "St Louis" are one word, "-1" and "1" are not."""
    if word.isalnum():
        return word
    return " ".join(re.sub(r"(?!(?<!\w)-\d)[^\w\s+%<>=]|_", " ", word).split())


_RULES: Final[Mapping[str, Callable[[str], str]]] = {
    "casefold": _casefold,
    "blanks": _blanks,
    "accents": _accents,
    "punctuation": _punctuation,
}


def normal(word: str, rules: tuple[str, ...]) -> str:
    """The form that all spellings of a word share under `rules`, whatever their order. A word of which nothing would be left stays as it is."""
    for _ in range(ROUNDS if rules else 0):
        before = word
        for rule in SPELLINGS:
            if rule in rules:
                word = _RULES[rule](word) or word
        if word == before:
            break
    return word


@lru_cache(maxsize=256)
def _kept(aliases: tuple[tuple[str, str], ...]) -> dict[str, str]:
    return dict(aliases)


def respelled(word: str, rules: tuple[str, ...], aliases: tuple[tuple[str, str], ...]) -> str:
    """The word that is learned from: its normal form, or the word that form was merged into."""
    word = normal(word, rules)
    return _kept(aliases).get(word, word) if aliases else word
