"""Progress as plain lines on standard error: for logs, notebooks and whatever is no terminal."""

from __future__ import annotations

import shutil
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from trainwright.report.columns import column_lines

if TYPE_CHECKING:
    from trainwright.data.dataset import Dataset
    from trainwright.plan.model import Plan
    from trainwright.select.outcome import Outcome


class Lines:
    """One line for each thing that a person would want to know while waiting."""

    def __init__(self) -> None:
        self._began = time.monotonic()

    def say(self, text: str) -> None:
        sys.stderr.write(f"[{time.monotonic() - self._began:5.1f} s] {text}\n")
        sys.stderr.flush()

    def stage(self, name: str, what: str) -> None:
        self.say(f"{name}: {what}")

    def dataset(self, dataset: Dataset) -> None:
        self.say("\n".join(dataset_lines(dataset)))

    def plan(self, plan: Plan, folder: Path) -> None:
        for line in plan_lines(plan, folder):
            self.say(line)

    def candidate_started(self, number: int, learner: str) -> None:
        """Starts are many and tell little; ends are shown."""

    def candidate_ended(self, outcome: Outcome, best: Outcome | None, *, done: int, total: int) -> None:
        self.say(candidate_line(outcome, best, done=done, total=total))


def dataset_lines(dataset: Dataset) -> list[str]:
    """What was read, what became of it, and what was found, each with the flag that changes it."""
    from trainwright.data.dataset import told_of
    from trainwright.data.read import describe

    source, splits = dataset.table.source, dataset.splits
    read = ", ".join(f"{name} {value}" for name, value in told_of(source.details).items() if value != "")
    lines = [f"{source.rows:,} rows, {source.columns:,} columns ({source.format}{', ' + read if read else ''})"]
    lines += [f"  {note}" for note in source.notes]
    lines += column_lines(describe(dataset)["described"], width=shutil.get_terminal_size((140, 24)).columns - 2)
    lines.append(f"target {dataset.target_name}: {dataset.task} ({dataset.why_task}; --task changes it)")
    lines += [f"  {count:,} rows set aside: {reason}" for reason, count in dataset.dropped.items() if count]
    lines += [f"  cleaned: {entry['said']} ({entry['because']})" for entry in dataset.cleaned]
    how = f"{len(splits.sealed):,} rows sealed, {len(splits.open):,} open" if splits.design == "sealed" else "nested cross-validation, no row sealed"
    lines.append(f"split {splits.how}: {how} ({splits.why}; --split changes it)")
    lines += [f"finding {f.code}{' (blocks)' if f.blocking else ''}: {f.what} [{f.where}]" for f in dataset.findings[:12]]
    if len(dataset.findings) > 12:
        lines.append(f"… and {len(dataset.findings) - 12} more findings; the report and `trainwright check` list all")
    return lines


def plan_lines(plan: Plan, folder: Path) -> list[str]:
    """The defaults that matter, each with its flag."""
    budget = f"{plan.time:g} s (--time)" if plan.time else "no time limit (--candidates was given)"
    memory = f"{plan.memory / 1e9:.1f} GB (--memory)" if plan.memory else "none"
    return [
        f"metric {plan.metric} (--metric), {plan.folds} folds (--folds), seed {plan.seed} (--seed)",
        f"limits: {budget}, memory {memory}, {plan.workers} at once (--workers)",
        *_constrained(plan),
        f"run folder {folder}",
    ]


def _constrained(plan: Plan) -> list[str]:
    """What may only rise or only fall, and which learners are not tried for it."""
    if not plan.monotone:
        return []
    from trainwright.select.monotone import left_out

    told = ", ".join(f"{direction} along {column}" for column, direction in plan.monotone.items())
    without = left_out(plan)
    return [f"monotone: {told} (--monotone)" + (f"; they cannot keep it and are at most compared with: {', '.join(without)}" if without else "")]


def candidate_line(outcome: Outcome, best: Outcome | None, *, done: int, total: int) -> str:
    """One candidate's end, and the best so far."""
    result = f"{outcome.score:.5g}" if outcome.score is not None else outcome.status + (f" ({outcome.why})" if outcome.why else "")
    took = f" in {outcome.seconds:.1f} s" if outcome.seconds is not None else ""
    top = f"; best {best.score:.5g} {best.learner}" if best is not None and best.score is not None else ""
    return f"{done}/{total} {outcome.learner} {result}{took}{top}"
