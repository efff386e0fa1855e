"""The model card, in Markdown: what the model is for, what it learned from, how good it is for whom, and what nobody has stated yet.

Takes    plan, dataset.json, evidence.json and the winner's entry of the leaderboard.
Gives    text. It is part of `bundle_digest`, so it holds no date, host, path, duration, latency or size: the same plan on the same data
         gives the same bytes. What only a person can say is asked for and shown as a gap; no prose is made up in its place.
Source   Mitchell et al. (2019), "Model Cards for Model Reporting", FAT*: the nine sections and their order.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from trainwright.record import files
from trainwright.report import glossary, sentences
from trainwright.report.numbers import count, finite, interval, percent, score, settings, things, visible
from trainwright.report.records import Json, Records, read_records

ASK = "*Not stated.*"
COLUMNS = 200  # columns of the schema that are listed; dataset.json has all


def write_card(run_folder: Path) -> Path:
    """Write card.md beside the report. Raises RequestError TW006, CheckFailed TW080 or TW083 as `read_records`."""
    records = read_records(run_folder)
    path = run_folder / "card.md"
    files.write_text(path, card_text(records.plan, records.dataset, records.evidence, records.chosen))
    return path


def card_text(plan: Json, dataset: Json, evidence: Json, chosen: Json) -> str:
    """The card. `chosen` is the winner's entry of the leaderboard, of which only the model, its score and contains_training_rows are read."""
    records = Records(folder=Path(), plan=plan, dataset=dataset, evidence=evidence, leaderboard=[{**chosen, "chosen": True}] if chosen else [])
    parts = [
        f"# Model card: {cell(dataset.get('target') or 'model')}",
        text(sentences.predicts(dataset)),
        *_details(records),
        *_use(),
        *_factors(records),
        *_metrics(records),
        *_evaluation(records),
        *_training(records),
        *_analyses(records),
        "## Ethical considerations",
        *_asked(
            "Who is affected by its decisions, and what happens to those it gets wrong?",
            "Which sensitive data does it use, and on what legal ground?",
        ),
        *_caveats(records),
    ]
    return "\n\n".join(parts) + "\n"


def text(words: object) -> str:
    """Words from the data as Markdown that means just these words: no markup, link or tag can be smuggled in."""
    return re.sub(r"([\\`*_{}\[\]<>#|!~&])", r"\\\1", visible(words, limit=4000))


def cell(words: object) -> str:
    return text(visible(words))


def code(words: object) -> str:
    """Words as a code span, in which Markdown reads nothing but the closing mark."""
    return "`" + visible(words).replace("`", "'") + "`"


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [f"| {' | '.join(header)} |", f"|{'--|' * len(header)}"]
    return "\n".join(lines + [f"| {' | '.join(row)} |" for row in rows])


def bullets(items: Iterable[str]) -> str:
    return "\n".join(f"- {item}" for item in items)


def _asked(*questions: str) -> list[str]:
    return [bullets(f"{question} {ASK}" for question in questions)]


def _details(records: Records) -> list[str]:
    chosen = records.chosen
    facts = [
        f"Task: {cell(records.dataset.get('task'))} ({text(records.dataset.get('why_task') or 'no reason recorded')})",
        f"Learner: {cell(glossary.learner_title(str(chosen.get('learner') or '')))} ({code(chosen.get('learner'))})"
        if chosen
        else "Learner: none was chosen",
        f"Settings: {text(settings(chosen.get('settings') or {}))}",
        f"Seed: {records.plan.get('seed', 0)}",
        f"Owner, licence, contact: {ASK}",
    ]
    return ["## Model details", bullets(facts)]


def _use() -> list[str]:
    return ["## Intended use", *_asked("What decisions is it made for, and by whom are they taken?", "What must it not be used for?")]


def _factors(records: Records) -> list[str]:
    protected = [str(d["name"]) for d in records.dataset.get("described", []) if d.get("role") == "protected"] or [
        str(p) for p in records.plan.get("protected") or ()
    ]
    looked = (
        f"Bias was looked for by: {', '.join(cell(p) for p in dict.fromkeys(protected))}."
        if protected
        else "No protected attribute was named, so bias between groups was not looked for."
    )
    return ["## Factors", looked, *_asked("Which groups, instruments or circumstances may it meet that the data does not hold?")]


