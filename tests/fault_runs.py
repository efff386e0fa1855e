"""Short runs to break: one for each learner family, every fault at every durable operation, each case in a forked process.

Takes    a learner of the catalogue.
Gives    the states that kills and power cuts leave (one recorded run gives them all), and what comes of resuming each; the same for a disk that
         refuses an operation, for a torn or edited log.
Why      A process that was killed leaves what the kernel holds, byte for byte, so a copy of the folder at that moment is what the kill leaves. States
         that are the same byte for byte are resumed once.
"""

from __future__ import annotations

import dataclasses
import errno
import json
import os
import shutil
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from forked import in_a_child, in_children
from power_cut import Disk, State, as_it_is, watched
from trainwright import flow, learners
from trainwright.errors import CheckFailed, MachineError, TrainwrightError
from trainwright.plan.model import Plan
from trainwright.plan.read import make_plan
from trainwright.record import files
from trainwright.record.digests import digest_file, digest_json
from trainwright.record.log import NAME, read_events
from trainwright.run import Run

SMALL = {"trees": 4, "iterations": 5, "rounds": 5, "max_rounds": 5, "estimators": 4}  # settings that make a learner quick, where it has them
DIGESTS = ("model_digest", "bundle_digest")
Found = dict[str, Any]


def preload() -> None:
    """Import in the parent what every case needs, so that a case starts in milliseconds. Nothing here starts a thread that a fork would miss."""
    modules = "jinja2 lightgbm onnx polars sklearn.ensemble sklearn.linear_model sklearn.tree yaml"
    ours = "bundle.ship engine.inline report.page"
    for module in (*modules.split(), *(f"trainwright.{name}" for name in ours.split())):
        import_module(module)
    from trainwright.report import write

    for template in ("report.html", "glance.html"):
        write._template(template)  # compiled once for all cases


SHAPES = ("bent", "straight", "noise")  # of a target: what trees find, what straight lines find, what nobody finds


def make_table(path: Path, task: str, shape: str) -> None:
    """A small table; the shape of its target decides who wins on it, and so ships."""
    rng = np.random.default_rng(11)
    lines = ["a,b,y"]
    for _ in range(600 if task == "binary" else 300):
        a, b = int(rng.integers(0, 100)) / 10, str(rng.choice(["u", "v", "w"]))
        score = (a - 5) * {"bent": 1 if b == "u" else -1, "straight": 1, "noise": 0}[shape] + rng.normal(0, 0.3)
        lines.append(f"{a},{b},{('yes' if score > 0 else 'no') if task == 'binary' else f'{score:.3f}'}")
    path.write_text("\n".join(lines) + "\n")


def asked(learner: str, table: Path, out: Path, engine: str = "inline") -> Plan:
    kind = learners.learner_class(learner)
    names = {field.name for field in dataclasses.fields(kind)}  # type: ignore[arg-type]
    return make_plan(
        {
            "source": str(table),
            "target": "y",
            "task": task_of(learner),
            "learners": [{"name": learner, "settings": {name: value for name, value in SMALL.items() if name in names}}],
            "candidates": 1,
            "folds": 2,  # fits in memory: they make a case slow and add no durable operation
            "engine": engine,
            "workers": 1,
            "threads": 1,
            "out": str(out),
        }
    )


def task_of(learner: str) -> str:
    return next(task for task in ("regression", "binary", "multiclass") if task in learners.learner_class(learner).card.tasks)


@dataclass(frozen=True)
class Family:
    """One learner and its undisturbed run."""

    learner: str
    table: Path
    place: Path  # where its cases work
    calm: dict[str, Any]  # model_digest, bundle_digest, operations and the digest of their turn, road, learner

    def plan(self, out: Path, engine: str = "inline") -> Plan:
        return asked(self.learner, self.table, out, engine)


