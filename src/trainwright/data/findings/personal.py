"""Direct personal identifiers: names, birth dates, addresses, mail, telephone, bank accounts, cards, numbers of persons.

TW150 warns. In: the names of all columns of the source, whatever their role, and a sample of their words. Out: which columns, and of what
kind they seem; never a value. Names are known in English, German, French, Spanish, Italian, Portuguese, Dutch, Polish and the Nordic
languages. Content is recognised by shape and, where there is one, by check digits: IBAN mod 97 (ISO 13616), cards by Luhn (ISO/IEC 7812-1),
the French NIR mod 97, the Spanish DNI letter, the Polish PESEL, the German tax number (ISO 7064 mod 11, 10), the Italian codice fiscale by shape.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

import numpy as np

from trainwright.data.findings.interface import Check, Found, Subject, drop, names, share
from trainwright.data.findings.vocabulary import ABOUT, BARE_NAME, NOT_PERSONS, PERSONAL, words_of
from trainwright.runtime.columns import Coded

LOOKED_AT = 1_000  # distinct words of a column
PART = 0.5  # the share of them that must have the shape
PART_TEXT = 0.01  # in a text column, where the shape may stand anywhere in a cell
LONGEST = 2_000  # characters of a cell that are looked at


def of_name(name: str, kind: str, distinct: float) -> str:
    """What a column seems to hold, by its name alone; "" when nothing. `distinct` is the share of rows with a value of their own."""
    words = words_of(name)
    if not words or ABOUT & set(words) or kind in ("yesno", "constant"):
        return ""
    for what, known in PERSONAL:
        if what == "a mail address" and kind == "number":
            continue
        if what in ("a person's name", "a telephone number", "a mail address", "an address") and distinct < 0.2:
            continue
        if any("".join(words[start:]) in known for start in range(len(words))) and not (what == "an address" and words[0] in ("ip", "mac", "web")):
            return what
    if words[-1] in BARE_NAME and distinct > 0.5 and kind in ("text", "identifier", "category") and not NOT_PERSONS & set(words):
        return "a person's name"
    return ""


# --- by content ------------------------------------------------------------------------------------------------------------------


def luhn(digits: str) -> bool:
    """Whether the last digit checks the others, ISO/IEC 7812-1."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (1 + place % 2)
        total += value - 9 if value > 9 else value
    return total % 10 == 0


def card(word: str) -> bool:
    digits = re.sub(r"[ -]", "", word)
    return bool(re.fullmatch(r"[2-6]\d{12,18}", digits)) and len(set(digits)) > 1 and luhn(digits)


def iban(word: str) -> bool:
    """ISO 13616: the country's letters and the check digits go to the end, letters count from 10, the rest by 97 is 1."""
    plain = word.replace(" ", "").upper()
    if not re.fullmatch(r"[A-Z]{2}\d{2}[A-Z0-9]{11,30}", plain):
        return False
    return int("".join(str(int(c, 36)) for c in plain[4:] + plain[:4])) % 97 == 1


def person_number(word: str) -> bool:
    """A national number of a person: US, FR, ES, IT, PL, DE, UK, SE forms, with their check digits where there are any."""
    plain = re.sub(r"[ .]", "", word).upper()
    if re.fullmatch(r"(?!000|666|9)\d{3}-(?!00)\d{2}-(?!0000)\d{4}", plain):  # US social security, only as written with dashes
        return True
    if re.fullmatch(r"[12]\d{14}", plain):  # FR, NIR
        return 97 - int(plain[:13]) % 97 == int(plain[13:])
    if re.fullmatch(r"[XYZ\d]\d{7}-?[A-Z]", plain):  # ES, DNI and NIE
        number = plain.replace("-", "").translate(str.maketrans("XYZ", "012"))
        return "TRWAGMYFPDXBNJZSQVHLCKE"[int(number[:-1] if number[:-1].isdigit() else 0) % 23] == plain[-1]
    if re.fullmatch(r"[A-Z]{6}\d{2}[A-EHLMPRST]\d{2}[A-Z]\d{3}[A-Z]", plain):  # IT
        return True
    if re.fullmatch(r"(?!BG|GB|NK|KN|TN|NT|ZZ)[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z]\d{6}[A-D]", plain):  # UK, national insurance
        return True
    if re.fullmatch(r"(19|20)?\d{6}[-+]\d{4}", plain):  # SE
        return luhn(re.sub(r"[-+]", "", plain)[-10:])
    return bool(re.fullmatch(r"\d{11}", plain)) and (_pesel(plain) or _german_tax(plain))


def _pesel(digits: str) -> bool:
    weights = (1, 3, 7, 9, 1, 3, 7, 9, 1, 3, 1)
    month, day = int(digits[2:4]) % 20, int(digits[4:6])
    return 1 <= month <= 12 and 1 <= day <= 31 and sum(w * int(d) for w, d in zip(weights, digits, strict=True)) % 10 == 0


def _german_tax(digits: str) -> bool:
    """ISO 7064, mod 11, 10; and one or two digits of the first ten repeat."""
    if digits[0] == "0" or len(set(digits[:10])) not in (8, 9):
        return False
    product = 10
    for digit in digits[:10]:
        product = ((int(digit) + product) % 10 or 10) * 2 % 11
    return (11 - product) % 10 == int(digits[10])


