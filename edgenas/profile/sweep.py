"""Sweep: measure every operation of a space and file the latencies in a table.

An operation measured on its own, over and over, finds its weights in the innermost cache and the
branch predictor trained for it, and the overhead of an inference is many times as long as the
operation. In a network neither holds. So an operation is measured as a *fan*: a model of up to eight
copies with weights of their own that all read the one input. With eight copies of small operations and
fewer of large ones (together at most `FAN_BYTES` of weights and outputs) the sums of operations came
within 10 % of every one of 56 random networks of space `micro` (median 1 to 2 %, Spearman 0.9997), on a
x86-64 server core; single operations came within 10 % for 95 % of them, fans of 32 for 88 %.

Operations are measured in stages; after each, those left are dropped that the measured ones predict
(`edgenas.profile.thinning`). Whole random networks measured at the end calibrate the sums.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from math import prod

import numpy as np

from edgenas.arch.graph import GraphBuilder, Op, OpGraph
from edgenas.arch.space import SearchSpace
from edgenas.cost.latency_table import LatencyTable, parts_us
from edgenas.cost.opkey import op_key
from edgenas.errors import ConfigError, MeasurementError
from edgenas.profile.protocol import STATISTIC, Measurement
from edgenas.profile.runner import Runner
from edgenas.profile.synthesize import synthesize
from edgenas.profile.synthesize_onnx import synthesize_onnx
from edgenas.profile.thinning import first_share, thin

PRECISIONS = ("int8", "float32")
FAN_BYTES = 64_000
FAN_COPIES = 8
BATCH = 48
PASSES = 8
STAGES = (0.3, 0.5, 0.7)
"""Shares of the operations after which thinning is tried; what it leaves is measured in the end."""

CALIBRATION_NETWORKS = 150
CALIBRATION_SEED = 20_260
SHORTEST_US = 0.005  # an operation that vanishes in the overhead still takes some time
SAVE_SECONDS = 20

Progress = Callable[[str], None]
Save = Callable[[LatencyTable], None]


def sweep(
    spaces: Sequence[SearchSpace],
    runner: Runner,
    *,
    precision: str = "int8",
    table: LatencyTable | None = None,
    networks: int = CALIBRATION_NETWORKS,
    thinned: bool = True,
    progress: Progress = lambda line: None,
    save: Save = lambda table: None,
) -> LatencyTable:
    """Measure the operations of spaces that a table lacks, and networks to calibrate it.

    Args:
        spaces: Spaces whose operations to measure; several input shapes are several spaces.
        runner: What measures.
        precision: ``int8`` or ``float32``, of the files measured.
        table: A table to add to; its entries are kept if this machine and runtime version measured
            them. None measures everything.
        networks: Random networks to measure for the calibration, spread over the spaces.
        thinned: Whether to leave out operations that others predict within 5 %.
        progress: Called with a line now and then.
        save: Called with the table so far now and then, so that an interrupted sweep can go on.

    Returns:
        The table; the given one if it lacks nothing and is calibrated.

    Raises:
        MeasurementError: The machine stayed too busy, or went away; what was measured has been saved.
        ConfigError: A space cannot list its operations, or the table is of another precision.
    """
    if precision not in PRECISIONS:
        raise ConfigError(f"precision '{precision}' was given; expected one of {', '.join(PRECISIONS)}")
    if table is not None and (table.runtime, table.precision) != (runner.runtime, precision):
        raise ConfigError(
            f"a latency table of {table.runtime} in {table.precision} was given; expected {runner.runtime} "
            f"in {precision}: give another --out"
        )
    if table is not None and not _of_this_machine(table, runner):
        progress(f"the table given is of another machine or version ({table.machine}): measuring anew")
        table = None
    ops = operations(spaces)
    missing = [key for key in ops if table is None or key not in table.ops_us]
    if table is not None and not missing and len(table.networks_us) >= networks:
        progress("nothing is missing")
        return table
    job = _Job(runner, progress, precision)
    table = table or _empty_table(runner, precision, job.invoke_us())
    # Of a sweep that was interrupted among its networks, only those that lack are measured.
    wanted = networks if missing else networks - len(table.networks_us)
    table = _with_operations(table, ops, job, save, thinned)
    _refuse_if_incomplete(len(ops.keys() - table.ops_us.keys()), "operations")
    table = _calibrated(table, spaces, job, wanted, save)
    save(table)
    return table


def _of_this_machine(table: LatencyTable, runner: Runner) -> bool:
    return dict(table.machine) == runner.machine() and table.threads == runner.threads


def operations(spaces: Iterable[SearchSpace]) -> dict[str, Op]:
    """The distinct operations of spaces by their key."""
    found: dict[str, Op] = {}
    for space in spaces:
        for op in space.operations():
            found.setdefault(op_key(op), op)
    return found


def missing_operations(spaces: Iterable[SearchSpace], table: LatencyTable | None) -> dict[str, Op]:
    """The distinct operations of spaces that a table lacks, by their key."""
    known = table.ops_us if table else {}
    return {key: op for key, op in operations(spaces).items() if key not in known}


def fan_copies(op: Op) -> int:
    """Copies to measure at once: eight, halved while their weights and outputs exceed `FAN_BYTES`."""
    size_bytes = prod(op.out_shape) + prod(op.weight_shape or (0,))
    copies = FAN_COPIES
    while copies > 1 and copies * size_bytes > FAN_BYTES:
        copies //= 2
    return copies


def fan(op: Op, copies: int) -> OpGraph:
    """A graph of copies of an operation that all read its input.

    What a second, smaller input is spread over the first is a constant here: the kernel is the same.
    """
    if op.broadcasts:
        op = replace(op, inputs=op.inputs[:1], broadcasts=False, constants=op.in_shape[-1])
    inputs = (0,) * len(op.inputs)
    ops = tuple(replace(op, name=f"copy{k}", inputs=inputs, weights_of="") for k in range(copies))
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
    precision: str
    rng: np.random.Generator = field(default_factory=lambda: np.random.default_rng(0))

    def model(self, graph: OpGraph, *, bare: bool = False) -> Callable[[], bytes]:
        """Writes the model only when its turn comes: thousands of files do not fit in memory."""
        if self.runner.model_format == "onnx":
            return lambda: synthesize_onnx(graph, 1, self.precision, bare=bare)
        return lambda: synthesize(graph, 1, self.precision)

    def measure_all(
        self,
        what: str,
        models: dict[str, Callable[[], bytes]],
        save: Callable[[dict[str, Measurement]], None],
    ) -> dict[str, Measurement]:
        """Measurements by key; keys are missing where the machine was too busy in every pass.

        What was measured is saved now and then, and before an error or an interruption is passed on.
        """
        found: dict[str, Measurement] = {}
        # Shuffled, so that a batch holds small and large operations and no batch takes minutes.
        left = [str(key) for key in self.rng.permutation(sorted(models))]
        clock = _Clock(what, len(models))
        try:
            for _ in range(PASSES):
                again = []
                for start in range(0, len(left), BATCH):
                    keys = left[start : start + BATCH]
                    batch = self.runner.measure_batch([models[key]() for key in keys])
                    for key, one in zip(keys, batch, strict=True):
                        if one is None:
                            again.append(key)
                        else:
                            found[key] = one
                    if clock.is_due():
                        self.progress(clock.line(len(found)))
                        save(found)
                left = again
                if not left:
                    break
        finally:
            save(found)
        return found

    def invoke_us(self) -> float:
        """What an inference takes beyond its operations: the line through two fans at zero copies."""
        builder = GraphBuilder((1, 1, 8))
        builder.simple("add", "tiny", 0, 0)
        models = {
            str(copies): self.model(fan(builder.ops[0], copies), bare=True) for copies in (1, FAN_COPIES)
        }
        found = self.measure_all("smallest models", models, lambda so_far: None)
        _refuse_if_incomplete(2 - len(found), "runs of the smallest model")
        one, many = (found[str(copies)].latency_ms * 1e3 for copies in (1, FAN_COPIES))
        return max(0.0, (FAN_COPIES * one - many) / (FAN_COPIES - 1))


class _Clock:
    """Tells when a line of progress is due, and how long the rest will take at the pace so far."""

    def __init__(self, what: str, total: int) -> None:
        self.what, self.total = what, total
        self.start = self.said = time.monotonic()

    def is_due(self) -> bool:
        if time.monotonic() - self.said < SAVE_SECONDS:
            return False
        self.said = time.monotonic()
        return True

    def line(self, done: int) -> str:
        left_s = (time.monotonic() - self.start) / max(1, done) * (self.total - done)
        minutes, seconds = divmod(round(left_s), 60)
        return f"{done} of {self.total} {self.what} measured, {minutes} min {seconds} s left"


def _with_operations(
    table: LatencyTable, ops: dict[str, Op], job: _Job, save: Save, thinned: bool
) -> LatencyTable:
    """The table with the operations added that could be measured, or are predicted by those."""
    copies = {key: fan_copies(op) for key, op in ops.items()}

    def with_measured(found: dict[str, Measurement]) -> LatencyTable:
        entries = {
            key: max(SHORTEST_US, (one.latency_ms * 1e3 - table.invoke_us) / copies[key])
            for key, one in found.items()
        }
        return replace(table, date=date.today().isoformat(), ops_us={**table.ops_us, **entries})

    for share in (*STAGES, 1.0) if thinned else (1.0,):
        left = [key for key in ops if key not in table.ops_us]
        keys = first_share(left, share) if share < 1 else left
        if keys:
            job.progress(f"{len(keys)} operations to measure, {len(left) - len(keys)} perhaps later")
            models = {key: job.model(fan(ops[key], copies[key]), bare=True) for key in keys}
            found = job.measure_all("operations", models, lambda so_far: save(with_measured(so_far)))
            table = with_measured(found)
        if share < 1:
            table = _with_predicted(table, ops, copies, job)
    save(table)
    return table


def _with_predicted(
    table: LatencyTable, ops: dict[str, Op], copies: dict[str, int], job: _Job
) -> LatencyTable:
    """The table with what need not be measured."""
    measured = {
        key: value for key, value in table.ops_us.items() if key in ops and key not in table.predicted
    }
    left = {key: op for key, op in ops.items() if key in measured or key not in table.ops_us}
    found = thin(left, measured, copies)
    if not found.predicted_us:
        return table
    error = float(np.quantile(found.errors, 0.95))
    job.progress(
        f"{len(found.predicted_us)} operations need not be measured: of {len(found.errors)} held-out ones "
        f"95 % were predicted within {error:.1%}"
    )
    return replace(
        table,
        ops_us={**table.ops_us, **found.predicted_us},
        predicted=table.predicted | found.predicted_us.keys(),
        held_out=table.held_out + len(found.errors),
        held_out_error=max(error, table.held_out_error or 0.0),
    )


def _calibrated(
    table: LatencyTable, spaces: Sequence[SearchSpace], job: _Job, count: int, save: Save
) -> LatencyTable:
    """The table with the sums and measured latencies of whole networks."""
    graphs = calibration_networks(spaces, count, CALIBRATION_SEED + len(table.networks_us))
    job.progress(f"{len(graphs)} whole networks to calibrate on")

    def with_networks(found: dict[str, Measurement]) -> LatencyTable:
        keys = sorted(found, key=int)
        latencies = [[table.ops_us[op_key(op)] for op in graphs[int(key)].ops] for key in keys]
        pairs = [(sum(row), found[key].latency_ms * 1e3) for key, row in zip(keys, latencies, strict=True)]
        rows = [parts_us(graphs[int(key)], row) for key, row in zip(keys, latencies, strict=True)]
        kept = table.parts_us if len(table.parts_us) == len(table.networks_us) else None
        return replace(
            table,
            networks_us=(*(table.networks_us if kept is not None else ()), *pairs),
            parts_us=(*(kept or ()), *rows),
        )

    models = {str(number): job.model(graph) for number, graph in enumerate(graphs)}
    found = job.measure_all("networks", models, lambda so_far: save(with_networks(so_far)))
    _refuse_if_incomplete(len(graphs) // 2 - len(found), "networks")
    return with_networks(found)


def _empty_table(runner: Runner, precision: str, invoke_us: float) -> LatencyTable:
    return LatencyTable(
        device=runner.device.id,
        runtime=runner.runtime,
        precision=precision,
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
