"""Three classes or more. Precision, recall and F1 are means over classes, each class counting the same (macro)."""

from trainwright.tasks.interface import Task

MULTICLASS = Task(
    name="multiclass",
    title="classification into several classes",
    output="classes",
    stratify=True,
    metric="log_loss",
    why_metric="it judges the whole probability vector, so a confident mistake costs more than a hesitant one",
    metrics=("log_loss", "accuracy", "balanced_accuracy", "precision", "recall", "f1", "roc_auc", "brier", "mcc"),
    curves=("calibration", "confusion"),
    baselines=("tabular/dummy", "tabular/logistic"),
)
