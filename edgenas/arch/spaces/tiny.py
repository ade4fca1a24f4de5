"""Space `tiny`: image classifiers for a few KiB of RAM and flash.

There each operation costs more than its weights: 300 to 600 bytes of a file and as many of the arena describe
it. So networks here have few operations: a wide-stepping stem and one to three full convolutions, each
of which may be depthwise-separable instead; then the mean over all places, or all places side by side, which
tells a small network where something is. Budgets choose between them, as for microcontrollers with hardly
any memory (Liberis et al. 2021, Fedorov et al. 2019).
"""

from __future__ import annotations

from collections.abc import Iterator

from edgenas.arch.chooser import Chooser
from edgenas.arch.graph import Op, Shape
from edgenas.arch.reach import Reach, blocks_of
from edgenas.arch.space import SPACES
from edgenas.arch.spaces.image import ImageSpace
from edgenas.arch.spec import ArchSpec, Block, Value

STEM_FILTERS = (4, 6, 8, 12, 16)
STEM_KERNELS = (3, 5)
STEM_STRIDES = (1, 2, 3)
STAGES = (1, 2, 3)
KINDS = ("conv", "ds")
FILTERS = (4, 6, 8, 12, 16, 20, 24, 32)
KERNELS = (1, 3, 5)
STRIDES = (1, 2)
HEADS = ("flat", "mean")


@SPACES.register("tiny")
class TinySpace(ImageSpace):
    """A stem, one to three convolutions and a head, for the smallest budgets."""

    name = "tiny"
    heads = ("softmax", "linear")

    def decide(self, chooser: Chooser) -> ArchSpec:
        """The architecture that the chooser's answers describe."""
        image = self.image(chooser.choice("resolution", self.resolutions))
        stem: dict[str, Value] = {
            "filters": chooser.choice("stem_filters", STEM_FILTERS),
            "kernel": chooser.choice("stem_kernel", STEM_KERNELS),
            "stride": chooser.choice("stem_stride", STEM_STRIDES),
        }
        blocks = [Block("stem", stem)]
        for stage in range(1, chooser.choice("stages", STAGES) + 1):
            kind = chooser.choice(f"s{stage}_kind", KINDS)
            args: dict[str, Value] = {
                "filters": chooser.choice(f"s{stage}_filters", FILTERS),
                "kernel": chooser.choice(f"s{stage}_kernel", KERNELS),
                "stride": chooser.choice(f"s{stage}_stride", STRIDES),
            }
            blocks.append(Block(kind, {**args, "skip": False} if kind == "ds" else args))
        blocks += self._head(chooser.choice("head", HEADS))
        return ArchSpec(self.name, image, self.classes, tuple(blocks), dict(chooser.values))

    def _head(self, form: str) -> list[Block]:
        if form == "flat":
            return [
                Block("flat", {}),
                Block("series_head", {"classes": self.classes, "activation": self.head}),
            ]
        return [self.classifier]

    def operations(self) -> Iterator[Op]:
        """Every operation of the space: all blocks on all shapes that reach them."""
        reach = Reach()
        stems = blocks_of(
            "stem", {"filters": STEM_FILTERS, "kernel": STEM_KERNELS, "stride": STEM_STRIDES}
        )  # fmt: skip
        options = {"filters": FILTERS, "kernel": KERNELS, "stride": STRIDES}
        stages = [*blocks_of("conv", options), *blocks_of("ds", {**options, "skip": (False,)})]
        shapes = reach.put([self.image(height) for height in self.resolutions], stems)
        ends: set[Shape] = set()
        for _ in STAGES:
            shapes = reach.put(shapes, stages)
            ends |= shapes
        for form in HEADS:
            first, *rest = self._head(form)
            reach.put(reach.put(ends, [first]), rest)
        yield from reach
