"""Tasks by name. A new kind of learning adds a file here."""

from trainwright.tasks.binary import BINARY
from trainwright.tasks.interface import Task
from trainwright.tasks.multiclass import MULTICLASS
from trainwright.tasks.regression import REGRESSION

TASKS: dict[str, Task] = {task.name: task for task in (BINARY, MULTICLASS, REGRESSION)}

__all__ = ["TASKS", "Task"]
