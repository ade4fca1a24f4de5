"""What was predicted stands beside the file that it was predicted of, and beside no other."""

from __future__ import annotations

from dataclasses import replace

from edgenas.arch import MicroSpace
from edgenas.cost.static import StaticSource
from edgenas.deploy.timing import time_files
from edgenas.profile.synthesize import synthesize


def test_a_prediction_is_for_the_file_of_its_precision_alone() -> None:
    graph = next(MicroSpace((8, 8, 1), 10).enumerate()).graph()
    cost = replace(StaticSource("host", "litert").estimate(graph), latency_ms=0.5)
    assert cost.precision == "int8"
    files = dict.fromkeys(("model.int8.tflite", "model.mixed-int8.tflite"), synthesize(graph))
    predicted = {one.file: one.predicted_ms for one in time_files(files, cost)}
    assert predicted == {"model.int8.tflite": 0.5, "model.mixed-int8.tflite": None}
