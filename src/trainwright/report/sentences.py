"""What the run says in plain words. The page, the terminal and the card take their sentences from here, so they cannot disagree.

Takes    Records: the run's own files.
Gives    sentences with numbers, units and intervals; what is not known is said to be unknown, never filled in.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from trainwright.report import glossary
from trainwright.report.numbers import count, decimals, entry_decimals, finite, fixed, interval, listed, percent, quoted, score, things, visible
from trainwright.report.records import Json, Records

Verdict = Literal["better", "level", "worse", "itself", "unknown"]
NO_LOOK = "The model looks at no column: every row gets the same answer. No candidate that learns did better, or finished."
FEW = 100  # rows below which an interval is called wide


@dataclass(frozen=True, slots=True)
class Next:
    """Something to do next: why, and the command that does it."""

    why: str
    command: str


@dataclass(frozen=True, slots=True)
class Told:
    """The answer, part by part, in the order in which a reader wants it."""

    predicts: str
    good: tuple[str, ...]  # how good, with interval and beside the baselines
    measured: str  # on how many rows, and how
    beware: tuple[str, ...]
    next: tuple[Next, ...]


def told(records: Records) -> Told:
    return Told(
        predicts=predicts(records.dataset),
        good=good(records),
        measured=measured(records.evidence, records.dataset),
        beware=beware(records),
        next=what_next(records),
    )


def constrained(records: Records) -> tuple[str, ...]:
    """Along which columns the prediction was to rise or fall only, how that was tried, and what came of it. Nothing where nothing was asked."""
    words = {"increasing": "falls", "decreasing": "rises"}
    out = []
    for entry in records.chosen.get("monotone") or []:
        tried = f"{things(entry['rows'], 'open row')} with {things(entry['values'], 'value')} each, through the bundle"
        if entry["held"]:
            out.append(f"As asked, what it predicts never {words[entry['direction']]} as {quoted(entry['column'])} rises: tried on {tried}.")
        else:
            out.append(
                f"It is NOT {entry['direction']} along {quoted(entry['column'])}, as was asked: by {entry['worst']:g} the other way, on {tried}."
            )
    free = dict.fromkeys(str(e.get("learner") or "") for e in records.leaderboard if e.get("keeps") is False and not e.get("chosen"))
    return (*out, *(sentence(f"{glossary.spoken(learner)} cannot promise that: it is only compared with") for learner in free))


def good(records: Records) -> tuple[str, ...]:
    """How good, in the metric, in everyday terms, beside each baseline, and within which constraints."""
    first = headline(records.evidence, records.dataset, records.metric)
    return (first, *plain(records), *(against(records, learner) for learner in baselines(records)), *constrained(records))


def predicts(dataset: Json) -> str:
    """ "It predicts whether “income” is “>50K” or “<=50K”, from 14 columns.\""""
    target, classes = dataset.get("target"), dataset.get("classes") or []
    columns = sum(1 for d in dataset.get("described", []) if d.get("role") == "feature")
    source = f"from {things(columns, 'column')} of the table"
    if target is None:
        return f"It learned without a target, {source}."
    if len(classes) == 2:
        return f"It predicts whether {quoted(target)} is {quoted(classes[1])} or {quoted(classes[0])}, {source}."
    if classes:
        return f"It predicts which of {count(len(classes))} classes {quoted(target)} is, {source}."
    return f"It predicts the number {quoted(target)}, {source}."


def headline(evidence: Json, dataset: Json, metric: str) -> str:
    """The primary metric with its interval, and which way is better."""
    entry = evidence.get("metrics", {}).get(metric)
    if not entry or finite(entry.get("value")) is None:
        return f"The {glossary.in_sentence(metric)} was not measured."
    unit = glossary.unit(metric, dataset.get("target"))
    meaning = glossary.reading(metric) or f"{entry.get('better', '')} is better"
    return f"Its {glossary.in_sentence(metric)} is {score(entry)}{f' {unit}' if unit else ''} (95 % interval {interval(entry)}); {meaning}."


