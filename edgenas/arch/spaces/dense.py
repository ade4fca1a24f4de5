"""Space `dense`: networks of fully connected layers, for features of any kind, and autoencoders.

For classes and numbers: one to four layers, each of its own width. For anomaly detection: an encoder, a
narrow middle and a decoder that mirrors the encoder, as in MLPerf Tiny's anomaly detection (640 values, four
layers of 128, 8, four of 128, 640), made smaller at the lower end. Inputs of more axes are laid flat first.
"""

from __future__ import annotations

from collections.abc import Iterator

from edgenas.arch.chooser import Chooser
from edgenas.arch.graph import Op
from edgenas.arch.reach import Reach, blocks_of
from edgenas.arch.space import SPACES, SearchSpace
from edgenas.arch.spec import ArchSpec, Block, Value

DEPTHS = (1, 2, 3, 4)
WIDTHS = (8, 16, 24, 32, 48, 64, 96, 128, 192, 256)
ACTIVATIONS = ("relu", "relu6")
CODER_DEPTHS = (1, 2, 3, 4)
CODER_WIDTHS = (16, 32, 64, 96, 128)
MIDDLES = (2, 4, 8, 16, 32)


@SPACES.register("dense")
class DenseSpace(SearchSpace):
    """Multilayer perceptrons, and autoencoders where the task asks for the input again."""

    name = "dense"
    unshared = "choices depth and coder_depth put another layer before the last one"
    heads = ("softmax", "linear", "reconstruction")

    def decide(self, chooser: Chooser) -> ArchSpec:
        """The architecture that the chooser's answers describe."""
        args: dict[str, Value] = {
            "activation": chooser.choice("activation", ACTIVATIONS),
            "batch_norm": chooser.flag("batch_norm"),
        }
        if self.head == "reconstruction":
            widths = self._mirrored(chooser)
        else:
            depth = chooser.choice("depth", DEPTHS)
            widths = [chooser.choice(f"l{layer}_width", WIDTHS) for layer in range(1, depth + 1)]
        blocks = [Block("flat", {}), *(Block("dense", {"units": units, **args}) for units in widths)]
        blocks.append(self._last())
        return ArchSpec(self.name, self.input_shape, self.classes, tuple(blocks), dict(chooser.values))

    def _mirrored(self, chooser: Chooser) -> list[int]:
        depth = chooser.choice("coder_depth", CODER_DEPTHS)
        coder = [chooser.choice("coder_width", CODER_WIDTHS)] * depth
        return [*coder, chooser.choice("middle", MIDDLES), *coder]

    def _last(self) -> Block:
        if self.head == "reconstruction":
            return Block("reconstruction", {"activation": "linear"})
        return Block("series_head", {"classes": self.classes, "activation": self.head})

    def operations(self) -> Iterator[Op]:
        """Every operation of the space: all layers between all widths."""
        reach = Reach()
        shapes = reach.put([self.input_shape], [Block("flat", {})])
        coder = self.head == "reconstruction"
        widths = (*CODER_WIDTHS, *MIDDLES) if coder else WIDTHS
        layers = blocks_of("dense", {"units": widths, "activation": ACTIVATIONS, "batch_norm": (False,)})
        written = reach.put(reach.put(shapes, layers), layers)
        if coder:
            yield from self._endings(written)
        else:
            reach.put(written, [self._last()])
        yield from reach

    def _endings(self, shapes: set[tuple[int, ...]]) -> Iterator[Op]:
        """The last layers, whose width is that of the input and not that of the layer before."""
        for (width,) in sorted(shapes):
            spec = ArchSpec(
                self.name, self.input_shape, self.classes,
                (
                    Block("flat", {}),
                    Block("dense", {"units": width, "activation": "relu", "batch_norm": False}),
                    self._last(),
                ),
                {},
            )  # fmt: skip
            yield from spec.graph().ops
