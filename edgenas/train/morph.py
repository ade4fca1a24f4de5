"""From the weights of one network to those of another that is like it.

Blocks are matched by stage and place, operations by what they do in their block (`edgenas.train.pairing`).
What can be taken is taken so that the network computes what its parent computed, where that is possible:

- wider: channels are copied, and whoever reads them divides its weights among the copies (Net2WiderNet,
  Chen et al. 2016), in unequal parts; batch normalizations are copied with their moments
- larger kernels: zeros around them (network morphism, Wei et al. 2016)
- deeper: new blocks begin as identities (`edgenas.train.identity`); a new squeeze-and-excite begins at 1
- smaller kernels keep their centre, and fewer channels the strongest ones, or the first ones where channels
  are tied by a skip: these change what is computed

What has no counterpart keeps its fresh weights.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from edgenas.arch.graph import Op
from edgenas.arch.spec import ArchSpec
from edgenas.build.builder import EPSILON
from edgenas.train.channels import (
    Carried,
    around,
    normalized_values,
    shares,
    strongest,
    summed,
    tied_tensors,
    window,
)
from edgenas.train.identity import Layers, expand_identity, make_identity, silence
from edgenas.train.pairing import matched_blocks, operation_keys

GATED = ("mean", "squeeze", "excite", "scale")
"""Roles of a squeeze-and-excite."""


@dataclass(frozen=True)
class Inherited:
    """What a network took from its parent.

    Attributes:
        share: Share of its weights that are the parent's, 0 to 1.
        preserved: Whether it computes what the parent computed.
    """

    share: float
    preserved: bool


@dataclass
class Morph:
    """One handing over; `run` does it.

    Attributes:
        parent: The network that the weights are of.
        weights: Its weights by layer.
        child: The network that takes them.
        layers: Its fresh weights by layer, changed in place.
    """

    parent: ArchSpec
    weights: Layers
    child: ArchSpec
    layers: Layers
    taken: int = 0
    carried: dict[int, Carried] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.before, self.now = self.parent.graph(), self.child.graph()
        known = operation_keys(self.parent, self.before)
        self.keys = operation_keys(self.child, self.now)
        self.old = {key: number for number, key in enumerate(known)}
        self.blocks = matched_blocks(self.parent, self.child)
        self.tied = tied_tensors(self.now)
        self.rng = np.random.default_rng([int(self.parent.arch_id, 16), int(self.child.arch_id, 16)])

    def run(self) -> Inherited:
        """Change the child's weights."""
        channels = self.now.input_shape[-1]
        same = self.parent.input_shape == self.child.input_shape
        if self.before.input_shape[-1] == channels:
            self.carried[0] = Carried(0, np.arange(channels), channels, same)
        done: set[str] = set()
        for number, op in enumerate(self.now.ops):
            block = self.keys[number][0]
            if block not in self.blocks:
                if block not in done:
                    done.add(block)
                    self._new_block(block)
            else:
                self._operation(number, op)
        total = sum(array.size for arrays in self.layers.values() for array in arrays)
        last = self.carried.get(len(self.now.ops))
        preserved = last is not None and last.exact and last.of == len(self.before.ops)
        return Inherited(self.taken / max(total, 1), bool(preserved))

    def _operation(self, number: int, op: Op) -> None:
        """One operation of a block that the parent has too."""
        position = self.old.get(self.keys[number])
        old = None if position is None else self.before.ops[position]
        if old is None or old.kind != op.kind:
            self._put(number, self._new_operation(number, op))
        elif op.kind in ("conv2d", "depthwise_conv2d", "dense") and op.groups == old.groups == 1:
            self._put(number, self._weighted(number, op, old, (position or 0) + 1))
        else:
            self._put(number, self._plain(op, old, (position or 0) + 1))

    def _put(self, number: int, found: Carried | None) -> None:
        if found is not None:
            self.carried[number + 1] = found

    def _read(self, op: Op, old: Op) -> Carried:
        """What an operation reads; by their order where nobody knows what became of the parent's channels."""
        known = self.carried.get(op.inputs[0])
        width = old.in_shape[-1]
        if known is not None and known.width == width:
            return known
        return Carried(-1, around(op.in_shape[-1], width), width, False)

    def _follows(self, op: Op, old: Op) -> bool:
        """Whether an operation does to exactly the parent's tensors what the parent's did."""
        if len(op.inputs) != len(old.inputs):
            return False
        for tensor, before in zip(op.inputs, old.inputs, strict=True):
            known = self.carried.get(tensor)
            if known is None or not known.exact or known.of != before:
                return False
        same = ("activation", "stride", "padding", "dilation", "batch_norm", "bias", "start", "broadcasts")
        return all(getattr(op, name) == getattr(old, name) for name in same)

    def _weighted(self, number: int, op: Op, old: Op, tensor: int) -> Carried | None:
        """Take over a convolution or a dense layer with its bias and batch normalization."""
        read, kernel = self._read(op, old), self.weights[old.name][0]
        deep = op.kind == "depthwise_conv2d"
        source = read.source if deep else self._outputs(number, op, old)
        if op.kind == "dense":
            if op.out_shape[-1] != old.out_shape[-1]:
                return None
            fitted = kernel[read.source] * shares(read.source, op.out_shape[-1], self.rng)
        elif deep:
            fitted = window(kernel, op.kernel)[:, :, source]
        else:
            fitted = window(kernel, op.kernel)[:, :, read.source][..., source]
            fitted = fitted * shares(read.source, len(source), self.rng)
        overlap = np.prod([min(pair) for pair in zip(op.kernel, old.kernel, strict=True)])
        self.taken += int(fitted.size * overlap / np.prod(op.kernel))
        bias = [array[source] for array in self.weights[old.name][1:]] if old.bias else []
        own = self.layers[op.name]
        self.layers[op.name] = [fitted, *(bias if op.bias and bias else own[1:])]
        self.taken += sum(array.size for array in bias)
        values = None
        if op.batch_norm and old.batch_norm:
            arrays = [array[source] for array in self.weights[f"{old.name}_bn"]]
            self.layers[f"{op.name}_bn"] = arrays
            self.taken += sum(array.size for array in arrays)
            values = normalized_values(op, arrays[0], arrays[1])
        grown = op.kernel == old.kernel or (
            op.padding == "same"
            and all(
                new >= was >= step for new, was, step in zip(op.kernel, old.kernel, op.stride, strict=True)
            )
        )
        exact = self._follows(op, old) and grown and (deep or read.covers)
        return Carried(tensor, source, old.out_shape[-1], exact, values)

    def _outputs(self, number: int, op: Op, old: Op) -> np.ndarray:
        """Which of the parent's output channels each output channel is."""
        width, parent_width = op.out_shape[-1], old.out_shape[-1]
        if width >= parent_width or number + 1 in self.tied:
            return around(width, parent_width)
        scale = np.ones(parent_width)
        if old.batch_norm:
            gamma, _, _, variance = self.weights[f"{old.name}_bn"]
            scale = gamma / np.sqrt(variance + EPSILON)
        return strongest(self.weights[old.name][0], scale, width)

    def _plain(self, op: Op, old: Op, tensor: int) -> Carried | None:
        """An operation without weights, or one whose weights only fit as they are."""
        read, exact = self._read(op, old), self._follows(op, old) and op.kernel == old.kernel
        arrays = [name for name in self._layers_of(op) if name in self.layers]
        for name, was in zip(self._layers_of(op), self._layers_of(old), strict=True):
            exact &= name not in self.layers or self._copy(name, was, read)
        if op.kind == "add" and len(op.inputs) > 1:
            sides = [self.carried.get(tensor) for tensor in op.inputs]
            alike = all(side is not None and np.array_equal(side.source, read.source) for side in sides)
            first, second = (side.values if side else None for side in sides[:2])
            values = summed(first, second) if alike else None
            return Carried(
                tensor,
                read.source,
                read.width,
                exact and alike,
                values if op.activation == "linear" else None,
            )
        if op.out_shape[-1] == op.in_shape[-1] and old.out_shape[-1] == old.in_shape[-1]:
            return Carried(tensor, read.source, read.width, exact)
        same = op.in_shape == old.in_shape and op.out_shape == old.out_shape
        width = old.out_shape[-1]
        straight = same and np.array_equal(read.source, np.arange(read.width)) and not arrays
        return Carried(
            tensor, around(op.out_shape[-1], width), width, bool(exact and (straight or (arrays and same)))
        )

    @staticmethod
    def _layers_of(op: Op) -> list[str]:
        own = op.name.removesuffix("_scale") if op.kind == "mul" and op.batch_norm else op.name
        return [own, f"{op.name}_bn"] if op.kind != "mul" else [own]

    def _copy(self, name: str, was: str, read: Carried) -> bool:
        """Copy the weights of a layer; vectors by channel, others only between equal shapes."""
        arrays, own = self.weights.get(was), self.layers[name]
        if arrays is None or len(arrays) != len(own):
            return False
        by_channel = all(array.shape == (read.width,) for array in arrays)
        if by_channel and all(array.shape == read.source.shape for array in own):
            arrays = [array[read.source] for array in arrays]
        elif [a.shape for a in arrays] != [a.shape for a in own] or not np.array_equal(
            read.source, np.arange(read.width)
        ):
            return False
        self.layers[name] = list(arrays)
        self.taken += sum(array.size for array in arrays)
        return True

    def _new_operation(self, number: int, op: Op) -> Carried | None:
        """An operation that the parent does not have in a block that it has."""
        role, read = self.keys[number][1], self.carried.get(op.inputs[0])
        if role == "expand":
            return expand_identity(self.layers, op, read)
        if role == "excite":
            self._open_gate(op)
        if role == "scale" or op.kind == "activation":
            return (
                None
                if read is None
                else Carried(read.of, read.source, read.width, read.exact and role == "scale", read.values)
            )
        if op.kind == "add":
            return self.carried.get(op.inputs[1]) and self._inexact(self.carried[op.inputs[1]])
        if op.kind == "conv2d" and self.child.blocks and role[:2].isdigit():
            silence(self.layers, op)  # an edge of a cell that carried nothing
        return None

    @staticmethod
    def _inexact(found: Carried) -> Carried:
        return Carried(found.of, found.source, found.width, False)

    def _open_gate(self, op: Op) -> None:
        """Let a squeeze-and-excite multiply by 1."""
        kernel, bias = self.layers[op.name]
        self.layers[op.name] = [np.zeros_like(kernel), np.ones_like(bias)]

    def _new_block(self, block: str) -> None:
        """A block that the parent does not have: an identity if that is possible, else fresh."""
        numbers = [number for number, key in enumerate(self.keys) if key[0] == block]
        ops = [self.now.ops[number] for number in numbers]
        read = self.carried.get(ops[0].inputs[0])
        if ops[-1].kind == "add":
            writer = self.now.ops[ops[-1].inputs[-1] - 1]
            if silence(self.layers, writer):
                self._put(numbers[-1], read)
            return
        chain = [op for number, op in zip(numbers, ops, strict=True) if self.keys[number][1] not in GATED]
        found = make_identity(self.layers, chain, read)
        if found is not None:
            for op, number in zip(ops, numbers, strict=True):
                if self.keys[number][1] == "excite":
                    self._open_gate(op)
            self._put(numbers[-1], found)
