"""StaticSource: memory, size and work of a network from its operations alone."""

from __future__ import annotations

from edgenas.arch.graph import OpGraph
from edgenas.cost.arena import plan_arena
from edgenas.cost.deployed import deployed_graph
from edgenas.cost.flash import flash_bytes, weight_bytes
from edgenas.cost.types import Cost, CostSource, OpCost


class StaticSource(CostSource):
    """MACs, parameters, flash and RAM of the int8 file that the exporter will write; no latency.

    The figures do not depend on the device: `Cost.flash_bytes` is the size of the file
    (`edgenas.cost.flash`), `Cost.peak_ram_bytes` the arena of TFLite Micro on a 64-bit host
    (`edgenas.cost.arena`), whose part `Cost.arena_head_bytes` is the same on every core.

    Args:
        device: Id of the device that the cost is stated for.
        runtime: Id of its runtime.
    """

    def __init__(self, device: str = "host", runtime: str = "litert") -> None:
        self.device = device
        self.runtime = runtime

    def estimate(self, graph: OpGraph, *, per_op: bool = False) -> Cost:
        """The cost of a network deployed in int8.

        Raises:
            UnsupportedError: The graph holds an operation without a known cost.
        """
        macs, params = graph.macs, graph.params
        deployed = deployed_graph(graph)
        arena = plan_arena(deployed)
        return Cost(
            device=self.device,
            runtime=self.runtime,
            precision="int8",
            source="static",
            latency_ms=None,
            latency_low_ms=None,
            latency_high_ms=None,
            peak_ram_bytes=arena.total_bytes,
            flash_bytes=flash_bytes(deployed),
            macs=macs,
            params=params,
            arena_head_bytes=arena.head_bytes,
            per_op=_shares(graph) if per_op else (),
        )


def _shares(graph: OpGraph) -> tuple[OpCost, ...]:
    return tuple(OpCost(op.name, op.kind, op.macs, weight_bytes(op)) for op in graph.ops)
