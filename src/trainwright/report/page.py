"""From the run's records to what the page's template shows: every number with its text, every table cut with a word about the rest.

Takes    Records. Gives the template's values: plain dicts, lists and Figures; nothing is computed in the template itself.
"""

from __future__ import annotations

import math
import shlex
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from trainwright._version import __version__
from trainwright.data.dataset import told_of
from trainwright.report import charts, curves, glossary, sentences, transforms
from trainwright.report.charts import Estimate
from trainwright.report.ledger import cleaning
from trainwright.report.numbers import (
    NOTHING,
    count,
    decimals,
    duration,
    entry_decimals,
    finite,
    fixed,
    interval,
    percent,
    quoted,
    score,
    settings,
    signed,
    size,
    things,
    total,
)
from trainwright.report.records import Json, Records

COLUMNS = 400  # columns of the schema on the page: beyond, a browser gets slow and nobody reads; dataset.json has all
CANDIDATES = 200
BALANCES = {
    "weights": "classes weighted",
    "over": "rare classes repeated",
    "under": "common classes thinned",
    "smote": "rare classes filled up (SMOTE)",
}
SIGNS = {"better": "✓", "level": "≈", "worse": "✗", "itself": "=", "unknown": "?"}


@dataclass(frozen=True, slots=True)
class Figure:
    """A picture under the sentence that it shows."""

    title: str
    svg: Markup  # made by charts.py, which escapes every name
    caption: str = ""
    wide: bool = False  # needs the whole width, and scrolls on a phone


def values(records: Records) -> dict[str, Any]:
    """Everything that the template names."""
    answer, tried = sentences.told(records), transforms.section(records)
    pictures = [Figure(p.title, Markup(p.svg), p.caption, p.wide) for p in curves.pictures(records)]
    return {
        "version": __version__,
        "run": records.folder.resolve().name,
        "title": title(records),
        "told": answer,
        "plain": sentences.plain(records),
        "good": [s for s in answer.good if s not in sentences.plain(records)],
        "verdict": verdict(records),
        "tiles": tiles(records),
        "data": data(records),
        "cleaning": (cleaned := cleaning(records)),
        "findings": findings(records),
        "split": split(records),
        "transforms": tried,
        "not_read": transforms.not_read(records),
        "board": board(records),
        "metrics": metrics(records),
        "differences": differences(records),
        "narrow": [p for p in pictures if not p.wide],
        "wide": [p for p in pictures if p.wide],
        "limits": limits(records),
        "reproduce": reproduce(records),
        "glossary": [entry for name in records.evidence.get("metrics", {}) if (entry := glossary.entry(name))],
        "again": f"trainwright report {sentences.run_name(records.folder)}",
        "sections": [
            ("answer", "Answer"),
            ("data", "Data"),
            *([("cleaning", "Cleaning")] if cleaned else []),
            ("findings", "Findings"),
            ("splits", "Splits"),
            *([("transforms", "Transforms")] if tried else []),
            ("candidates", "Candidates"),
            ("evidence", "Evidence"),
            ("limits", "Limits and time"),
            ("reproduce", "Reproduce"),
        ],
    }


def title(records: Records) -> str:
    """The page's first words: what, how good, and whether that is worth anything."""
    entry, known = records.headline, glossary.title(records.metric)
    value = f"{known} {score(entry)}" if finite(entry.get("value")) is not None else f"{known} {NOTHING}"
    said = verdict(records)["said"]
    if verdict(records)["kind"] == "better":
        gains = {learner: records.evidence["baselines"][learner]["difference"]["value"] for learner in sentences.baselines(records)}
        said = f"clearly better than {sentences.rival(records, min(gains, key=lambda name: gains[name]))}"  # the hardest one to beat
    return f"{quoted(records.dataset.get('target') or 'No target')}: {value}, {said[:1].lower()}{said[1:]}"


