"""The super-network of a skeleton: all options at once, in the compute of the largest that is used.

Shared weights are those of the largest option. A smaller kernel is the middle of the largest (single-path
NAS, Stamoulis et al. 2019), fewer channels are its first ones behind a mask (FBNetV2, Wan et al. 2020), and
between two options the mask is their mixture, weighed by the gates. A block that a stage may leave out is
mixed with its input. With one-hot gates this is exactly the network of that selection, with batch
statistics in its batch normalizations.

Channels and kernels that no used option has are cut off before anything is computed; what is cut are
tensors, so one trace serves all of it.
"""

from __future__ import annotations

from functools import cached_property
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
        return np.asarray(np.clip(rng.normal(size=shape), -2, 2) * np.sqrt(2 / fan_in))

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
        """First values, and another super-network's where it has any: first channels, middle kernels."""
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
        for part in skeleton.behind[:-1]:
            shapes |= _convolution("last", (1, 1, filters, int(part.args["filters"])))
            filters = int(part.args["filters"])
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

    @cached_property
    def plan(self) -> dict[str, int]:
        """Names of all small int vectors that say what is cut where, with their lengths, in one order."""
        lengths = {}
        for stage in self.stages:
            lengths[f"s{stage}/filters"] = 1
            for block in range(self._blocks(stage)):
                name = f"s{stage}b{block}"
                for part, length in (
                    ("expand", 4),
                    ("widen", 8),
                    ("begin", 4),
                    ("window", 4),
                    ("hidden", 1),
                    ("project", 4),
                ):
                    lengths[f"{name}/{part}"] = length
            lengths |= {f"s{stage}/cut": 4, f"s{stage}/pad": 8}
        return {**lengths, "last": 4, "head": 2}

    def cuts(self, gates: Gates) -> np.ndarray:
        """What a step must compute, as the vectors of `plan` one behind the other; int32."""
        found: dict[str, list[int]] = {}
        read = self._filters(-1)[0]
        for stage in self.stages:
            filters, kernel = self._used(gates, stage, "filters"), self._used(gates, stage, "kernel")
            expansion, depth = self._used(gates, stage, "expansion"), self._used(gates, stage, "depth")
            edge = (max(self.skeleton.numbers(stage, "kernel")) - kernel) // 2
            found[f"s{stage}/filters"] = [filters]
            found[f"s{stage}/cut"] = [-1, -1, -1, min(read, filters)]
            found[f"s{stage}/pad"] = [0] * 7 + [max(0, filters - read)]
            for block in range(self._blocks(stage)):
                name, reads = f"s{stage}b{block}", filters if block else read
                hidden = self._hidden(reads, expansion) if block < depth else reads
                found[f"{name}/expand"] = [1, 1, reads, hidden]
                found[f"{name}/widen"] = [0] * 7 + [hidden - reads]
                found[f"{name}/begin"] = [edge, edge, 0, 0]
                found[f"{name}/window"] = [kernel, kernel, hidden, 1]
                found[f"{name}/hidden"] = [hidden]
                found[f"{name}/project"] = [1, 1, hidden, filters]
            read = filters
        last = [int(block.args["filters"]) for block in self.skeleton.behind[:-1]]
        found["head"] = [(last or [read])[-1], self.outputs]
        found["last"] = [1, 1, read, (last or [read])[-1]]
        return np.array([number for name in self.plan for number in found[name]], np.int32)

    def _used(self, gates: Gates, stage: int, kind: str) -> int:
        """The largest option of a decision that is used."""
        at = self.skeleton.places.get((stage, kind))
        options = self.skeleton.numbers(stage, kind)
        return max(options) if at is None else max(np.array(options)[gates.used[at]])

    # --- computing ---

    def outputs_of(
        self,
        images: Tensor,
        flat: Tensor,
        gates: Tensor,
        cuts: Tensor,
        drop: Tensor = 0.0,
        seed: Tensor = (0, 0),
    ) -> Tensor:
        """Logits of classes, or numbers.

        Args:
            images: float32 (n, height, width, channels).
            flat: All weights, see `Parameters`.
            gates: Weights of all options, float32 (size of the skeleton,).
            cuts: See `cuts`.
            drop: Share of the channels of an example that is dropped on the way around a block that may be
                left out (P-DARTS, Chen et al. 2019); 0 for the network itself.
            seed: Of what is dropped, two whole numbers.
        """
        import tensorflow as tf

        run = _Run(self, flat, gates, cuts, (drop, seed))
        tensor = run.convolved("stem", images, int(self.skeleton.stem.args["stride"]))
        tensor = run.activated(tensor, str(self.skeleton.stem.args.get("activation", "relu6")))
        for stage in self.stages:
            tensor = run.stage(tensor, stage)
        for block in self.skeleton.behind[:-1]:
            tensor = run.activated(run.convolved("last", tensor, 1, "last"), str(block.args["activation"]))
        pooled = tf.reduce_mean(tensor, axis=(1, 2))
        return pooled @ run.cut("head/kernel", "head") + run.weights["head/summand"]


