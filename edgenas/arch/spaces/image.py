"""What spaces of image classifiers share: they read (height, width, channels), at several resolutions."""

from __future__ import annotations

from edgenas.arch.graph import Shape
from edgenas.arch.space import SearchSpace
from edgenas.arch.spec import ArchSpec
from edgenas.errors import ConfigError

SMALLEST_SIDE = 8
"""Images are not resized to fewer pixels than this a side."""


class ImageSpace(SearchSpace):
    """A space of networks for images; abstract.

    Raises:
        ConfigError: The input is not an image (height, width, channels) of at least 1 pixel a side.
    """

    def __init__(self, input_shape: Shape, classes: int, head: str = "softmax") -> None:
        super().__init__(input_shape, classes, head)
        if len(self.input_shape) != 3 or min(self.input_shape) < 1:
            raise ConfigError(
                f"space '{self.name}' needs images of shape (height, width, channels); given "
                f"{self.input_shape}"
            )

    @property
    def resolutions(self) -> tuple[int, ...]:
        """Heights that the input may be resized to: all, three quarters and half, from 8 pixels up."""
        side = self.input_shape[0]
        smaller = {4 * round(side * 0.75 / 4), 2 * round(side * 0.5 / 2)}
        return tuple(sorted({side, *(h for h in smaller if min(self.image(h)[:2]) >= SMALLEST_SIDE)}))

    def image(self, height: int) -> Shape:
        """The shape of the data resized to a height, with the sides' proportions kept."""
        full_height, full_width, channels = self.input_shape
        return (height, max(1, round(full_width * height / full_height)), channels)


def staged_names(spec: ArchSpec) -> tuple[str, ...]:
    """Names for shared weights of a network of a stem, stages of some depth each, and what follows them.

    What follows is named by the number of stages as well: it reads what the last of them put out.

    Raises:
        ConfigError: The spec was written by hand, without the decisions that say how deep its stages are.
    """
    if "stages" not in spec.choices:
        raise ConfigError(
            f"network {spec.arch_id} has no decisions, so its stages are not known; weights are shared among "
            "networks that a space made"
        )
    stages = int(spec.choices["stages"])
    names = ["stem"]
    for stage in range(1, stages + 1):
        names += [f"s{stage}.{place}" for place in range(int(spec.choices[f"s{stage}_depth"]))]
    after = [f"{block.kind}-after-{stages}" for block in spec.blocks[len(names) :]]
    return (*names, *after)
