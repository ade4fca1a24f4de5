"""Your own search space, used by every command of edgenas.

This file registers a space and then is the command line of edgenas, with that space in it:

    python examples/own_space.py search --data digits --space patches --device nucleo-l4r5zi --trials 6
    python examples/own_space.py report runs/digits-patches

docs/own_space.md explains it.
"""

import sys

import own_layer  # noqa: F401  registers the block 'patches'

from edgenas.arch import SPACES, ArchSpec, Block
from edgenas.arch.blocks import BLOCKS
from edgenas.arch.reach import Reach, blocks_of
from edgenas.arch.spaces.image import ImageSpace
from edgenas.cli.main import main

WIDTHS = (8, 16, 24)
INNER = (8, 16, 32)


def residual(builder, tensor, name, *, filters):
    """Two convolutions, the second as wide as the block's input, added to that input."""
    hidden = builder.window(
        "conv2d", f"{name}_a", tensor, filters=filters, kernel=3, batch_norm=True, activation="relu6"
    )
    width = builder.shape(tensor)[-1]
    hidden = builder.window("conv2d", f"{name}_b", hidden, filters=width, kernel=3, batch_norm=True)
    return builder.simple("add", f"{name}_add", tensor, hidden, activation="relu6")


BLOCKS["plain_residual"] = residual


@SPACES.register("patches")
class PatchSpace(ImageSpace):
    """Patches of 2x2 pixels, then one to three residual blocks."""

    name = "patches"

    def decide(self, chooser):
        blocks = [Block("patches", {"filters": chooser.choice("width", WIDTHS)})]
        for number in range(1, chooser.int("depth", 1, 3) + 1):
            blocks.append(Block("plain_residual", {"filters": chooser.choice(f"b{number}_inner", INNER)}))
        blocks.append(Block("head", {"classes": self.classes}))
        return ArchSpec(self.name, self.input_shape, self.classes, tuple(blocks), dict(chooser.values))

    def operations(self):
        """Every operation of the space, for `sweep`: each block on every shape that can reach it."""
        reach = Reach()
        shapes = reach.put([self.input_shape], blocks_of("patches", {"filters": WIDTHS}))
        reach.put(shapes, blocks_of("plain_residual", {"filters": INNER}))
        reach.put(shapes, [Block("head", {"classes": self.classes})])
        yield from reach


if __name__ == "__main__":
    sys.exit(main())
