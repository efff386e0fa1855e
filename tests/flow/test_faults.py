"""A full disk, a failing disk and a kill at durable operations of a whole run: one clear error, nothing lost, the same digests after resuming.

The run is small and inline, so that every durable operation happens in this process and can be failed by name. A sample of the
operations is taken, evenly over the run; each operation of each kind of learner is another matter.
"""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Any

import pytest

from trainwright import flow
from trainwright.errors import MachineError
from trainwright.plan.model import Plan
from trainwright.plan.read import make_plan
from trainwright.record import files
from trainwright.run import Run

pytestmark = pytest.mark.slow


class Killed(BaseException):
    """What a kill is to the code: nothing after it happens, and nobody is told."""


def asked(tables: Path, out: Path) -> Plan:
    return make_plan(
        {
            "source": str(tables / "penguins.csv"),
            "target": "species",
            "learners": [{"name": "tabular/tree", "settings": {}}],
            "candidates": 1,
            "engine": "inline",
            "out": str(out),
        }
    )


def interrupted(plan: Plan, at: int, error: BaseException, *, for_ever: bool) -> tuple[int, BaseException | None]:
    """Train with `error` raised at durable operation `at` (and at all later ones, as after a kill). Gives the operations seen, and what came out."""
    seen = 0

    def fault(operation: str, path: Path) -> None:
        nonlocal seen
        seen += 1
        if seen == at or (for_ever and seen > at):
            raise error

    try:
        with files.faults(fault):
            flow.train(plan)
    except BaseException as caught:
        return seen, caught
    return seen, None


@pytest.fixture(scope="module")
def calm(tables: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    out = tmp_path_factory.mktemp("calm")
    operations, error = interrupted(asked(tables, out), -1, Killed(), for_ever=False)
    assert error is None
    (folder,) = (path.parent for path in out.glob("*/events.jsonl"))
    return {"operations": operations, "summary": Run(folder).summary}


SHARES = (0.05, 0.2, 0.35, 0.5, 0.65, 0.8, 0.95)


@pytest.mark.parametrize("share", SHARES)
@pytest.mark.parametrize("kind", ["kill", "full", "broken"])
def test_a_run_stopped_at_a_durable_operation_goes_on_to_the_same_digests(
    tables: Path, tmp_path: Path, calm: dict[str, Any], share: float, kind: str
) -> None:
    at = max(1, round(share * calm["operations"]))
    error = {"kill": Killed(), "full": OSError(errno.ENOSPC, "full"), "broken": OSError(errno.EIO, "broken")}[kind]
    _, caught = interrupted(asked(tables, tmp_path), at, error, for_ever=kind == "kill")
    if kind == "kill":
        assert isinstance(caught, Killed)
    elif caught is not None:  # a candidate or a baseline's bundle that fails to be written costs itself alone
        assert isinstance(caught, MachineError)
        assert caught.code == {"full": "TW090", "broken": "TW092"}[kind]
    runs = [path.parent for path in tmp_path.glob("*/events.jsonl")]
    done = flow.resume(runs[0]) if runs else flow.train(asked(tables, tmp_path))
    if kind == "kill" or caught is not None:
        assert done.summary["model_digest"] == calm["summary"]["model_digest"]
        assert done.summary["bundle_digest"] == calm["summary"]["bundle_digest"]
