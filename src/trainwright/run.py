"""Run: everything that one training left behind, read from its folder. What `train` gives and `load_run` opens again."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

from trainwright import runtime
from trainwright.errors import CheckFailed, RequestError, nearest
from trainwright.plan.model import Plan
from trainwright.plan.read import read_plan
from trainwright.record import files
from trainwright.record.digests import digest_file
from trainwright.record.log import NAME, Event, read_events
from trainwright.report.write import GLANCE

SUMMARY = "summary.json"


class Run:
    """A finished (or stopped) run. Attributes are read from the folder when asked for, and never change it."""

    def __init__(self, folder: str | Path) -> None:
        """Raises RequestError (TW005) when `folder` is no run folder."""
        self.folder = Path(folder)
        if not (self.folder / NAME).exists():
            raise RequestError("TW005", "this is not a run folder", where=str(folder), why=f"it holds no {NAME}", fix=_other_run(self.folder))

    @functools.cached_property
    def summary(self) -> dict[str, Any]:
        """What `train --json` prints. Raises RequestError (TW006) when the run did not end."""
        if not self.ended:
            raise RequestError(
                "TW006", "this run did not end", where=str(self.folder), fix=f"`trainwright train --resume {self.folder}` goes on with it"
            )
        summary: dict[str, Any] = files.read_json(self.folder / SUMMARY)
        return summary

    @functools.cached_property
    def bundle(self) -> runtime.Bundle:
        """What ships, loaded as a server would load it."""
        return runtime.load(self.folder / "bundle")

    @functools.cached_property
    def evidence(self) -> dict[str, Any]:
        """Metrics with intervals, curves and differences to the baselines; see docs/architecture.md for the keys."""
        evidence: dict[str, Any] = files.read_json(self.folder / "evidence.json")
        return evidence

    @functools.cached_property
    def leaderboard(self) -> list[dict[str, Any]]:
        """One entry a candidate, best first."""
        leaderboard: list[dict[str, Any]] = files.read_json(self.folder / "leaderboard.json")
        return leaderboard

    @functools.cached_property
    def dataset(self) -> dict[str, Any]:
        """Source, schema, splits and findings, as counts and names."""
        dataset: dict[str, Any] = files.read_json(self.folder / "dataset.json")
        return dataset

    @property
    def report(self) -> Path:
        """The HTML page."""
        return self.folder / "report.html"

    @functools.cached_property
    def asked(self) -> Plan:
        return read_plan(self.folder / "asked.yaml")

    @functools.cached_property
    def plan(self) -> Plan:
        """The resolved plan."""
        return read_plan(self.folder / "plan.yaml")

    @property
    def events(self) -> list[Event]:
        """The event log, checked. Raises CheckFailed (TW080) when it was edited or cut."""
        return read_events(self.folder / NAME)[0]

    @property
    def ended(self) -> bool:
        return any(event.kind == "ended" for event in self.events)

    def check(self, model_digest: str) -> None:
        """Raises CheckFailed (TW083) when the bundle or the evidence is not the one that the log names."""
        measured = next((event.what for event in reversed(self.events) if event.kind == "measured"), None)
        if measured is None:
            return
        evidence = self.folder / "evidence.json"
        for name, same in (
            ("bundle", measured["model_digest"] == model_digest),
            (evidence.name, evidence.exists() and measured["digest"] == digest_file(evidence)),
        ):
            if not same:
                where = str(self.folder / name)
                raise CheckFailed("TW083", "this is not what the run's log says was measured", where=where, fix="restore it from a copy")

    def __repr__(self) -> str:
        if not self.ended:
            return f"Run({str(self.folder)!r}, not ended)"
        metric = self.summary["metric"]
        return f"Run({str(self.folder)!r}, {self.summary['task']}, {self.summary['learner']}, {metric['name']}={metric['value']:.4g})"

    def _repr_html_(self) -> str | None:
        """In a notebook: the run at a glance, from the file that was made at its end; plain text where there is none."""
        path = self.folder / GLANCE
        return path.read_text(encoding="utf-8") if path.is_file() else None


def same_as_recorded(path: Path, digest: str) -> None:
    """Raises CheckFailed (TW083) when a file of the run is no longer the one that the log names."""
    if not path.exists() or digest_file(path) != digest:
        raise CheckFailed("TW083", "a file of the run is not the one that was written", where=str(path), fix="restore it from a copy, or train again")


def latest_run(out: Path) -> Run:
    """The newest run in `out` that ended, or the newest at all. Raises RequestError (TW005) when there is none."""
    folders = [path.parent for path in out.glob(f"*/{NAME}")]
    runs = [Run(folder) for folder in sorted(folders, key=lambda folder: ((folder / NAME).stat().st_mtime_ns, folder.name), reverse=True)]
    if not runs:
        raise RequestError(
            "TW005", "there is no run here", where=str(out), fix="`trainwright train FILE --target COLUMN` makes one, --out says where"
        )
    return next((run for run in runs if run.ended), runs[0])


def _other_run(folder: Path) -> str:
    beside = [path.parent.name for path in folder.parent.glob(f"*/{NAME}")] if folder.parent.exists() else []
    near = nearest(folder.name, beside)
    return f"did you mean {str(folder.parent / near)!r}?" if near else "name a folder that `trainwright train` made"