MAIL = re.compile(r"[\w.+-]{1,64}@[\w-]+(?:\.[\w-]+)*\.[A-Za-z]{2,}")
PHONE = re.compile(
    r"(?:\+|00)[1-9]\d{0,2}[ .\-/]?(?:\(0?\d{1,5}\)[ .\-/]?)?\d(?:[ .\-/]?\d){5,11}|\(?\d{3}\)?[ .-]\d{3}[ .-]\d{4}|0\d{1,4}[ /-]\d{3,4}[ -]?\d{2,5}"
)
TITLED = re.compile(  # "Surname, Mr. Given", "Frau Surname"
    r"[^\W\d_]+(?:[-' ][^\W\d_]+)*, (?:Mr|Mrs|Miss|Ms|Dr|Rev|Master|Herr|Frau|M|Mme|Mlle|Sr|Sra)\b.*"
    r"|(?:Mr|Mrs|Miss|Ms|Dr|Herr|Frau|Mme|Mlle)\.? [^\W\d_].*"
)
IBAN_INSIDE = re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?\b")
SHAPES: tuple[tuple[str, Callable[[str], bool]], ...] = (
    ("a mail address", lambda word: MAIL.fullmatch(word) is not None),
    ("a bank account or card", lambda word: iban(word) or card(word)),
    ("a number of a person", person_number),
    ("a telephone number", lambda word: PHONE.fullmatch(word) is not None),
    ("a person's name", lambda word: TITLED.fullmatch(word) is not None),
)
INSIDE: tuple[tuple[str, Callable[[str], bool]], ...] = (
    ("a mail address", lambda word: MAIL.search(word) is not None),
    ("a bank account or card", lambda word: any(iban(found) for found in IBAN_INSIDE.findall(word))),
    ("a telephone number", lambda word: re.search(r"(?<!\w)\+[1-9]\d{0,2}(?:[ .-]?\(?\d{2,4}\)?){2,4}(?!\d)", word) is not None),
)


def of_content(column: Coded, kind: str) -> tuple[str, float]:
    """What the words of a column look like, and the share that does; ("", 0) when nothing. Evenly spaced words are looked at."""
    size = len(column.vocabulary)
    if size < 10:
        return "", 0.0
    used = [column.vocabulary[place][:LONGEST].strip() for place in np.unique(np.linspace(0, size - 1, min(size, LOOKED_AT)).astype(int)).tolist()]
    for what, shaped in SHAPES:
        hits = sum(map(shaped, used))
        if hits >= PART * len(used):
            return what, hits / len(used)
    if kind in ("text", "identifier"):
        for what, inside in INSIDE:
            hits = sum(map(inside, used))
            if hits >= max(3, PART_TEXT * len(used)):
                return f"{what} inside text", hits / len(used)
    return "", 0.0


def looked_at(distinct: int) -> str:
    """How many values of a column were looked at, for a sentence."""
    return f"{distinct:,} values" if distinct <= LOOKED_AT else f"the {LOOKED_AT:,} values looked at, of {distinct:,}"


def cards_as_numbers(subject: Subject, name: str) -> float:
    """The share of card-like values of a number column that pass Luhn's check; by chance it would be 0.1. 0 when it holds no such numbers."""
    column = subject.column(name, subject.open)
    assert not isinstance(column, Coded)
    values = column[np.isfinite(column)]
    if not len(values) or values.min() < 2e12 or values.max() >= 7e15:
        return 0.0  # as nearly all columns of numbers: no need to sort them
    values = np.unique(values)
    values = values[np.unique(np.linspace(0, max(0, len(values) - 1), min(len(values), LOOKED_AT)).astype(int))]
    if len(values) < 10 or ((values < 2e12) | (values >= 7e15) | (values != np.floor(values))).any():
        return 0.0  # beyond 9e15 a float64 does not hold every whole number
    return float(np.mean([card(str(int(value))) for value in values.tolist()]))


def personal(subject: Subject) -> Iterable[Found]:
    """TW150: columns that seem to name or point at a person directly."""
    seen: dict[str, str] = {}
    for described in subject.dataset.table.described:
        name, kind = described.schema.name, described.schema.kind
        if described.role == "target":
            continue
        column = subject.column(name)
        distinct = len(column.vocabulary) if isinstance(column, Coded) else described.distinct
        what = of_name(name, kind, distinct / max(1, subject.dataset.table.rows))
        if not what and isinstance(column, Coded):
            what, part = of_content(column, kind)
            what = f"{what}, in {share(part)} of {looked_at(len(column.vocabulary))}" if what else ""
        elif not what and kind == "number" and (part := cards_as_numbers(subject, name)) > 0.9:
            what = f"a bank account or card, in {share(part)} of {looked_at(described.distinct)}"
        if what:
            seen[name] = what
    if seen:
        used = [name for name in seen if name in subject.features]
        yield Found(
            where=names(list(seen)),
            what="columns that seem to point at a person: " + "; ".join(f"{name} ({what})" for name, what in list(seen.items())[:8]),
            fix=(f"{drop(used)}; and " if used else "they are not learned from; but ")
            + "take them out of the file, or give --no-keep-data, since the rows as read are kept beside the run",
            columns=tuple(seen),
            figures={"columns": seen},
        )


CHECKS = (
    Check(
        "TW150",
        "Direct personal identifiers",
        False,
        "they teach nothing that holds for other people, and whatever keeps them must be protected, justified and erased on request",
        False,
        personal,
    ),
)
