"""Evidence: what a model is worth. Metrics with intervals, differences to baselines, and curves."""

from trainwright.evidence.measure import differences, measure, quick_interval, unpaired
from trainwright.evidence.metrics import METRICS, Metric, better, score

__all__ = ["METRICS", "Metric", "better", "differences", "measure", "quick_interval", "score", "unpaired"]
