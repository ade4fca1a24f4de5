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

import numpy as np

from edgenas.arch.graph import Shape
from edgenas.arch.mobile_blocks import SQUEEZE, divisible
from edgenas.oneshot.gradient_gates import Gates
from edgenas.oneshot.gradient_pass import Pass
from edgenas.oneshot.gradient_space import Skeleton
from edgenas.oneshot.gradient_weights import Parameters

Tensor = Any


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

    def filters_of(self, stage: int) -> tuple[int, ...]:
        """Channels that a stage may put out; of the stem before the first, stage -1."""
        return (
            (int(self.skeleton.stem.args["filters"]),)
            if stage < 0
            else self.skeleton.numbers(stage, "filters")
        )

    def reads_of(self, stage: int, block: int) -> tuple[int, ...]:
        """Channels that a block may read."""
        return self.filters_of(stage if block else stage - 1)

    def hidden_of(self, channels: int, expansion: int) -> int:
        """Channels between expansion and projection."""
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
        filters = max(self.filters_of(self.stages[-1]))
        for part in skeleton.behind[:-1]:
            shapes |= _convolution("last", (1, 1, filters, int(part.args["filters"])))
            filters = int(part.args["filters"])
        return {**shapes, "head/kernel": (filters, self.outputs), "head/summand": (self.outputs,)}

    def _block_shapes(self, stage: int, block: int) -> dict[str, Shape]:
        name, skeleton = f"s{stage}b{block}", self.skeleton
        reads, expansions = max(self.reads_of(stage, block)), skeleton.numbers(stage, "expansion")
        hidden, kernel = self.hidden_of(reads, max(expansions)), max(skeleton.numbers(stage, "kernel"))
        shapes: dict[str, Shape] = {}
        if max(expansions) > 1:
            shapes |= _convolution(f"{name}/expand", (1, 1, reads, hidden))
        shapes[f"{name}/depthwise"] = (kernel, kernel, hidden, 1)
        shapes |= {f"{name}/depthwise/factor": (hidden,), f"{name}/depthwise/summand": (hidden,)}
        if True in skeleton.options(stage, "squeeze"):
            middle = divisible(hidden / SQUEEZE)
            shapes |= {f"{name}/squeeze": (hidden, middle), f"{name}/squeeze/summand": (middle,)}
            shapes |= {f"{name}/excite": (middle, hidden), f"{name}/excite/summand": (hidden,)}
        return shapes | _convolution(f"{name}/project", (1, 1, hidden, max(self.filters_of(stage))))

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
        read = self.filters_of(-1)[0]
        for stage in self.stages:
            filters, kernel = self._used(gates, stage, "filters"), self._used(gates, stage, "kernel")
            expansion, depth = self._used(gates, stage, "expansion"), self._used(gates, stage, "depth")
            edge = (max(self.skeleton.numbers(stage, "kernel")) - kernel) // 2
            found[f"s{stage}/filters"] = [filters]
            found[f"s{stage}/cut"] = [-1, -1, -1, min(read, filters)]
            found[f"s{stage}/pad"] = [0] * 7 + [max(0, filters - read)]
            for block in range(self._blocks(stage)):
                name, reads = f"s{stage}b{block}", filters if block else read
                hidden = self.hidden_of(reads, expansion) if block < depth else reads
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

        run = Pass(self, flat, gates, cuts, (drop, seed))
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