def undisturbed(learner: str, place: Path) -> Family:
    """Train once, undisturbed, in a child; on the first table on which this learner wins."""
    found: dict[str, Any] = {}
    place.mkdir(parents=True, exist_ok=True)
    for shape in SHAPES:
        table = place / f"{shape}.csv"
        make_table(table, task_of(learner), shape)
        family = Family(learner, table, place, {})

        def work(family: Family = family, shape: str = shape) -> dict[str, Any]:
            seen: list[str] = []
            with files.faults(lambda operation, path: seen.append(f"{operation} {len(path.parts)} {path.suffix}")):
                run = flow.train(family.plan(place / f"calm-{shape}" / "runs"))
            kinds = [step["kind"] for step in run.bundle.manifest["steps"] if step["name"].startswith("model")]
            shipped = run.summary["learner"]
            counted = {"operations": len(seen), "in_turn": digest_json(seen), "road": "+".join(kinds)}
            return {name: run.summary[name] for name in DIGESTS} | counted | {"learner": shipped, "ok": True}

        found = in_a_child(work)
        if not found["ok"]:
            raise RuntimeError(f"the undisturbed run of {learner} failed: {found['why']}")
        if found["learner"] == learner:
            break
    return Family(learner, table, place, found)


# Kills and power cuts: one recorded run, many states.


def record_states(family: Family, kinds: tuple[str, ...], every: int = 1) -> dict[str, Any]:
    """Run once and keep, at each durable operation, what a kill and each cut would leave: below `place/states/KEY`, with cases.json beside them."""
    root, states = family.place / "recorded", family.place / "states"
    root.mkdir(parents=True)
    states.mkdir()
    disk, cases = Disk(root), list[dict[str, Any]]()
    acknowledged, number = b"", -1

    def keep(phase: str, operation: str, path: Path) -> None:
        now = as_it_is(root)
        for kind in kinds:
            if kind != "kill" and phase == "after" and operation not in ("folder", "write", "rename", "append", "link", "remove", "truncate"):
                continue  # after a sync, a cut leaves what it leaves before the next operation
            state = now if kind == "kill" else disk.after_a_cut(now, kind, np.random.default_rng((number, phase == "after")))  # type: ignore[arg-type]
            key = f"{state.key()[:24]}-{len(acknowledged)}"
            if not (states / key).exists():
                state.lay_down(states / key)
                (states / f"{key}.log").write_bytes(acknowledged)
            where = str(path.relative_to(root))
            cases.append({"kind": kind, "number": number, "phase": phase, "operation": operation, "path": where, "key": key})

    def before(operation: str, path: Path) -> None:
        nonlocal number
        number += 1
        if number % every == 0:
            keep("before", operation, path)

    def after(operation: str, path: Path) -> None:
        nonlocal acknowledged
        if operation == "sync" and path.name == NAME:
            acknowledged = path.read_bytes()
        if number % every == 0:
            keep("after", operation, path)

    with watched(disk), files.faults(before, after=after):
        flow.train(family.plan(root / "runs"))
    (family.place / "cases.json").write_text(json.dumps(cases))
    return {"ok": True, "operations": number + 1}


def resumed(family: Family, state: Path) -> Found:
    """Go on from a state, and look whether everything that was acknowledged is there and the digests are those of the undisturbed run."""
    acknowledged = state.with_name(f"{state.name}.log").read_bytes() if state.with_name(f"{state.name}.log").exists() else b""
    out = state / "runs"
    logs = [path for path in out.glob(f"*/{NAME}") if path.parent.name != ".data"]
    kept = logs[0].read_bytes() if logs else b""
    if not kept.startswith(acknowledged):
        return {"ok": False, "why": f"{len(acknowledged)} bytes of the log were acknowledged, {len(kept)} are there"}
    if logs:
        run = Run(logs[0].parent)
        run = flow.resume(run.folder) if run.ended else flow.train(run.asked.model_copy(update={"engine": "inline"}), folder=run.folder)
    else:
        run = flow.train(family.plan(out))
    return same(family, run, acknowledged)


