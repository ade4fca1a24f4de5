"""Space `mobile`: image classifiers for phones, single-board computers and larger microcontrollers.

A stem and three to six stages of inverted bottlenecks, as in MobileNetV3 (Howard et al. 2019) and FBNet
(Wu et al. 2019). Free are the input resolution, a width multiplier, the stem's stride, the number of stages,
each stage's depth, kernel, expansion, squeeze-and-excite and activation, and a last 1x1 convolution. A stage
halves the image as long as enough of it is left, so one space serves images of 8 and of 224 pixels.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

from edgenas.arch.blocks import BLOCKS
from edgenas.arch.chooser import Chooser
from edgenas.arch.graph import GraphBuilder, Op, Shape, window_output
from edgenas.arch.mobile_blocks import divisible
from edgenas.arch.space import SPACES
from edgenas.arch.spaces.image import SMALLEST_SIDE, ImageSpace, staged_names
from edgenas.arch.spec import ArchSpec, Block, Value

RESOLUTIONS = (8, 12, 16, 20, 24, 28, 32, 48, 64, 96, 128, 160, 192, 224)
"""Heights that images are resized to, besides their own; those from half the data's height up."""

LARGEST_SIDE = 224
MOST_RESOLUTIONS = 3
SMALLEST_HALVED = 8
"""Shorter sides than this are not halved any more."""

WIDTHS = (0.25, 0.5, 0.75, 1.0)
STEM_FILTERS = 16
FILTERS = (16, 24, 40, 80, 112, 160)
"""Of each stage, before the width multiplier (MobileNetV3 large)."""

HALVES = (False, True, True, True, False, True)
"""Whether a stage starts with a stride of 2."""

STAGES = (3, 4, 5, 6)
DEPTHS = (1, 2, 3, 4)
KERNELS = (3, 5, 7)
EXPANSIONS = (1, 3, 6)
ACTIVATIONS = ("relu6", "hard_swish")
STRIDES = (1, 2)
LAST_EXPANSIONS = (0, 3, 6)
"""Width of the last 1x1 convolution, in multiples of the last stage's; 0 leaves it out."""


@dataclass(frozen=True, slots=True)
class _Stage:
    """Where a stage stands in a network of one width, resolution and stem.

    Attributes:
        before: Shape that its first block reads.
        filters: Channels that its blocks put out.
        stride: Of its first block.
    """

    before: Shape
    filters: int
    stride: int

    @property
    def after(self) -> Shape:
        """Shape that its blocks put out."""
        height, width, _ = self.before
        sides = (window_output(side, 1, self.stride, "same") for side in (height, width))
        return (*sides, self.filters)


