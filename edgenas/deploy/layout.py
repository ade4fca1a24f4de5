"""In which order the values of an input stand, in words for sources and documents."""

from __future__ import annotations

from collections.abc import Sequence

from edgenas.arch.graph import Shape
from edgenas.deploy.facts import Facts
from edgenas.deploy.literals import comment
from edgenas.deploy.samples import RawSamples


def is_image(facts: Facts, samples: RawSamples) -> bool:
    """Whether an image file can be given to the network."""
    return len(facts.input_shape) == 3 and facts.input_shape[-1] in (1, 3) and samples.front_end is None


def size(shape: Shape) -> str:
    """A shape as people write it: ``28 x 28 x 1``."""
    return " x ".join(map(str, shape))


def of_values(shape: Shape) -> str:
    """What the axes of a shape mean."""
    if len(shape) == 1:
        return f"{shape[0]} features in the order of the data"
    if len(shape) == 2:
        return f"{shape[0]} time steps of {shape[1]} channels, one step after the other"
    return f"{size(shape)} values, channels last"


def columns_comment(columns: Sequence[str]) -> str:
    """Lines of a C comment that name the features in their order; nothing where they have no names."""
    if not columns:
        return ""
    lines, line = [], ""
    for place, name in enumerate(columns):
        word = f"{place} {comment(name)}" + ("," if place + 1 < len(columns) else "")
        if len(line) + len(word) > 95:
            lines.append(line)
            line = ""
        line = f"{line} {word}".strip()
    return "\n * Features: " + "\n *   ".join([*lines, line]) + "."