def plain(records: Records) -> tuple[str, ...]:
    """The same in everyday terms, where the evidence holds a metric that has any."""
    metrics, classes = records.evidence.get("metrics", {}), records.dataset.get("classes") or []

    def value(name: str) -> float | None:
        return finite(metrics.get(name, {}).get("value"))

    out: list[str] = []
    auc, accuracy, mae, r2 = value("roc_auc"), value("accuracy"), value("mae"), value("r2")
    if len(classes) == 2 and auc is not None:
        out.append(
            f"Of two rows, one {quoted(classes[1])} and one {quoted(classes[0])}, it puts the right one first {of_hundred(auc)} times in 100; "
            "guessing does 50."
        )
    if len(classes) > 2 and accuracy is not None:
        out.append(f"It names the right class for {of_hundred(accuracy)} rows in 100.")
    if not classes and mae is not None:
        entry = metrics["mae"]
        share = f" and accounts for {percent(r2, 0)} of the variation between rows" if r2 is not None and r2 > 0 else ""
        out.append(f"On average it is {score(entry)} off ({interval(entry)}), {glossary.unit('mae', records.dataset.get('target'))}{share}.")
    return tuple(out)


def of_hundred(share: float) -> str:
    """A share as so many in a hundred; what is not quite all or none is not rounded to it."""
    rounded = round(100 * share)
    if rounded >= 100 and share < 1:
        return "more than 99"
    return "fewer than 1" if rounded <= 0 < share else str(rounded)


def baselines(records: Records) -> list[str]:
    """Baselines in the order of the evidence, without the winner itself."""
    return [name for name in records.evidence.get("baselines", {}) if name != records.chosen.get("learner") or _difference(records, name) is not None]


def _difference(records: Records, learner: str) -> Json | None:
    entry: Json | None = records.evidence.get("baselines", {}).get(learner, {}).get("difference")
    return entry if entry and finite(entry.get("value")) is not None else None


def verdict(records: Records, learner: str) -> Verdict:
    """Whether the model beats a baseline: by the interval of the paired difference, never by the two scores alone."""
    if learner == records.chosen.get("learner") and records.chosen.get("baseline"):
        return "itself"
    entry = _difference(records, learner)
    low, high = (finite(entry.get("low")), finite(entry.get("high"))) if entry else (None, None)
    if low is None or high is None:
        return "unknown"
    return "better" if low > 0 else "worse" if high < 0 else "level"


def rival(records: Records, learner: str) -> str:
    """A baseline's name inside a sentence; told apart from a winner that is the same learner with other settings."""
    name = glossary.spoken(learner)
    return f"the baseline {name}" if learner == records.chosen.get("learner") and not records.chosen.get("baseline") else name


def against(records: Records, learner: str) -> str:
    """One sentence on one baseline: its score, the difference, and what follows from the interval."""
    name = rival(records, learner)
    name = name[:1].upper() + name[1:]
    base = records.evidence["baselines"][learner].get("metrics", {}).get(records.metric, {})
    has = (
        f"{name} has {fixed(base['value'], entry_decimals(records.headline))}"
        if finite(base.get("value")) is not None
        else f"{name} was not measured"
    )
    result, entry = verdict(records, learner), _difference(records, learner)
    if result == "itself":
        return f"{name} is the model itself."
    if entry is None or result == "unknown":
        return f"{has}; the difference was not measured."
    amount = f"{score({**entry, 'value': abs(entry['value'])})} (95 % interval of the difference {interval(entry)})"
    if result == "level":
        return f"{has}: no clear difference, {interval(entry)} (95 % interval)."
    return f"{has}: the model is clearly {result}, by {amount}."


def measured(evidence: Json, dataset: Json) -> str:
    """How the numbers came about: sealed or nested, on how many rows, by which interval method."""
    rows, design = things(evidence.get("rows"), "row"), evidence.get("design")
    units = finite(evidence.get("units"))
    if units is not None and units != finite(evidence.get("rows")):
        rows = f"{rows} in {things(units, 'group')}"
    how = (
        f"{evidence.get('method')}, {count(evidence.get('draws'))} draws"
        if finite(evidence.get("draws"))
        else str(evidence.get("method", "method not recorded"))
    )
    if design == "sealed":
        return f"Measured on {rows} that were sealed before training and opened once, through the very bundle that ships. Intervals: {how}."
    if design == "nested":
        repeats = (dataset.get("splits") or {}).get("repeats", 1)
        times = f", {things(repeats, 'time')} over" if repeats and repeats > 1 else ""
        return (
            "There were too few rows to seal some away, so the procedure was measured instead of the one model: "
            f"nested cross-validation over {rows}{times}; each row was predicted by models that had not seen it. "
            f"The bundle is the same procedure, fitted on all rows. Intervals: {how}."
        )
    return f"Measured on {rows}; how they were set apart was not recorded."