def same(family: Family, run: Run, acknowledged: bytes) -> Found:
    """Whether a run came to the promised digests, with its log, evidence and bundle in agreement."""
    if acknowledged and not (run.folder / NAME).read_bytes().startswith(acknowledged):
        return {"ok": False, "why": "an acknowledged event is gone from the log"}
    differ = [name for name in DIGESTS if run.summary[name] != family.calm[name]]
    if differ:
        return {"ok": False, "why": f"another {differ}: {run.summary['learner']}"}
    run.check(run.bundle.model_digest)
    bundle = run.bundle
    evidence = next(event for event in run.events if event.kind == "measured")
    if bundle.bundle_digest != family.calm["bundle_digest"] or evidence.what["digest"] != digest_file(run.folder / "evidence.json"):
        return {"ok": False, "why": "bundle or evidence on the disk is another"}
    opened = [event for event in run.events if event.kind == "opened"]
    if len({event.what.get("model_digest") for event in opened}) > 1:
        return {"ok": False, "why": "the sealed rows were opened for two models"}
    return {"ok": True}


def states_table(family: Family, kinds: tuple[str, ...], *, processes: int, every: int = 1, engine: str = "inline") -> list[Found]:
    """Every case of these kinds, with what came of it."""
    shutil.rmtree(family.place / "states", ignore_errors=True)
    shutil.rmtree(family.place / "recorded", ignore_errors=True)
    recorder = record_states if engine == "inline" else record_in_workers
    recorded = in_a_child(lambda: recorder(family, kinds, every))
    if not recorded["ok"]:
        raise RuntimeError(f"the recorded run of {family.learner} failed: {recorded['why']}")
    cases = json.loads((family.place / "cases.json").read_text())[:: 1 if engine == "inline" else every]
    keys = sorted({case["key"] for case in cases})
    found = dict(zip(keys, in_children([_resuming(family, key) for key in keys], processes=processes), strict=True))
    shutil.rmtree(family.place / "recorded")
    return [case | found[case["key"]] for case in cases]


def _resuming(family: Family, key: str) -> Callable[[], Found]:
    def work() -> Found:
        state = family.place / "states" / key
        found = resumed(family, state)
        if found["ok"]:
            shutil.rmtree(state)
        return found

    return work


# The same inside the workers of the local engine.

HOOK = """
import os
if os.environ.get("FAULT_RUNS"):
    import sys
    sys.path.insert(0, os.environ["FAULT_RUNS_PATH"])
    import power_cut
    power_cut.watch_worker()
"""


def record_in_workers(family: Family, kinds: tuple[str, ...], every: int = 1) -> dict[str, Any]:
    """The states at the durable operations that happen inside the workers: a worker installs the hook as it starts, by a `sitecustomize` of ours."""
    root, states, hook = family.place / "recorded", family.place / "states", family.place / "hook"
    for folder in (root, states, hook):
        folder.mkdir(parents=True, exist_ok=True)
    (hook / "sitecustomize.py").write_text(HOOK)
    sys.path.insert(0, str(hook))  # the engine gives its path on to the workers
    os.environ |= {"FAULT_RUNS": str(family.place), "FAULT_RUNS_PATH": str(Path(__file__).parent)}

    def after(operation: str, path: Path) -> None:
        if operation == "sync" and path.name == NAME:
            shutil.copyfile(path, family.place / "acknowledged.part")
            (family.place / "acknowledged.part").replace(family.place / "acknowledged")

    with files.faults(lambda operation, path: None, after=after):
        run = flow.train(family.plan(root / "runs", "local"))
    cases = [json.loads(path.read_text()) for path in sorted(states.glob("*.case"))]
    (family.place / "cases.json").write_text(json.dumps(cases))
    return {"ok": True, "operations": len(cases), "same": all(run.summary[name] == family.calm[name] for name in DIGESTS)}


# A disk that refuses.

ERRORS = {"ENOSPC": (errno.ENOSPC, "TW090"), "EIO": (errno.EIO, "TW092")}


