"""Sweep: measure every operation of a space and file the latencies in a table.

An operation measured on its own, over and over, finds its weights in the innermost cache and the
branch predictor trained for it, and the overhead of an inference is many times as long as the
operation. In a network neither holds. So an operation is measured as a *fan*: a model of up to eight
copies with weights of their own that all read the one input. With eight copies of small operations and
fewer of large ones (together at most `FAN_BYTES` of weights and outputs) the sums of operations came
within 10 % of every one of 56 random networks of space `micro` (median 1 to 2 %, Spearman 0.9997), on a
x86-64 server core; single operations came within 10 % for 95 % of them, fans of 32 for 88 %.

Whole random networks measured in the same sweep then calibrate the sums.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from math import prod

import numpy as np

from edgenas.arch.graph import GraphBuilder, Op, OpGraph
from edgenas.arch.space import SearchSpace
from edgenas.cost.latency_table import LatencyTable
from edgenas.cost.opkey import op_key
from edgenas.errors import MeasurementError
from edgenas.profile.protocol import STATISTIC, Measurement
from edgenas.profile.runner import Runner
from edgenas.profile.synthesize import synthesize

FAN_BYTES = 64_000
FAN_COPIES = 8
BATCH = 48
PASSES = 8
CALIBRATION_NETWORKS = 150
CALIBRATION_SEED = 20_260
SHORTEST_US = 0.005  # an operation that vanishes in the overhead still takes some time

Progress = Callable[[str], None]
Save = Callable[[LatencyTable], None]


def sweep(
    spaces: Sequence[SearchSpace],
    runner: Runner,
    *,
    table: LatencyTable | None = None,
    networks: int = CALIBRATION_NETWORKS,
    progress: Progress = lambda line: None,
    save: Save = lambda table: None,
) -> LatencyTable:
    """Measure the operations of spaces that a table lacks, and networks to calibrate it.

    Args:
        spaces: Spaces whose operations to measure; several input shapes are several spaces.
        runner: What measures.
        table: A table to add to; its entries are kept if this machine and runtime version measured
            them. None measures everything.
        networks: Random networks to measure for the calibration, spread over the spaces.
        progress: Called with a line now and then.
        save: Called with the table so far now and then, so that an interrupted sweep can go on.

    Returns:
        The table; the given one if it lacks nothing and is calibrated.

    Raises:
        MeasurementError: The machine stayed too busy; what was measured has been saved.
        ConfigError: A space cannot list its operations.
    """
    if table is not None and dict(table.machine) != runner.machine():
        progress(f"the table given is of another machine or version ({table.machine}): measuring anew")
        table = None
    missing = missing_operations(spaces, table)
    if table is not None and not missing and len(table.networks_us) >= networks:
        progress("nothing is missing")
        return table
    job = _Job(runner, progress)
    table = table or _empty_table(runner, job.invoke_us())
    progress(f"{len(missing)} operations to measure, {len(table.ops_us)} known")
    table = _with_operations(table, missing, job, save)
    save(table)
    _refuse_if_incomplete(len(missing.keys() - table.ops_us.keys()), "operations")
    table = _calibrated(table, spaces, job, networks)
    save(table)
    return table


def missing_operations(spaces: Iterable[SearchSpace], table: LatencyTable | None) -> dict[str, Op]:
    """The distinct operations of spaces that a table lacks, by their key."""
    known = table.ops_us if table else {}
    found: dict[str, Op] = {}
    for space in spaces:
        for op in space.operations():
            key = op_key(op)
            if key not in known and key not in found:
                found[key] = op
    return found


def fan_copies(op: Op) -> int:
    """Copies to measure at once: eight, halved while their weights and outputs exceed `FAN_BYTES`."""
    size_bytes = prod(op.out_shape) + prod(op.weight_shape or (0,))
    copies = FAN_COPIES
    while copies > 1 and copies * size_bytes > FAN_BYTES:
        copies //= 2
    return copies


def fan(op: Op, copies: int) -> OpGraph:
    """A graph of copies of an operation that all read its input."""
    inputs = (0,) * len(op.inputs)
    ops = tuple(replace(op, name=f"copy{number}", inputs=inputs) for number in range(copies))
    return OpGraph(op.in_shape, ops)


def calibration_networks(spaces: Sequence[SearchSpace], count: int, seed: int) -> list[OpGraph]:
    """Random networks, taking turns over the spaces; one seed gives one list."""
    rng = np.random.default_rng(seed)
    drawn = [spaces[number % len(spaces)] for number in range(count)]
    return [space.graph(space.sample(rng)) for space in drawn]


@dataclass
class _Job:
    """Measures many models in batches, going round again for those that met a busy machine."""

    runner: Runner
    progress: Progress
    rng: np.random.Generator = field(default_factory=lambda: np.random.default_rng(0))

    def measure_all(
        self, models: dict[str, Callable[[], bytes]], save: Callable[[dict[str, Measurement]], None]
    ) -> dict[str, Measurement]:
        """Measurements by key; keys are missing where the machine was too busy in every pass."""
        found: dict[str, Measurement] = {}
        # Shuffled, so that a batch holds small and large operations and no batch takes minutes.
        left = [str(key) for key in self.rng.permutation(sorted(models))]
        for _ in range(PASSES):
            again = []
            for start in range(0, len(left), BATCH):
                keys = left[start : start + BATCH]
                for key, one in zip(
                    keys, self.runner.measure_batch([models[k]() for k in keys]), strict=True
                ):
                    if one is None:
                        again.append(key)
                    else:
                        found[key] = one
                if start // BATCH % 10 == 9:
                    self.progress(f"{len(found)} of {len(models)} measured")
                    save(found)
            left = again
            if not left:
                break
        return found

    def invoke_us(self) -> float:
        """What an inference takes beyond its operations: the line through two fans at zero copies."""
        builder = GraphBuilder((1, 1, 8))
        builder.simple("add", "tiny", 0, 0)
        models = {str(copies): _maker(fan(builder.ops[0], copies)) for copies in (1, FAN_COPIES)}
        found = self.measure_all(models, lambda so_far: None)
        _refuse_if_incomplete(2 - len(found), "runs of the smallest model")
        one, many = (found[str(copies)].latency_ms * 1e3 for copies in (1, FAN_COPIES))
        return max(0.0, (FAN_COPIES * one - many) / (FAN_COPIES - 1))


def _with_operations(table: LatencyTable, missing: dict[str, Op], job: _Job, save: Save) -> LatencyTable:
    """The table with the operations added that could be measured."""

    def keep(found: dict[str, Measurement]) -> LatencyTable:
        entries = {
            key: max(SHORTEST_US, (one.latency_ms * 1e3 - table.invoke_us) / fan_copies(missing[key]))
            for key, one in found.items()
        }
        return replace(table, date=date.today().isoformat(), ops_us={**table.ops_us, **entries})

    models = {key: _maker(fan(op, fan_copies(op))) for key, op in missing.items()}
    return keep(job.measure_all(models, lambda found: save(keep(found))))


def _calibrated(table: LatencyTable, spaces: Sequence[SearchSpace], job: _Job, count: int) -> LatencyTable:
    """The table with the sums and measured latencies of whole networks."""
    graphs = calibration_networks(spaces, count, CALIBRATION_SEED + len(table.networks_us))
    job.progress(f"{len(graphs)} whole networks to calibrate on")
    models = {str(number): _maker(graph) for number, graph in enumerate(graphs)}
    found = job.measure_all(models, lambda so_far: None)
    _refuse_if_incomplete(len(graphs) // 2 - len(found), "networks")
    pairs = [
        (sum(table.ops_us[op_key(op)] for op in graphs[int(k)].ops), one.latency_ms * 1e3)
        for k, one in sorted(found.items(), key=lambda item: int(item[0]))
    ]
    return replace(table, networks_us=(*table.networks_us, *pairs))


def _maker(graph: OpGraph) -> Callable[[], bytes]:
    """Writes the model only when its turn comes: thousands of files do not fit in memory."""
    return lambda: synthesize(graph, 1)


def _empty_table(runner: Runner, invoke_us: float) -> LatencyTable:
    return LatencyTable(
        device=runner.device.id,
        runtime=runner.runtime,
        precision="int8",
        threads=runner.threads,
        statistic=STATISTIC,
        machine=runner.machine(),
        date=date.today().isoformat(),
        invoke_us=invoke_us,
        networks_us=(),
        ops_us={},
    )


def _refuse_if_incomplete(lacking: int, what: str) -> None:
    if lacking > 0:
        raise MeasurementError(
            f"{lacking} {what} could not be measured in {PASSES} passes, as the machine was too busy; what "
            "was measured is kept: end other programs and run the same command again"
        )