def _convolution(name: str, shape: Shape) -> dict[str, Shape]:
    """A kernel with its batch normalization."""
    return {name: shape, f"{name}/factor": shape[-1:], f"{name}/summand": shape[-1:]}


class _Run:
    """One pass through a super-network."""

    def __init__(
        self, net: SuperNetwork, flat: Tensor, gates: Tensor, cuts: Tensor, dropping: tuple[Tensor, Tensor]
    ) -> None:
        import tensorflow as tf

        self.net, self.skeleton = net, net.skeleton
        self.drop, self.seed = dropping
        shapes = net.parameters.shapes
        parts = tf.split(flat, net.parameters.sizes)
        self.weights = {
            name: part if len(shape) == 1 else tf.reshape(part, shape)
            for part, (name, shape) in zip(parts, shapes.items(), strict=True)
        }
        self.gates = tf.split(gates, [part.stop - part.start for part in net.skeleton.slices])
        self.cuts = dict(zip(net.plan, tf.split(cuts, list(net.plan.values())), strict=True))
        self.one = tf.ones([1])
        self.memory: dict[tuple[Any, ...], Tensor] = {}

    # --- gates ---

    def gate(self, stage: int, kind: str) -> Tensor:
        """Weights of a decision's options; (1,) of one that is not open."""
        at = self.skeleton.places.get((stage, kind))
        return self.one if at is None else self.gates[at]

    def share(self, stage: int, kind: str, option: Any) -> Tensor:
        """Weight of one option, a scalar."""
        import tensorflow as tf

        key = (stage, kind, "shares")
        if key not in self.memory:
            self.memory[key] = tf.unstack(self.gate(stage, kind))
        return self.memory[key][self.skeleton.options(stage, kind).index(option)]

    def mask(self, stage: int) -> Tensor:
        """Share of the options that have an output channel, those cut off left out."""
        import tensorflow as tf

        key = (stage, "mask")
        if key not in self.memory:
            counts = np.array(self.net._filters(stage))
            has = np.arange(counts.max()) < counts[:, None]
            whole = weighed(self.gate(stage, "filters"), has.astype(np.float32))
            self.memory[key] = tf.slice(whole, [0], self.cuts[f"s{stage}/filters"])
        return self.memory[key]

    def pair_mask(self, stage: int, block: int, divisor: int = 1) -> Tensor:
        """Share of the pairs of channels read and expansion that have a hidden channel.

        Args:
            stage: Which stage.
            block: The first reads what the stage before puts out, all others are alike.
            divisor: By how much hidden channels are divided, in the middle of a squeeze-and-excite.
        """
        import tensorflow as tf

        key = (stage, min(block, 1), divisor)
        if key not in self.memory:
            reads, expansions = self.net._reads(stage, block), self.skeleton.numbers(stage, "expansion")
            counts = np.array(
                [[self.net._hidden(one, expansion) for expansion in expansions] for one in reads]
            )
            if divisor > 1:
                counts = np.vectorize(divisible)(counts / divisor)
            has = np.arange(counts.max()) < counts.reshape(-1, 1)
            read, expansion = (
                self.gate(stage if block else stage - 1, "filters"),
                self.gate(stage, "expansion"),
            )
            pairs = tf.reshape(read[:, None] * expansion, [-1])
            self.memory[key] = weighed(pairs, has.astype(np.float32))
        return self.memory[key]

    def alike(self, stage: int) -> Tensor:
        """How likely a stage's first block puts out as many channels as it reads."""
        import tensorflow as tf

        same = np.array(self.net._filters(stage - 1))[:, None] == np.array(self.net._filters(stage))
        read = weighed(self.gate(stage - 1, "filters"), same.astype(np.float32))
        return tf.reduce_sum(read * self.gate(stage, "filters"))

    # --- layers ---

    def cut(self, name: str, how: str, begin: str | None = None) -> Tensor:
        """The part of an array that is used."""
        import tensorflow as tf

        size = self.cuts[how]
        start = self.cuts[begin] if begin else [0] * size.shape[0]
        return tf.slice(self.weights[name], start, size)

    def convolved(
        self, name: str, tensor: Tensor, stride: int, how: str | None = None, channels: str | None = None
    ) -> Tensor:
        """A full convolution with batch normalization."""
        import tensorflow as tf

        kernel = self.cut(name, how) if how else self.weights[name]
        return self.normalized(name, tf.nn.conv2d(tensor, kernel, stride, "SAME"), channels)

    def normalized(self, name: str, tensor: Tensor, channels: str | None = None) -> Tensor:
        """Batch normalization with the statistics of this batch."""
        import tensorflow as tf

        names = (f"{name}/factor", f"{name}/summand")
        factor, summand = (self.cut(one, channels) if channels else self.weights[one] for one in names)
        return tf.raw_ops.FusedBatchNormV3(
            x=tensor, scale=factor, offset=summand, mean=[], variance=[], epsilon=EPSILON, is_training=True
        ).y

    def activated(self, tensor: Tensor, name: str) -> Tensor:
        """ReLU6 or hard swish."""
        import tensorflow as tf

        return tf.nn.relu6(tensor) if name == "relu6" else tensor * tf.nn.relu6(tensor + 3.0) / 6.0

    def mixed_activation(self, tensor: Tensor, stage: int) -> Tensor:
        """The mixture of a stage's activations."""
        options = self.skeleton.options(stage, "activation")
        if len(options) == 1:
            return self.activated(tensor, str(options[0]))
        parts = [
            self.share(stage, "activation", name) * self.activated(tensor, str(name)) for name in options
        ]
        return sum(parts[1:], parts[0])

    # --- stages ---

    def stage(self, tensor: Tensor, stage: int) -> Tensor:
        """All blocks of a stage."""
        import tensorflow as tf

        depths = np.array(self.skeleton.numbers(stage, "depth"))
        has = np.arange(depths.max()) < depths[:, None]
        shares = tf.unstack(weighed(self.gate(stage, "depth"), has.astype(np.float32)))
        for block, share in enumerate(shares):
            result = self.block(tensor, stage, block)
            is_sure = block < min(depths)
            tensor = result if is_sure else share * result + (1.0 - share) * self.passed(tensor, stage, block)
        return tensor

    def passed(self, tensor: Tensor, stage: int, block: int) -> Tensor:
        """The way around a block: some channels of each example are dropped, the others grow."""
        import tensorflow as tf

        if isinstance(self.drop, float) and self.drop == 0.0:
            return tensor
        shape = tf.shape(tensor) * [1, 0, 0, 1] + [0, 1, 1, 0]
        drawn = tf.random.stateless_uniform(shape, seed=self.seed + tf.constant([stage, block]))
        return tensor * tf.cast(drawn >= self.drop, tf.float32) / (1.0 - self.drop)

    def block(self, tensor: Tensor, stage: int, block: int) -> Tensor:
        """Expansion, depthwise convolution, projection, and what is added to it."""
        import tensorflow as tf

        name, stride = f"s{stage}b{block}", 1 if block else self.skeleton.strides[stage]
        wide = self.expanded(tensor, name, stage)
        deep = tf.nn.depthwise_conv2d(wide, self.window(name, stage), [1, stride, stride, 1], "SAME")
        deep = self.mixed_activation(self.normalized(f"{name}/depthwise", deep, f"{name}/hidden"), stage)
        deep *= tf.slice(self.pair_mask(stage, block), [0], self.cuts[f"{name}/hidden"])
        deep = self.squeezed(deep, name, stage, block)
        out = self.convolved(f"{name}/project", deep, 1, f"{name}/project", f"s{stage}/filters")
        return self.joined(tensor, out, stage, block, stride) * self.mask(stage)

    def expanded(self, tensor: Tensor, name: str, stage: int) -> Tensor:
        """The mixture of a wider tensor and, where an expansion may be 1, the tensor itself."""
        import tensorflow as tf

        expansions = self.skeleton.numbers(stage, "expansion")
        if max(expansions) == 1:
            return tensor
        wide = self.convolved(f"{name}/expand", tensor, 1, f"{name}/expand", f"{name}/hidden")
        wide = self.mixed_activation(wide, stage)
        if 1 not in expansions:
            return wide
        plain = self.share(stage, "expansion", 1)
        padded = tf.pad(tensor, tf.reshape(self.cuts[f"{name}/widen"], [4, 2]))
        return (1.0 - plain) * wide + plain * padded

    def window(self, name: str, stage: int) -> Tensor:
        """The mixture of depthwise kernels, cut to the largest that is used."""
        import tensorflow as tf

        kernels = self.skeleton.numbers(stage, "kernel")
        middle = self.cut(f"{name}/depthwise", f"{name}/window", f"{name}/begin")
        if len(kernels) == 1:
            return middle
        key = (stage, "kernels")
        if key not in self.memory:
            masks = np.zeros((len(kernels), max(kernels), max(kernels), 1, 1), np.float32)
            for at, kernel in enumerate(kernels):
                edge = (max(kernels) - kernel) // 2
                masks[at, edge : max(kernels) - edge, edge : max(kernels) - edge] = 1.0
            self.memory[key] = weighed(self.gate(stage, "kernel"), masks)
        cut = self.cuts[f"{name}/window"] * [1, 1, 0, 0] + [0, 0, 1, 1]
        return middle * tf.slice(self.memory[key], self.cuts[f"{name}/begin"], cut)

    def squeezed(self, tensor: Tensor, name: str, stage: int, block: int) -> Tensor:
        """The mixture with and without squeeze-and-excite."""
        import tensorflow as tf

        if True not in self.skeleton.options(stage, "squeeze"):
            return tensor
        channels = tf.shape(tensor)[-1]
        mean = tf.reduce_mean(tensor, axis=(1, 2))
        start = self.weights[f"{name}/squeeze/summand"]
        middle = tf.nn.relu(mean @ self.weights[f"{name}/squeeze"][:channels] + start)
        middle *= self.pair_mask(stage, block, SQUEEZE)
        excite, start = self.weights[f"{name}/excite"], self.weights[f"{name}/excite/summand"]
        factor = tf.nn.relu6(middle @ excite[:, :channels] + start[:channels])
        share = self.share(stage, "squeeze", True)
        return tensor * (1.0 - share + share * factor[:, None, None, :])

    def joined(self, tensor: Tensor, out: Tensor, stage: int, block: int, stride: int) -> Tensor:
        """The output with the input added, as far as a skip is chosen and possible, activated where due."""
        import tensorflow as tf

        can = True in self.skeleton.options(stage, "skip") and (block > 0 or stride == 1)
        added, unskipped = out, 1.0
        if can:
            skip = self.share(stage, "skip", True) if "skip" in self.kinds(stage) else 1.0
            if block == 0:
                skip *= self.alike(stage)
                tensor = tf.slice(tensor, [0, 0, 0, 0], self.cuts[f"s{stage}/cut"])
                tensor = tf.pad(tensor, tf.reshape(self.cuts[f"s{stage}/pad"], [4, 2]))
            added, unskipped = out + skip * tensor, 1.0 - skip
        if self.skeleton.is_mobile or 1 not in self.skeleton.numbers(stage, "expansion"):
            return added
        rectified = self.share(stage, "expansion", 1) * unskipped  # ds without a skip ends in ReLU6
        return added + rectified * (tf.nn.relu6(out) - out)

    def kinds(self, stage: int) -> set[str]:
        """What is open in a stage."""
        return {decision.kind for decision in self.skeleton.decisions if decision.stage == stage}


def weighed(weights: Tensor, tables: np.ndarray) -> Tensor:
    """The sum of some constant tables, each with its weight."""
    import tensorflow as tf

    rows = tf.constant(tables.reshape(len(tables), -1))
    return tf.reshape(weights[None] @ rows, tables.shape[1:])