def refused(family: Family, out: Path, at: int, name: str, for_ever: bool) -> Found:
    """A run whose durable operation `at` is refused (and all later ones, where `for_ever`): one clear error, then the same digests."""
    number, code = ERRORS[name]
    seen, acknowledged = -1, b""

    def fault(operation: str, path: Path) -> None:
        nonlocal seen
        seen += 1
        if seen == at or (for_ever and seen > at):
            raise OSError(number, os.strerror(number))

    def after(operation: str, path: Path) -> None:
        nonlocal acknowledged
        if operation == "sync" and path.name == NAME:
            acknowledged = path.read_bytes()

    caught: BaseException | None = None
    try:
        with files.faults(fault, after=after):
            flow.train(family.plan(out / "runs"))
    except BaseException as error:
        caught = error
    if not isinstance(caught, MachineError) or caught.code != code or caught.exit_code != 6 or not (caught.where and caught.fix):
        return {"ok": False, "why": f"it ended with {type(caught).__name__} {getattr(caught, 'code', '')}, not {code}"}
    logs = list((out / "runs").glob(f"*/{NAME}"))
    kept = logs[0].read_bytes() if logs else b""
    if not kept.startswith(acknowledged):
        return {"ok": False, "why": "an acknowledged event is gone"}
    found = same(family, flow.resume(logs[0].parent) if logs else flow.train(family.plan(out / "runs")), acknowledged)
    if found["ok"]:
        shutil.rmtree(out)
    return found


def refusals_table(family: Family, *, processes: int, every: int = 1, kinds: Iterable[str] = ERRORS) -> list[Found]:
    cases = [
        {"kind": f"{name} {'from there on' if for_ever else 'once'}", "number": at, "error": name, "for_ever": for_ever}
        for name in kinds
        for for_ever in (False, True)
        for at in range(0, family.calm["operations"], every)
    ]

    def work(case: dict[str, Any]) -> Callable[[], Found]:
        out = family.place / "refused" / f"{case['kind']} {case['number']}"
        return lambda: refused(family, out, case["number"], case["error"], case["for_ever"])

    return [case | found for case, found in zip(cases, in_children(map(work, cases), processes=processes), strict=True)]


# The log: torn, replayed, exchanged.


def ended_run(family: Family) -> Path:
    """A run as it is when its last event is acknowledged and nothing was tidied away yet."""
    root, kept = family.place / "ending", family.place / "ended"
    last: list[State] = []

    def after(operation: str, path: Path) -> None:
        if operation == "sync" and path.name == NAME:
            last[:] = [as_it_is(root)]

    def work() -> Found:
        root.mkdir()
        with files.faults(lambda operation, path: None, after=after):
            flow.train(family.plan(root / "runs"))
        last[0].lay_down(kept)
        return {"ok": True}

    found = in_a_child(work)
    if not found["ok"]:
        raise RuntimeError(found["why"])
    return kept


