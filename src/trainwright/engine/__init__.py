"""Where work runs: inline, or in this machine's processes, under caps. See `interface`."""

from __future__ import annotations

from trainwright.engine.interface import Engine, Job, Outcome, open_engine

__all__ = ["Engine", "Job", "Outcome", "open_engine"]
