"""VelaSource: latency, RAM and flash on an Ethos-U as Arm's Vela compiler estimates them.

A network is written as an int8 file with random weights (`edgenas.profile.synthesize`), compiled for
the NPU and judged by the compiler's own performance model. Arm calls those estimates experimental and
they are of the NPU alone, so there is no interval and `Cost.source` is ``vela``: simulated, never
measured. Weights of a trained network that compress better than random ones are read faster than this;
a finished file is compiled as it is (`VelaSource.estimate_file`).

Vela: https://gitlab.arm.com/artificial-intelligence/ethos-u/ethos-u-vela (package ``ethos-u-vela``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from importlib import metadata
from typing import Any

from edgenas.arch.graph import Op, OpGraph, Shape
from edgenas.arch.space import SearchSpace
from edgenas.cost.deployed import deployed_graph
from edgenas.cost.flash import weight_bytes
from edgenas.cost.opkey import op_key
from edgenas.cost.types import Cost, CostSource, OpCost
from edgenas.errors import ConfigError, UnsupportedError
from edgenas.profile.device import Device
from edgenas.profile.synthesize import synthesize
from edgenas.profile.vela_process import VelaProcess

REMEMBERED = 20_000
"""Costs that are kept; a search asks for those of its pool again and again."""

RUNTIME = "ethos-u"


class VelaSource(CostSource):
    """Costs on a device with an Ethos-U.

    Constructing one starts nothing; the first estimate starts the compiler's process.

    Args:
        device: A device with a table ``[vela]``.
        timeout_s: Seconds that one network may take.

    Raises:
        ConfigError: The device has no Ethos-U.
    """

    def __init__(self, device: Device, *, timeout_s: float = 60.0) -> None:
        if device.vela is None:
            raise ConfigError(f"device '{device.id}' has no Ethos-U; expected a table [vela] in its file")
        self.device = device.id
        self.runtime = RUNTIME
        self.target = device.vela
        self._process = VelaProcess(device.id, device.vela, timeout_s)
        self._known: dict[tuple[OpGraph, bool], Cost] = {}

    @property
    def note(self) -> str:
        """What its latencies rest on, in words."""
        target = self.target
        return (
            f"latency as Vela {metadata.version('ethos-u-vela')} estimates it for {target.accelerator}, "
            f"{target.system_config}, {target.memory_mode}: simulated, the NPU alone, without an interval"
        )

    def estimate(self, graph: OpGraph, *, per_op: bool = False) -> Cost:
        """The cost of a network deployed in int8, with random weights; asking again costs nothing.

        RAM is what the activations take at most, flash the size of the compiled file.

        Raises:
            UnsupportedError: An operation would stay on the CPU, or Vela cannot compile the network.
            ConfigError: Vela is not installed, or does not know the target.
        """
        if (graph, per_op) not in self._known:
            if len(self._known) >= REMEMBERED:
                self._known.pop(next(iter(self._known)))
            deployed = deployed_graph(graph)
            facts = self._compile(synthesize(deployed), deployed.ops, per_op)
            self._known[graph, per_op] = self._cost(graph, deployed.ops, facts)
        return self._known[graph, per_op]

    def estimate_file(self, model: bytes, graph: OpGraph) -> Cost:
        """The cost of an int8 ``.tflite`` file, compiled with the weights it has.

        Args:
            model: The file.
            graph: Its operations, as `edgenas.build.read_tflite` reads them.

        Raises:
            UnsupportedError: As `estimate`; also a file that is not int8, whose operations all stay
                on the CPU.
        """
        return self._cost(graph, graph.ops, self._compile(model, graph.ops, True))

    def check_covers(self, space: SearchSpace) -> None:
        """Make sure that no operation of a space stays on the CPU, before a search starts.

        Raises:
            UnsupportedError: One would; it is named. A space that cannot list its operations is not
                checked: `estimate` refuses the network that meets one.
        """
        try:
            ops = {op_key(op): op for op in space.operations()}
        except ConfigError:
            return
        by_shape: dict[Shape, list[Op]] = {}
        for op in ops.values():
            by_shape.setdefault(op.in_shape, []).append(op)
        for shape, group in by_shape.items():
            fan = [
                replace(op, name=f"{number}", inputs=(0,) * len(op.inputs)) for number, op in enumerate(group)
            ]
            self._compile(synthesize(OpGraph(shape, tuple(fan))), group, False)

    def _compile(self, model: bytes, ops: Sequence[Op], details: bool) -> dict[str, Any]:
        facts = self._process.compile(model, details)
        stays = [(place, name) for place, name, _, on_cpu in facts["operators"] if on_cpu]
        if stays:
            named = [
                f"'{ops[place].name}' ({ops[place].kind})" if place < len(ops) else name
                for place, name in stays
            ]
            shown = ", ".join(named[:5]) + (f" and {len(named) - 5} more" if len(named) > 5 else "")
            raise UnsupportedError(
                f"Vela leaves {shown} to the CPU of device '{self.device}'; expected int8 operations that "
                f"{self.target.accelerator} runs (vela --supported-ops-report lists them)"
            )
        return facts

    def _cost(self, graph: OpGraph, ops: Sequence[Op], facts: dict[str, Any]) -> Cost:
        operators = sorted(facts["operators"])
        shares = tuple(
            OpCost(op.name, op.kind, op.macs, weight_bytes(op), 1e3 * seconds)
            for op, (_, _, seconds, _) in zip(ops, operators, strict=True)
        ) if len(operators) == len(ops) else ()  # fmt: skip
        return Cost(
            device=self.device,
            runtime=self.runtime,
            precision="int8",
            source="vela",
            latency_ms=1e3 * facts["seconds"],
            latency_low_ms=None,
            latency_high_ms=None,
            peak_ram_bytes=facts["ram_bytes"],
            flash_bytes=facts["flash_bytes"],
            macs=graph.macs,
            params=graph.params,
            arena_head_bytes=facts["ram_bytes"],
            per_op=shares,
        )
