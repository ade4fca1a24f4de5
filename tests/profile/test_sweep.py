"""Sweeps with a runner whose latencies are known exactly, so that every step can be checked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from edgenas.arch import ArchSpec, Block, MicroSpace, Op, SearchSpace
from edgenas.arch.chooser import Chooser
from edgenas.cost.opkey import op_key
from edgenas.cost.table import LatencyTable
from edgenas.errors import ConfigError, MeasurementError
from edgenas.profile.device import Device, load_device
from edgenas.profile.protocol import Measurement
from edgenas.profile.runner import Route, Runner
from edgenas.profile.sweep import (
    FAN_BYTES,
    calibration_networks,
    fan,
    fan_copies,
    missing_operations,
    operations,
    sweep,
)

INVOKE_MS = 0.0005
MS_PER_ELEMENT = 1e-5


class AddingRunner(Runner):
    """Takes the invoke overhead and, for each operator, a time by the size of its output."""

    def __init__(self, busy: int = 0) -> None:
        super().__init__(load_device("host"))
        self.busy = busy  # every busy-th model meets a busy machine the first time round
        self.cpu = "adding"
        self.asked = 0

    @classmethod
    def reaches(cls, device: Device, route: Route) -> bool:
        return True

    def governor(self) -> str | None:
        return None

    def measure_batch(self, models: Sequence[bytes]) -> list[Measurement | None]:
        return [self._one(model) for model in models]

    def _one(self, model: bytes) -> Measurement | None:
        self.asked += 1
        if self.busy and self.asked % self.busy == 0:
            return None
        latency_ms = true_ms(model)
        return Measurement(latency_ms, latency_ms, latency_ms, 8)

    def machine(self) -> dict[str, Any]:
        return {"cpu": self.cpu, "system": "test", "version": "1"}


def true_ms(model: bytes) -> float:
    subgraph = schema.ModelT.InitFromPackedBuf(model, 0).subgraphs[0]
    sizes = [prod(subgraph.tensors[op.outputs[0]].shape) for op in subgraph.operators]
    return INVOKE_MS + MS_PER_ELEMENT * float(sum(sizes))


class Small(SearchSpace):
    """A stem and a head: eight networks."""

    name = "small"

    def decide(self, chooser: Chooser) -> ArchSpec:
        stem = {
            "filters": chooser.choice("filters", (4, 8)),
            "kernel": chooser.choice("kernel", (3, 5)),
            "stride": chooser.choice("stride", (1, 2)),
        }
        blocks = (Block("stem", stem), Block("head", {"classes": self.classes}))
        return ArchSpec(self.name, self.input_shape, self.classes, blocks, dict(chooser.values))

    def operations(self) -> Any:
        for spec in self.enumerate():
            yield from spec.graph().ops


def small(classes: int = 10) -> list[SearchSpace]:
    return [Small((8, 8, 1), classes)]


def test_sums_of_a_sweep_are_the_latencies_of_networks() -> None:
    table = sweep(small(), AddingRunner(), networks=20)
    assert table.invoke_us == pytest.approx(INVOKE_MS * 1e3)
    assert table.ops_us["conv2d:8x8x1>8x8x4:k3x3:s1x1:same:relu6"] == pytest.approx(
        8 * 8 * 4 * MS_PER_ELEMENT * 1e3
    )
    assert len(table.networks_us) == 20
    for summed, measured in table.networks_us:
        assert table.invoke_us + summed == pytest.approx(measured)
    fit = table.calibration
    assert (fit.factor, fit.low, fit.high) == pytest.approx((1.0, 1.0, 1.0))
    assert (table.device, table.runtime, table.machine["cpu"]) == ("host", "litert", "adding")


def test_a_busy_machine_is_tried_again() -> None:
    calm, busy = (
        sweep(small(), AddingRunner(), networks=10),
        sweep(small(), AddingRunner(busy=3), networks=10),
    )
    assert busy.ops_us.keys() == calm.ops_us.keys()
    assert len(busy.networks_us) == 10


def test_a_machine_busy_throughout_ends_in_an_error_that_keeps_what_there_is() -> None:
    class Stubborn(AddingRunner):
        def _one(self, model: bytes) -> Measurement | None:
            return None if true_ms(model) > 0.02 else super()._one(model)

    saved: list[LatencyTable] = []
    with pytest.raises(MeasurementError, match="too busy"):
        sweep(small(), Stubborn(), networks=10, save=saved.append)
    assert 0 < len(saved[-1].ops_us) < len(missing_operations(small(), None))
    whole = sweep(small(), AddingRunner(), table=saved[-1], networks=10)
    assert len(missing_operations(small(), whole)) == 0


def test_only_what_is_missing_is_measured() -> None:
    runner = AddingRunner()
    first = sweep(small(10), runner, networks=10)
    runner.asked = 0
    assert sweep(small(10), runner, table=first, networks=10) is first
    assert runner.asked == 0
    marked = replace(first, ops_us={**first.ops_us, "dense:8>10:linear": 99.0})
    second = sweep(small(5), runner, table=marked, networks=10)
    assert second.ops_us["dense:8>10:linear"] == 99.0
    assert second.ops_us.keys() - first.ops_us.keys() == {
        "dense:4>5:linear", "dense:8>5:linear", "softmax:5>5:linear",
    }  # fmt: skip
    assert runner.asked == 3 + 10
    assert len(second.networks_us) == 20


def test_a_table_of_another_machine_is_not_added_to() -> None:
    first = sweep(small(10), AddingRunner(), networks=10)
    other, lines = AddingRunner(), []
    other.cpu = "another"
    second = sweep(small(5), other, table=first, networks=10, progress=lines.append)
    assert "dense:8>10:linear" not in second.ops_us
    assert "another machine" in lines[0]


def test_progress_is_saved_so_that_an_interrupted_sweep_can_go_on(tmp_path: Path) -> None:
    class Stops(AddingRunner):
        def measure_batch(self, models: Sequence[bytes]) -> list[Measurement | None]:
            if self.asked > 600:
                raise KeyboardInterrupt
            return super().measure_batch(models)

    path = tmp_path / "t.json"
    spaces = [MicroSpace((8, 8, 1), 10)]
    with pytest.raises(KeyboardInterrupt):
        sweep(spaces, Stops(), thinned=False, save=lambda table: table.save(path))
    kept = LatencyTable.load(path)
    assert len(kept.ops_us) >= 400
    assert len(missing_operations(spaces, kept)) == len(missing_operations(spaces, None)) - len(kept.ops_us)


def test_a_fan_shrinks_with_the_size_of_the_operation() -> None:
    ops = missing_operations([MicroSpace((28, 28, 1), 10)], None).values()
    copies = [fan_copies(op) for op in ops]
    assert set(copies) == {1, 2, 4, 8}
    for op, count in zip(ops, copies, strict=True):
        size = prod(op.out_shape) + prod(op.weight_shape or (0,))
        assert count == 1 or count * size <= FAN_BYTES
    tiny = Op("add", "sum", (1, 2), (1, 1, 8), (1, 1, 8))
    assert [op.inputs for op in fan(tiny, 3).ops] == [(0, 0)] * 3


def test_calibration_networks_are_a_function_of_the_seed() -> None:
    spaces = [MicroSpace((8, 8, 1), 10), MicroSpace((16, 16, 3), 2)]
    first, second = (calibration_networks(spaces, 6, seed) for seed in (1, 2))
    assert first == calibration_networks(spaces, 6, 1)
    assert first != second
    assert [graph.ops[-1].out_shape for graph in first] == [(10,), (2,)] * 3


def test_networks_of_micro_consist_of_swept_operations() -> None:
    space = MicroSpace((12, 20, 1), 7)
    swept = missing_operations([space], None).keys()
    for seed in range(40):
        graph = space.sample(np.random.default_rng(seed)).graph()
        assert {op_key(op) for op in graph.ops} <= swept


def test_a_space_that_cannot_list_its_operations_is_refused() -> None:
    class Mute(Small):
        def operations(self) -> Any:
            return SearchSpace.operations(self)

    with pytest.raises(ConfigError, match="cannot list its operations"):
        sweep([Mute((8, 8, 1), 10)], AddingRunner())


def test_thinned_operations_are_marked_and_checked() -> None:
    runner, lines = AddingRunner(), []
    spaces = [MicroSpace((8, 8, 1), 10)]
    table = sweep(spaces, runner, networks=10, progress=lines.append)
    ops = operations(spaces)
    assert table.ops_us.keys() == ops.keys()
    assert 0 < len(table.predicted) < len(ops)
    assert runner.asked == 2 + len(ops) - len(table.predicted) + 10
    wrong = [
        abs(table.ops_us[key] / (MS_PER_ELEMENT * 1e3 * prod(ops[key].out_shape)) - 1)
        for key in table.predicted
    ]
    assert np.mean(np.array(wrong) < 0.05) > 0.9
    assert table.held_out > 10 and table.held_out_error is not None and table.held_out_error < 0.06
    assert any("need not be measured" in line for line in lines)


def test_a_sweep_that_was_interrupted_among_its_networks_measures_only_those_that_lack() -> None:
    class Leaves(AddingRunner):
        def measure_batch(self, models: Sequence[bytes]) -> list[Measurement | None]:
            if self.asked > 80:
                raise MeasurementError("the board went away")
            return super().measure_batch(models)

    saved: list[LatencyTable] = []
    with pytest.raises(MeasurementError, match="went away"):
        sweep(small(), Leaves(), networks=100, save=saved.append)
    kept = len(saved[-1].networks_us)
    assert 0 < kept < 100
    runner = AddingRunner()
    whole = sweep(small(), runner, table=saved[-1], networks=100)
    assert len(whole.networks_us) == len(whole.parts_us) == 100
    assert runner.asked == 100 - kept


def test_a_table_of_another_precision_is_not_added_to() -> None:
    table = sweep(small(), AddingRunner(), networks=10)
    with pytest.raises(ConfigError, match="float32: give another --out"):
        sweep(small(), AddingRunner(), precision="float32", table=table)
    with pytest.raises(ConfigError, match="int8, float32"):
        sweep(small(), AddingRunner(), precision="int4")


def test_float_files_are_swept_as_float_files() -> None:
    table = sweep(small(), AddingRunner(), precision="float32", networks=10)
    assert table.precision == "float32"
    assert table.ops_us.keys() == operations(small()).keys()
