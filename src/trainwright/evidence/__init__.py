"""Evidence: what a model is worth. Metrics with intervals, differences to baselines, and curves."""

from trainwright.evidence.measure import measure, quick_interval
from trainwright.evidence.metrics import METRICS, Metric, better, score

__all__ = ["METRICS", "Metric", "better", "measure", "quick_interval", "score"]