def verdict(records: Records) -> Json:
    """One judgement over all baselines: the hardest of them decides."""
    results = {learner: sentences.verdict(records, learner) for learner in sentences.baselines(records)}
    for kind, words in (
        ("worse", "worse than {}"),
        ("itself", "{} itself is what ships"),
        ("level", "not clearly better than {}"),
        ("unknown", "not compared with {}"),
    ):
        found = [learner for learner, result in results.items() if result == kind]
        if found:
            said = words.format(sentences.rival(records, found[-1]))
            return {"kind": kind, "sign": SIGNS[kind], "said": said[0].upper() + said[1:]}
    names = " and ".join(sentences.rival(records, learner) for learner in results)
    if not names:
        return {"kind": "unknown", "sign": SIGNS["unknown"], "said": "Compared with no baseline"}
    return {"kind": "better", "sign": SIGNS["better"], "said": f"Clearly better than {names}"}


def tiles(records: Records) -> list[Json]:
    """The four numbers that a reader takes away."""
    entry, evidence, chosen = records.headline, records.evidence, records.chosen
    unit = glossary.unit(records.metric, records.dataset.get("target"))
    out: list[Json] = [
        {
            "label": glossary.title(records.metric),
            "value": finite(entry.get("value")),
            "said": score(entry),
            "more": f"{interval(entry)}, 95 % interval{f', {unit}' if unit else ''}; {entry.get('better', '')} is better",
        }
    ]
    names = sentences.baselines(records)
    if names:
        base = evidence["baselines"][names[-1]]
        value, gain = base.get("metrics", {}).get(records.metric, {}), base.get("difference") or {}
        result = sentences.verdict(records, names[-1])
        amount = f"{score({**gain, 'value': abs(finite(gain.get('value')) or 0.0)})} ({interval(gain)})"
        more = {
            "level": f"no clear difference ({interval(gain)})",
            "itself": "this is the model itself",
            "unknown": "the difference was not measured",
        }.get(result, f"the model is {result} by {amount}")
        label = f"{glossary.learner_title(names[-1])}, for comparison"
        out.append({"label": label, "value": finite(value.get("value")), "said": fixed(value.get("value"), entry_decimals(entry)), "more": more})
    how = {"sealed": "sealed rows, opened once", "nested": "rows, by nested cross-validation"}.get(str(evidence.get("design")), "rows")
    out.append({"label": "Measured on", "value": finite(evidence.get("rows")), "said": count(evidence.get("rows")), "more": how})
    if chosen:
        parts = [f"{duration(v / 1e6)} for one row" if (v := finite(chosen.get("latency_us"))) is not None else "", size(chosen.get("bundle_bytes"))]
        said = ", ".join(part for part in parts if part and part != NOTHING) or "latency and size not measured"
        out.append({"label": "What ships", "value": None, "said": glossary.learner_title(str(chosen.get("learner") or "")), "more": said})
    return out


def data(records: Records) -> Json:
    """Source, schema and what became of the rows."""
    dataset = records.dataset
    source, dropped, described = dataset.get("source") or {}, dataset.get("dropped") or {}, dataset.get("described") or []
    rows = int(source.get("rows") or 0)
    used = rows - sum(dropped.values())
    details = [
        (key.replace("_", " ").capitalize(), quoted(value))
        for key, value in told_of(source.get("details") or {}).items()
        if value and isinstance(value, str)
    ]
    words = f"{things(rows, 'row')} read = {count(used)} used + {count(rows - used)} set aside"
    parts = [("Used", used), *((f"Set aside: {reason}", int(n)) for reason, n in dropped.items())]
    return {
        "headline": f"{words}. {sentences.missing_words(records)}",
        "facts": [
            ("Path", source.get("path") or "not recorded"),
            ("Format", source.get("format") or "not recorded"),
            ("Rows and columns", f"{count(source.get('rows'))} × {count(source.get('columns'))}"),
            *details,
            ("Task", f"{dataset.get('task')} ({dataset.get('why_task') or 'no reason recorded'})"),
        ],
        "notes": [str(note) for note in source.get("notes") or ()],
        "flow": Figure(f"{words}", Markup(charts.flow("flow", words, parts))),
        "columns": [
            {
                "note": "",
                "flag": "",
                "why": "",
                **d,
                "missing": finite(d.get("missing")),
                "missing_said": _missing(d.get("missing"), rows),
                "distinct": finite(d.get("distinct")),
            }
            for d in described[:COLUMNS]
        ],
        "more": f"The other {count(len(described) - COLUMNS)} columns are listed in dataset.json." if len(described) > COLUMNS else "",
    }


