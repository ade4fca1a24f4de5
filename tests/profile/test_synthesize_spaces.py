"""A sweep of any space can write each of its operations, for both runtimes."""

from __future__ import annotations

import numpy as np
import pytest

from edgenas.arch import SPACES, Op
from edgenas.cost.opkey import op_key
from edgenas.profile.sweep import fan, operations
from edgenas.profile.synthesize import synthesize
from edgenas.profile.synthesize_onnx import synthesize_onnx
from tests.profile import test_synthesize, test_synthesize_onnx


def one_of_each(name: str) -> list[Op]:
    """An operation of each kind, activation and form of inputs."""
    found: dict[object, Op] = {}
    for op in operations([SPACES.get(name)((8, 8, 1), 3)]).values():
        form = (op.kind, op.activation, op.kernel == (1, 1), op.constants > 0, op.broadcasts)
        found.setdefault(form, op)
    return list(found.values())


@pytest.mark.parametrize("name", ["mobile", "cell"])
@pytest.mark.parametrize("precision", ["int8", "float32"])
def test_each_kind_of_operation_runs_as_a_fan(name: str, precision: str) -> None:
    for op in one_of_each(name):
        if precision == "int8":
            outputs = test_synthesize.run(synthesize(fan(op, 2)))
            assert [out.shape for out in outputs] == [(1, *op.out_shape)] * 2, op_key(op)
        outputs = test_synthesize_onnx.run(synthesize_onnx(fan(op, 2), 0, precision, bare=True))
        pixel = (1, op.out_shape[-1], 1, 1) if len(op.out_shape) == 3 else (1, *op.out_shape)
        assert [out.shape for out in outputs] == [pixel] * 2, op_key(op)


@pytest.mark.parametrize("name", ["mobile", "cell"])
def test_a_random_network_runs(name: str) -> None:
    graph = SPACES.get(name)((8, 8, 1), 3).sample(np.random.default_rng(2)).graph()
    (out,) = test_synthesize.run(synthesize(graph))
    assert out.shape == (1, 3)


def test_a_product_with_a_gate_is_filed_apart_from_one_of_equal_shapes() -> None:
    gate = next(op for op in one_of_each("mobile") if op.kind == "mul")
    same = Op("mul", "same", (0, 0), gate.in_shape, gate.out_shape)
    assert op_key(gate) != op_key(same)
    assert fan(gate, 1).ops[0].constants == gate.in_shape[-1]
