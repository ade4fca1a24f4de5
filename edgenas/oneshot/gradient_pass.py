"""One pass of some images through a super-network: layers, stages, and what the gates mix."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from edgenas.arch.mobile_blocks import SQUEEZE, divisible
from edgenas.build.builder import EPSILON

if TYPE_CHECKING:
    from edgenas.oneshot.gradient_net import SuperNetwork

Tensor = Any


class Pass:
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
            counts = np.array(self.net.filters_of(stage))
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
            reads, expansions = self.net.reads_of(stage, block), self.skeleton.numbers(stage, "expansion")
            counts = np.array(
                [[self.net.hidden_of(one, expansion) for expansion in expansions] for one in reads]
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

        same = np.array(self.net.filters_of(stage - 1))[:, None] == np.array(self.net.filters_of(stage))
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