def allowed(records: Records) -> dict[str, str]:
    """Code -> the reason for which a blocking finding was let through."""
    return {str(entry["code"]): str(entry["because"]) for entry in records.plan.get("allow") or []}


def ordered_findings(records: Records) -> list[Json]:
    """Findings as they are shown: the blocking ones that were allowed first, with the reason under "because"."""
    reasons = allowed(records)
    found = [{**f, "because": reasons.get(str(f.get("code"))) if f.get("blocking") else None} for f in records.dataset.get("findings", [])]
    return sorted(found, key=lambda f: (not f.get("blocking"), str(f.get("code"))))


def looks_at_rows(records: Records) -> bool:
    """Whether what ships depends on the row at all."""
    return not records.chosen or glossary.looks_at_rows(str(records.chosen.get("learner") or ""))


HOLDS_ROWS = "Its bundle holds rows of the training data as they were: whoever gets the bundle gets them too."


def holds_rows(records: Records) -> bool:
    """Whether what ships is marked `contains_training_rows`."""
    return records.chosen.get("contains_training_rows") is True


def beware(records: Records, *, most: int = 4) -> tuple[str, ...]:
    """What the reader must know before relying on it: let-through findings, no gain, few rows, notes of the evidence, then the warnings."""
    out: list[str] = []
    if not looks_at_rows(records):
        barred = any(e.get("keeps") is False for e in records.leaderboard)
        out.append(NO_LOOK.replace("that learns", "that learns and may ship") if barred else NO_LOOK)
    if holds_rows(records):
        out.append(HOLDS_ROWS)
    if passed_over(records):
        out += [winner(records), *(sentence(f"passed over, {w}") for w in records.summary.get("warnings") or ())]
    for finding in ordered_findings(records):
        if finding["blocking"]:
            because = f"Let through because: {finding['because']}" if finding["because"] else "No reason was recorded for letting it through"
            out.append(f"{finding['code']} {finding['title']}: {sentence(str(finding['what']))} {sentence(because)}")
    beaten_by = [learner for learner in baselines(records) if verdict(records, learner) in ("level", "worse")]
    out += [f"It is not clearly better than {rival(records, learner)}, which is simpler." for learner in beaten_by]
    rows = finite(records.evidence.get("rows"))
    if rows is not None and rows < FEW:
        out.append(f"Only {things(rows, 'row')} stood behind these numbers: the intervals are wide, and rightly so.")
    out += [sentence(str(note)) for note in records.evidence.get("notes", [])]
    warnings = [f for f in ordered_findings(records) if not f["blocking"]]
    room = max(0, most - len(out))
    out += [f"{f['code']} {f['title']}: {sentence(str(f['what']))}" for f in warnings[:room]]
    if len(warnings) > room:
        out.append(f"{things(len(warnings) - room, 'more finding')}: see “Findings” in the report.")
    return tuple(out)


def sentence(text: str) -> str:
    """With a capital in front and a full stop behind."""
    text = visible(text[:1].upper() + text[1:], limit=4000)
    return text if text.endswith((".", "!", "?")) else f"{text}."


def bare_name(folder: Path) -> str:
    """The run's folder, relative to here when it is below."""
    try:
        return str(folder.resolve().relative_to(Path.cwd().resolve()))
    except ValueError:
        return str(folder.resolve())


def run_name(folder: Path) -> str:
    """The run as a command names it, quoted for the shell."""
    return shlex.quote(bare_name(folder))