def _missing(cells: object, rows: int) -> str:
    number = finite(cells)
    return NOTHING if number is None else "none" if number == 0 else f"{count(number)} ({percent(number / rows)})" if rows else count(number)


def findings(records: Records) -> Json:
    found = sentences.ordered_findings(records)
    blocking = sum(1 for f in found if f["blocking"])
    stopping = f"{things(blocking, 'blocking finding')}, let through; " if blocking else "Nothing that blocks; "
    words = f"{stopping}{things(len(found) - blocking, 'warning')}." if found else ""
    return {
        "headline": words or "The checks found nothing. They look for leaks, duplicates, shift, imbalance and more; they do not see everything.",
        "shown": found,
    }


def split(records: Records) -> Json:
    """The picture of the split design, and its counts."""
    splits = records.dataset.get("splits") or {}
    opened, sealed = int(splits.get("open") or 0), int(splits.get("sealed") or 0)
    design, how = str(splits.get("design", "")), str(splits.get("how", ""))
    repeats = int(splits.get("repeats") or 1)
    folds = int(splits.get("folds") or 1)
    ways = {"random": "rows drawn at random", "given": "rows as given"}
    way = ways.get(how.partition(":")[0]) or {"group": "whole groups of {}", "time": "earlier before later by {}"}.get(
        how.partition(":")[0], "{}"
    ).format(quoted(how.partition(":")[2] or how))
    words = (
        f"{count(sealed)} of {things(opened + sealed, 'row')} were sealed; the search saw {count(opened)} only"
        if design == "sealed"
        else f"Every row was predicted by models that had not seen it, {things(repeats, 'time')}"
    )
    svg = charts.splits("split", words, design=design, how=how, opened=opened, sealed=sealed, folds=folds, repeats=repeats)
    inside = "Inside each fold's learning rows, a cross-validation of its own chose the candidate." if design == "nested" else ""
    return {
        "headline": sentences.sentence(str(splits.get("why") or "no reason was recorded for this design")),
        "figure": Figure(words, Markup(svg), f"Folds: {way}. {inside}".strip()),
        "facts": [
            ("Design", {"sealed": "sealed test rows", "nested": "nested cross-validation"}.get(design, design or "not recorded")),
            ("How rows are parted", way),
            ("Open rows", count(splits.get("open"))),
            ("Sealed rows", count(splits.get("sealed"))),
            ("Folds", f"{count(folds)}, {things(repeats, 'time')} over" if repeats > 1 else count(folds)),
        ],
    }


def board(records: Records) -> Json:
    """The leaderboard, with the intervals of all candidates on one scale."""
    entries = records.leaderboard[:CANDIDATES]
    chosen = records.chosen
    places = decimals(finite(chosen.get("low")), finite(chosen.get("high")), finite(chosen.get("score")))
    low, high = charts.spread([e.get("score") for e in entries], [chosen.get(key) for key in ("score", "low", "high")])
    better = sentences.better_way(records)
    done = sum(1 for e in records.leaderboard if e.get("outcome") == "done")
    unfinished = len(records.leaderboard) - done
    rest = f"{count(unfinished)} of {things(len(records.leaderboard), 'candidate')} did not finish." if unfinished else "All of them finished."
    more = f" The first {CANDIDATES} are shown; leaderboard.json has all." if len(records.leaderboard) > CANDIDATES else ""
    rows = [_entry(place, e, places, (low, high), finite(chosen.get("score"))) for place, e in enumerate(entries, 1)]
    without = [row for row in rows if row["score"] is None]
    reasons = ", ".join(f"{count(n)} {reason}" for reason, n in Counter(row["outcome"] for row in without).items())
    return {
        "headline": f"{sentences.winner(records)} {rest}{more}",
        "metric": glossary.in_sentence(records.metric),
        "better": better,
        "reference": finite(chosen.get("score")) is not None,
        "span": f"{fixed(low, places)} to {fixed(high, places)}",
        "rows": [row for row in rows if row["score"] is not None],
        "without": without,
        "why_without": f"{things(len(without), 'candidate')} without a score: {reasons}" if without else "",
    }


