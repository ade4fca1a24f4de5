"""Which operations the networks of a space contain: blocks put on every shape that can reach them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import product

from edgenas.arch.blocks import BLOCKS
from edgenas.arch.graph import GraphBuilder, Op, Shape
from edgenas.arch.spec import Block, Value


class Reach:
    """Collects operations while blocks are put on shapes; equal ones (names aside) are kept once."""

    def __init__(self) -> None:
        self._ops: dict[tuple[object, ...], Op] = {}
        self._done: dict[tuple[object, ...], Shape] = {}

    def __iter__(self) -> Iterator[Op]:
        return iter(self._ops.values())

    def put(self, shapes: Iterable[Shape], blocks: Iterable[Block]) -> set[Shape]:
        """Put each block on each shape.

        Returns:
            The shapes that they write.
        """
        return {self._put(shape, block) for shape, block in product(sorted(set(shapes)), list(blocks))}

    def _put(self, shape: Shape, block: Block) -> Shape:
        key = (shape, block.kind, *sorted(block.args.items()))
        if key not in self._done:
            builder = GraphBuilder(shape)
            tensor = BLOCKS[block.kind](builder, 0, block.kind, **block.args)
            self._done[key] = builder.shape(tensor)
            for op in builder.ops:
                form = (op.kind, op.in_shape, op.out_shape, op.kernel, op.stride, op.padding, op.activation)
                self._ops.setdefault((*form, op.dilation, len(op.inputs)), op)
        return self._done[key]


def blocks_of(kind: str, options: Mapping[str, Iterable[Value]]) -> list[Block]:
    """One block for each combination of arguments."""
    return [Block(kind, dict(zip(options, values, strict=True))) for values in product(*options.values())]