@SPACES.register("mobile")
class MobileSpace(ImageSpace):
    """Inverted bottlenecks with squeeze-and-excite and hard swish."""

    name = "mobile"
    heads = ("softmax", "linear")

    @property
    def resolutions(self) -> tuple[int, ...]:
        """Heights that the input may be resized to: its own, 224 at most, and up to two smaller ones."""
        own = min(self.input_shape[0], LARGEST_SIDE)
        smaller = [
            height
            for height in RESOLUTIONS
            if own / 2 <= height < own and min(self.image(height)[:2]) >= SMALLEST_SIDE
        ]
        return (*smaller[1 - MOST_RESOLUTIONS :], own)

    def decide(self, chooser: Chooser) -> ArchSpec:
        """The architecture that the chooser's answers describe."""
        image = self.image(chooser.choice("resolution", self.resolutions))
        width = chooser.choice("width", WIDTHS)
        stride = chooser.choice("stem_stride", STRIDES)
        stages = _stages(image, width, stride)[: chooser.choice("stages", STAGES)]
        activation = chooser.choice("stem_activation", ACTIVATIONS)
        blocks = [_stem(width, stride, activation)]
        for number, stage in enumerate(stages, start=1):
            blocks += self._stage(chooser, f"s{number}", stage)
        last = chooser.choice("last_expansion", LAST_EXPANSIONS)
        if last:
            activation = chooser.choice("last_activation", ACTIVATIONS)
            blocks.append(_last(stages[-1].filters * last, activation))
        blocks.append(self.classifier)
        return ArchSpec(self.name, image, self.classes, tuple(blocks), dict(chooser.values))

    def _stage(self, chooser: Chooser, name: str, stage: _Stage) -> list[Block]:
        depth = chooser.choice(f"{name}_depth", DEPTHS)
        args: dict[str, Value] = {
            "filters": stage.filters,
            "kernel": chooser.choice(f"{name}_kernel", KERNELS),
            "expansion": chooser.choice(f"{name}_expansion", EXPANSIONS),
            "squeeze": chooser.flag(f"{name}_squeeze"),
            "activation": chooser.choice(f"{name}_activation", ACTIVATIONS),
        }
        return [
            Block("bottleneck", {**args, "stride": stage.stride if place == 0 else 1})
            for place in range(depth)
        ]

    def sharing(self, spec: ArchSpec) -> tuple[str, ...]:
        """``stem``, ``s2.1`` for the second block of stage 2, then last convolution and head by stages."""
        return staged_names(spec)

    def operations(self) -> Iterator[Op]:
        """Every operation of the space: each stage where it can stand, with all its choices."""
        done: set[object] = set()
        for height, width, stride in product(self.resolutions, WIDTHS, STRIDES):
            image = self.image(height)
            for activation in ACTIVATIONS:
                yield from _operations(image, _stem(width, stride, activation), done)
            for number, stage in enumerate(_stages(image, width, stride), start=1):
                yield from self._stage_operations(stage, done)
                if number in STAGES:
                    yield from self._head_operations(stage.after, done)

    def _stage_operations(self, stage: _Stage, done: set[object]) -> Iterator[Op]:
        choices = product(KERNELS, EXPANSIONS, (False, True), ACTIVATIONS)
        for kernel, expansion, squeeze, activation in choices:
            args: dict[str, Value] = {
                "filters": stage.filters, "kernel": kernel, "expansion": expansion, "squeeze": squeeze,
                "activation": activation,
            }  # fmt: skip
            for shape, stride in ((stage.before, stage.stride), (stage.after, 1)):
                yield from _operations(shape, Block("bottleneck", {**args, "stride": stride}), done)

    def _head_operations(self, shape: Shape, done: set[object]) -> Iterator[Op]:
        head = self.classifier
        yield from _operations(shape, head, done)
        for expansion, activation in product(LAST_EXPANSIONS[1:], ACTIVATIONS):
            filters = shape[-1] * expansion
            yield from _operations(shape, _last(filters, activation), done)
            yield from _operations((*shape[:2], filters), head, done)


def _stem(width: float, stride: int, activation: str) -> Block:
    filters = divisible(STEM_FILTERS * width)
    return Block("conv", {"filters": filters, "kernel": 3, "stride": stride, "activation": activation})


def _last(filters: int, activation: str) -> Block:
    return Block("conv", {"filters": filters, "kernel": 1, "stride": 1, "activation": activation})


def _stages(image: Shape, width: float, stem_stride: int) -> list[_Stage]:
    """All stages of a network, whether it has them all or not."""
    height, breadth, _ = image
    sides = (window_output(side, 1, stem_stride, "same") for side in (height, breadth))
    shape: Shape = (*sides, divisible(STEM_FILTERS * width))
    found = []
    for filters, halves in zip(FILTERS, HALVES, strict=True):
        stride = 2 if halves and min(shape[:2]) >= SMALLEST_HALVED else 1
        found.append(_Stage(shape, divisible(filters * width), stride))
        shape = found[-1].after
    return found


def _operations(shape: Shape, block: Block, done: set[object]) -> Iterator[Op]:
    """The operations of one block, unless they were listed before."""
    key = (shape, block.kind, *block.args.values())
    if key not in done:
        done.add(key)
        graph = GraphBuilder(shape)
        BLOCKS[block.kind](graph, 0, block.kind, **block.args)
        yield from graph.ops
