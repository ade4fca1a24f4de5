"""What the readers of all model files share: operations get unique names and are bounded in number."""

from __future__ import annotations

from edgenas.arch.graph import GraphBuilder, Op, Shape
from edgenas.errors import UnsupportedError

MOST_OPERATIONS = 5_000
"""Of one network; planning the memory of so many takes a second."""

LONGEST_NAME = 200


class GraphReader:
    """Appends operations read from a file to a graph.

    Args:
        input_shape: Shape of the network's input, batch axis left out.
    """

    def __init__(self, input_shape: Shape) -> None:
        self.graph = GraphBuilder(input_shape)
        self._names: set[str] = set()

    def add(self, op: Op) -> int:
        """Append an operation under a name that is unique in the graph.

        Its name is kept unless it is empty, a mere number or taken.

        Returns:
            Id of the tensor it writes.

        Raises:
            UnsupportedError: The network has more than `MOST_OPERATIONS`.
        """
        if len(self.graph.ops) >= MOST_OPERATIONS:
            raise UnsupportedError(
                f"a network with more than {MOST_OPERATIONS} operations was given; expected fewer, as edge "
                "devices run"
            )
        self.graph.add_op(op)
        self.graph.replace_last(name=self._unique(op.name[:LONGEST_NAME], op.kind))
        return len(self.graph.ops)

    def _unique(self, name: str, kind: str) -> str:
        if not name or name.isdigit() or name == "unnamed" or name in self._names:
            name = f"{kind}_{len(self.graph.ops) - 1}"
        while name in self._names:
            name += "_"
        self._names.add(name)
        return name


def printable(data: bytes) -> str:
    """A text of a file, for messages of one line: what cannot be printed becomes a question mark."""
    text = data.decode("utf-8", "replace")
    return text if text.isprintable() else "".join(c if c.isprintable() else "?" for c in text)


def broadcast(first: Shape, second: Shape) -> Shape | None:
    """The shape that an elementwise operation of two shapes writes, or None if they do not match."""
    axes = max(len(first), len(second))
    shapes = [(1,) * (axes - len(shape)) + shape for shape in (first, second)]
    if any(a != b and 1 not in (a, b) for a, b in zip(*shapes, strict=True)):
        return None
    return tuple(a if b == 1 else b for a, b in zip(*shapes, strict=True))
