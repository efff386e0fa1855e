"""What a report is made from: the JSON and YAML files of a run folder, read once, as one value.

Takes    the run folder (see "The run folder" in docs/architecture.md).
Gives    Records; files that a run may lack (summary, lock, bundle) are empty, and show as gaps.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from trainwright.errors import CheckFailed, RequestError
from trainwright.record import files
from trainwright.record.log import NAME, Event, read_events

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Records:
    """The run's files as they are on disk. `folder` is only used to name the run and to say commands."""

    folder: Path
    plan: Json
    dataset: Json
    leaderboard: list[Json]
    evidence: Json
    asked: Json = field(default_factory=dict)
    manifest: Json = field(default_factory=dict)
    summary: Json = field(default_factory=dict)
    transforms: Json = field(default_factory=dict)  # what each was worth; empty where none was tried
    lock: str = ""
    stages: dict[str, float] = field(default_factory=dict)  # what the time went to, in seconds of the clock on the wall

    @property
    def chosen(self) -> Json:
        """The winner's entry of the leaderboard; empty when nothing was chosen."""
        return next((entry for entry in self.leaderboard if entry.get("chosen")), {})

    @property
    def metric(self) -> str:
        return str(self.evidence.get("metric") or self.plan.get("metric") or "")

    @property
    def headline(self) -> Json:
        """The primary metric's entry: value, low, high, n, better."""
        found: Json = self.evidence.get("metrics", {}).get(self.metric, {})
        return found


def read_records(folder: Path) -> Records:
    """Read a run folder.

    Raises  RequestError TW006 when a file without which there is nothing to report is missing, CheckFailed TW083 when one cannot
            be read and TW080 when the event log was edited or cut.
    """
    return Records(
        folder=folder,
        plan=_yaml(folder / "plan.yaml", needed=True),
        dataset=_json(folder / "dataset.json", needed=True),
        leaderboard=_json(folder / "leaderboard.json", needed=True),
        evidence=_json(folder / "evidence.json", needed=True),
        asked=_yaml(folder / "asked.yaml"),
        manifest=_json(folder / "bundle" / "manifest.json"),
        summary=_json(folder / "summary.json"),
        transforms=_json(folder / "transforms.json"),
        stages=stages_of(read_events(folder / NAME)[0]),
        lock=(folder / "lock.txt").read_text() if (folder / "lock.txt").is_file() else "",
    )


STAGES = {
    "dataset": "Reading and checking the data",
    "plan": "Planning",
    "probe ended": "Trying transforms",
    "transforms chosen": "Trying transforms",
    "candidate started": "Training candidates",
    "candidate ended": "Training candidates",
    "baseline shipped": "Training candidates",
    "baseline not shipped": "Training candidates",
    "searched": "Training candidates",
    "shipped": "Refitting and shipping the winner",
    "not shipped": "Refitting and shipping the winner",
    "sealed opened": "Measuring",
    "measured": "Measuring",
}
"""What a run was doing until an event of this kind; events of other kinds end nothing that is counted."""


def stages_of(events: Sequence[Event]) -> dict[str, float]:
    """Seconds of each stage, in the order in which they came: the time since the event before. Time between two sessions belongs to none."""
    spent: dict[str, float] = {}
    for before, event in itertools.pairwise(events):
        stage = STAGES.get(event.kind)
        if stage is not None:
            spent[stage] = spent.get(stage, 0.0) + max(0.0, event.at - before.at)
    return spent


def _json(path: Path, *, needed: bool = False) -> Any:
    if not path.is_file():
        return _absent(path) if needed else {}
    try:
        return files.read_json(path)
    except ValueError as error:
        raise _broken(path, "JSON") from error


def _yaml(path: Path, *, needed: bool = False) -> Json:
    if not path.is_file():
        return _absent(path) if needed else {}
    import yaml  # late: the runtime does without

    try:
        value = yaml.safe_load(path.read_text())
    except (yaml.YAMLError, ValueError) as error:
        raise _broken(path, "YAML") from error
    return value if isinstance(value, dict) else {}


def _absent(path: Path) -> Json:
    raise RequestError(
        "TW006",
        f"this run did not end: it has no {path.name}",
        where=str(path.parent),
        why="a report is made from the run's own files: the run did not end, or the folder is not a run",
        fix=f"`trainwright train --resume {path.parent}` ends an interrupted run; otherwise give a run's folder",
    )


def _broken(path: Path, language: str) -> CheckFailed:
    return CheckFailed(
        "TW083",
        f"{path.name} is not {language}",
        where=str(path),
        why="the file was edited, cut or damaged: what it says cannot be shown",
        fix="restore the run folder from a copy, or train again",
    )