def _entry(place: int, e: Json, places: int, span: tuple[float, float], reference: float | None) -> Json:
    value, low, high = (finite(e.get(key)) for key in ("score", "low", "high"))
    latency = finite(e.get("latency_us"))
    strip = charts.strip(Estimate("", value, low, high, main=bool(e.get("chosen"))), *span, reference=reference) if value is not None else ""
    return {
        "place": place if value is not None else "",
        "title": glossary.learner_title(str(e.get("learner") or "")),
        "settings": settings(e.get("settings") or {})
        + (f"; {BALANCES[e['balance']]}" if e.get("balance") in BALANCES else "")
        + (f"; {things(e['iterations'], 'iteration')}" if finite(e.get("iterations")) is not None else ""),
        "baseline": bool(e.get("baseline")),
        "chosen": bool(e.get("chosen")),
        "score": value,
        "score_said": fixed(value, places) if value is not None else "no score",
        "interval": f"{fixed(low, places)} to {fixed(high, places)}" if low is not None and high is not None else "",
        "strip": Markup(strip),
        "seconds": finite(e.get("seconds")),
        "seconds_said": duration(e.get("seconds")),
        "memory": finite(e.get("memory_bytes")),
        "memory_said": size(e.get("memory_bytes")),
        "latency": latency,
        "latency_said": duration(latency / 1e6) if latency is not None else NOTHING,
        "size": finite(e.get("bundle_bytes")),
        "size_said": size(e.get("bundle_bytes")),
        "outcome": "" if e.get("chosen") else str(e.get("outcome") or "not recorded"),
        "why": str(e.get("why") or ""),
    }


def metrics(records: Records) -> Json:
    """All metrics of the model, and of each baseline on the same rows."""
    evidence = records.evidence
    names = list(evidence.get("baselines", {}))
    target = records.dataset.get("target")
    rows = []
    for name, entry in evidence.get("metrics", {}).items():
        places = entry_decimals(entry)
        others = [evidence["baselines"][b].get("metrics", {}).get(name, {}) for b in names]
        rows.append(
            {
                "title": glossary.title(name),
                "unit": glossary.unit(name, target),
                "primary": name == records.metric,
                "value": finite(entry.get("value")),
                "said": score(entry),
                "interval": interval(entry),
                "why": str(entry.get("why") or ""),
                "better": entry.get("better", ""),
                "n": finite(entry.get("n")),
                "baselines": [{"value": finite(o.get("value")), "said": fixed(o.get("value"), places)} for o in others],
            }
        )
    return {"rows": rows, "baselines": [glossary.learner_title(name) for name in names]}


def differences(records: Records) -> Figure | None:
    """The paired differences to the baselines, with their intervals, against the line of no difference."""
    rows = []
    for learner, entry in records.evidence.get("baselines", {}).items():
        d = entry.get("difference") or {}
        value = finite(d.get("value"))
        places = entry_decimals(d)
        said = f"{signed(value, places)} ({interval(d)})" if value is not None else NOTHING
        rows.append(Estimate(glossary.learner_title(learner), value, finite(d.get("low")), finite(d.get("high")), said, main=True))
    if not rows:
        return None
    words = verdict(records)["said"]
    unit = glossary.unit(records.metric, records.dataset.get("target"))
    axis = f"Gain in {glossary.in_sentence(records.metric)}"
    svg = charts.forest("differences", words, rows, axis_title=axis, reference=0.0, reference_label="no difference")
    unit = unit if not unit or unit.startswith("in ") else f"in {unit}"
    caption = f"Paired on the same rows, with 95 % intervals{f', {unit}' if unit else ''}; to the right of the dashed line the model is better."
    return Figure(words, Markup(svg), caption)


