"""Evidence: what a model is worth. Metrics with intervals, differences to baselines, curves, and the same in plain words."""

from trainwright.evidence.measure import measure, quick_interval
from trainwright.evidence.metrics import METRICS, Metric, better, score
from trainwright.evidence.words import words

__all__ = ["METRICS", "Metric", "better", "measure", "quick_interval", "score", "words"]