def what_next(records: Records) -> tuple[Next, ...]:
    """Commands that follow from what was found, the most useful first."""
    run = run_name(records.folder)
    source = shlex.join([str(records.asked.get("source") or "rows.csv"), *part_of(records)])  # what is there, so that the command runs as it stands
    predict = Next("Predict rows with it: put your new file in the place of this one.", f"trainwright predict {run} {source} -o predictions.csv")
    out = [predict]
    first = next((f for f in ordered_findings(records) if f.get("fix")), None)
    if first and (command := again(records, verb="check")):
        out.append(Next(f"Look at {first['code']} ({first['title']}): {sentence(str(first['fix']))}", command))
    waiting = [e for e in records.leaderboard if e.get("outcome") in ("not started", "out of time")]
    limit = seconds(records.plan.get("time"))
    if waiting and limit and (command := again(records, time=5 * limit)):
        more = Next(f"{things(len(waiting), 'candidate')} did not finish in the time: give more.", command)
        out = [more, *out] if passed_over(records) or not looks_at_rows(records) else [*out, more]
    out.append(Next("Check that the bundle is whole and unchanged.", f"trainwright verify {run}/bundle"))
    return tuple(out)


def part_of(records: Records) -> list[str]:
    """The flags that say which table of its source was learned from."""
    from trainwright.plan.command import words_of_part  # late, as in `again`

    return words_of_part(records.asked)


LOOKING = (
    "source",
    "table",
    "query",
    "sheet",
    "target",
    "task",
    "positive",
    "split",
    "test",
    "weight",
    "kinds",
    "drop",
    "clean",
    "population",
    "protected",
)  # what `check` depends on


def again(records: Records, *, verb: str = "train", **changed: object) -> str:
    """The command that asks for the same again, but for what is `changed`; "" where what was asked is not known or was a frame."""
    from trainwright.plan.command import can_say, command_of  # late: a card needs no plan model
    from trainwright.plan.model import Plan

    if not records.asked.get("source"):
        return ""
    kept = {key: value for key, value in records.asked.items() if verb == "train" or key in LOOKING}
    plan = Plan.model_validate({"target": records.dataset.get("target"), **kept, **changed})
    if can_say(plan):
        return command_of(plan, verb=verb)
    given = plan.model_dump(mode="json", include=set(changed))  # the rest stands in the file as it was asked
    return shlex.join(["trainwright", verb, f"{bare_name(records.folder)}/asked.yaml", *(w for k, v in given.items() for w in (f"--{k}", str(v)))])


def seconds(value: object) -> float | None:
    """A plan's time: a number, or "60s" as plan files write it."""
    text = str(value or "").removesuffix("s")
    return float(text) if text.replace(".", "", 1).isdigit() else None


def winner(records: Records) -> str:
    """ "LightGBM (boosted trees) was chosen out of 12 candidates by cross-validated log loss.\""""
    entry = records.chosen
    if not entry:
        return "No candidate was chosen."
    places = decimals(finite(entry.get("low")), finite(entry.get("high")), finite(entry.get("score")))
    value = f": {fixed(entry.get('score'), places)}" if finite(entry.get("score")) is not None else ""
    name, metric = glossary.learner_title(str(entry.get("learner") or "")), glossary.in_sentence(records.metric)
    over = passed_over(records)
    if over:
        best = f"{glossary.spoken(str(over[0].get('learner') or ''))} with {fixed(over[0].get('score'), places)}"
        value = f" {fixed(entry.get('score'), places)}"
        return f"{name} ships (cross-validated {metric}{value}), although {things(len(over), 'candidate')} scored better, first of all {best}."
    tried = [e for e in records.leaderboard if e.get("outcome") == "done"]
    return f"{name} was chosen out of {things(len(tried), 'finished candidate')} by cross-validated {metric}{value}."


def passed_over(records: Records) -> list[Json]:
    """Candidates that scored better than the one that ships, best first: they could not be shipped under the limits, or failed the parity gate."""
    mine, lower = finite(records.chosen.get("score")), better_way(records) == "lower"
    scored = [
        (s, e)
        for e in records.leaderboard
        if (s := finite(e.get("score"))) is not None and e.get("outcome") == "done" and e.get("keeps") is not False
    ]
    if mine is None:
        return []
    return [e for s, e in sorted(scored, key=lambda pair: pair[0] if lower else -pair[0]) if (s < mine if lower else s > mine)]


def better_way(records: Records) -> str:
    """ "higher" or "lower": which way the primary metric is better."""
    return str(records.headline.get("better") or glossary.better(records.metric))


def missing_words(records: Records) -> str:
    """The columns that are learned from and have gaps."""
    gaps = [d["name"] for d in records.dataset.get("described", []) if d.get("role") == "feature" and d.get("missing")]
    return f"Gaps in {listed(gaps)}." if gaps else "No gaps in the columns that are learned from."
