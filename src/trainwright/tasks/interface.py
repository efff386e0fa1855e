"""What is learned: the kind of target, the metric that decides, the baselines that must be beaten, the evidence that is owed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A task, as everything downstream reads it; one file each in this folder gives one."""

    name: str
    title: str  # in plain words, for the report
    output: Literal["classes", "number"]  # what a prediction is; the bundle's last step and the charts follow it
    stratify: bool  # whether splits keep the shares of the target
    metric: str  # the primary metric unless the plan names another
    why_metric: str
    metrics: tuple[str, ...]  # names in evidence/metrics: all of these are measured
    curves: tuple[str, ...]  # names in evidence/curves: what is pictured
    baselines: tuple[str, ...]  # learners that always run
