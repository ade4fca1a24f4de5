"""The super-network of a skeleton: all options at once, in the compute of the largest that is used.

Shared weights are those of the largest option. A smaller kernel is the middle of the largest (single-path
NAS, Stamoulis et al. 2019), fewer channels are its first ones behind a mask (FBNetV2, Wan et al. 2020), and
between two options the mask is their mixture, weighed by the gates. A block that a stage may leave out is
mixed with its input. With one-hot gates this is exactly the network of that selection, with batch
statistics in its batch normalizations.

Channels and kernels that no used option has are cut off before anything is computed; the sizes are
tensors, so one trace serves all of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from zlib import crc32

import numpy as np

from edgenas.arch.graph import Shape
from edgenas.arch.mobile_blocks import GATE_START, SQUEEZE, divisible
from edgenas.oneshot.gradient_gates import Gates
from edgenas.oneshot.gradient_space import Skeleton

EPSILON = 1e-3  # of Keras's batch normalization
Tensor = Any


class Parameters:
    """Named arrays in one vector, so that a step of the optimizer is a few operations.

    Args:
        shapes: Shape of each array by its name.
        seed: Of their first values: kernels are He-normal (He et al. 2015), factors 1, summands 0.
    """

    def __init__(self, shapes: dict[str, Shape], seed: int) -> None:
        self.shapes = shapes
        self.seed = seed
        self.sizes = [int(np.prod(shape)) for shape in shapes.values()]

    def first(self) -> np.ndarray:
        """The values that a training begins with, float32 of one axis."""
        return self.flat({name: self._first(name, shape) for name, shape in self.shapes.items()})

    def _first(self, name: str, shape: Shape) -> np.ndarray:
        if name.endswith("factor"):
            return np.ones(shape)
        if name.endswith("summand"):
            return np.full(shape, GATE_START if "excite" in name else 0.0)
        rng = np.random.default_rng([self.seed, crc32(name.encode())])
        fan_in = np.prod(shape[:2]) if name.endswith("depthwise") else np.prod(shape[:-1])
        return np.clip(rng.normal(size=shape), -2, 2) * np.sqrt(2 / fan_in)

    def flat(self, arrays: dict[str, np.ndarray]) -> np.ndarray:
        """One vector of all arrays."""
        return np.concatenate([arrays[name].ravel() for name in self.shapes]).astype(np.float32)

    def named(self, flat: np.ndarray) -> dict[str, np.ndarray]:
        """The arrays in a vector."""
        parts = np.split(flat, np.cumsum(self.sizes)[:-1])
        return {
            name: part.reshape(shape) for part, (name, shape) in zip(parts, self.shapes.items(), strict=True)
        }

    @property
    def decayed(self) -> np.ndarray:
        """1 where weight decay pulls: kernels only."""
        return self.flat({
            name: np.full(shape, 0.0 if name.endswith(("factor", "summand")) else 1.0)
            for name, shape in self.shapes.items()
        })  # fmt: skip

    def grafted(self, others: dict[str, np.ndarray]) -> np.ndarray:
        """First values with what another super-network has in the same place: its first channels, its middle kernel."""
        arrays = self.named(self.first())
        for name, target in arrays.items():
            source = others.get(name)
            if source is not None and source.ndim == target.ndim:
                here, there = zip(
                    *(_common(name, axis, target.shape, source.shape) for axis in range(target.ndim)),
                    strict=True,
                )
                target[here] = source[there]
        return self.flat(arrays)


def _common(name: str, axis: int, target: Shape, source: Shape) -> tuple[slice, slice]:
    """The part of an axis that two arrays share."""
    length = min(target[axis], source[axis])
    is_window = axis < 2 and len(target) == 4
    starts = [(size[axis] - length) // 2 if is_window else 0 for size in (target, source)]
    return slice(starts[0], starts[0] + length), slice(starts[1], starts[1] + length)


class SuperNetwork:
    """What a skeleton computes, given weights and gates; works eagerly and in a traced function.

    Args:
        skeleton: Its options.
        outputs: Classes, or numbers that it gives.
        seed: Of its first weights.
    """

    def __init__(self, skeleton: Skeleton, outputs: int, seed: int = 0) -> None:
        self.skeleton = skeleton
        self.outputs = outputs
        self.stages = range(len(skeleton.strides))
        self.parameters = Parameters(self._shapes(), seed)

    # --- sizes ---

    def _filters(self, stage: int) -> tuple[int, ...]:
        return (
            (int(self.skeleton.stem.args["filters"]),)
            if stage < 0
            else self.skeleton.numbers(stage, "filters")
        )

    def _reads(self, stage: int, block: int) -> tuple[int, ...]:
        return self._filters(stage if block else stage - 1)

    def _hidden(self, channels: int, expansion: int) -> int:
        wide = channels * expansion
        return divisible(wide) if self.skeleton.is_mobile and expansion > 1 else wide

    def _blocks(self, stage: int) -> int:
        return max(self.skeleton.numbers(stage, "depth"))

    def _shapes(self) -> dict[str, Shape]:
        skeleton = self.skeleton
        kernel, filters = int(skeleton.stem.args["kernel"]), int(skeleton.stem.args["filters"])
        shapes = _convolution("stem", (kernel, kernel, skeleton.image[-1], filters))
        for stage in self.stages:
            for block in range(self._blocks(stage)):
                shapes |= self._block_shapes(stage, block)
        filters = max(self._filters(self.stages[-1]))
        for block in skeleton.behind[:-1]:
            shapes |= _convolution("last", (1, 1, filters, int(block.args["filters"])))
            filters = int(block.args["filters"])
        return {**shapes, "head/kernel": (filters, self.outputs), "head/summand": (self.outputs,)}

    def _block_shapes(self, stage: int, block: int) -> dict[str, Shape]:
        name, skeleton = f"s{stage}b{block}", self.skeleton
        reads, expansions = max(self._reads(stage, block)), skeleton.numbers(stage, "expansion")
        hidden, kernel = self._hidden(reads, max(expansions)), max(skeleton.numbers(stage, "kernel"))
        shapes: dict[str, Shape] = {}
        if max(expansions) > 1:
            shapes |= _convolution(f"{name}/expand", (1, 1, reads, hidden))
        shapes[f"{name}/depthwise"] = (kernel, kernel, hidden, 1)
        shapes |= {f"{name}/depthwise/factor": (hidden,), f"{name}/depthwise/summand": (hidden,)}
        if True in skeleton.options(stage, "squeeze"):
            middle = divisible(hidden / SQUEEZE)
            shapes |= {f"{name}/squeeze": (hidden, middle), f"{name}/squeeze/summand": (middle,)}
            shapes |= {f"{name}/excite": (middle, hidden), f"{name}/excite/summand": (hidden,)}
        return shapes | _convolution(f"{name}/project", (1, 1, hidden, max(self._filters(stage))))

    def sizes(self, gates: Gates) -> np.ndarray:
        """What a step must compute: for each stage kernel, filters and hidden channels of each block; int32."""
        found: list[int] = []
        for stage in self.stages:
            filters = self._used(gates, stage, "filters")
            expansion = self._used(gates, stage, "expansion")
            reads = self._used(gates, stage - 1, "filters") if stage else self._filters(-1)[0]
            found += [self._used(gates, stage, "kernel"), filters]
            for block in range(self._blocks(stage)):
                channels = self._hidden(filters if block else reads, expansion)
                found.append(channels if block < self._used(gates, stage, "depth") else 1)
        return np.array(found, np.int32)

    def _used(self, gates: Gates, stage: int, kind: str) -> int:
        """The largest option of a decision that is used."""
        at = self.skeleton.places.get((stage, kind))
        options = self.skeleton.numbers(stage, kind)
        return max(options) if at is None else max(np.array(options)[gates.used[at]])

    # --- computing ---

    def outputs_of(self, images: Tensor, flat: Tensor, gates: Tensor, sizes: Tensor, aid: Tensor) -> Tensor:
        """Logits of classes, or numbers.

        Args:
            images: float32 (n, height, width, channels).
            flat: All weights, see `Parameters`.
            gates: Weights of all options, float32 (size of the skeleton,).
            sizes: See `sizes`.
            aid: How much of its input is added to what each block that may be left out gives
                (DARTS-, Chu et al. 2021), 0 for none.
        """
        import tensorflow as tf

        weights = {
            name: tf.reshape(part, shape)
            for part, (name, shape) in zip(
                tf.split(flat, self.parameters.sizes), self.parameters.shapes.items(), strict=True
            )
        }
        run = _Run(self, weights, gates, sizes, aid)
        tensor = run.convolved("stem", images, int(self.skeleton.stem.args["stride"]))
        tensor = run.activated(tensor, str(self.skeleton.stem.args.get("activation", "relu6")))
        for stage in self.stages:
            tensor = run.stage(tensor, stage)
        for block in self.skeleton.behind[:-1]:
            tensor = run.activated(run.convolved("last", tensor, 1), str(block.args["activation"]))
        pooled = tf.reduce_mean(tensor, axis=(1, 2))
        return pooled @ weights["head/kernel"][: tf.shape(pooled)[-1]] + weights["head/summand"]


def _convolution(name: str, shape: Shape) -> dict[str, Shape]:
    """A kernel with its batch normalization."""
    return {name: shape, f"{name}/factor": shape[-1:], f"{name}/summand": shape[-1:]}


class _Run:
    """One pass through a super-network."""

    def __init__(
        self, net: SuperNetwork, weights: dict[str, Tensor], gates: Tensor, sizes: Tensor, aid: Tensor
    ) -> None:
        self.net, self.skeleton, self.weights = net, net.skeleton, weights
        self.gates, self.sizes, self.aid = gates, sizes, aid
        self.next_size = 0

    def take_size(self) -> Tensor:
        """The next of the sizes."""
        self.next_size += 1
        return self.sizes[self.next_size - 1]

    def gate(self, stage: int, kind: str) -> Tensor:
        """Weights of a decision's options; (1,) of one that is not open."""
        import tensorflow as tf

        at = self.skeleton.places.get((stage, kind))
        return tf.ones([1]) if at is None else self.gates[self.skeleton.slices[at]]

    def convolved(self, name: str, tensor: Tensor, stride: int, filters: Tensor = None) -> Tensor:
        """A full convolution of the first channels, with batch normalization."""
        import tensorflow as tf

        kernel = self.weights[name]
        kernel = kernel[:, :, : tf.shape(tensor)[-1], : kernel.shape[-1] if filters is None else filters]
        return self.normalized(name, tf.nn.conv2d(tensor, kernel, stride, "SAME"))

    def normalized(self, name: str, tensor: Tensor) -> Tensor:
        """Batch normalization with the statistics of this batch."""
        import tensorflow as tf

        channels = tf.shape(tensor)[-1]
        factor, summand = (self.weights[f"{name}/{part}"][:channels] for part in ("factor", "summand"))
        result, _, _ = tf.compat.v1.nn.fused_batch_norm(
            tensor, factor, summand, epsilon=EPSILON, is_training=True
        )
        return result

    def activated(self, tensor: Tensor, name: str) -> Tensor:
        """ReLU6 or hard swish."""
        import tensorflow as tf

        return tf.nn.relu6(tensor) if name == "relu6" else tensor * tf.nn.relu6(tensor + 3.0) / 6.0

    def mixed_activation(self, tensor: Tensor, stage: int) -> Tensor:
        """The mixture of a stage's activations."""
        options, gate = self.skeleton.options(stage, "activation"), self.gate(stage, "activation")
        parts = [gate[at] * self.activated(tensor, str(name)) for at, name in enumerate(options)]
        return parts[0] if len(parts) == 1 else sum(parts[1:], parts[0])

    def stage(self, tensor: Tensor, stage: int) -> Tensor:
        """All blocks of a stage."""
        import tensorflow as tf

        kernel, filters = self.take_size(), self.take_size()
        depths, depth = self.skeleton.numbers(stage, "depth"), self.gate(stage, "depth")
        for block in range(self.net._blocks(stage)):
            hidden = self.take_size()
            result = self.block(tensor, stage, block, kernel, filters, hidden)
            if block < min(depths):
                tensor = result
            else:
                share = tf.reduce_sum(depth[np.array(depths).searchsorted(block + 1) :])
                tensor = share * result + (1.0 - share + self.aid) * tensor
        return tensor

    def block(
        self, tensor: Tensor, stage: int, block: int, kernel: Tensor, filters: Tensor, hidden: Tensor
    ) -> Tensor:
        """Expansion, depthwise convolution, projection, and what is added to it."""
        import tensorflow as tf

        name, stride = f"s{stage}b{block}", 1 if block else self.skeleton.strides[stage]
        wide = self.expanded(tensor, name, stage, hidden)
        window = self.window(name, stage, kernel)[:, :, :hidden]
        deep = tf.nn.depthwise_conv2d(wide, window, [1, stride, stride, 1], "SAME")
        deep = self.mixed_activation(self.normalized(f"{name}/depthwise", deep), stage)
        mask = self.hidden_mask(stage, block)[:hidden]
        deep = self.squeezed(deep * mask, mask, name, stage, block)
        out = self.convolved(f"{name}/project", deep, 1, filters)
        return self.joined(tensor, out, stage, block, stride, filters) * self.mask(stage)[:filters]

    def expanded(self, tensor: Tensor, name: str, stage: int, hidden: Tensor) -> Tensor:
        """The mixture of a wider tensor and, where an expansion may be 1, the tensor itself."""
        expansions, gate = self.skeleton.numbers(stage, "expansion"), self.gate(stage, "expansion")
        if max(expansions) == 1:
            return tensor[..., :hidden]
        plain = gate[expansions.index(1)] if 1 in expansions else 0.0
        wide = self.mixed_activation(self.convolved(f"{name}/expand", tensor, 1, hidden), stage)
        return wide if 1 not in expansions else (1.0 - plain) * wide + plain * fitted(tensor, hidden)

    def window(self, name: str, stage: int, size: Tensor) -> Tensor:
        """The mixture of depthwise kernels, cut to the largest that is used."""
        kernels, gate = self.skeleton.numbers(stage, "kernel"), self.gate(stage, "kernel")
        largest = max(kernels)
        masks = np.zeros((len(kernels), largest, largest, 1, 1), np.float32)
        for at, kernel in enumerate(kernels):
            edge = (largest - kernel) // 2
            masks[at, edge : largest - edge, edge : largest - edge] = 1.0
        import tensorflow as tf

        mixed = self.weights[f"{name}/depthwise"] * tf.tensordot(gate, tf.constant(masks), 1)
        edge = (largest - size) // 2
        return mixed[edge : largest - edge, edge : largest - edge]

    def hidden_mask(self, stage: int, block: int) -> Tensor:
        """Share of the options that have a hidden channel, (all hidden channels,)."""
        import tensorflow as tf

        reads, expansions = self.net._reads(stage, block), self.skeleton.numbers(stage, "expansion")
        counts = [[self.net._hidden(channels, expansion) for expansion in expansions] for channels in reads]
        channels = np.arange(np.max(counts))
        has = (channels < np.array(counts)[..., None]).astype(np.float32)
        before = stage if block else stage - 1
        return tf.einsum(
            "f,e,feh->h", self.gate(before, "filters"), self.gate(stage, "expansion"), tf.constant(has)
        )

    def mask(self, stage: int) -> Tensor:
        """Share of the options that have an output channel."""
        import tensorflow as tf

        counts = np.array(self.net._filters(stage))
        has = (np.arange(counts.max()) < counts[:, None]).astype(np.float32)
        return tf.tensordot(self.gate(stage, "filters"), tf.constant(has), 1)

    def squeezed(self, tensor: Tensor, mask: Tensor, name: str, stage: int, block: int) -> Tensor:
        """The mixture with and without squeeze-and-excite."""
        import tensorflow as tf

        options = self.skeleton.options(stage, "squeeze")
        if True not in options:
            return tensor
        channels = tf.shape(tensor)[-1]
        mean = tf.reduce_mean(tensor, axis=(1, 2))
        middle = tf.nn.relu(
            mean @ self.weights[f"{name}/squeeze"][:channels] + self.weights[f"{name}/squeeze/summand"]
        )
        middle *= self.middle_mask(stage, block)
        excite, start = self.weights[f"{name}/excite"], self.weights[f"{name}/excite/summand"]
        factor = tf.nn.relu6(middle @ excite[:, :channels] + start[:channels])
        share = self.gate(stage, "squeeze")[options.index(True)]
        return tensor * (1.0 - share + share * factor[:, None, None, :])

    def middle_mask(self, stage: int, block: int) -> Tensor:
        """Share of the options that have a channel in the middle of a squeeze-and-excite."""
        import tensorflow as tf

        reads, expansions = self.net._reads(stage, block), self.skeleton.numbers(stage, "expansion")
        counts = [
            [divisible(self.net._hidden(channels, expansion) / SQUEEZE) for expansion in expansions]
            for channels in reads
        ]
        has = (np.arange(np.max(counts)) < np.array(counts)[..., None]).astype(np.float32)
        before = stage if block else stage - 1
        return tf.einsum(
            "f,e,feh->h", self.gate(before, "filters"), self.gate(stage, "expansion"), tf.constant(has)
        )

    def joined(
        self, tensor: Tensor, out: Tensor, stage: int, block: int, stride: int, filters: Tensor
    ) -> Tensor:
        """The output with the input added, as far as a skip is chosen and possible, and activated where due."""
        import tensorflow as tf

        skips, gate = self.skeleton.options(stage, "skip"), self.gate(stage, "skip")
        skip = gate[skips.index(True)] if True in skips else 0.0
        if block == 0:
            skip = skip * self.alike(stage) if stride == 1 else 0.0
        expansions, expansion = self.skeleton.numbers(stage, "expansion"), self.gate(stage, "expansion")
        added = out if isinstance(skip, float) else out + skip * fitted(tensor, filters)
        if self.skeleton.is_mobile or 1 not in expansions:
            return added
        rectified = expansion[expansions.index(1)] * (1.0 - skip)  # ds without a skip ends in ReLU6
        return added + rectified * (tf.nn.relu6(out) - out)

    def alike(self, stage: int) -> Tensor:
        """How likely a stage's first block puts out as many channels as it reads."""
        import tensorflow as tf

        reads, own = self.net._filters(stage - 1), self.net._filters(stage)
        same = (np.array(reads)[:, None] == np.array(own)).astype(np.float32)
        before = tf.ones([1]) if stage == 0 else self.gate(stage - 1, "filters")
        return tf.einsum("f,g,fg->", before, self.gate(stage, "filters"), tf.constant(same))


def fitted(tensor: Tensor, channels: Tensor) -> Tensor:
    """A tensor with so many channels: its first ones, zeros behind them."""
    import tensorflow as tf

    cut = tensor[..., :channels]
    return tf.pad(cut, [[0, 0], [0, 0], [0, 0], [0, channels - tf.shape(cut)[-1]]])