def log_table(family: Family, *, processes: int, every: int = 1) -> list[Found]:
    """A last line torn at every byte; every event replayed at every place; every two events exchanged."""
    ended = ended_run(family)
    (log,) = ended.glob(f"runs/*/{NAME}")
    lines = log.read_bytes().splitlines(keepends=True)
    found: list[Found] = []
    torn = range(0, len(lines[-1]), every)

    def going_on(cut: int) -> Callable[[], Found]:
        def work() -> Found:
            copy = family.place / "torn" / str(cut)
            shutil.copytree(ended, copy, copy_function=lambda source, target: shutil.copyfile(source, target))
            (path,) = copy.glob(f"runs/*/{NAME}")
            path.write_bytes(b"".join(lines[:-1]) + lines[-1][:cut])
            found = same(family, flow.resume(path.parent), b"".join(lines[:-1]))
            shutil.rmtree(copy)
            return found

        return work

    came = in_children(map(going_on, torn), processes=processes)
    found += [{"kind": "torn last line, resumed", "number": cut, **one} for cut, one in zip(torn, came, strict=True)]
    scratch = family.place / "log"
    for index, line in enumerate(lines):  # the same of every event that was last once
        for cut in range(0, len(line), every):
            scratch.write_bytes(b"".join(lines[:index]) + line[:cut])
            events, sound = read_events(scratch)
            ok = len(events) == index and sound == sum(map(len, lines[:index]))
            found.append({"kind": "torn last line, read", "number": cut, "ok": ok, "why": "" if ok else "other events than were whole"})
    edited = {f"event {a} again at {b}": [*lines[:b], lines[a], *lines[b:]] for a in range(len(lines)) for b in range(len(lines) + 1)}
    edited |= {
        f"events {a} and {b} exchanged": [*lines[:a], lines[b], *lines[a + 1 : b], lines[a], *lines[b + 1 :]]
        for a in range(len(lines))
        for b in range(a + 1, len(lines))
    }
    edited |= {f"event {a} taken out": lines[:a] + lines[a + 1 :] for a in range(len(lines) - 1)}
    for name, kept in list(edited.items())[::every]:
        log.write_bytes(b"".join(kept))
        kind = "events exchanged" if "exchanged" in name else "event taken out" if "taken" in name else "event replayed"
        why = ""
        for use in (lambda: read_events(log), lambda: flow.resume(log.parent), lambda: Run(log.parent).events):
            try:
                use()
                why = "nobody noticed"
            except CheckFailed as error:
                why = why or ("" if error.code == "TW080" and error.exit_code == 5 else f"it is {error.code}")
            except TrainwrightError as error:
                why = f"it is {error.code}"
        found.append({"kind": kind, "case": name, "ok": not why, "why": why})
    return found


# Nothing in a run's folder is written but through record/files.py.

EXCEPTIONS = {
    ("open", "flow.py:_run"): "error.log, for people; written when the run has failed already",
    ("open", "log.py:__init__"): "opens the event log; what is added goes through files.append",
    ("os.mkdir", "repeat.py:new_folder"): "the run's own folder; the folder above is synced",
    ("os.rmdir", "store.py:_erase"): "erasing may be done again",
    ("os.remove", "store.py:_erase"): "erasing may be done again",
    ("os.remove", "store.py:link"): "what is removed is put there again at once",
    ("os.remove", "inline.py:accept"): "an older result of a job that is done again",
    ("os.remove", "local.py:submit"): "the same",
    ("os.rmdir", "stages.py:tidy"): "removing may be done again: resuming a run that ended does so",
    ("shutil.rmtree", "stages.py:tidy"): "removing may be done again: resuming a run that ended does so",
    ("shutil.rmtree", "stages.py:place_bundle"): "what an earlier kill left beside",
    ("shutil.copytree", "stages.py:place_bundle"): "links; all synced by files.replace_folder before they get their name",
    ("os.mkdir", "stages.py:place_bundle"): "the same",
    ("shutil.rmtree", "write.py:_place"): "what an earlier kill left beside",
}
EVENTS = {"open", "os.rename", "os.remove", "os.link", "os.symlink", "os.mkdir", "os.rmdir", "os.truncate", "shutil.rmtree", "shutil.copytree"}


def writes_elsewhere(family: Family) -> dict[str, int]:
    """What a whole run writes below its folder without passing record/files.py: {"event place": how often}. In this process; the audit hook stays."""
    root = family.place / "audited"
    root.mkdir()
    seen: dict[str, int] = {}

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event not in EVENTS or not isinstance(arguments[0], str | os.PathLike) or not Path(arguments[0]).is_relative_to(root):
            return
        if event == "open" and not arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC):
            return
        frame, place = sys._getframe(1), ""
        while frame is not None:
            name = frame.f_code.co_filename
            if name.endswith("record/files.py"):
                return
            if not place and "/trainwright/" in name:
                place = f"{Path(name).name}:{frame.f_code.co_name}"
            frame = frame.f_back  # type: ignore[assignment]
        seen[f"{event} {place}"] = seen.get(f"{event} {place}", 0) + 1

    sys.addaudithook(hook)
    flow.train(family.plan(root / "runs"))
    return seen