def limits(records: Records) -> Json:
    """What the plan allowed beside what was used, and where the time went."""
    plan, summary = records.plan, records.summary
    asked_time = sentences.seconds(plan.get("time"))
    used_time, peak = (
        finite(summary.get("seconds")),
        max((v for e in records.leaderboard if (v := finite(e.get("memory_bytes"))) is not None), default=None),
    )
    started = sum(1 for e in records.leaderboard if e.get("outcome") != "not started")
    rows = [
        _limit("Wall time", asked_time, used_time, duration, slack=2.0),
        _limit("Memory, largest candidate", finite(plan.get("memory")), peak, size),
        _limit("Candidates", finite(records.asked.get("candidates") or plan.get("candidates")), float(started), count),
    ]
    kept = [row["kept"] for row in rows]
    words = (
        "A limit was not kept."
        if "no" in kept
        else "Every limit that was asked and measured was kept."
        if "yes" in kept
        else "No limit was asked, or none was measured."
    )
    return {"headline": words, "rows": rows, "figures": time_spent(records)}


def time_spent(records: Records) -> list[Figure]:
    """What the time went to: by stage as the clock on the wall saw it, and by learner."""
    by_learner: dict[str, float] = {}
    for e in records.leaderboard:
        name = glossary.learner_title(str(e.get("learner") or ""))
        by_learner[name] = by_learner.get(name, 0.0) + (finite(e.get("seconds")) or 0.0)
    ranked = dict(sorted(by_learner.items(), key=lambda item: -item[1]))
    figures = []
    for name, spent, whose, caption in (
        ("stages", records.stages, "the run's", "Time on the wall by stage, from the event log; loading the program comes before it."),
        ("spent", ranked, "the candidates'", "Seconds of all candidates of a learner, added up; candidates that ran side by side count each."),
    ):
        rows = [(label, seconds, duration(seconds)) for label, seconds in spent.items() if seconds > 0]
        whole, most = total(seconds for _, seconds, _ in rows), max(rows, key=lambda row: row[1], default=None)
        if most is not None:
            words = f"{most[0]} took {percent(most[1] / whole, 0)} of {whose} {duration(whole)}"
            figures.append(Figure(words, Markup(charts.bars(name, words, rows)), caption))
    return figures


def _limit(label: str, asked: float | None, used: float | None, say: Callable[[object], str], *, slack: float = -math.inf) -> Json:
    kept = (
        "not asked"
        if asked is None
        else "not measured"
        if used is None
        else "yes"
        if used <= asked
        else "within 5 % + 2 s"
        if used <= 1.05 * asked + slack
        else "no"
    )
    return {
        "label": label,
        "asked": asked,
        "asked_said": "no limit" if asked is None else say(asked),
        "used": used,
        "used_said": say(used),
        "kept": kept,
    }


def reproduce(records: Records) -> Json:
    """Commands, digests and versions."""
    import yaml  # late: only the trainer has it

    run = sentences.run_name(records.folder)
    manifest, summary = records.manifest, records.summary

    def digest(name: str) -> str:
        return str(summary.get(name) or manifest.get(name) or "")

    return {
        "commands": [
            sentences.Next("Do it again from the record and compare the digests.", f"trainwright reproduce {run}"),
            sentences.Next(
                "Train with the same plan, as a new run.", f"trainwright train {shlex.quote(f'{sentences.bare_name(records.folder)}/plan.yaml')}"
            ),
            sentences.Next("Check that the bundle is whole and unchanged.", f"trainwright verify {run}/bundle"),
        ],
        "facts": [
            ("Model digest", digest("model_digest")),
            ("Bundle digest", digest("bundle_digest")),
            ("Source digest", str((records.dataset.get("source") or {}).get("digest") or "")),
            ("Dataset digest", str(records.dataset.get("digest") or "")),
            ("Seed", str(records.plan.get("seed", ""))),
            ("Trainwright", __version__ if not summary else str(summary.get("trainwright") or __version__)),
        ],
        "plan": yaml.safe_dump(records.plan, sort_keys=False, allow_unicode=True, width=100),
        "lock": records.lock,
    }
