"""Space `micro`: image classifiers for microcontrollers.

A stem convolution and two to four stages of depthwise-separable or MBConv blocks. Free are the
input resolution, the stem, each stage's depth, width, kernel, expansion, stride and skip. The
ranges follow MCUNet's space for microcontrollers (Lin et al. 2020), made smaller at the lower end.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

from edgenas.arch.blocks import BLOCKS
from edgenas.arch.chooser import Chooser
from edgenas.arch.graph import GraphBuilder, Op, Shape, window_output
from edgenas.arch.space import SPACES
from edgenas.arch.spaces.image import ImageSpace, staged_names
from edgenas.arch.spec import ArchSpec, Block, Value

STEM_FILTERS = (4, 8, 16, 24)
STEM_KERNELS = (3, 5)
STAGES = (2, 3, 4)
DEPTHS = (1, 2, 3)
FILTERS = (8, 16, 24, 32, 48, 64, 96)
KERNELS = (3, 5, 7)
EXPANSIONS = (1, 2, 4)
STRIDES = (1, 2)


@SPACES.register("micro")
class MicroSpace(ImageSpace):
    """Depthwise-separable and MBConv stages for microcontrollers."""

    name = "micro"
    heads = ("softmax", "linear")

    def decide(self, chooser: Chooser) -> ArchSpec:
        """The architecture that the chooser's answers describe."""
        image = self.image(chooser.choice("resolution", self.resolutions))
        stem: dict[str, Value] = {
            "filters": chooser.choice("stem_filters", STEM_FILTERS),
            "kernel": chooser.choice("stem_kernel", STEM_KERNELS),
            "stride": chooser.choice("stem_stride", STRIDES),
        }
        blocks = [Block("stem", stem)]
        for stage in range(1, chooser.choice("stages", STAGES) + 1):
            blocks += self._stage(chooser, f"s{stage}")
        blocks.append(self.classifier)
        return ArchSpec(self.name, image, self.classes, tuple(blocks), dict(chooser.values))

    def _stage(self, chooser: Chooser, stage: str) -> list[Block]:
        depth = chooser.choice(f"{stage}_depth", DEPTHS)
        args: dict[str, Value] = {
            "filters": chooser.choice(f"{stage}_filters", FILTERS),
            "kernel": chooser.choice(f"{stage}_kernel", KERNELS),
        }
        expansion = chooser.choice(f"{stage}_expansion", EXPANSIONS)
        stride = chooser.choice(f"{stage}_stride", STRIDES)
        args["skip"] = chooser.flag(f"{stage}_skip") if depth > 1 or stride == 1 else False
        if expansion > 1:
            args["expansion"] = expansion
        kind = "ds" if expansion == 1 else "mbconv"
        return [Block(kind, {**args, "stride": stride if position == 0 else 1}) for position in range(depth)]

    def sharing(self, spec: ArchSpec) -> tuple[str, ...]:
        """``stem``, ``s2.1`` for the second block of stage 2, and a head for each number of stages."""
        return staged_names(spec)

    def operations(self) -> Iterator[Op]:
        """Every operation of the space: all blocks on all reachable shapes, repeats included."""
        stem_sizes, sizes = set(), set()
        for height in self.resolutions:
            image = self.image(height)
            for kernel in STEM_KERNELS:
                for filters in STEM_FILTERS:
                    for stride in STRIDES:
                        graph = GraphBuilder(image)
                        BLOCKS["stem"](graph, 0, "stem", filters=filters, kernel=kernel, stride=stride)
                        stem_sizes.add(graph.shape(1)[:2])
                        yield from graph.ops
        frontier = stem_sizes
        for _ in range(max(STAGES) + 1):
            sizes |= frontier
            frontier = {(window_output(h, 3, 2, "same"), window_output(w, 3, 2, "same")) for h, w in frontier}
        for size in sorted(sizes):
            for channels in sorted({*STEM_FILTERS, *FILTERS}):
                yield from self._block_operations((*size, channels))

    def _block_operations(self, shape: Shape) -> Iterator[Op]:
        for kernel in KERNELS:
            for expansion in EXPANSIONS:
                for stride in STRIDES:
                    for filters, skip in product(FILTERS, (False, True)):
                        args = {"filters": filters, "kernel": kernel, "stride": stride, "skip": skip}
                        graph = GraphBuilder(shape)
                        if expansion == 1:
                            BLOCKS["ds"](graph, 0, "ds", **args)
                        else:
                            BLOCKS["mbconv"](graph, 0, "mb", expansion=expansion, **args)
                        yield from graph.ops
        graph = GraphBuilder(shape)
        BLOCKS["head"](graph, 0, "head", **self.classifier.args)
        yield from graph.ops