def _metrics(records: Records) -> list[str]:
    known = glossary.entry(records.metric)
    words = f"Candidates were chosen by {glossary.in_sentence(records.metric)}.{f' {known.tells}' if known else ''}"
    rows = [
        (cell(glossary.title(name)), score(entry), interval(entry), count(entry.get("n")), f"{entry.get('better', '')} is better")
        for name, entry in records.evidence.get("metrics", {}).items()
    ]
    body = table(("metric", "value", "95 % interval", "rows", "direction"), rows) if rows else "No metric was measured."
    unit = glossary.unit(records.metric, records.dataset.get("target"))
    return ["## Metrics", text(words), body] + ([text(f"Errors are {unit}.")] if unit else [])


def _evaluation(records: Records) -> list[str]:
    return [
        "## Evaluation data",
        text(sentences.measured(records.evidence, records.dataset)),
        text(_split_words(records.dataset.get("splits") or {})),
    ]


def _split_words(splits: Json) -> str:
    why = f" {splits['why']}" if splits.get("why") else ""
    return f"Split: {splits.get('how', 'not recorded')}; {things(splits.get('open'), 'open row')}, {things(splits.get('sealed'), 'sealed row')}.{why}"


def _training(records: Records) -> list[str]:
    dataset = records.dataset
    source = dataset.get("source") or {}
    dropped = dataset.get("dropped") or {}
    lost = sum(dropped.values())
    facts = [
        f"Source: {cell(Path(str(source.get('path', ''))).name or 'not recorded')} ({cell(source.get('format', 'format not recorded'))}), "
        f"digest {code(source.get('digest'))}",
        f"{things(source.get('rows'), 'row')} read = {count((finite(source.get('rows')) or 0) - lost)} used + {count(lost)} set aside"
        + "".join(f"; {count(n)}: {text(reason)}" for reason, n in dropped.items()),
        f"How the rows were collected, and whom they stand for: {ASK}",
    ]
    described = dataset.get("described", [])
    rows = [
        (cell(d["name"]), d["kind"], d["role"], percent((d.get("missing") or 0) / source["rows"]) if source.get("rows") else "")
        for d in described[:COLUMNS]
    ]
    more = [f"The other {count(len(described) - COLUMNS)} columns are listed in dataset.json."] if len(described) > COLUMNS else []
    return ["## Training data", bullets(facts), table(("column", "kind", "role", "missing"), rows), *more]


def _analyses(records: Records) -> list[str]:
    rows = [
        (cell(glossary.learner_title(name)), score(entry.get("metrics", {}).get(records.metric, {})), _difference(entry.get("difference") or {}))
        for name, entry in records.evidence.get("baselines", {}).items()
    ]
    body = table(("baseline", glossary.in_sentence(records.metric), "the model is better by"), rows) if rows else "No baseline was measured."
    return ["## Quantitative analyses", bullets(text(sentence) for sentence in sentences.good(records)), body]


def _difference(entry: Json) -> str:
    return f"{score(entry)} ({interval(entry)})" if finite(entry.get("value")) is not None else "not measured"


def _caveats(records: Records) -> list[str]:
    found = [
        f"{f['code']} {text(f['title'])}{' (blocking)' if f['blocking'] else ''}: {text(f['what'])}"
        + (f" Let through because: {text(f['because'])}" if f["because"] else "")
        for f in sentences.ordered_findings(records)
    ]
    found = found if sentences.looks_at_rows(records) else [sentences.NO_LOOK, *found]
    found = [sentences.HOLDS_ROWS, *found] if sentences.holds_rows(records) else found
    notes = [text(note) for note in records.evidence.get("notes", [])]
    body = bullets([*found, *notes]) if found or notes else "No finding and no note was recorded."
    return ["## Caveats and recommendations", body, *_asked("When is it to be measured again, and who decides that it is taken out of use?")]


__all__ = ["card_text", "write_card"]
