"""Latencies of a network in the precisions that compression schemes bring, where something is known."""

from __future__ import annotations

from collections.abc import Callable

from edgenas.arch.graph import OpGraph
from edgenas.cost.latency_table import LatencyTable
from edgenas.cost.predictor import PredictorSource
from edgenas.cost.static import StaticSource
from edgenas.cost.table import TableSource
from edgenas.cost.types import CostSource
from edgenas.errors import TableMissError, UnsupportedError
from edgenas.profile.device import Device
from edgenas.profile.sources import cost_source, read_filed, table_file


def scheme_latency(device: Device) -> Callable[[OpGraph, str], float | None]:
    """Gives milliseconds on a device with its default runtime.

    int8 comes from what predicts its costs, float32 from its float32 table if there is one. Nothing is
    known of float16, int16 and mixed files: their kernels were not measured. None is also the answer
    where a table lacks an operation, as after channels were removed.
    """
    sources: dict[str, CostSource] = {"int8": cost_source(device)}
    path = table_file(device, device.runtime, "float32")
    if path.exists():
        found, static = read_filed(path), StaticSource(device.id, device.runtime)
        if isinstance(found, LatencyTable):
            sources["float32"] = TableSource(found, static)
        else:
            sources["float32"] = PredictorSource(found.for_device(device.id, device.clock_mhz), static)

    def latency(graph: OpGraph, precision: str) -> float | None:
        if precision not in sources:
            return None
        try:
            return sources[precision].estimate(graph).latency_ms
        except (TableMissError, UnsupportedError):
            return None

    return latency
