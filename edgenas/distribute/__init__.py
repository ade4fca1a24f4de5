"""Where trainings run, on this machine or on a Ray cluster, and boards that a cluster shares."""

from edgenas.distribute.board import BoardRunner
from edgenas.distribute.executor import EXECUTORS, Allotment, Executor
from edgenas.distribute.local import LocalExecutor
from edgenas.distribute.ray_executor import RayExecutor

__all__ = ["EXECUTORS", "Allotment", "BoardRunner", "Executor", "LocalExecutor", "RayExecutor"]
