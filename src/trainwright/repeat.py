"""Repeat a run: what its digests rest on, what happened in it, and a new folder that starts from the very same rows."""

from __future__ import annotations

import datetime
import platform
from importlib import metadata
from pathlib import Path
from typing import Any

from trainwright.credentials import is_url
from trainwright.data import store
from trainwright.data.read import look_at
from trainwright.data.sources.place import place_of
from trainwright.errors import SourceError
from trainwright.learners import added_packages, extra_packages
from trainwright.plan.model import Plan
from trainwright.plan.read import dump_plan
from trainwright.record import files
from trainwright.record.log import Event, Log
from trainwright.run import Run
from trainwright.select.cost import EVENT
from trainwright.select.limits import means_of
from trainwright.select.search import Replay

LOCKED = (  # whatever the run
    "trainwright",
    "numpy",
    "onnxruntime",
    "onnx",
    "scikit-learn",
    "imbalanced-learn",
    "scipy",
    "lightgbm",
    "polars",
    "pydantic",
    "threadpoolctl",
)


def new_folder(asked: Plan) -> Path:
    """A folder of its own for a run: the source's name and the time, which is there for people and decides nothing."""
    stem = place_of(asked.source, table=asked.table, sheet=asked.sheet).stem if asked.source else "frame"
    moment = datetime.datetime.now().strftime("%Y%m%d-%H%M%S")  # local time, as people name things
    name, number = f"{stem}-{moment}", 1
    with files.machine_errors(asked.out, doing="make the run's folder"):
        files.make_folder(asked.out)
        while True:
            folder = asked.out / (name if number == 1 else f"{name}-{number}")
            try:
                folder.mkdir()
            except FileExistsError:
                number += 1
            else:
                files.sync_folder(asked.out)  # a folder that a power cut takes away would take what was acknowledged in it
                return folder


def lock(plan: Plan) -> str:
    """The versions and the kind of processor on which a run's digests rest."""
    import threadpoolctl

    kernels = sorted({library["architecture"] for library in threadpoolctl.threadpool_info() if library.get("architecture")})
    lines = [f"python=={platform.python_version()}", f"platform {platform.system()} {platform.machine()} {' '.join(kernels)}".rstrip()]
    used = [choice.name for choice in plan.learners]
    for name in (*LOCKED, *extra_packages(used), *added_packages(used)):
        try:
            lines.append(f"{name}=={metadata.version(name)}")
        except metadata.PackageNotFoundError:
            lines.append(f"{name} not installed")
    return "\n".join(lines) + "\n"


def what_changed(run: Run) -> list[str]:
    """What is different today from when the run was made: versions and machine, in words."""
    before = dict(versions((run.folder / "lock.txt").read_text(encoding="utf-8")))
    now = dict(versions(lock(run.plan)))
    return [
        f"{name}: {before.get(name, 'not recorded')} then, {now.get(name, 'not recorded')} now"
        for name in sorted(before | now)
        if before.get(name) != now.get(name)
    ]


def versions(text: str) -> list[tuple[str, str]]:
    """The (name, version) pairs of a lock file."""
    return [tuple(line.replace("==", " ", 1).split(" ", 1)) for line in text.splitlines()]  # type: ignore[misc]  # each line has both parts


def what_happened(run: Run) -> dict[str, Any]:
    """Which candidates finished in a run, which one shipped, which baselines became bundles; and the digest of its rows."""
    events = run.events
    statuses = {str(event.what["number"]): event.what["status"] for event in events if event.kind == "candidate ended"}
    return {
        "statuses": statuses,
        "shipped": next(event.what["number"] for event in reversed(events) if event.kind == "shipped"),
        "baselines": sorted({event.what["number"] for event in events if event.kind == "baseline shipped"}),
        "cost": next((event.what.get("why", "") for event in reversed(events) if event.kind == EVENT), ""),
        "dataset": next(event.what["digest"] for event in events if event.kind == "dataset"),
        "probes": sorted({event.what["name"] for event in events if event.kind == "probe ended" and event.what["status"] == "done"}),
    }


def replay_of(events: list[Event]) -> Replay | None:
    """What is to happen again: as an interrupted repetition has written down, else nothing."""
    for event in events:
        if event.kind == "repeats":
            statuses = {int(number): status for number, status in event.what["statuses"].items()}
            probes = frozenset(event.what.get("probes", ()))
            cost = event.what.get("cost", "")
            return Replay(statuses=statuses, shipped=event.what["shipped"], baselines=tuple(event.what["baselines"]), probes=probes, cost=cost)
    return None


def begin_again(run: Run, out: Path) -> Path:
    """A new run folder that starts from the very rows of an earlier run: those kept with it, else those of its source.

    Raises SourceError (TW087) when the rows were not kept and the source is gone or has changed since.
    """
    happened, kept = what_happened(run), run.folder / "data"
    if kept.exists():
        dataset = store.load(kept, check=True)
    elif run.asked.source is not None and (is_url(run.asked.source) or Path(run.asked.source).exists()):
        then = ("rows", "memory", "population", "clean")  # as many training rows as then, and shares as the file had them
        asked = run.asked.model_copy(update={name: getattr(run.plan, name) for name in then})
        dataset = look_at(asked, None, means_of(asked))
    else:
        raise SourceError(
            "TW087", "the rows of this run are gone", where=str(run.folder), why="they were not kept with it", fix="put the source back where it was"
        )
    if store.digest_of(dataset) != happened["dataset"]:
        raise SourceError(
            "TW087", "the rows are not those of the run", where=str(run.folder), why="their digest differs", fix="put the same file back"
        )
    folder = new_folder(run.asked.model_copy(update={"out": out}))
    files.write_text(folder / "asked.yaml", dump_plan(run.plan, full=True))
    with Log(folder) as log:
        log.append("session", resumed=False)
        log.append("repeats", run=run.folder.name, **happened)
        files.write_json(folder / "dataset.json", files.read_json(run.folder / "dataset.json"))
        store.keep(dataset, folder, out / ".data")
        log.append("dataset", **next(event.what for event in run.events if event.kind == "dataset"))
    return folder
