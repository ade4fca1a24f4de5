"""State while the layers of a Keras model are read: which tensors are shared, what is fused into what."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from edgenas.arch.graph import FUSED_ACTIVATIONS, Op, Shape
from edgenas.build.reading import GraphReader
from edgenas.errors import UnsupportedError

CARRIES_ACTIVATION = frozenset(
    {
        "conv2d",
        "depthwise_conv2d",
        "transpose_conv2d",
        "dense",
        "add",
        "sub",
        "mul",
        "div",
        "max_pool2d",
        "avg_pool2d",
    }
)
CARRIES_BATCH_NORM = frozenset({"conv2d", "depthwise_conv2d", "transpose_conv2d", "dense"})

_NAMES = {"silu": "swish", "hard_silu": "hard_swish", "exponential": "exp", "log_softmax": "log_softmax"}
_ONE_OPERATION = frozenset({
    "relu", "relu6", "sigmoid", "tanh", "elu", "selu", "gelu", "hard_swish", "leaky_relu", "exp",
    "softplus", "softsign", "mish",
})  # fmt: skip
SUPPORTED = sorted(_ONE_OPERATION | {"linear", "softmax", "log_softmax", "swish", "hard_sigmoid"})


class KerasReader(GraphReader):
    """Appends layers.

    Attributes:
        shared: Tensors that more than one layer reads.
        rows: Results of 1-D layers, and the result of the 2-D operation that each is a reshape of.
    """

    def __init__(self, input_shape: Shape) -> None:
        super().__init__(input_shape)
        self.shared: set[int] = set()
        self.rows: dict[int, int] = {}

    def name_apart(self, first: int) -> None:
        """Give operations from the given one on names that are unique in the graph."""
        ops = self.graph.ops
        for place in range(first, len(ops)):
            name = ops[place].name
            while name in self._names:
                name += "_"
            self._names.add(name)
            if name != ops[place].name:
                ops[place] = replace(ops[place], name=name)

    def fusable(self, tensor: int, kinds: frozenset[str]) -> Op | None:
        """The operation that wrote a tensor, if one layer alone reads it and it is linear so far."""
        if tensor == 0 or tensor in self.shared:
            return None
        op = self.graph.ops[self.rows.get(tensor, tensor) - 1]
        return op if op.kind in kinds and op.activation == "linear" else None

    def change(self, tensor: int, **fields: Any) -> int:
        """Change fields of the operation that wrote a tensor, or that it is the rows of."""
        place = self.rows.get(tensor, tensor) - 1
        self.graph.ops[place] = replace(self.graph.ops[place], **fields)
        return tensor

    def constant_op(self, kind: str, name: str, tensor: int, constants: int, **fields: Any) -> int:
        """Append an operation of a tensor and a constant of so many elements."""
        shape = self.graph.shape(tensor)
        return self.graph.add_op(Op(kind, name, (tensor,), shape, shape, constants=constants, **fields))

    def activate(self, tensor: int, name: str, activation: str, layer: str) -> int:
        """Fuse an activation into the operation that wrote ``tensor``, or append it.

        Args:
            name: Of an operation that is appended.
            layer: For messages.

        Raises:
            UnsupportedError: The activation has no cost.
        """
        activation = _NAMES.get(activation, activation)
        if activation not in SUPPORTED:
            raise UnsupportedError(
                f"activation '{activation}' of layer '{layer}' has no cost; supported: {', '.join(SUPPORTED)}"
            )
        if activation == "linear":
            return tensor
        if activation in ("softmax", "log_softmax"):
            return self.graph.simple(activation, name, tensor)
        if activation == "swish":
            gate = self.graph.simple("activation", f"{name}_gate", tensor, activation="sigmoid")
            return self.graph.simple("mul", name, tensor, gate)
        if activation == "hard_sigmoid":
            summed = self.constant_op("add", f"{name}_sum", tensor, 1, activation="relu6")
            return self.constant_op("mul", name, summed, 1)
        if activation in FUSED_ACTIVATIONS and self.fusable(tensor, CARRIES_ACTIVATION):
            return self.change(tensor, activation=activation)
        return self.graph.simple("activation", name, tensor, activation=activation)

    def activated(self, tensor: int, layer: Any) -> int:
        """Fuse or append the activation that a layer was given."""
        given = layer.activation
        name = getattr(given, "__name__", None) or str(getattr(given, "name", given))
        appended = layer.name if name not in ("softmax", "log_softmax") else f"{layer.name}_{name}"
        return self.activate(tensor, appended, name, layer.name)
