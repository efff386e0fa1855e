"""The sealed rows are opened once, for one model. This is the only door to them."""

from __future__ import annotations

from trainwright.errors import CheckFailed
from trainwright.record.log import Log


def open_sealed(log: Log, model_digest: str) -> None:
    """Record that the sealed rows are opened for the model with this digest, before they are.

    For the same digest they may be opened again (after a crash), which is recorded too.
    Raises CheckFailed (TW081) when they were opened for another model: a second look would flatter whichever is chosen.
    """
    earlier = log.last("sealed opened")
    if earlier is not None and earlier.what["model_digest"] != model_digest:
        raise CheckFailed(
            "TW081",
            "the sealed rows were already opened for another model",
            where=str(log.folder),
            why="rows that helped to judge one model can no longer judge the next one honestly",
            fix="train a new run with another --seed, or give new rows with --test",
        )
    log.append("sealed opened", model_digest=model_digest, again=earlier is not None)
