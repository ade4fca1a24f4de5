"""Tasks: what a network is for, and in which figures people read how good it is at it. One task a file."""

from edgenas.task.anomaly import Anomaly
from edgenas.task.classification import CLASSIFICATION, Classification
from edgenas.task.regression import Regression
from edgenas.task.task import TASKS, Head, Task, check_task, epoch_error, epoch_words, error_words, task_from

__all__ = [
    "CLASSIFICATION",
    "TASKS",
    "Anomaly",
    "Classification",
    "Head",
    "Regression",
    "Task",
    "check_task",
    "epoch_error",
    "epoch_words",
    "error_words",
    "task_from",
]
