"""Two classes: yes or no, good or bad. Class 1 is the positive one."""

from trainwright.tasks.interface import Task

BINARY = Task(
    name="binary",
    title="classification into two classes",
    output="classes",
    stratify=True,
    metric="roc_auc",
    why_metric="it judges the ranking of rows, needs no threshold and does not move with the share of the positive class",
    metrics=("roc_auc", "average_precision", "log_loss", "brier", "accuracy", "balanced_accuracy", "precision", "recall", "f1", "mcc"),
    curves=("roc", "precision_recall", "calibration", "confusion"),
    baselines=("tabular/dummy", "tabular/logistic"),
)
