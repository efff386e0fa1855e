"""Progress in a terminal: one bar with the time left and the best score; plain lines where there is no terminal."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainwright.report.progress import Lines, candidate_line, dataset_lines, plan_lines

if TYPE_CHECKING:
    from trainwright.data.dataset import Dataset
    from trainwright.plan.model import Plan
    from trainwright.select.outcome import Outcome


@contextlib.contextmanager
def progress() -> Iterator[Any]:
    """Bars on a terminal, lines elsewhere; both on standard error."""
    if not sys.stderr.isatty() or os.environ.get("TERM") == "dumb":
        yield Lines()
        return
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn
    from rich.progress import Progress as RichProgress

    console = Console(stderr=True, highlight=False)
    columns = (TextColumn("{task.description:<10}"), BarColumn(bar_width=24), TextColumn("{task.fields[left]:>9}"), TextColumn("{task.fields[best]}"))
    with RichProgress(*columns, console=console, transient=True, refresh_per_second=4) as bars:
        yield Bars(bars)


class Bars:
    """One bar for the whole run: how far the budget is used, the time left, the best score so far."""

    def __init__(self, bars: Any) -> None:
        self._bars, self._began = bars, time.monotonic()
        self._limit: float | None = None
        self._task = bars.add_task("starting", total=None, left="", best="")

    def _print(self, text: str) -> None:
        self._bars.console.print(text, markup=False, soft_wrap=True)

    def stage(self, name: str, what: str) -> None:
        self._bars.update(self._task, description=name, left=self._left())
        self._print(f"{name}: {what}")

    def dataset(self, dataset: Dataset) -> None:
        for line in dataset_lines(dataset):
            self._print(f"  {line}")

    def plan(self, plan: Plan, folder: Path) -> None:
        self._limit = plan.time
        self._bars.update(self._task, total=float(len(plan.learners)), completed=0.0)
        for line in plan_lines(plan, folder):
            self._print(f"  {line}")

    def candidate_started(self, number: int, learner: str) -> None:
        self._bars.update(self._task, left=self._left())

    def candidate_ended(self, outcome: Outcome, best: Outcome | None, *, done: int, total: int) -> None:
        shown = f"best {best.score:.5g} {best.learner}" if best is not None and best.score is not None else ""
        self._bars.update(self._task, completed=float(done), total=float(total), left=self._left(), best=shown)
        self._print("  " + candidate_line(outcome, None, done=done, total=total))

    def _left(self) -> str:
        spent = time.monotonic() - self._began
        return f"{max(0.0, self._limit - spent):.0f} s left" if self._limit else f"{spent:.0f} s"
