"""Small ``.onnx`` files made by hand with the onnx package, as PyTorch and others export them."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper


class Maker:
    """Collects nodes and weights of one network."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.weights: list[Any] = []

    def weight(self, *shape: int) -> str:
        name = f"w{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(np.ones(shape, np.float32), name))
        return name

    def numbers(self, *values: int) -> str:
        name = f"w{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(np.array(values, np.int64), name))
        return name

    def scalar(self, value: float) -> str:
        name = f"w{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(np.array(value, np.float32), name))
        return name

    def add(self, kind: str, *inputs: str, outputs: int = 1, **attributes: Any) -> str:
        names = [f"t{len(self.nodes)}"] + [f"t{len(self.nodes)}_{k}" for k in range(1, outputs)]
        self.nodes.append(helper.make_node(kind, list(inputs), names, **attributes))
        return names[0]

    def norm(self, tensor: str, channels: int) -> str:
        return self.add("BatchNormalization", tensor, *(self.weight(channels) for _ in range(4)))

    def qdq(self, tensor: str) -> str:
        scale = self.scalar(0.1)
        zero = f"w{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(np.array(0, np.int8), zero))
        return self.add("DequantizeLinear", self.add("QuantizeLinear", tensor, scale, zero), scale, zero)

    def model(self, shape: tuple[Any, ...], output: str) -> bytes:
        ends = [
            [helper.make_tensor_value_info("image", TensorProto.FLOAT, shape)],
            [helper.make_tensor_value_info(output, TensorProto.FLOAT, None)],
        ]
        graph = helper.make_graph(self.nodes, "network", *ends, self.weights)
        made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
        return bytes(made.SerializeToString())


@cache
def exported(quantized: bool = False) -> bytes:
    """A network with channels first: hard swish, squeeze and excite, a channel shuffle, a computed shape."""
    made = Maker()
    keep = made.qdq if quantized else str
    x = made.add("Conv", keep("image"), keep(made.weight(8, 3, 3, 3)), strides=[2, 2], pads=[1, 1, 1, 1])
    x = made.norm(x, 8)
    clipped = made.add("Clip", made.add("Add", x, made.scalar(3)), made.scalar(0), made.scalar(6))
    x = keep(made.add("Div", made.add("Mul", x, clipped), made.scalar(6)))
    gate = made.add("GlobalAveragePool", x)
    gate = made.add("Relu", made.add("Conv", gate, made.weight(4, 8, 1, 1), made.weight(4)))
    gate = made.add("Sigmoid", made.add("Conv", gate, made.weight(8, 4, 1, 1), made.weight(8)))
    x = made.add("Mul", x, gate)
    x = made.add("Reshape", x, made.numbers(0, 2, 4, 8, 8))
    x = made.add("Transpose", x, perm=[0, 2, 1, 3, 4])
    x = made.add("Reshape", x, made.numbers(0, -1, 8, 8))
    x = keep(made.add("Conv", x, keep(made.weight(8, 1, 3, 3)), group=8, pads=[2, 2, 2, 2], dilations=[2, 2]))
    x = made.add("MaxPool", made.add("Relu", made.norm(x, 8)), kernel_shape=[2, 2], strides=[2, 2])
    batch = made.add("Gather", made.add("Shape", x), made.numbers(0), axis=0)
    shape = made.add("Concat", batch, made.numbers(-1), axis=0)
    x = made.add("Reshape", x, shape)
    x = made.add("Gemm", x, keep(made.weight(5, 128)), made.weight(5), transB=1)
    return made.model(("batch", 3, 16, 16), made.add("Softmax", x))
