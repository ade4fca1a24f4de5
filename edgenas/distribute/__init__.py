"""Where trainings run: on this machine, or on a Ray cluster."""

from edgenas.distribute.executor import EXECUTORS, Allotment, Executor
from edgenas.distribute.local import LocalExecutor
from edgenas.distribute.ray_executor import RayExecutor

__all__ = ["EXECUTORS", "Allotment", "Executor", "LocalExecutor", "RayExecutor"]
