"""A number."""

from trainwright.tasks.interface import Task

REGRESSION = Task(
    name="regression",
    title="prediction of a number",
    output="number",
    stratify=False,
    metric="rmse",
    why_metric="it is in the unit of the target, and a large error costs more than several small ones",
    metrics=("rmse", "mae", "r2", "mse"),
    curves=("residuals",),
    baselines=("tabular/dummy", "tabular/linear"),
)
